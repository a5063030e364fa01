"""Offsets to lines, columns and excerpts."""

from __future__ import annotations

import pytest

from runlake.fql.source import EXCERPT_WIDTH, Source, Span, quoted

TEXT = "and(\n  eq(name, 'a'),\r\n\teq(x, 1)\n)"


@pytest.mark.parametrize(
    ("offset", "place"),
    [(0, (1, 1)), (4, (1, 5)), (5, (2, 1)), (7, (2, 3)), (TEXT.index("x"), (3, 5)), (len(TEXT), (4, 2))],
)
def test_lines_and_columns_count_from_one(offset: int, place: tuple[int, int]) -> None:
    assert Source(TEXT).line_and_column(offset) == place


@pytest.mark.parametrize(
    ("span", "excerpt"),
    [
        (Span(0, 3), "and(\n^^^"),
        (Span(7, 9), "  eq(name, 'a'), \n  ^^"),
        (Span(TEXT.index("x"), TEXT.index("x") + 1), " eq(x, 1)\n    ^"),
        (Span(0, 9), "and(\n^^^^"),
        (Span(len(TEXT), len(TEXT)), ")\n ^"),
    ],
)
def test_carets_stand_under_the_span(span: Span, excerpt: str) -> None:
    assert Source(TEXT).excerpt(span) == excerpt


def test_an_empty_text_can_be_pointed_into() -> None:
    assert Source("").excerpt(Span(0, 0)) == "\n^"


def test_a_long_line_is_cut_around_the_span() -> None:
    shown, pointer = Source("a" * 500 + "!" + "b" * 500).excerpt(Span(500, 501)).split("\n")
    assert len(shown) == EXCERPT_WIDTH + 6
    assert shown[pointer.index("^")] == "!"
    assert shown.startswith("...a")
    assert shown.endswith("b...")


def test_fragments_in_messages_are_short_and_on_one_line() -> None:
    assert quoted("a\nb") == '"a b"'
    assert quoted("x" * 40) == f'"{"x" * 40}"'
    assert quoted("x" * 41) == f'"{"x" * 37}..."'
