"""A note says where no index helps, and only there."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from runlake.api.notes import MAX_HEADER_CHARS, NOTES_HEADER, note_headers
from runlake.fql import read_filter
from runlake.query.names import NameKind
from runlake.query.notes import MAX_NOTES, NamedThing, Note, names_asked_for, scan_notes, unknown_notes
from runlake.query.request import RunQuery


def query(text: str, **more: str) -> RunQuery:
    filters = {name: read_filter(value) for name, value in more.items()}
    return RunQuery(tenant_id=UUID(int=1), sessions=(), filter=read_filter(text), **filters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        'search("word")',
        'search("ab →")',
        'search("étude")',
        'search("量")',
        "search('\"two words\"')",
        'search("refu*")',
        'search("*fund*")',
        "search('*a bc d*')",
        'like(inputs, "%refund%")',
        'like(inputs, "% by %")',
        "eq(input_key, 'k')",
        "like(inputs.k, '%x%')",
        "eq(output_value, 'paris')",
        "like(output_value, '%paris%')",
        "has(metadata, 'k')",
        "like(metadata_value, '%')",
        "eq(status, 'error')",
        "like(name, '%a%')",
        "not(search('word'))",
        "neq(inputs.k, 'v')",
        "or(search('word'), eq(status, 'error'))",
        "or(search('\"two words\"'), has(tags, 'x'))",
    ],
)
def test_what_an_index_narrows_has_no_note(text: str) -> None:
    assert scan_notes(query(text)) == []


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ('search("→")', "the search has no whole word"),
        ('search("&&")', "all texts in scope"),
        ('search("ab*")', "all texts in scope"),
        ('search("*abc*")', "all texts in scope"),
        ('search("naï*")', "all texts in scope"),
        ('like(inputs, "%a%")', "all inputs in scope"),
        ('notlike(outputs, "%refund%")', "is denied or one of several ways, so all outputs in scope"),
        ("like(input_key, 'a%')", "names no key and no word, so all input entries in scope"),
        ("gt(output_value, 5)", "all output entries in scope"),
        ("not(gt(outputs.n, 5))", "is denied or one of several ways, so all output entries"),
        ("not(child(search('→')))", "all texts in scope"),
        ("not(search('\"two words\"'))", "is denied"),
        ("or(search('\"two words\"'), eq(status, 'error'))", "one of several ways"),
    ],
)
def test_what_no_index_narrows_has_one(text: str, about: str) -> None:
    (note,) = scan_notes(query(text))
    assert (note.code, note.field) == ("scan", "filter")
    assert about in note.message


def test_a_note_names_the_filter_that_it_is_about() -> None:
    notes = scan_notes(query("eq(status, 'error')", trace_filter='search("→")', tree_filter='like(inputs, "%a%")'))
    assert [note.field for note in notes] == ["trace_filter", "tree_filter"]


def test_names_are_asked_for_once_each() -> None:
    asked = names_asked_for(
        query("and(eq(metadata.env, 'a'), not(has(tags, 'x')), neq(metadata.env, 'b'), eq(name, 'n'))")
    )
    assert [(thing.kind, thing.name) for thing in asked] == [(NameKind.METADATA_KEY, "env"), (NameKind.TAG, "x")]


def test_a_name_that_nobody_uses_has_a_note_with_the_nearest() -> None:
    asked = [NamedThing(NameKind.TAG, "prd", "filter"), NamedThing(NameKind.TAG, "dev", "filter")]
    (note,) = unknown_notes(asked, {NameKind.TAG: ["prod", "dev"]})
    assert note.suggestion == "prod"
    assert note.message == "no recent run in scope has the tag prd; did you mean prod"


def test_the_header_is_ascii_and_short() -> None:
    notes = [Note(code="scan", field="filter", message="é" * 400) for _ in range(MAX_NOTES)]
    (text,) = note_headers(notes).values()
    assert text.isascii()
    assert len(text) <= MAX_HEADER_CHARS
    assert json.loads(text)[0]["message"] == "é" * 400
    assert note_headers([]) == {}
    assert set(note_headers(notes)) == {NOTES_HEADER}
