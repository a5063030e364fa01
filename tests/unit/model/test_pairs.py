"""Indexed pairs: equal pairs exactly for equal entries."""

from __future__ import annotations

from itertools import combinations

import pytest

from runlake.model.pairs import pair_of, text_of

ENTRIES = [
    ("a", "b"),
    ("a", ""),
    ("a", "b\0"),
    ("a\0b", "c"),
    ("a", "b\0c"),
    ("a", "x" * 250),
    ("a", "x" * 251),
    ("a", "x" * 252),
    ("a", "x" * 251 + "y"),
    ("a", "首" * 251),
    ("a.b", "c"),
]


@pytest.mark.parametrize(("left", "right"), [*combinations(ENTRIES, 2)])
def test_different_entries_have_different_pairs(left: tuple[str, str], right: tuple[str, str]) -> None:
    assert pair_of(*left) != pair_of(*right)


@pytest.mark.parametrize(
    ("key", "value", "pair"),
    [
        ("env", "prod", "env\0prod"),
        ("k", "v" * 250, "k\0" + "v" * 250),
        # The stored form: changing it makes stored rows unfindable.
        ("k", "v" * 251, "k\0" + "v" * 200 + "\x01c147f9475a04d5aa"),
    ],
)
def test_the_stored_form_of_a_pair(key: str, value: str, pair: str) -> None:
    assert pair_of(key, value) == pair


def test_a_lone_surrogate_does_not_stop_the_digest() -> None:
    assert len(pair_of("k", "\ud800" * 300)) == 2 + 200 + 17


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e16, "1e+16"),
        ("x", "x"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_scalars_have_one_text(value: str | float, text: str) -> None:
    assert text_of(value) == text
