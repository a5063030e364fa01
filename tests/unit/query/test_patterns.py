"""Patterns of ``like``: how they are read, and what an index may look up."""

from __future__ import annotations

import pytest

from runlake.query.patterns import Infix, read_pattern


@pytest.mark.parametrize(
    ("text", "engine_text", "literal"),
    [
        ("", "", ""),
        ("abc", "abc", "abc"),
        ("%abc%", "%abc%", None),
        ("a_b%c", "a_b%c", None),
        (r"100\%", r"100\%", "100%"),
        (r"a\_b", r"a\_b", "a_b"),
        (r"C:\temp%", "C:temp%", None),
        (r"C:\\temp%", r"C:\\temp%", None),
        ("tail\\", r"tail\\", "tail\\"),
        ("%%", "%%", None),
    ],
)
def test_a_pattern_is_rewritten_for_the_engine(text: str, engine_text: str, literal: str | None) -> None:
    pattern = read_pattern(text)
    assert (pattern.engine_text, pattern.literal) == (engine_text, literal)


def test_infixes_come_longest_first_and_know_their_borders() -> None:
    found = read_pattern("%an Invoice for Bob%").infixes
    assert found == (
        Infix("invoice", is_word=True, may_be_escaped=False),
        Infix("for", is_word=True, may_be_escaped=False),
        Infix("bob", is_word=False, may_be_escaped=False),
        Infix("an", is_word=False, may_be_escaped=True),
    )


def test_a_stretch_beside_a_foreign_letter_is_not_looked_up() -> None:
    assert read_pattern("%naïve%").infixes == ()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("%u00e9tude%", "tude"),
        ("%00e9tude%", "tude"),
        ("%e9tude%", "tude"),
        ("%u00%", ""),
        ("%u%", ""),
        ("%under%", "under"),
        ("%deadbeef%", "beef"),
        ("%refund%", "efund"),
        ("%invoice%", "invoice"),
        ("%capital%", "pital"),
        (r"%\\nfound%", "found"),
        ("%a plain%", "plain"),
    ],
)
def test_what_may_be_an_escape_in_json_is_cut_off(text: str, left: str) -> None:
    assert read_pattern(text).infixes[0].unescaped().text == left
