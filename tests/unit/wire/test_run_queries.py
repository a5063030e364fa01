"""Bodies of run queries: what clients send is read, what cannot be meant is named."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from runlake.errors import InvalidError, MalformedError, UserError
from runlake.model.run_record import RunSelect
from runlake.model.run_stats import GroupAttribute
from runlake.wire.run_queries import RunQuerySpec, check_query, decode_query_body, read_query

ID = UUID("0190a1b2-c3d4-7ef0-a5b6-6ea3a82e9328")
OTHER = UUID(int=5)


def read(body: dict[str, Any], *, for_stats: bool = False) -> RunQuerySpec:
    return read_query(decode_query_body(msgspec.json.encode(body)), for_stats=for_stats)


@pytest.mark.parametrize(
    ("body", "attribute", "expected"),
    [
        ({}, "limit", 100),
        ({"limit": 5000}, "limit", 5000),
        ({"limit": "20"}, "limit", 20),
        ({"limit": None}, "limit", 100),
        ({"id": [str(ID), str(ID)]}, "ids", (ID,)),
        ({"id": str(ID).replace("-", "").upper()}, "ids", (ID,)),
        ({"session": [str(ID), str(OTHER)]}, "sessions", (ID, OTHER)),
        ({"session": None}, "sessions", None),
        ({"reference_example": str(ID)}, "reference_examples", (ID,)),
        ({"trace": str(ID)}, "trace", ID),
        ({"is_root": 1}, "is_root", True),
        ({"is_root": "false"}, "is_root", False),
        ({"execution_order": 1}, "is_root", True),
        ({"error": True}, "error", True),
        ({"run_type": "LLM"}, "run_type", "llm"),
        ({"order": "asc"}, "ascending", True),
        ({"order": "DESC"}, "ascending", False),
        ({"order_by": "-start_time", "data_source_type": "lite"}, "ascending", False),
        ({"start_time": "2026-01-01T00:00:00"}, "start_time_from", 1_767_225_600_000_000),
        ({"end_time": 1_767_225_600_000}, "start_time_to", 1_767_225_600_000_000),
        ({"filter": " "}, "filter", None),
        ({"skip_pagination": True}, "paginate", False),
        ({"select": ["inputs", "id"]}, "select", frozenset({RunSelect.INPUTS, RunSelect.ID})),
        ({"select": []}, "select", None),
        ({"explain": True}, "explain", True),
    ],
)
def test_a_member_is_read(body: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(read(body), attribute) == expected


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"limit": 0}, "limit", "at least 1"),
        ({"limit": 1.5}, "limit", "whole number"),
        ({"limit": True}, "limit", "whole number"),
        ({"limit": [1]}, "limit", "whole number"),
        ({"id": ["nope"]}, "id", "not a uuid"),
        ({"trace": 5}, "trace", "not a uuid"),
        ({"start_time": "yesterday"}, "start_time", "start_time"),
        ({"order": "up"}, "order", "use one of asc, desc"),
        ({"run_type": "lm"}, "run_type", "did you mean llm"),
        ({"select": ["input"]}, "select", "did you mean inputs"),
        ({"select": [1]}, "select", "list of texts"),
        ({"is_root": "maybe"}, "is_root", "true or false"),
        ({"execution_order": 2}, "execution_order", "accepts 1"),
        ({"filter": 5}, "filter", "must be a text"),
    ],
)
def test_a_member_that_cannot_be_meant_is_named(body: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(body)
    assert caught.value.field == field
    assert 400 <= caught.value.status < 500


def test_every_problem_is_found_at_once() -> None:
    body = decode_query_body(b'{"limit": -1, "order": "up", "trace": "x", "session": ["y"]}')
    spec, problems = check_query(body)
    assert [problem.field for problem in problems] == ["trace", "session", "order", "limit"]
    assert spec.limit == 100


def test_a_body_that_is_no_json_says_where() -> None:
    with pytest.raises(MalformedError) as caught:
        decode_query_body(b'{"limit": }')
    assert caught.value.position is not None


def test_an_empty_body_asks_for_everything() -> None:
    assert read_query(decode_query_body(b"")) == RunQuerySpec()


def test_statistics_have_their_own_members() -> None:
    body = {"group_by": {"attribute": "metadata", "path": "env"}, "groups": ["a", None], "select": ["run_count"]}
    spec = read(body, for_stats=True)
    assert spec.group_by is not None
    assert (spec.group_by.attribute, spec.group_by.path, spec.group_by.max_groups) == (
        GroupAttribute.METADATA,
        "env",
        5,
    )
    assert spec.groups == ("a",)
    assert spec.select_names == frozenset({"run_count"})


def test_spans_of_time_are_read_in_every_spelling() -> None:
    found = [read({"interval": text}, for_stats=True).interval for text in ("hour", "15m", "6 hours", "7d", "Week")]
    assert [(span.count, span.unit.value) for span in found if span is not None] == [
        (1, "hour"),
        (15, "minute"),
        (6, "hour"),
        (7, "day"),
        (1, "week"),
    ]
    zoned = read({"interval": "day", "timezone": "Europe/Berlin"}, for_stats=True).interval
    assert zoned is not None
    assert zoned.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"interval": "fortnight"}, "interval"),
        ({"interval": "0h"}, "interval"),
        ({"interval": 3600}, "interval"),
        ({"interval": "hour", "timezone": "Mars/Olympus"}, "timezone"),
        ({"interval": "hour", "timezone": "../../etc/passwd"}, "timezone"),
        ({"interval": "hour", "timezone": ["UTC"]}, "timezone"),
        ({"timezone": "has(metadata, '{}')"}, "timezone"),
    ],
)
def test_spans_that_cannot_be_meant_are_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read(body, for_stats=True)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        ({"attribute": "nmae"}, "did you mean name"),
        ({"attribute": "metadata"}, "path must name"),
        ({"attribute": "name", "max_groups": 0}, "at least 1"),
        ({"path": "x"}, "attribute"),
        ("name", "object with attribute"),
    ],
)
def test_a_grouping_that_cannot_be_meant_is_named(group_by: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read({"group_by": group_by}, for_stats=True)
