"""Flattening: the documented rules, and every way an entry can be left out, told by the mark."""

from __future__ import annotations

import time

import pytest

from runlake.ingest.flatten import MAX_NUMBERS, flatten, flatten_entries, flatten_pairs
from runlake.ingest.payloads import Json
from runlake.model.pairs import MAX_ENTRIES, MAX_KEY_CHARS, MAX_PAIRS, MORE_MARK, pair_of


@pytest.mark.parametrize(
    ("payload", "entries"),
    [
        ({"a": {"b": "x"}}, [("a.b", "x")]),
        ({"documents": [{"page_content": "x"}, {"page_content": "y"}]}, [("documents.page_content", v) for v in "xy"]),
        ({"a": [[["x"], "y"]]}, [("a", "y"), ("a", "x")]),
        ({"a": None, "b": [], "c": {}, "d": [None, {}]}, []),
        (
            {"i": 1, "f": 1.5, "t": True, "n": False, "e": ""},
            [("i", "1"), ("f", "1.5"), ("t", "true"), ("n", "false"), ("e", "")],
        ),
        ({"a.b": 1, "a": {"b": 2}}, [("a.b", "1"), ("a.b", "2")]),
        ({"deep": {"x": 1}, "flat": 2}, [("flat", "2"), ("deep.x", "1")]),
        ({"k\0ey": {"\0": "v"}}, [("key.", "v")]),
        ({"": "no key"}, []),
        ([{"a": 1}, {"a": 2}], [("a", "1"), ("a", "2")]),
        (["text", 5], []),
        ("text", []),
        (5, []),
        (None, []),
    ],
)
def test_objects_join_with_dots_and_positions_vanish(payload: Json, entries: list[tuple[str, str]]) -> None:
    found = flatten(payload)
    assert list(zip(found.keys, found.values, strict=True)) == entries
    assert not found.bare_keys


def test_keys_and_pairs_are_distinct() -> None:
    items = flatten_pairs({"m": [{"role": "user"}, {"role": "user"}, {"role": "ai"}]})
    assert items.indexed == ("m.role\0user", "m.role\0ai", "m.role")
    assert not items.more


def test_metadata_columns_run_in_parallel() -> None:
    columns = flatten_entries({"a": ["x", "y", "x"], "b": 1})
    assert columns.keys == ("b", "a", "a")
    assert columns.values == ("1", "x", "y")
    assert columns.items.indexed == ("b\x001", "a\0x", "a\0y", "b", "a")


def _chain(levels: int) -> Json:
    payload: Json = "leaf"
    for _ in range(levels):
        payload = {"k" * 60: payload}
    return payload


@pytest.mark.parametrize(
    ("payload", "leaves"),
    [
        pytest.param({str(i): "x" for i in range(MAX_PAIRS + 1)}, MAX_PAIRS + 1, id="wide object"),
        pytest.param({"a": [str(i) for i in range(MAX_PAIRS + 1)]}, MAX_PAIRS + 1, id="long array"),
        pytest.param({"a": [{"b": i} for i in range(MAX_PAIRS + 1)]}, MAX_PAIRS + 1, id="long array of objects"),
        pytest.param({str(i): {"a": 1, "b": 2} for i in range(MAX_PAIRS)}, 2 * MAX_PAIRS, id="many objects"),
    ],
)
def test_what_the_index_has_no_room_for_lies_beside(payload: Json, leaves: int) -> None:
    entries = flatten(payload)
    items = flatten_pairs(payload)
    assert len(entries.keys) == leaves
    assert items.indexed[-1] == MORE_MARK
    assert len(items.indexed) <= 2 * MAX_PAIRS + 1
    together = {*items.indexed[:-1], *items.more}
    assert together == {*map(pair_of, entries.keys, entries.values), *entries.keys}
    assert flatten_entries(payload).items == items


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({str(i): "x" for i in range(MAX_PAIRS)}, id="wide object"),
        pytest.param({"a": ["x"] * MAX_PAIRS * 2}, id="equal values"),
    ],
)
def test_at_the_limit_nothing_lies_beside(payload: Json) -> None:
    items = flatten_pairs(payload)
    assert not items.more
    assert MORE_MARK not in items.indexed


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"k" * (MAX_KEY_CHARS + 1): 1}, id="long key"),
        pytest.param(_chain(9), id="long path"),
    ],
)
def test_a_longer_key_is_no_entry(payload: Json) -> None:
    assert flatten_pairs(payload).indexed == ()


def test_a_key_at_the_limit_is_an_entry() -> None:
    assert flatten_pairs({"k" * MAX_KEY_CHARS: 1}).indexed[-1] == "k" * MAX_KEY_CHARS


def test_a_vector_is_an_entry_without_a_value() -> None:
    vector: Json = {"v\0": [0.5] * (MAX_NUMBERS + 1), "w": [0.5] * MAX_NUMBERS}
    assert flatten_pairs(vector).indexed == ("w\x000.5", "\0v", "w", "v")
    assert flatten_entries(vector).items == flatten_pairs(vector)


def test_no_side_has_more_entries_than_the_limit() -> None:
    payload: Json = {"a": [[str(i), str(-i)] for i in range(MAX_ENTRIES)]}
    assert len(flatten(payload).keys) == MAX_ENTRIES


def test_the_entries_nearest_to_the_top_are_kept() -> None:
    payload: Json = {"deep": {str(i): "x" for i in range(5 * MAX_PAIRS)}, "user": "ada"}
    assert "user\0ada" in flatten_pairs(payload).indexed


def test_a_payload_of_a_million_leaves_costs_little() -> None:
    payload: Json = {"a": [{"b": ["x"] * 1000} for _ in range(1000)]}
    begun = time.process_time()
    flatten_pairs(payload)
    assert time.process_time() - begun < 0.5
