"""Full text to SQL: words by index, everything else by index first and then by reading the candidates.

Searched text is normalised (``store.columns.normalised``): lower case, each CJK character and emoji a word of its own,
other signs beyond ASCII blank. A term goes through the same expression, in the engine, so that both sides agree.

A word in ASCII is answered by the index alone. Any other term is looked up by its words and then verified place by
place, for the index knows neither order nor place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, assert_never

from runlake.fql.bound import PayloadLike, Phrase, Prefix, SearchField, SearchTerm, SearchTest, Substring, Word
from runlake.query.patterns import MIN_INFIX_CHARS, Infix, read_pattern
from runlake.store.columns import ColumnMap, normalised
from runlake.store.engine import Params

_TOKENIZER: Final = "'splitByNonAlpha'"
_BLANK: Final = r"""'[\\s"\\\\\\x00-\\x1f]+'"""
_NEEDS_FLATTENING: Final = re.compile(r'[\s"\\\x00-\x1f]')
_ASCII_RUN: Final = re.compile("[0-9a-z]+")
_NUMBER_LIKE: Final = re.compile("[-+0-9.eE]+")
_ORDER_OF_COST: Final = (
    SearchField.NAME,
    SearchField.ERROR,
    SearchField.TAGS,
    SearchField.METADATA,
    SearchField.OUTPUTS,
    SearchField.INPUTS,
)
_INDEXED_CATEGORIES: Final = ("L", "M", "N", "So")


def compile_search(test: SearchTest, params: Params, columns: ColumnMap) -> str:
    """The condition that every term is found."""
    parts = [_term(term, test.fields, params, columns) for term in test.terms]
    return "(" + " AND ".join(parts) + ")"


def compile_payload_like(test: PayloadLike, params: Params, columns: ColumnMap) -> str:
    """A pattern over the whole JSON text of one side, ignoring case."""
    pattern = read_pattern(test.pattern)
    payload = columns.payloads[test.side]
    hints = infix_hints([infix.unescaped() for infix in pattern.infixes], params, columns)
    exact = f"{payload} != '' AND {payload} ILIKE {params.add('String', pattern.engine_text)}"
    return "(" + " AND ".join([*hints, exact]) + ")"


def infix_hints(infixes: Iterable[Infix], params: Params, columns: ColumnMap) -> list[str]:
    """At most one condition on the searched text that a text holding all ``infixes`` meets, for the index."""
    for infix in infixes:
        if infix.is_word and len(infix.text) > 1:
            return [f"hasAllTokens({columns.search_text}, {params.add('Array(String)', [infix.text])})"]
        if len(infix.text) >= MIN_INFIX_CHARS:
            return [_holds_infix(infix.text, params, columns)]
    return []


def word_hints(text: str, params: Params, columns: ColumnMap) -> list[str]:
    """At most one condition on the searched text that a run holding ``text`` as a whole value meets.

    Not for numbers, whose spelling in JSON may differ, nor for text beyond ASCII, of which the index cuts other words.
    """
    words = sorted(set(_ASCII_RUN.findall(text.lower())))
    if not words or not text.isascii() or _NUMBER_LIKE.fullmatch(text):
        return []
    return [f"hasAllTokens({columns.search_text}, {params.add('Array(String)', words)})"]


def _holds_infix(text: str, params: Params, columns: ColumnMap) -> str:
    # ILIKE, not LIKE: reading LIKE straight from the index fails on a computed column (seen on chDB 26.9).
    return f"{columns.search_text} ILIKE {params.add('String', f'%{text}%')}"


def _term(term: SearchTerm, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    match term:
        case Word(text=text) if text.isascii():
            return _ascii_word(text, fields, params, columns)
        case Word(text=text) | Phrase(text=text):
            return _phrase(text, fields, params, columns)
        case Prefix(text=text) if text.isascii():
            return _ascii_prefix(text, fields, params, columns)
        case Prefix(text=text):
            return _foreign_prefix(text, fields, params, columns)
        case Substring(text=text):
            return _substring(text, fields, params, columns)
        case _:
            assert_never(term)


def _ascii_word(text: str, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    words = params.add("Array(String)", [text])
    found = f"hasAllTokens({columns.search_text}, {words})"
    if not fields:
        return found
    return f"({found} AND {_in_some_field(f'has(tokens(t, {_TOKENIZER}), {words}[1])', fields, columns)})"


def _phrase(text: str, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    """Every word is there, and the text as written, white space and quotes of any kind being one blank."""
    if not _is_indexed(text):
        return _raw_substring(text, fields, params, columns)
    phrase = params.add("String", text)
    words = f"tokens({normalised(phrase)}, {_TOKENIZER})"
    occurs = _occurs(text, phrase)
    exact = _in_some_field(f"{occurs} AND hasAll(tokens(t, {_TOKENIZER}), {words})", fields, columns)
    return f"(hasAllTokens({columns.search_text}, {words}) AND {exact})"


def _ascii_prefix(text: str, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    hints = [_holds_infix(text, params, columns)] if len(text) >= MIN_INFIX_CHARS else []
    begins = f"arrayExists(w -> startsWith(w, {params.add('String', text)}), tokens(t, {_TOKENIZER}))"
    return "(" + " AND ".join([*hints, _in_some_field(begins, fields, columns)]) + ")"


def _foreign_prefix(text: str, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    """A prefix whose characters may be words of their own: then it is found where its words stand in a row."""
    if not _is_indexed(text):
        return _raw_substring(text, fields, params, columns)
    prefix = normalised(params.add("String", text))
    words = f"tokens({prefix}, {_TOKENIZER})"
    begins = (
        f"if(length({words}) = 1, arrayExists(w -> startsWith(w, {words}[1]), tokens(t, {_TOKENIZER})),"
        f" position(t, {prefix}) > 0)"
    )
    return _in_some_field(begins, fields, columns)


def _substring(text: str, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    if not _is_indexed(text) and not text.isascii():
        return _raw_substring(text, fields, params, columns)
    longest = max(_ASCII_RUN.findall(text), key=len, default="")
    # Beside a foreign letter words are cut by rules that only the engine knows, so only ASCII is looked up.
    hints = [_holds_infix(longest, params, columns)] if len(longest) >= MIN_INFIX_CHARS and text.isascii() else []
    exact = _in_some_field(_occurs(text, params.add("String", text)), fields, columns)
    return "(" + " AND ".join([*hints, exact]) + ")"


def _raw_substring(text: str, fields: tuple[SearchField, ...], params: Params, columns: ColumnMap) -> str:
    """Signs that normalising blanks, such as arrows: looked for in the text as it is, without an index."""
    needle = params.add("String", text)
    places = ", ".join(columns.search[field].sql for field in _places(fields))
    return f"arrayExists(t -> position(lowerUTF8(t), {needle}) > 0, [{places}])"


def _occurs(text: str, placeholder: str) -> str:
    """SQL that the normalised text ``t`` holds the phrase; both flattened only where the phrase has what gets flat."""
    phrase = normalised(placeholder)
    if not _NEEDS_FLATTENING.search(text):
        return f"position(t, {phrase}) > 0"
    return f"position(replaceRegexpAll(t, {_BLANK}, ' '), replaceRegexpAll({phrase}, {_BLANK}, ' ')) > 0"


def _in_some_field(condition: str, fields: tuple[SearchField, ...], columns: ColumnMap) -> str:
    """SQL that some place, normalised and named ``t`` in ``condition``, meets it."""
    places = ", ".join(normalised(columns.search[field].sql) for field in _places(fields))
    return f"arrayExists(t -> {condition}, [{places}])"


def _places(fields: tuple[SearchField, ...]) -> list[SearchField]:
    return [field for field in _ORDER_OF_COST if not fields or field in fields]


def _is_indexed(text: str) -> bool:
    """Whether normalising leaves at least one word of the text."""
    return any(unicodedata.category(character).startswith(_INDEXED_CATEGORIES) for character in text)
