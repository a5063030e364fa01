"""Search text to terms."""

from __future__ import annotations

import pytest

from runlake.fql.bound import Phrase, Prefix, SearchTerm, Substring, Word
from runlake.fql.terms import read_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Invoice", [Word(text="invoice")]),
        ("image  classification", [Word(text="image"), Word(text="classification")]),
        ("a a A", [Word(text="a")]),
        ("hello, (world)!", [Word(text="hello"), Word(text="world")]),
        ("gpt-4", [Phrase(text="gpt-4")]),
        ("run_c3c4", [Phrase(text="run_c3c4")]),
        ("me@example.com.", [Phrase(text="me@example.com")]),
        ('"capital of France"', [Phrase(text="capital of france")]),
        ('find "two words" now', [Word(text="find"), Phrase(text="two words"), Word(text="now")]),
        ('"word"', [Word(text="word")]),
        ('"--"', [Substring(text="--")]),
        ("inv*", [Prefix(text="inv")]),
        ("gpt-4*", [Substring(text="gpt-4")]),
        ("*voice", [Substring(text="voice")]),
        ("*voi*", [Substring(text="voi")]),
        ('open "quote', [Word(text="open"), Word(text="quote")]),
        ("größe 東京", [Word(text="größe"), Word(text="東京")]),
        ("- &", [Substring(text="- &")]),
        ("a - b", [Word(text="a"), Word(text="b")]),
        ('""', [Substring(text='""')]),
        ("*", [Substring(text="*")]),
        ("  ", []),
        ("", []),
    ],
)
def test_text_becomes_terms(text: str, terms: list[SearchTerm]) -> None:
    assert list(read_terms(text)) == terms
