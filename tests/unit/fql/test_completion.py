"""What may stand at the cursor of an unfinished filter or search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlake.fql.completion import Sort, wanted_in_filter, wanted_in_search


@pytest.mark.parametrize(
    ("text", "start", "first"),
    [
        ("", 0, ["eq", "neq", "gt"]),
        ("no", 0, ["notlike", "not"]),
        ("and(eq(status, 'error'), ex", 25, ["exists"]),
        ("not(child(des", 10, ["descendant"]),
        ("eq(st", 3, ["status", "start_time"]),
        ("like(st", 5, ["status"]),
        ("eq(status, ", 11, ["success", "error", "pending"]),
        ('eq(status, "p', 11, ["pending"]),
        ("in(run_type, ['to", 14, ["tool"]),
        ("eq(is_root, t", 12, ["true"]),
        ("count(child(eq(status, 'error')), l", 34, ["lt", "lte"]),
    ],
)
def test_words_of_the_language_complete(text: str, start: int, first: list[str]) -> None:
    wanted = wanted_in_filter(text, len(text))
    assert (wanted.sort, wanted.start) == (Sort.LISTED, start)
    assert [choice.text for choice in wanted.choices][: len(first)] == first


@pytest.mark.parametrize(
    ("text", "sort", "key", "prefix"),
    [
        ("eq(metadata.us", Sort.METADATA_KEY, "", "us"),
        ("eq(extra.metadata.us", Sort.METADATA_KEY, "", "us"),
        ("gt(inputs.a.b", Sort.INPUT_KEY, "", "a.b"),
        ('eq(metadata_key, "u', Sort.METADATA_KEY, "", "u"),
        ("has(tags, ", Sort.TAG, "", ""),
        ("in(feedback_key, ['a', 'b", Sort.FEEDBACK_KEY, "", "b"),
        ("eq(name, 'ag", Sort.RUN_NAME, "", "ag"),
        ("eq(metadata.env, 'p", Sort.METADATA_VALUE, "env", "p"),
        ('and(eq(metadata_key, "env"), eq(metadata_value, "p', Sort.METADATA_VALUE, "env", "p"),
        ("eq(metadata_value, 'p", Sort.NOTHING, "", "p"),
        ("eq(latency, ", Sort.NOTHING, "", ""),
        ("eq(status, 'error'", Sort.NOTHING, "", ""),
        ('search("wo', Sort.NOTHING, "", "wo"),
        ("eq(nothing.known, 'x", Sort.NOTHING, "", "x"),
    ],
)
def test_names_of_the_store_are_asked_for(text: str, sort: Sort, key: str, prefix: str) -> None:
    wanted = wanted_in_filter(text, len(text))
    assert (wanted.sort, wanted.key, wanted.prefix) == (sort, key, prefix)


@pytest.mark.parametrize(
    ("text", "sort", "start", "prefix"),
    [
        ("sta", Sort.LISTED, 0, "sta"),
        ("latency:>5 run_type:t", Sort.LISTED, 20, "t"),
        ("-tags:p", Sort.TAG, 6, "p"),
        ("(metadata.us", Sort.METADATA_KEY, 10, "us"),
        ("metadata.env:", Sort.METADATA_VALUE, 13, ""),
        ("feedback.qu", Sort.FEEDBACK_KEY, 9, "qu"),
        ('name:"ag', Sort.RUN_NAME, 5, "ag"),
    ],
)
def test_a_search_completes_too(text: str, sort: Sort, start: int, prefix: str) -> None:
    wanted = wanted_in_search(text, len(text))
    assert (wanted.sort, wanted.start, wanted.prefix) == (sort, start, prefix)


def test_what_stands_behind_the_cursor_does_not_matter() -> None:
    assert wanted_in_filter("eq(sta, 'error')", 6) == wanted_in_filter("eq(sta", 6)


@given(st.text(alphabet="eqand()[]\"'\\,. metadata_key:-*\0é", max_size=60), st.integers(-5, 80))
def test_any_text_has_an_answer(text: str, position: int) -> None:
    for wanted in (wanted_in_filter(text, position), wanted_in_search(text, position)):
        assert 0 <= wanted.start <= max(0, min(len(text), position)) or wanted.sort is Sort.NOTHING
