"""Where in a run the searched words stand: excerpts with the place of each hit, for the runs of a page.

Follows the rules of full text (``search_sql``) on the values of a run one by one, so that a hit has a path. Places are
in code points of the value as decoded from JSON. Only what a filter asks for positively is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, assert_never

import msgspec

from runlake.fql.bound import And, BoundExpr, Or, PayloadLike, Phrase, Prefix, SearchTerm, SearchTest, Substring, Word
from runlake.fql.vocabulary import SearchField
from runlake.model.pairs import text_of
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.snippet import RunSnippets, Snippet
from runlake.query.patterns import read_pattern
from runlake.query.request import RunQuery

MAX_SNIPPETS: Final = 20
"""Most excerpts of one run; ``RunSnippets.more`` says that there are others."""

CONTEXT_CHARS: Final = 60
"""How much of a value is shown before and after a hit."""

MAX_HIGHLIGHTS: Final = 20
"""Most hits that share an excerpt."""

MAX_DEPTH: Final = 200
"""Values nested deeper are left out."""

_APART: Final = r"[\s\"\\\x00-\x1f]+"
_LETTER: Final = "[0-9a-z\u0080-\U0010ffff]"
_ALONE: Final = re.compile("[\u0e00-\u0e7f\u1100-\u11ff\u2600-\u27bf\u2e80-\ud7ff\uf900-\ufaff\U0001f000-\U0003ffff]")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FIELDS: Final = frozenset({RunSelect.INPUTS, RunSelect.OUTPUTS, RunSelect.ERROR, RunSelect.EXTRA})


def with_searched_fields(query: RunQuery) -> RunQuery:
    """The query that also reads what is searched."""
    return replace(query, select=query.select | _FIELDS)


def find_snippets(query: RunQuery, runs: Iterable[RunRecord]) -> dict[str, RunSnippets]:
    """The excerpts of each run by its id; none for a query that searches for nothing."""
    needles = [needle for expr in (query.search, query.filter) if expr is not None for needle in _needles(expr)]
    by_field = {place: _pattern(needles, place) for place in SearchField}
    return {run.id: _of_run(run, by_field) for run in runs}


def _needles(expr: BoundExpr) -> Iterator[tuple[SearchTerm, tuple[SearchField, ...]]]:
    """Each term that the filter looks for, with the fields it may stand in (none: all of them)."""
    match expr:
        case And(children=children) | Or(children=children):
            for child in children:
                yield from _needles(child)
        case SearchTest(terms=terms, fields=fields):
            yield from ((term, fields) for term in terms)
        case PayloadLike(side=side, pattern=pattern):
            for text, is_wild in read_pattern(pattern).parts:
                if not is_wild and text.strip('{}[]":, \\'):
                    yield Substring(text=text.strip('{}[]":, \\').lower()), (side,)
        case _:
            return


def _pattern(
    needles: Iterable[tuple[SearchTerm, tuple[SearchField, ...]]], place: SearchField
) -> re.Pattern[str] | None:
    """One expression for all terms of a field; longer ones first, so that a phrase wins over its words."""
    parts = {_expression(term) for term, fields in needles if not fields or place in fields}
    return re.compile("|".join(sorted(parts, key=lambda part: (-len(part), part)))) if parts else None


def _expression(term: SearchTerm) -> str:
    text = term.text
    words = _APART.join(re.escape(part) for part in re.split(_APART, text) if part) or re.escape(text)
    begins = "" if _ALONE.match(text) or not re.match(_LETTER, text) else f"(?<!{_LETTER})"
    ends = "" if _ALONE.match(text[-1]) or not re.match(_LETTER, text[-1]) else f"(?!{_LETTER})"
    match term:
        case Word() | Phrase():
            return f"{begins}{words}{ends}"
        case Prefix():
            return f"{begins}{words}"
        case Substring():
            return words
        case _:
            assert_never(term)


def _of_run(run: RunRecord, patterns: dict[SearchField, re.Pattern[str] | None]) -> RunSnippets:
    found: list[Snippet] = []
    for place, path, text, in_key in _values(run):
        pattern = patterns[place]
        if pattern is None:
            continue
        for snippet in _of_value(text, pattern):
            if len(found) == MAX_SNIPPETS:
                return RunSnippets(found, more=True)
            found.append(replace(snippet, field=place.value, path=path, in_key=in_key))
    return RunSnippets(found)


def _of_value(text: str, pattern: re.Pattern[str]) -> Iterator[Snippet]:
    """Excerpts around the hits; hits near each other share one."""
    hits = _hits(text, pattern)
    first = next(hits, None)
    while first is not None:
        group, upcoming = [first], next(hits, None)
        while upcoming is not None and upcoming[0] - group[-1][1] <= CONTEXT_CHARS and len(group) < MAX_HIGHLIGHTS:
            group.append(upcoming)
            upcoming = next(hits, None)
        start, end = max(0, group[0][0] - CONTEXT_CHARS), min(len(text), group[-1][1] + CONTEXT_CHARS)
        highlights = [(low - start, high - start) for low, high in group]
        yield Snippet(field="", path="", start=start, end=end, text=text[start:end], highlights=highlights)
        first = upcoming


def _hits(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Places in ``text`` where its lower case matches; few letters become two when lowered, then places are mapped."""
    lowered = text.lower()
    found = (match.span() for match in pattern.finditer(lowered))
    if len(lowered) == len(text):
        yield from found
        return
    origin = [index for index, character in enumerate(text) for _ in character.lower()]
    yield from ((origin[low], origin[high - 1] + 1) for low, high in found)


def _values(run: RunRecord) -> Iterator[tuple[SearchField, str, str, bool]]:
    """Every text of a run that is searched: its field, path, and whether it is a key."""
    yield SearchField.NAME, "", run.name, False
    if run.error:
        yield SearchField.ERROR, "", run.error, False
    for index, tag in enumerate(run.tags or ()):
        yield SearchField.TAGS, f"[{index}]", tag, False
    extra = _decoded(run.extra)
    metadata = extra.get("metadata") if isinstance(extra, dict) else None
    sides = ((SearchField.METADATA, metadata), (SearchField.INPUTS, _decoded(run.inputs)))
    for place, payload in (*sides, (SearchField.OUTPUTS, _decoded(run.outputs))):
        yield from ((place, path, text, in_key) for path, text, in_key in _texts(payload))


def _decoded(payload: bytes | None) -> Any:
    try:
        return None if payload is None else msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None if payload is None else payload.decode("utf-8", "replace")


def _texts(payload: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    if depth > MAX_DEPTH or payload is None:
        return
    if isinstance(payload, dict):
        for name, value in payload.items():
            inner = _member(path, name)
            yield inner, name, True
            yield from _texts(value, inner, depth + 1)
    elif isinstance(payload, list):
        for index, value in enumerate(payload):
            yield from _texts(value, f"{path}[{index}]", depth + 1)
    else:
        yield path, text_of(payload), False


def _member(path: str, name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        return f"{path}[{msgspec.json.encode(name).decode()}]"
    return f"{path}.{name}" if path else name
