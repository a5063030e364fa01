"""A filter on roots read as one on their traces: tokens, costs and first tokens become sums over the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from runlake.fql.bound import And, BoundExpr, DetailTest, Leaf, Not, NullTest, Or, ScalarTest, TraceSums
from runlake.fql.logic import all_of, any_of, leaves, negation
from runlake.fql.vocabulary import ScalarField

SUMMED_FIELDS: Final = frozenset(
    {
        ScalarField.TOTAL_TOKENS,
        ScalarField.PROMPT_TOKENS,
        ScalarField.COMPLETION_TOKENS,
        ScalarField.TOTAL_COST,
        ScalarField.PROMPT_COST,
        ScalarField.COMPLETION_COST,
        ScalarField.FIRST_TOKEN_TIME,
    }
)


def is_summed(leaf: Leaf) -> bool:
    """Whether a leaf is about tokens, costs or the first token."""
    return isinstance(leaf, DetailTest) or (isinstance(leaf, ScalarTest | NullTest) and leaf.field in SUMMED_FIELDS)


def on_trace_sums(expr: BoundExpr) -> BoundExpr:
    """The same condition with the sums over the run's trace in the place of its own tokens, costs and first token."""
    if all(map(is_summed, leaves(expr))):
        return TraceSums(child=expr)
    match expr:
        case And(children=children):
            return all_of(_apart(children, all_of))
        case Or(children=children):
            return any_of(_apart(children, any_of))
        case Not(child=child):
            return negation(on_trace_sums(child))
        case _:
            return expr


def _apart(children: Iterable[BoundExpr], join: Callable[[Iterable[BoundExpr]], BoundExpr]) -> Iterator[BoundExpr]:
    """Children that speak of sums alone become one, so that each trace is added up once."""
    summed: list[BoundExpr] = []
    for child in children:
        if all(map(is_summed, leaves(child))):
            summed.append(child)
        else:
            yield on_trace_sums(child)
    if summed:
        yield TraceSums(child=join(summed))
