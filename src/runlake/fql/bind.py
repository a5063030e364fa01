"""Unbound tree to bound tree: names resolved, values typed, pairs grouped.

Reports every independent problem, up to ``MAX_PROBLEMS``. The lenient mode takes whatever any era of clients has
written; the strict mode also reports what the hosted service would refuse.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from runlake.errors import Diagnostic, FilterError
from runlake.fql import ast, hosted, leaves, pairs
from runlake.fql.ast import Comparison, Expr, FieldPath, Function, Related
from runlake.fql.axes import MAX_AXES, MAX_AXIS_DEPTH
from runlake.fql.bound import BoundExpr, Constant, CountTest, PairTest
from runlake.fql.fields import (
    DetailField,
    DottedField,
    FieldRow,
    Kind,
    PairTarget,
    find_field,
    find_pair_part,
    nearest_name,
)
from runlake.fql.literals import Refusal
from runlake.fql.logic import all_of, any_of, negation, related
from runlake.fql.pairs import PairMember
from runlake.fql.source import Source, Span, quoted
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart

MAX_PROBLEMS = 10
"""The most problems that one error holds."""

_NEGATIVE = (Function.NEQ, Function.NIN, Function.NOTLIKE)


class Mode(StrEnum):
    """How much is accepted."""

    LENIENT = "lenient"
    STRICT = "strict"


def bind_filter(expr: Expr, text: str, *, mode: Mode = Mode.LENIENT) -> BoundExpr:
    """The bound tree of a filter; ``text`` is what the tree was parsed from.

    Raises ``FilterError`` with the problems in the order of the text.
    """
    binder = _Binder(Source(text))
    bound = binder.bind(expr)
    if mode is Mode.STRICT and not binder.problems:
        for objection in hosted.objections(expr, binder.source):
            binder.report(objection, expr.span)
    if binder.problems:
        ordered = sorted(binder.problems, key=lambda problem: (problem.start, problem.end))
        raise FilterError(tuple(ordered[:MAX_PROBLEMS]))
    return bound


class _Binder:
    """The walk over one tree. A leaf with a problem is reported and counts as false, so that the walk goes on."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self.axes = 0
        self.axis_depth = 0

    def report(self, refusal: Refusal, span: Span) -> None:
        """Keep a problem; the span is for those that have none."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(
                self.source.diagnostic(
                    refusal.span or span,
                    code=refusal.code,
                    message=refusal.message,
                    expected=refusal.expected,
                    suggestion=refusal.suggestion,
                )
            )

    def bind(self, expr: Expr) -> BoundExpr:
        """The bound form of any node."""
        match expr:
            case ast.And(children=children):
                return self._bind_and(children)
            case ast.Or(children=children):
                return any_of([self.bind(child) for child in children])
            case ast.Not(child=child):
                return negation(self.bind(child))
            case Related():
                return self._bind_related(expr)
            case Comparison():
                try:
                    return _bind_comparison(expr)
                except Refusal as refusal:
                    self.report(refusal, expr.span)
                    return Constant(value=False)
            case _:
                assert_never(expr)

    def _bind_related(self, expr: Related) -> BoundExpr:
        """What relatives must meet is a filter of its own, on each of them alone."""
        self.axes += 1
        self.axis_depth += 1
        if self.axis_depth > MAX_AXIS_DEPTH or self.axes > MAX_AXES:
            limit = f"{MAX_AXES} conditions on relatives, {MAX_AXIS_DEPTH} of them inside each other"
            self.report(Refusal(f"a filter has at most {limit}", code="limit", span=expr.name_span), expr.span)
            self.axis_depth -= 1
            return Constant(value=False)
        child = self.bind(expr.child)
        self.axis_depth -= 1
        count = expr.count
        if count is None:
            return related(expr.axis, child)
        test = CountTest(comparator=Comparator(count.function), number=count.number)
        return related(expr.axis, child, test)

    def _bind_and(self, children: tuple[Expr, ...]) -> BoundExpr:
        """Conditions on entries are gathered by family and take the place of the first of them."""
        places: list[list[BoundExpr]] = []
        groups: dict[PairFamily, tuple[list[BoundExpr], list[PairMember]]] = {}
        for child in children:
            family = group_family(child)
            member = self._read_member(child) if family else self.bind(child)
            if family is None or not isinstance(member, PairMember):
                places.append([member] if not isinstance(member, PairMember) else [])
                continue
            if family not in groups:
                groups[family] = ([], [])
                places.append(groups[family][0])
            groups[family][1].append(member)
        for family, (place, members) in groups.items():
            try:
                place.extend(pairs.group(family, members))
            except Refusal as refusal:
                self.report(refusal, members[0].span)
        return all_of(bound for place in places for bound in place)

    def _read_member(self, expr: Expr) -> PairMember | BoundExpr:
        """The member of a group that an eligible child is; a constant where its lists are empty."""
        tests: list[PairTest] = []
        is_certain = False
        for comparison in _comparisons_of_or(expr):
            try:
                test = _read_pair_test(comparison)
            except Refusal as refusal:
                self.report(refusal, comparison.span)
                continue
            if isinstance(test, PairTest):
                tests.append(test)
            else:
                is_certain = is_certain or test.value
        if is_certain or not tests:
            return Constant(value=is_certain)
        return PairMember(tests=tuple(dict.fromkeys(tests)), span=expr.span)


def _bind_comparison(comparison: Comparison) -> BoundExpr:
    if comparison.field is None:
        return leaves.bind_search(comparison.value)
    found = _resolve(comparison)
    if isinstance(found, FieldRow):
        return leaves.bind_row(found, comparison)
    if isinstance(found, DetailField):
        return leaves.bind_detail(found, str(comparison.field), comparison.function, comparison.value)
    return leaves.bind_dotted(found, str(comparison.field), comparison.function, comparison.value)


def _resolve(comparison: Comparison) -> FieldRow | DottedField | DetailField:
    """The field of a comparison, which must exist and take the function."""
    path, function = comparison.field, comparison.function
    found = find_field(path.segments) if path else None
    if path is None or found is None:
        raise _unknown_field(path or FieldPath(segments=("",)))
    if function in found.functions:
        return found
    name = str(path)
    suggestion = None
    if isinstance(found, FieldRow) and found.kind is Kind.JSON and function not in (Function.IN, Function.NIN):
        suggestion = f"{function}({name}.key, ...)"
    elif function in (Function.HAS, Function.EXISTS) and Function.EQ in found.functions:
        suggestion = f"eq({name}, ...)" if function is Function.HAS else f"neq({name}, null)"
    elif function is Function.SEARCH and Function.LIKE in found.functions:
        suggestion = f'like({name}, "%text%")'
    raise Refusal(
        f"{function} does not apply to {name}; accepted are {', '.join(found.functions)}",
        code="function",
        span=comparison.name_span,
        suggestion=suggestion,
        expected=found.functions,
    )


def _unknown_field(path: FieldPath) -> Refusal:
    name = str(path)
    message = f"unknown field {quoted(name)}"
    return Refusal(message, code="unknown_field", span=path.span, suggestion=nearest_name(name))


def group_family(expr: Expr) -> PairFamily | None:
    """The family to whose group a child of an ``and`` belongs, if to any.

    A comparison with a part of an entry does, and an ``or`` of nothing but such comparisons of one family, unless
    one of them denies a key.
    """
    comparisons = _comparisons_of_or(expr)
    targets = [_pair_target(comparison) for comparison in comparisons]
    families = {target.family if target else None for target in targets}
    if len(families) != 1:
        return None
    if isinstance(expr, ast.Or):
        denies_key = any(
            target is not None and target.part is PairPart.KEY and comparison.function in _NEGATIVE
            for comparison, target in zip(comparisons, targets, strict=True)
        )
        if denies_key:
            return None
    return families.pop()


def _comparisons_of_or(expr: Expr) -> list[Comparison]:
    """A comparison itself, or those of an ``or`` and of the ``or``s in it; nothing where there is anything else."""
    match expr:
        case Comparison():
            return [expr]
        case ast.Or(children=children):
            parts = [_comparisons_of_or(child) for child in children]
            return [comparison for part in parts for comparison in part] if all(parts) else []
        case _:
            return []


def _pair_target(comparison: Comparison) -> PairTarget | None:
    return find_pair_part(comparison.field.segments) if comparison.field else None


def _read_pair_test(comparison: Comparison) -> PairTest | Constant:
    row = _resolve(comparison)
    target = _pair_target(comparison)
    if target is None or not isinstance(row, FieldRow):
        raise Refusal(f"{comparison.field} is not part of an entry", span=comparison.span)
    return leaves.read_pair_test(target.part, row.name, comparison.function, comparison.value)
