"""Conditions on relatives of a run as SQL: semi-joins on the ids that tie a trace together.

A relative is a run of the same trace in the same scope, whenever it began. Direct ones are found by ``parent_run_id``,
those further up and down by the ids in ``dotted_order``, or by the parent where a run came without one.

Every statement reads the relatives that meet the condition first and looks their ids up in a set. Where the
conditions beside it leave few runs (``Candidates.are_few``), only relatives in the traces of those are read; which
changes the work and not the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from runlake.fql.axes import Axis
from runlake.fql.bound import (
    And,
    BoundExpr,
    Constant,
    CountTest,
    Not,
    NullTest,
    Or,
    PairExists,
    PayloadLike,
    Related,
    ScalarTest,
    SearchTest,
    TagTest,
)
from runlake.fql.vocabulary import Comparator, PairFamily, ScalarField
from runlake.model.run import NO_ID
from runlake.query.context import FilterContext

ANCESTOR_IDS: Final = (
    "if(position(dotted_order, '.') = 0, [parent_run_id],"
    " arrayMap(segment -> toUUIDOrZero(right(segment, 36)), arrayPopBack(splitByChar('.', dotted_order))))"
)
"""The ids above a run; those of a root hold only the id that no run has."""

_SELF: Final = "(trace_id, id)"
_PARENT: Final = "(trace_id, parent_run_id)"
_HAS_PARENT: Final = f"parent_run_id != toUUID('{NO_ID}')"
_SOME: Final = CountTest(comparator=Comparator.GTE, number=1)
_SIGNS: Final = {
    Comparator.EQ: "=",
    Comparator.NEQ: "!=",
    Comparator.GT: ">",
    Comparator.GTE: ">=",
    Comparator.LT: "<",
    Comparator.LTE: "<=",
}
_FEW_BY_VALUE: Final = (
    ScalarField.ID,
    ScalarField.TRACE_ID,
    ScalarField.PARENT_RUN_ID,
    ScalarField.THREAD_ID,
    ScalarField.NAME,
    ScalarField.ERROR,
    ScalarField.REFERENCE_EXAMPLE_ID,
)


def compile_related(related: Related, condition: str, traces: str | None, context: FilterContext) -> str:
    """The condition on relatives.

    ``condition`` is the SQL of what each of them must meet, ``traces`` what ``candidate_traces`` says of the run.
    """
    where = [part for part in (traces, condition) if part is not None]
    match related.axis:
        case Axis.ANCESTOR:
            return _ancestors(where, related.count, context, is_guarded=leaves_few(related.child))
        case Axis.SIBLING:
            return _siblings(where, condition, related.count or _SOME, context)
        case Axis.CHILD:
            tie = _Tie(_SELF, ("trace_id", "parent_run_id"))
            where.append(_HAS_PARENT)
        case Axis.DESCENDANT:
            above = ANCESTOR_IDS if related.count is None else f"arrayDistinct({ANCESTOR_IDS})"
            tie = _Tie(_SELF, ("trace_id", f"arrayJoin({above}) AS above"))
        case Axis.PARENT:
            tie = _Tie(_PARENT, ("trace_id", "id"))
        case Axis.ROOT:
            tie = _Tie("trace_id", ("trace_id",))
            where.insert(0, "is_root")
        case Axis.TRACE:
            tie = _Tie("trace_id", ("trace_id",))
        case _:
            assert_never(related.axis)
    return _tied(tie, where, related.count, context)


@dataclass(frozen=True, slots=True)
class _Tie:
    """What of a run must be found among which cells of its relatives."""

    key: str
    cells: tuple[str, ...]


def candidate_traces(context: FilterContext) -> str | None:
    """The condition that a run lies in a trace of the candidates, where there are few of them."""
    candidates = context.candidates
    if not candidates.are_few:
        return None
    return f"trace_id IN ({context.share(context.runs('trace_id', candidates.conditions))})"


def _tied(tie: _Tie, where: list[str], count: CountTest | None, context: FilterContext) -> str:
    """The key is among the cells of the relatives, as often as asked. A key that is not there occurs 0 times."""
    found = context.share(context.runs(", ".join(tie.cells), where))
    if count is None:
        return f"{tie.key} IN ({found})"
    return _grouped(tie, found, _test("count()", count, context), count)


def _grouped(tie: _Tie, found: str, test: str, count: CountTest) -> str:
    """The group of the key passes the test; where 0 would pass, its group must not fail."""
    names = ", ".join(cell.rpartition(" ")[2] for cell in tie.cells)
    groups = f"SELECT {names} FROM ({found}) GROUP BY {names} HAVING"
    if count.holds(0):
        return f"{tie.key} NOT IN ({groups} NOT ({test}))"
    return f"{tie.key} IN ({groups} {test})"


def _test(number: str, count: CountTest, context: FilterContext) -> str:
    return f"{number} {_SIGNS[count.comparator]} {context.params.add('Int64', count.number)}"


def _ancestors(where: list[str], count: CountTest | None, context: FilterContext, *, is_guarded: bool) -> str:
    """The ids above are looked up one by one; with few ancestors to find, only in the traces that have one."""
    is_found = f"above -> (trace_id, above) IN ({context.share(context.runs('trace_id, id', where))})"
    if count is not None:
        return _test(f"toInt64(arrayCount({is_found}, arrayDistinct({ANCESTOR_IDS})))", count, context)
    found = f"arrayExists({is_found}, {ANCESTOR_IDS})"
    return f"(trace_id IN ({context.share(context.runs('trace_id', where))}) AND {found})" if is_guarded else found


def _siblings(where: list[str], condition: str, count: CountTest, context: FilterContext) -> str:
    """Runs under the same parent; one that meets the condition itself is among those counted and is taken off."""
    tie = _Tie(_PARENT, ("trace_id", "parent_run_id"))
    found = context.share(context.runs(", ".join(tie.cells), [*where, _HAS_PARENT]), twice=True)
    with_self = _grouped(tie, found, _test("toInt64(count()) - 1", count, context), count)
    without_self = _grouped(tie, found, _test("count()", count, context), count)
    return f"if({condition}, {with_self}, {without_self})"


def leaves_few(expr: BoundExpr) -> bool:
    """Whether a condition is likely to hold for a small part of the runs; a guess that changes the work alone."""
    match expr:
        case And(children=children):
            return any(map(leaves_few, children))
        case Or(children=children):
            return all(map(leaves_few, children))
        case ScalarTest():
            return _value_is_rare(expr)
        case PairExists() | TagTest() | SearchTest() | PayloadLike() | Constant(value=False):
            return True
        case _:
            return False


def _value_is_rare(test: ScalarTest) -> bool:
    if test.field is ScalarField.STATUS:
        return test.comparator is Comparator.EQ and test.value != "success"
    if test.field is ScalarField.START_TIME:
        return test.comparator in (Comparator.GT, Comparator.GTE)
    return test.field in _FEW_BY_VALUE and test.comparator in (Comparator.EQ, Comparator.IN)


def is_cheap(expr: BoundExpr) -> bool:
    """Whether a condition reads narrow columns only, so that testing it a second time costs little."""
    match expr:
        case And(children=children) | Or(children=children):
            return all(map(is_cheap, children))
        case Not(child=child):
            return is_cheap(child)
        case PairExists(family=family):
            return family is PairFamily.METADATA
        case ScalarTest(field=field):
            return field is not ScalarField.ERROR
        case NullTest() | TagTest() | Constant():
            return True
        case _:
            return False
