"""Bound filter to SQL: one condition on the columns of a run, true or false for every row, never NULL.

Values leave only as parameters. Columns come from the ``ColumnMap`` that is passed in. Conditions that look redundant
beside an exact one are there for an index: each is implied by its neighbour, so it changes the work and not the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Final, assert_never
from uuid import UUID

from runlake.fql.bound import (
    And,
    BoundExpr,
    Constant,
    DetailTest,
    Not,
    NullTest,
    Or,
    PairExists,
    PayloadLike,
    Related,
    ScalarTest,
    ScalarValue,
    SearchTest,
    TagTest,
    TraceSums,
)
from runlake.fql.logic import leaves
from runlake.fql.trace_sums import SUMMED_FIELDS
from runlake.fql.vocabulary import Comparator, ScalarField
from runlake.model.run import NO_ID
from runlake.query.context import Candidates, FilterContext
from runlake.query.pair_sql import compile_pairs
from runlake.query.patterns import read_pattern
from runlake.query.relatives import candidate_traces, compile_related, is_cheap, leaves_few
from runlake.query.search_sql import compile_payload_like, compile_search
from runlake.store.columns import Absence, Kind, ScalarColumn
from runlake.store.engine import Params

_DETAILS: Final = "details_text"

TRUE: Final = "true"
FALSE: Final = "false"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COST_STEP: Final = Decimal("1e-12")
_COST_LIMIT: Final = Decimal("99999999999999999999999999.999999999999")
_ORDER: Final = {Comparator.GT: ">", Comparator.GTE: ">=", Comparator.LT: "<", Comparator.LTE: "<="}


def compile_filter(expr: BoundExpr, context: FilterContext) -> str:
    """The condition, safe to put next to others with AND."""
    match expr:
        case And(children=children):
            return "(" + " AND ".join(_all_of(children, context)) + ")"
        case Or(children=children):
            return "(" + " OR ".join(compile_filter(child, context) for child in children) + ")"
        case Not(child=child):
            return TRUE if context.is_loose else f"NOT ({compile_filter(child, context)})"
        case Constant(value=value):
            return TRUE if value else FALSE
        case Related() | TraceSums():
            return TRUE if context.is_loose else _of_others(expr, context)
        case _:
            return _leaf(expr, context)


def _all_of(children: tuple[BoundExpr, ...], context: FilterContext) -> list[str]:
    """Each condition; those that read other runs may count on what the cheap ones beside them leave."""
    if not any(isinstance(leaf, Related | TraceSums) for child in children for leaf in leaves(child)):
        return [compile_filter(child, context) for child in children]
    known, few = list(context.candidates.conditions), context.candidates.are_few
    compiled: dict[int, str] = {}
    for index, child in enumerate(children):
        if is_cheap(child):
            compiled[index] = compile_filter(child, context)
            known.append(compiled[index])
            few = few or leaves_few(child)
    beside = replace(context, candidates=Candidates(tuple(known), are_few=few))
    return [compiled.get(index) or compile_filter(child, beside) for index, child in enumerate(children)]


def _of_others(expr: Related | TraceSums, context: FilterContext) -> str:
    return _related(expr, context) if isinstance(expr, Related) else _trace_sums(expr.child, context)


def _related(related: Related, context: FilterContext) -> str:
    """What a relative must meet is compiled for the relative, of which only its trace is known."""
    traces = candidate_traces(context)
    known = Candidates() if traces is None else Candidates((traces,), are_few=True)
    condition = compile_filter(related.child, replace(context, candidates=known))
    return compile_related(related, condition, traces, context)


def _trace_sums(child: BoundExpr, context: FilterContext) -> str:
    """Traces whose runs together meet the condition; where few are of interest, only those are added up."""
    names = [context.columns.scalars[field].sql for field in sorted(SUMMED_FIELDS)]
    if any(isinstance(leaf, DetailTest) for leaf in leaves(child)):
        names.append(f"{context.columns.details} AS {_DETAILS}")
    known = candidate_traces(context)
    runs = context.runs(", ".join(["trace_id", *names]), [] if known is None else [known])
    condition = compile_filter(child, replace(context, is_summed=True))
    return f"trace_id IN ({context.share(f'SELECT trace_id FROM ({runs}) GROUP BY trace_id HAVING {condition}')})"


def _leaf(
    leaf: ScalarTest | NullTest | DetailTest | TagTest | PairExists | SearchTest | PayloadLike, context: FilterContext
) -> str:
    match leaf:
        case ScalarTest() | NullTest() | DetailTest():
            return _value_test(leaf, context)
        case TagTest():
            return _tag_test(leaf, context)
        case PairExists():
            return compile_pairs(leaf, context)
        case SearchTest():
            return compile_search(leaf, context)
        case PayloadLike():
            return compile_payload_like(leaf, context)
        case _:
            assert_never(leaf)


def _value_test(test: ScalarTest | NullTest | DetailTest, context: FilterContext) -> str:
    match test:
        case ScalarTest(field=field, comparator=comparator, value=value):
            return _compared(_scalar_column(field, context), comparator, value, context)
        case NullTest(field=field, negated=negated):
            return _null_test(_scalar_column(field, context), negated=negated)
        case DetailTest(comparator=comparator, value=part):
            column = _detail_column(test, context)
            if part is None:
                return _null_test(column, negated=comparator is Comparator.NEQ)
            return _compared(column, comparator, part, context)
        case _:
            assert_never(test)


def _scalar_column(field: ScalarField, context: FilterContext) -> ScalarColumn:
    column = context.columns.scalars[field]
    return _sum_of(column) if context.is_summed else column


def _detail_column(test: DetailTest, context: FilterContext) -> ScalarColumn:
    """Tokens are numbers in the map, costs are decimal text."""
    details = _DETAILS if context.is_summed else context.columns.details
    cell = f"JSONExtract({details}, '{test.details}', {context.params.add('String', test.part)}"
    if test.details.is_cost:
        column = ScalarColumn(f"toDecimal128OrNull({cell}, 'Nullable(String)'), 12)", Kind.COST, Absence.NULL)
    else:
        column = ScalarColumn(f"{cell}, 'Nullable(Int64)')", Kind.INTEGER, Absence.NULL)
    return _sum_of(column) if context.is_summed else column


def _sum_of(column: ScalarColumn) -> ScalarColumn:
    """Over a group of runs; without a value where no run has one."""
    if column.kind is Kind.TIME:
        return replace(column, sql=f"min({column.sql})")
    return replace(column, sql=f"{'sum' if column.absence is Absence.NEVER else 'sumOrNull'}({column.sql})")


def _compared(
    column: ScalarColumn,
    comparator: Comparator,
    value: ScalarValue | tuple[ScalarValue, ...],
    context: FilterContext,
) -> str:
    if column.absence is Absence.ALWAYS:
        positive = FALSE
    elif isinstance(value, tuple):
        positive = _one_of(column, value, context)
    else:
        positive = _COMPARE[column.kind](column, comparator.positive, value, context.params)
    if column.absence is Absence.NULL:
        positive = f"ifNull({positive}, {FALSE})"
    return f"NOT ({positive})" if comparator.is_negative else positive


def _null_test(column: ScalarColumn, *, negated: bool) -> str:
    if column.present is not None:
        return column.present if negated else f"NOT {column.present}"
    match column.absence:
        case Absence.NEVER:
            return TRUE if negated else FALSE
        case Absence.ALWAYS:
            return FALSE if negated else TRUE
        case Absence.NULL:
            return f"{column.sql} IS {'NOT ' if negated else ''}NULL"
        case Absence.NO_ID:
            return f"{column.sql} {'!=' if negated else '='} toUUID('{NO_ID}')"
        case Absence.EMPTY_TEXT:
            return f"{column.sql} {'!=' if negated else '='} ''"
        case _:
            assert_never(column.absence)


def _one_of(column: ScalarColumn, values: tuple[ScalarValue, ...], context: FilterContext) -> str:
    """Membership; long lists are one array, which the key and the indexes of the table can use."""
    if column.kind is Kind.ID:
        ids = [value for value in values if isinstance(value, UUID) and value != NO_ID]
        return f"{column.sql} IN {context.params.add('Array(UUID)', ids)}" if ids else FALSE
    if column.kind is Kind.TEXT:
        texts = [value for value in values if isinstance(value, str) and value]
        return f"{column.sql} IN {context.params.add('Array(String)', texts)}" if texts else FALSE
    compare = _COMPARE[column.kind]
    return "(" + " OR ".join(compare(column, Comparator.EQ, value, context.params) for value in values) + ")"


def _compare_id(column: ScalarColumn, comparator: Comparator, value: ScalarValue, params: Params) -> str:
    if comparator is not Comparator.EQ or not isinstance(value, UUID):
        raise _impossible(column, comparator, value)
    return FALSE if value == NO_ID else f"{column.sql} = {params.add('UUID', value)}"


def _compare_text(column: ScalarColumn, comparator: Comparator, value: ScalarValue, params: Params) -> str:
    """Empty text is no value, so what it would match has to be left out by hand."""
    if not isinstance(value, str):
        raise _impossible(column, comparator, value)
    is_present = column.present or f"{column.sql} != ''"
    if comparator is Comparator.EQ:
        return f"{column.sql} = {params.add('String', value)}" if value else FALSE
    if comparator is Comparator.LIKE:
        pattern = read_pattern(value)
        like = "ILIKE" if column.ignores_case else "LIKE"
        return f"({is_present} AND {column.sql} {like} {params.add('String', pattern.engine_text)})"
    return f"({is_present} AND {column.sql} {_ORDER[comparator]} {params.add('String', value)})"


def _compare_bool(column: ScalarColumn, comparator: Comparator, value: ScalarValue, params: Params) -> str:
    del params
    if comparator is not Comparator.EQ or not isinstance(value, bool):
        raise _impossible(column, comparator, value)
    return column.sql if value else f"NOT {column.sql}"


def _compare_time(column: ScalarColumn, comparator: Comparator, value: ScalarValue, params: Params) -> str:
    if not isinstance(value, datetime):
        raise _impossible(column, comparator, value)
    moment_us = (value - _EPOCH) // timedelta(microseconds=1)
    return f"{column.sql} {_sign(comparator)} {time_value(moment_us, params)}"


def time_value(moment_us: int, params: Params) -> str:
    """SQL of a moment given in microseconds since 1970 UTC; any year is exact."""
    return f"fromUnixTimestamp64Micro({params.add('Int64', moment_us)}, 'UTC')"


def _compare_integer(column: ScalarColumn, comparator: Comparator, value: ScalarValue, params: Params) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _impossible(column, comparator, value)
    return f"{column.sql} {_sign(comparator)} {params.add('Int64', value)}"


def _compare_cost(column: ScalarColumn, comparator: Comparator, value: ScalarValue, params: Params) -> str:
    """Costs are stored in steps of 1e-12; a bound between two steps moves to the one that keeps the answer."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _impossible(column, comparator, value)
    rounding = ROUND_CEILING if comparator in (Comparator.GTE, Comparator.LT) else ROUND_FLOOR
    bound = Decimal(value)
    if not -_COST_LIMIT <= bound <= _COST_LIMIT:
        always = comparator in ((Comparator.LT, Comparator.LTE) if bound > 0 else (Comparator.GT, Comparator.GTE))
        return f"{column.sql} IS NOT NULL" if always else FALSE
    with localcontext(prec=60):
        step = bound.quantize(_COST_STEP, rounding=rounding)
    if comparator is Comparator.EQ and step != bound:
        return FALSE
    return f"{column.sql} {_sign(comparator)} {params.add('Decimal(38, 12)', format(step, 'f'))}"


def _sign(comparator: Comparator) -> str:
    return "=" if comparator is Comparator.EQ else _ORDER[comparator]


_Compare = Callable[[ScalarColumn, Comparator, ScalarValue, Params], str]
_COMPARE: Final[dict[Kind, _Compare]] = {
    Kind.ID: _compare_id,
    Kind.TEXT: _compare_text,
    Kind.BOOL: _compare_bool,
    Kind.TIME: _compare_time,
    Kind.INTEGER: _compare_integer,
    Kind.COST: _compare_cost,
}


def _impossible(column: ScalarColumn, comparator: Comparator, value: object) -> TypeError:
    """A tree that the binder never makes."""
    return TypeError(f"{comparator} of {column.sql} with {type(value).__name__}")


def _tag_test(test: TagTest, context: FilterContext) -> str:
    tags, params = context.columns.tags, context.params
    if isinstance(test.value, tuple):
        return f"hasAny({tags}, {params.add('Array(String)', test.value)})"
    if test.comparator is Comparator.EQ:
        return f"has({tags}, {params.add('String', test.value)})"
    pattern = read_pattern(test.value)
    if pattern.literal is not None:
        return f"has({tags}, {params.add('String', pattern.literal)})"
    return f"arrayExists(tag -> tag LIKE {params.add('String', pattern.engine_text)}, {tags})"
