"""What a straight pull asks for, and its tokens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from runlake.errors import CursorError, MalformedError, UserError
from runlake.model.export_content import Compression, ContentKind, FileFormat
from runlake.wire.export_cursor import PullCursor, PullCursors
from runlake.wire.pull import PullSpec, read_pull, read_pull_body, read_pull_parameters

ID = UUID(int=5)
CURSOR = PullCursor(visible_version=7, project_id=ID, time_us=-3, row_id=UUID(int=9))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, PullSpec()),
        ({"project": "a", "session": [str(ID)]}, PullSpec(projects=("a",), sessions=(ID,))),
        ({"fields": "id, name", "limit": 3}, PullSpec(fields=("id", "name"), limit=3)),
        ({"select": ["id"]}, PullSpec(fields=("id",))),
        ({"format": "Parquet"}, PullSpec(format=FileFormat.PARQUET, compression=Compression.ZSTANDARD)),
        ({"format": "ndjson", "compression": "zstd"}, PullSpec(compression=Compression.ZSTANDARD)),
        ({"content": "traces", "start_time": "1970-01-01"}, PullSpec(content=ContentKind.TRACES, start_us=0)),
        ({"filter": "  ", "marks": None, "total": "true"}, PullSpec(total=True)),
    ],
)
def test_members_are_read(sent: dict[str, Any], expected: PullSpec) -> None:
    assert read_pull(sent) == expected


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"fields": ["id"], "select": ["id"]}, "select"),
        ({"limit": True}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"filter": 3}, "filter"),
        ({"project": [1]}, "project"),
        ({"marks": "maybe"}, "marks"),
        ({"marks": True, "compression": "gzip"}, "marks"),
        ({"content": ["runs"]}, "content"),
        ({"projekt": "a"}, "projekt"),
    ],
)
def test_a_mistake_names_its_member(sent: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as raised:
        read_pull(sent)
    assert raised.value.field == field


def test_parameters_of_a_url_are_the_same_members() -> None:
    spec = read_pull_parameters([("project", "a"), ("project", "b,c"), ("limit", "2"), ("fields", "id,name")])
    assert spec == PullSpec(projects=("a", "b,c"), limit=2, fields=("id", "name"))


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_pull_body(body)


def test_an_empty_body_asks_for_everything() -> None:
    assert read_pull_body(b" ") == PullSpec()


def test_a_token_is_read_by_its_maker_for_its_pull_alone() -> None:
    cursors = PullCursors(b"k" * 32)
    token = cursors.encode(CURSOR, request=b"r")
    assert cursors.decode(token, request=b"r") == CURSOR
    for other, request in ((PullCursors(b"o" * 32), b"r"), (cursors, b"s")):
        with pytest.raises(CursorError):
            other.decode(token, request=request)


@pytest.mark.parametrize("token", ["", "x", "ä", "A" * 300, "A" * 98])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(CursorError):
        PullCursors(b"k" * 32).decode(token, request=b"r")
