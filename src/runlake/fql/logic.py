"""Bound trees put together in their shortest form, and taken apart into leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runlake.fql.axes import Axis
from runlake.fql.bound import And, BoundExpr, Constant, CountTest, Leaf, Not, Or, Related
from runlake.fql.vocabulary import Comparator


def all_of(children: Iterable[BoundExpr]) -> BoundExpr:
    """The conjunction in its shortest form: flat, constants folded, no one-child node, repeats dropped."""
    flat = (part for child in children for part in (child.children if isinstance(child, And) else (child,)))
    kept = tuple(dict.fromkeys(part for part in flat if part != Constant(value=True)))
    if Constant(value=False) in kept:
        return Constant(value=False)
    if len(kept) > 1:
        return And(children=kept)
    return kept[0] if kept else Constant(value=True)


def any_of(children: Iterable[BoundExpr]) -> BoundExpr:
    """The disjunction in its shortest form: flat, constants folded, no one-child node, repeats dropped."""
    flat = (part for child in children for part in (child.children if isinstance(child, Or) else (child,)))
    kept = tuple(dict.fromkeys(part for part in flat if part != Constant(value=False)))
    if Constant(value=True) in kept:
        return Constant(value=True)
    if len(kept) > 1:
        return Or(children=kept)
    return kept[0] if kept else Constant(value=False)


def negation(expr: BoundExpr) -> BoundExpr:
    """The complement; a double negation and a negated constant disappear."""
    match expr:
        case Not(child=child):
            return child
        case Constant(value=value):
            return Constant(value=not value)
        case _:
            return Not(child=expr)


def related(axis: Axis, child: BoundExpr, count: CountTest | None = None) -> BoundExpr:
    """A condition on relatives in its shortest form: what their number cannot tell is folded away."""
    test = count or CountTest(comparator=Comparator.GTE, number=1)
    if child == Constant(value=False):
        return Constant(value=test.holds(0))
    # What can be told of one and more: below, at and above the number that is compared with.
    numbers = (1,) if axis.is_single else (max(1, test.number - 1), max(1, test.number), test.number + 1)
    if_some = {test.holds(number) for number in numbers}
    if len(if_some) > 1:
        return Related(axis=axis, child=child, count=test)
    if if_some == {test.holds(0)}:
        return Constant(value=test.holds(0))
    some = Related(axis=axis, child=child)
    return some if test.holds(1) else Not(child=some)


def leaves(expr: BoundExpr) -> Iterator[Leaf]:
    """Every leaf from left to right, whether under a ``Not`` or not; not what relatives and sums must meet."""
    pending: list[BoundExpr] = [expr]
    while pending:
        match pending.pop():
            case And(children=children) | Or(children=children):
                pending.extend(reversed(children))
            case Not(child=child):
                pending.append(child)
            case leaf:
                yield leaf
