"""Conditions on one entry, brought into the one shape that a bar has for them: an ``and`` that begins with the key."""

from __future__ import annotations

from collections.abc import Sequence

from runlake.fql.ast import And, Comparison, Expr, Function, TextValue
from runlake.fql.bind import group_family
from runlake.fql.fields import find_pair_part
from runlake.fql.vocabulary import PairFamily, PairPart


def entry_key(expr: Expr) -> tuple[PairFamily, str] | None:
    """Family and key of ``eq(x_key, "k")``; None for anything else."""
    match expr:
        case Comparison(function=Function.EQ, field=path, value=TextValue(value=key)) if path is not None:
            target = find_pair_part(path.segments)
            if target is not None and target.part is PairPart.KEY:
                return target.family, key
    return None


def nest_pairs(children: Sequence[Expr]) -> tuple[Expr, ...]:
    """The children of an ``and`` with each flat pair put into an ``and`` of its own, which means the same.

    Only where the group of a family is one key and comparisons beside it; a larger group stays as it is.
    """
    nested = list(children)
    for family in PairFamily:
        members = [child for child in nested if group_family(child) is family]
        keys = [child for child in members if entry_key(child) is not None]
        others = [child for child in members if _tests_other_part(child)]
        if len(keys) != 1 or not others or len(members) != 1 + len(others):
            continue
        if len(members) == len(nested):
            return (keys[0], *others)
        pair = And(children=(keys[0], *others), span=keys[0].span)
        place = nested.index(members[0])
        rest = [child for child in nested if all(child is not member for member in members)]
        nested = [*rest[:place], pair, *rest[place:]]
    return tuple(nested)


def _tests_other_part(expr: Expr) -> bool:
    if not isinstance(expr, Comparison) or expr.field is None:
        return False
    target = find_pair_part(expr.field.segments)
    return target is not None and target.part is not PairPart.KEY


def gather_entries(children: Sequence[Expr]) -> tuple[Expr, ...]:
    """The conditions of a feedback group, those on one key united, so that one feedback must meet them all."""
    gathered: list[Expr] = []
    places: dict[str, int] = {}
    for child in children:
        parts = child.children if isinstance(child, And) else (child,)
        key = entry_key(parts[0])
        if key is None:
            gathered.append(child)
        elif key[1] not in places:
            places[key[1]] = len(gathered)
            gathered.append(child)
        else:
            place = places[key[1]]
            gathered[place] = _united(gathered[place], parts[1:])
    return tuple(gathered)


def _united(entry: Expr, tests: tuple[Expr, ...]) -> Expr:
    if not tests:
        return entry
    parts = entry.children if isinstance(entry, And) else (entry,)
    span = entry.span.to(tests[-1].span)
    return And(children=(*parts, *tests), span=span)
