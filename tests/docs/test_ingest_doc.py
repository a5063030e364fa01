"""The page on ingest agrees with the code, and its example does what the page says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from runlake.ingest.costs import CostBook
from runlake.ingest.derive import derive_run
from runlake.ingest.flatten import MAX_NUMBERS
from runlake.model.attachments import Attachment
from runlake.model.pairs import MAX_ENTRIES, MAX_KEY_CHARS, MAX_PAIRS
from runlake.model.run import RunField, RunStatus, RunType, fold_writes
from runlake.wire import feedback
from runlake.wire.encoding import ACCEPTED_ENCODINGS, MAX_MEMBERS, ZSTD_WINDOW_LOG
from runlake.wire.feedback import Receipt
from runlake.wire.multipart import MAX_HEADER_BYTES, MAX_PARTS
from runlake.wire.run_body import RunBody
from runlake.wire.run_writes import read_multipart

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "wire" / "ingest.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "tests" / "corpus" / "wire" / "example_multipart.body"


def _section(title: str) -> str:
    """The page from one heading to the next."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def test_the_example_is_the_recorded_body_byte_for_byte() -> None:
    block = re.search(r"```http\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    assert block[1].replace("\n", "\r\n").encode() == EXAMPLE.read_bytes()


def test_the_example_stores_one_finished_run_with_one_attachment() -> None:
    head = json.loads(EXAMPLE.with_suffix(".json").read_text())
    assert f"`Content-Type: {head['Content-Type']}`" in PAGE
    receipt = Receipt(tenant_id=UUID(int=7), now_us=0, new_id=lambda: UUID(int=5))
    batch = read_multipart(EXAMPLE.read_bytes(), head["Content-Type"], receipt)
    assert not batch.refused
    assert batch.writes[0].attachments == (Attachment("note", "text/plain", b"seen"),)
    state = fold_writes(batch.writes[0].run_id, [replace(write, attachments=()) for write in batch.writes])
    derived = derive_run(state, now_us=0, prices=CostBook())
    assert (derived.status, derived.name, derived.duration_us) == (RunStatus.SUCCESS, "answer", 999_994)
    assert state.get(RunField.TAGS) is None


def test_every_member_of_the_run_object_has_its_row() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", _section("The run object"), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == {field.encode_name for field in msgspec.structs.fields(RunBody)}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("Endpoints", [f"`{name}`" for name in ACCEPTED_ENCODINGS if name not in {"identity", "gzip"}]),
        ("Endpoints", ["Content-Encoding: gzip", f"at most {2**ZSTD_WINDOW_LOG >> 20} MiB"]),
        ("The run object", [" ".join(f"`{run_type}`" for run_type in RunType)]),
        ("Limits", [f"{MAX_PARTS:,}", f"{MAX_HEADER_BYTES:,} bytes", f"{MAX_MEMBERS:,}"]),
        ("Limits", [f"{feedback.MAX_KEY_CHARS} characters"]),
        ("Limits", [f"{MAX_ENTRIES:,} each, {MAX_PAIRS:,}", f"keys of {MAX_KEY_CHARS}"]),
        ("Limits", [f"more than {MAX_NUMBERS} numbers"]),
    ],
)
def test_numbers_and_names_are_those_of_the_code(section: str, words: list[str]) -> None:
    text = _section(section)
    assert [word for word in words if word not in text] == []


def test_every_statement_is_marked_with_a_known_mark() -> None:
    assert set(re.findall(r"\(([a-z])[),]", PAGE)) == {"d", "s", "o"}
