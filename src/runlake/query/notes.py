"""What a caller should know of an answer beside its rows: where the index did not help, which names are unknown.

A note changes nothing of the answer. It speaks of one filter of the request and says what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from runlake.errors import RunlakeError
from runlake.fql.bound import BoundExpr, Leaf, PairExists, PairTest, Related, TagTest
from runlake.fql.logic import leaves
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart
from runlake.query.names import MAX_VALUE_CHARS, NameKind, NameReader
from runlake.query.request import RunQuery
from runlake.query.scans import scans
from runlake.store.moment import Moment

MAX_NOTES: Final = 10
_FILTERS: Final = ("filter", "search", "trace_filter", "tree_filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """``code`` is ``scan`` or ``unknown_name``, ``field`` the filter, ``suggestion`` a name to use instead."""

    code: str
    field: str
    message: str
    suggestion: str | None = None


def filters_of(query: RunQuery) -> Iterator[tuple[str, BoundExpr]]:
    """The filters of a query by the name of their member."""
    for name in _FILTERS:
        expr: BoundExpr | None = getattr(query, name)
        if expr is not None:
            yield name, expr


def all_leaves(expr: BoundExpr) -> Iterator[Leaf]:
    """Every condition, those on relatives included."""
    for leaf in leaves(expr):
        yield leaf
        if isinstance(leaf, Related):
            yield from all_leaves(leaf.child)


def scan_notes(query: RunQuery) -> list[Note]:
    """One note for every condition for which the texts or entries of all runs in scope are read."""
    found = [
        Note(code="scan", field=name, message=reason)
        for name, expr in filters_of(query)
        for reason in scans(expr, is_narrowing=True)
    ]
    return list(dict.fromkeys(found))[:MAX_NOTES]


@dataclass(frozen=True, slots=True)
class NamedThing:
    """A name that a filter asks for: of what kind, and in which filter."""

    kind: NameKind
    name: str
    field: str


def names_asked_for(query: RunQuery) -> list[NamedThing]:
    """The keys and tags that the filters of a query name, each once."""
    found = (
        NamedThing(kind, name, field)
        for field, expr in filters_of(query)
        for leaf in all_leaves(expr)
        for kind, name in _names(leaf)
    )
    return list(dict.fromkeys(found))


def unknown_notes(asked: Iterable[NamedThing], known: Mapping[NameKind, Sequence[str]]) -> list[Note]:
    """One note for every name that is not among those in use, with the nearest that is."""
    notes = []
    for thing in asked:
        in_use = known[thing.kind]
        if thing.name in in_use:
            continue
        near = next(iter(get_close_matches(thing.name[:MAX_VALUE_CHARS], in_use, n=1)), None)
        hint = f"; did you mean {near}" if near is not None else ""
        message = f"no recent run in scope has the {thing.kind} {thing.name}{hint}"
        notes.append(Note(code="unknown_name", field=thing.field, message=message, suggestion=near))
    return notes[:MAX_NOTES]


_KEY_KINDS: Final = {
    PairFamily.METADATA: NameKind.METADATA_KEY,
    PairFamily.INPUT: NameKind.INPUT_KEY,
    PairFamily.OUTPUT: NameKind.OUTPUT_KEY,
    PairFamily.FEEDBACK: NameKind.FEEDBACK_KEY,
}


def _names(leaf: Leaf) -> Iterator[tuple[NameKind, str]]:
    match leaf:
        case PairExists(family=family, conditions=conditions):
            for test in conditions:
                if isinstance(test, PairTest) and test.part is PairPart.KEY and test.comparator is Comparator.EQ:
                    yield _KEY_KINDS[family], str(test.value)
        case TagTest(comparator=Comparator.EQ, value=tag):
            yield NameKind.TAG, str(tag)
        case _:
            return


def notes_on(query: RunQuery, moment: Moment, names: NameReader, *, is_empty: bool) -> tuple[Note, ...]:
    """The notes on an answer; what an empty one may owe to a misspelt name costs one or two small reads."""
    notes = scan_notes(query)
    asked = names_asked_for(query) if is_empty else []
    if asked:
        try:
            known = {kind: names.names(kind, query, moment) for kind in dict.fromkeys(thing.kind for thing in asked)}
        except RunlakeError:
            return tuple(notes)  # The answer itself is there, and empty; it does not fail for want of a hint.
        notes += unknown_notes(asked, known)
    return tuple(notes[:MAX_NOTES])
