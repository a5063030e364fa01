"""Full text to SQL: words by index, everything else by index first and then by reading the candidates.

Searched text is normalised (``store.columns.normalised``): lower case, each CJK character and emoji a word of its own,
other signs beyond ASCII blank. A term beyond ASCII goes through the same expression, in the engine, so that both sides
agree; a term in ASCII is its own normal form.

A word in ASCII is answered by the index alone. Any other term is looked up by its words and then verified place by
place, for the index knows neither order nor place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, assert_never

from runlake.fql.bound import PayloadLike, Phrase, Prefix, SearchTerm, SearchTest, Substring, Word
from runlake.fql.vocabulary import SearchField
from runlake.query.context import FilterContext
from runlake.query.patterns import MIN_INFIX_CHARS, Infix, read_pattern, read_text_infixes
from runlake.store.columns import decoded, normalised

_TOKENIZER: Final = "'splitByNonAlpha'"
_BLANK: Final = r"""'[\\s"\\\\\\x00-\\x1f]+'"""
_NEEDS_FLATTENING: Final = re.compile(r'[\s"\\\x00-\x1f]')
_ASCII_RUN: Final = re.compile("[0-9a-z]+")
_NUMBER_LIKE: Final = re.compile("[-+0-9.eE]+")
_INDEXED_CATEGORIES: Final = ("L", "M", "N", "So")


def compile_search(test: SearchTest, context: FilterContext) -> str:
    """The condition that every term is found."""
    return "(" + " AND ".join(_term(term, test.fields, context) for term in test.terms) + ")"


def compile_payload_like(test: PayloadLike, context: FilterContext) -> str:
    """A pattern over the whole JSON text of one side, ignoring case."""
    pattern = read_pattern(test.pattern)
    payload = context.columns.payloads[test.side]
    hints = infix_hints([infix.unescaped() for infix in pattern.infixes], context)
    text = context.params.add("String", pattern.engine_text)
    return _verified(hints, f"{payload} != '' AND {payload} ILIKE {text}", context)


def _verified(hints: list[str], exact: str, context: FilterContext) -> str:
    """The exact condition behind what lets an index leave candidates for it; the latter alone where loose will do."""
    conditions = (hints or ["true"]) if context.is_loose else [*hints, exact]
    return "(" + " AND ".join(conditions) + ")"


def infix_hints(infixes: Iterable[Infix], context: FilterContext) -> list[str]:
    """At most one condition on the searched text that a text holding all ``infixes`` meets, for the index.

    Whole words are worth more than a longer stretch: they are looked up, it is compared with every word there is.
    """
    words, stretch = _best_hint(infixes)
    if words:
        return [_holds_words(words, context)]
    return [_holds_infix(stretch, context)] if stretch else []


def _best_hint(infixes: Iterable[Infix]) -> tuple[list[str], str]:
    """The whole words to look up, or else the one stretch; neither where the index does not narrow the search."""
    found = list(infixes)
    words = sorted({infix.text for infix in found if infix.is_word and len(infix.text) > 1})
    longest = max((infix.text for infix in found), key=len, default="")
    return words, longest if len(longest) >= MIN_INFIX_CHARS else ""


def is_narrowed(leaf: SearchTest | PayloadLike) -> bool:
    """Whether the index leaves candidates; otherwise the texts of every run in scope are read."""
    match leaf:
        case SearchTest(terms=terms):
            return any(_narrows(term) for term in terms)
        case PayloadLike(pattern=pattern):
            return any(_best_hint(infix.unescaped() for infix in read_pattern(pattern).infixes))
        case _:
            assert_never(leaf)


def is_answered_by_index(test: SearchTest) -> bool:
    """Whether the index alone tells which runs hold the words, so that no text is read."""
    return not test.fields and all(isinstance(term, Word) and term.text.isascii() for term in test.terms)


def _narrows(term: SearchTerm) -> bool:
    match term:
        case Word(text=text) | Phrase(text=text):
            return _is_indexed(text)
        case Prefix(text=text) | Substring(text=text):
            return any(_best_hint(read_text_infixes(text)))
        case _:
            assert_never(term)


def word_hints(text: str, context: FilterContext) -> list[str]:
    """At most one condition on the searched text that a run holding ``text`` as a whole value meets.

    Not for numbers, whose spelling in JSON may differ, nor for text beyond ASCII, of which the index cuts other words.
    """
    words = _words_of_value(text)
    return [_holds_words(words, context)] if words else []


def _words_of_value(text: str) -> list[str]:
    if not text.isascii() or _NUMBER_LIKE.fullmatch(text):
        return []
    return sorted(set(_ASCII_RUN.findall(text.lower())))


def is_value_narrowed(text: str, *, is_pattern: bool) -> bool:
    """Whether a value that equals the text or matches the pattern has words to look up."""
    return any(_best_hint(read_pattern(text).infixes)) if is_pattern else bool(_words_of_value(text))


def _holds_words(words: list[str], context: FilterContext) -> str:
    return f"hasAllTokens({context.columns.search_text}, {context.params.add('Array(String)', words)})"


def _holds_infix(text: str, context: FilterContext) -> str:
    # The engine looks the stretch up in the dictionary of the index, but answering from the index alone fails on a
    # computed column that holds a lambda (seen on chDB 26.9), so the candidates are read.
    context.settings["query_plan_direct_read_from_text_index"] = 0
    return f"{context.columns.search_text} ILIKE {context.params.add('String', f'%{text}%')}"


def _term(term: SearchTerm, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    match term:
        case Word(text=text) if text.isascii():
            return _ascii_word(text, fields, context)
        case Word(text=text) | Phrase(text=text):
            return _phrase(text, fields, context)
        case Prefix(text=text):
            return _prefix(text, fields, context)
        case Substring(text=text):
            return _substring(text, fields, context)
        case _:
            assert_never(term)


def _ascii_word(text: str, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    if not fields:
        return _holds_words([text], context)
    word = context.params.add("String", text)
    exact = _in_some_field(f"has(tokens(t, {_TOKENIZER}), {word})", fields, context)
    return _verified([_holds_words([text], context)], exact, context)


def _phrase(text: str, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    """Every word is there, and the text as written, white space and quotes of any kind being one blank."""
    if not _is_indexed(text):
        return _raw_substring(text, fields, context)
    phrase, words = _normal_form(text, context)
    exact = _in_some_field(f"{_occurs(text, phrase)} AND hasAll(tokens(t, {_TOKENIZER}), {words})", fields, context)
    return _verified([f"hasAllTokens({context.columns.search_text}, {words})"], exact, context)


def _prefix(text: str, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    """A word begins so; characters that are words of their own are found where they stand in a row."""
    if not _is_indexed(text):
        return _raw_substring(text, fields, context)
    prefix, words = _normal_form(text, context)
    hints = _infix_of(text, context)
    begins = f"arrayExists(w -> startsWith(w, {words}[1]), tokens(t, {_TOKENIZER}))"
    if not text.isascii():
        begins = f"if(length({words}) = 1, {begins}, position(t, {prefix}) > 0)"
    return _verified(hints, _in_some_field(begins, fields, context), context)


def _substring(text: str, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    if not text.isascii() and not _is_indexed(text):
        return _raw_substring(text, fields, context)
    hints = _infix_of(text, context)
    phrase, _ = _normal_form(text, context)
    return _verified(hints, _in_some_field(_occurs(text, phrase), fields, context), context)


def _infix_of(text: str, context: FilterContext) -> list[str]:
    """At most one condition for the index; beside a foreign letter only the engine knows how words are cut."""
    return infix_hints(read_text_infixes(text), context)


def _normal_form(text: str, context: FilterContext) -> tuple[str, str]:
    """SQL of a lower-case text as the index sees it, and of its words."""
    placeholder = context.params.add("String", text)
    if text.isascii():
        return placeholder, context.params.add("Array(String)", _ASCII_RUN.findall(text))
    normal = normalised(placeholder)
    return normal, f"tokens({normal}, {_TOKENIZER})"


def _raw_substring(text: str, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    """Signs that normalising blanks, such as arrows: looked for in the text as it is, without an index."""
    needle = context.params.add("String", text)
    return _verified([], f"arrayExists(t -> position(lowerUTF8(t), {needle}) > 0, {_places(fields, context)})", context)


def _occurs(text: str, phrase: str) -> str:
    """SQL that the normalised text ``t`` holds the phrase; both flattened only where the phrase has what gets flat."""
    if not _NEEDS_FLATTENING.search(text):
        return f"position(t, {phrase}) > 0"
    return f"position(replaceRegexpAll(t, {_BLANK}, ' '), replaceRegexpAll({phrase}, {_BLANK}, ' ')) > 0"


def _in_some_field(condition: str, fields: tuple[SearchField, ...], context: FilterContext) -> str:
    """SQL that some place, normalised and named ``t`` in ``condition``, meets it."""
    return f"arrayExists(t -> {condition}, arrayMap(t -> {normalised('t')}, {_places(fields, context)}))"


def _places(fields: tuple[SearchField, ...], context: FilterContext) -> str:
    """SQL of an array of the texts to look in; short on purpose, for analysing a statement costs by its length."""
    columns = [context.columns.search[field] for field in SearchField if not fields or field in fields]
    plain = [column.sql for column in columns if not column.is_json]
    payloads = ", ".join(column.sql for column in columns if column.is_json)
    payload_texts = f"arrayMap(p -> {decoded('p')}, [{payloads}])"
    if not payloads:
        return f"[{', '.join(plain)}]"
    return f"arrayConcat([{', '.join(plain)}], {payload_texts})" if plain else payload_texts


def _is_indexed(text: str) -> bool:
    """Whether normalising leaves at least one word of the text."""
    return any(unicodedata.category(character).startswith(_INDEXED_CATEGORIES) for character in text)
