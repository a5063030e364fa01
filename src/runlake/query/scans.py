"""Where a filter reads the texts or entries of every run in scope: told from the typed tree, before any is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runlake.fql.bound import (
    And,
    BoundExpr,
    Constant,
    Leaf,
    Not,
    Or,
    PairExists,
    PayloadLike,
    Related,
    ScalarTest,
    SearchTest,
    TagTest,
    TraceSums,
)
from runlake.fql.vocabulary import Comparator, PairFamily, ScalarField
from runlake.query.pair_sql import is_pair_lookup, is_pair_narrowed
from runlake.query.search_sql import is_answered_by_index, is_narrowed

_NO_WORD: Final = "has no whole word and no stretch of four letters or digits to look up"
_QUICKER: Final = "a bound on time makes it quicker"
_KEYED: Final = frozenset(
    {
        ScalarField.ID,
        ScalarField.TRACE_ID,
        ScalarField.PARENT_RUN_ID,
        ScalarField.THREAD_ID,
        ScalarField.REFERENCE_EXAMPLE_ID,
    }
)


def scans(expr: BoundExpr, *, is_narrowing: bool) -> Iterator[str]:
    """Why conditions scan.

    Where ``is_narrowing`` is false an index leaves nothing out, whatever it knows of a leaf: under a denial, and in an
    ``or`` beside a condition that no index serves.
    """
    match expr:
        case Not(child=child):
            yield from scans(child, is_narrowing=False)
        case And(children=children):
            for child in children:
                yield from scans(child, is_narrowing=is_narrowing)
        case Or(children=children):
            for child in children:
                yield from scans(child, is_narrowing=is_narrowing and all(map(_is_served, children)))
        case Related(child=child):
            yield from scans(child, is_narrowing=True)
        case _:
            yield from _scans_of_leaf(expr, is_narrowing=is_narrowing)


def _scans_of_leaf(leaf: Leaf, *, is_narrowing: bool) -> Iterator[str]:
    match leaf:
        case SearchTest() if not is_answered_by_index(leaf):
            subject, texts = "the search", "texts"
        case PayloadLike(side=side):
            subject, texts = f"the pattern for {side}", str(side)
        case PairExists(family=PairFamily.INPUT | PairFamily.OUTPUT as family) if not is_pair_lookup(leaf):
            subject, texts = f"the condition on {family} entries", f"{family} entries"
        case _:
            return
    if not is_narrowing:
        yield f"{subject} is denied or one of several ways, so all {texts} in scope are read; {_QUICKER}"
    elif not _leaf_is_served(leaf):
        lacks = "names no key and no word" if isinstance(leaf, PairExists) else _NO_WORD
        yield f"{subject} {lacks}, so all {texts} in scope are read; {_QUICKER}"


def _is_served(expr: BoundExpr) -> bool:
    """Whether an index leaves candidates for the condition."""
    match expr:
        case And(children=children):
            return any(map(_is_served, children))
        case Or(children=children):
            return all(map(_is_served, children))
        case Not():
            return False
        case _:
            return _leaf_is_served(expr)


def _leaf_is_served(leaf: Leaf) -> bool:
    match leaf:
        case SearchTest() | PayloadLike():
            return is_narrowed(leaf)
        case PairExists():
            return leaf.family is PairFamily.FEEDBACK or is_pair_narrowed(leaf)
        case ScalarTest(field=field, comparator=comparator):
            return field in _KEYED and comparator in (Comparator.EQ, Comparator.IN)
        case TagTest(comparator=comparator):
            return comparator is not Comparator.LIKE
        case _:
            return isinstance(leaf, Related | TraceSums | Constant)
