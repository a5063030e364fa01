"""``RunQuery`` and ``Moment`` to statements: where filters, tables and the order of a listing meet.

Named rewrites keep a statement cheap and its result the same:

* ``root filter``: a query for roots tests its trace filter on the run itself, which is the root of its trace.
* ``id times``: ids made by version 7 of UUID carry their time, so a read by id first looks around those times only.
* ``read in order``: a filter that reads payloads makes the engine walk in order and stop early; any other is
  quicker with a scan of narrow columns and a top-N.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, assert_never
from uuid import UUID

from runlake.fql.bound import And as AndExpr
from runlake.fql.bound import BoundExpr, PairExists, PayloadLike, ScalarTest, SearchTest
from runlake.fql.logic import all_of, leaves
from runlake.fql.vocabulary import Comparator, ScalarField
from runlake.query.compile import time_value
from runlake.query.context import Candidates
from runlake.query.request import Order, QueryLimits, RunQuery
from runlake.query.scope import RunScope, RunTable
from runlake.query.search_sql import is_answered_by_index
from runlake.store.columns import OBJECTS, RUN_COLUMNS, ReadColumn, columns_to_read, without_texts
from runlake.store.engine import Params, Statement
from runlake.store.moment import Moment, NamedRow

ID_TIME_SLACK_US: Final = 600_000_000
"""How far a run's start may lie from the time in its id for the first, narrow read by id to find it."""

INDEXED_SET_AT_MOST: Final = 1_000
"""Ids of a sub-select that are still looked up in the bloom filters of each granule, which rule none out for more."""

_UUID_VERSION_7: Final = 7


class Kept(Enum):
    """Which runs a statement reads, by where their payloads lie."""

    NONE_IN_OBJECTS = "any run, and none of them has objects"
    TOGETHER = "any run; the texts of objects, which nobody asks for, are not large together"
    IN_ROWS = "runs without objects"
    IN_OBJECTS = "runs with objects"


_KEPT_CONDITIONS: Final = {Kept.IN_ROWS: ["objects = ''"], Kept.IN_OBJECTS: ["objects != ''"]}


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A statement and what its cells are, in order."""

    statement: Statement
    columns: tuple[ReadColumn, ...]


def plan_page(
    query: RunQuery,
    moment: Moment,
    limits: QueryLimits,
    *,
    rows: int,
    table: RunTable = RunTable.RUNS,
    kept: Kept = Kept.NONE_IN_OBJECTS,
    read_at_most: int | None = None,
) -> RunPlan:
    """The statement for the first ``rows`` runs of one table that belong to a listing, from ``query.after`` on.

    One statement a table, run side by side, because planning a union costs as much as planning both and more. Where it
    would look at more than ``read_at_most`` rows the engine refuses it, before any is read.
    """
    scope = run_scope(query, moment)
    columns = _columns(query, kept)
    direction = "DESC" if query.order is Order.NEWEST_FIRST else "ASC"
    tail = f" ORDER BY start_time {direction}, id {direction} LIMIT {int(rows)}"
    cells = ", ".join(column.sql for column in columns)
    sql = scope.select_from(table, cells, [*_KEPT_CONDITIONS.get(kept, ()), *run_conditions(query, scope)], tail=tail)
    settings = {**statement_settings(limits), "optimize_read_in_order": int(reads_in_order(query))}
    if read_at_most is not None:
        settings["max_rows_to_read"] = read_at_most
    if query.ids is not None and len(query.ids) == 1:
        settings["query_plan_optimize_lazy_materialization"] = 0
    return RunPlan(scope.statement(sql, settings), columns)


def _columns(query: RunQuery, kept: Kept) -> tuple[ReadColumn, ...]:
    columns = columns_to_read(query.select)
    match kept:
        case Kept.NONE_IN_OBJECTS | Kept.IN_ROWS:
            return columns
        case Kept.TOGETHER:
            return (*columns, OBJECTS)
        case Kept.IN_OBJECTS:
            return (*without_texts(columns), OBJECTS)
        case _:
            assert_never(kept)


def statement_settings(limits: QueryLimits) -> dict[str, int | str]:
    """What keeps one statement within its share of the machine, and what holds for every one that filters."""
    return {
        "max_execution_time": f"{limits.max_seconds:g}",
        "max_memory_usage": limits.max_memory_bytes,
        "use_index_for_in_with_subqueries_max_values": INDEXED_SET_AT_MOST,
    }


def scoped(query: RunQuery, moment: Moment) -> tuple[RunScope, list[str]]:
    """The scope of a query with its conditions, for statements other than pages (statistics, counts)."""
    scope = run_scope(query, moment)
    return scope, run_conditions(query, scope)


def run_scope(query: RunQuery, moment: Moment, *, is_loose: bool = False) -> RunScope:
    """The ground that a query stands on; ``is_loose`` as ``FilterContext`` says."""
    return RunScope(
        tenant_id=query.tenant_id,
        sessions=query.sessions,
        moment=moment,
        params=Params(),
        columns=RUN_COLUMNS,
        feedback_from=query.feedback_from,
        feedback_to=query.feedback_to,
        is_loose=is_loose,
    )


def run_conditions(query: RunQuery, scope: RunScope) -> list[str]:
    """All conditions of the query as SQL, those first that cut most for least."""
    if query.ids is not None:
        return [*_ids(query.ids, scope), *_times(query, scope), *_after(query, scope)]
    query = rewrite_root_filter(query)
    known = [*_times(query, scope), *_places(query, scope)]
    candidates = Candidates(tuple(known), are_few=_names_few(query))
    conditions = [*known, *_after(query, scope)]
    conditions += [scope.condition(expr, candidates) for expr in (query.filter, query.search) if expr is not None]
    if query.thread_of_root is not None:
        named = f"thread_id = {scope.params.add('String', query.thread_of_root)}"
        conditions.append(_in_traces(["is_root", named], scope))
    if query.thread_with is not None:
        others = run_conditions(query.thread_with, scope)
        conditions.append(f"thread_id IN ({scope.select('thread_id', others)})")
    if query.trace_filter is not None:
        conditions.append(_in_traces(["is_root", scope.condition(query.trace_filter)], scope))
    if query.tree_filter is not None:
        conditions.append(_in_traces([scope.condition(query.tree_filter)], scope))
    return conditions


def near(query: RunQuery, moment: Moment) -> Moment:
    """The moment with those named rows only that the arguments of the query leave; filters may leave fewer still.

    For the choice of tables alone: a filter may ask about other runs of a trace, which have to stay in sight.
    """
    return moment.narrowed(lambda row: _may_list(query, row))


def of_traces(traces: Container[UUID], query: RunQuery, moment: Moment) -> Moment:
    """The moment with those named rows only that belong to some traces, which the query shows."""
    return moment.narrowed(lambda row: row.session_id in query.sessions and row.trace_id in traces)


def _may_list(query: RunQuery, row: NamedRow) -> bool:
    if row.session_id not in query.sessions or not _starts_within(query, row):
        return False
    if query.ids is not None:
        return row.run_id in query.ids
    return all(
        wanted is None or wanted == has
        for wanted, has in (
            (query.is_root, row.is_root),
            (query.error, row.has_error),
            (query.run_type, row.run_type),
            (query.trace, row.trace_id),
            (query.thread, row.thread_id),
            (query.has_thread or None, row.thread_id != ""),
        )
    ) and all(
        wanted is None or has in wanted for wanted, has in ((query.traces, row.trace_id), (query.among, row.run_id))
    )


def _starts_within(query: RunQuery, row: NamedRow) -> bool:
    from_us, to_us = query.start_time_from, query.start_time_to
    return (from_us is None or row.start_time >= from_us) and (to_us is None or row.start_time <= to_us)


def _names_few(query: RunQuery) -> bool:
    """Whether the query leaves out most runs before any filter is asked."""
    named = (
        query.start_time_from,
        query.trace,
        query.traces,
        query.among,
        query.thread,
        query.parent_run,
        query.reference_examples,
    )
    return query.error is True or any(value is not None for value in named)


def _ids(ids: tuple[UUID, ...], scope: RunScope) -> list[str]:
    if not ids:
        return ["false"]
    if len(ids) == 1:
        return [f"id = {scope.params.add('UUID', ids[0])}"]
    return [f"id IN {scope.params.add('Array(UUID)', ids)}"]


def _times(query: RunQuery, scope: RunScope) -> list[str]:
    conditions = []
    if query.start_time_from is not None:
        conditions.append(f"start_time >= {time_value(query.start_time_from, scope.params)}")
    if query.start_time_to is not None:
        conditions.append(f"start_time <= {time_value(query.start_time_to, scope.params)}")
    return conditions


def _after(query: RunQuery, scope: RunScope) -> list[str]:
    """The rest of the listing; the bound on the time alone is what the key of the table understands."""
    if query.after is None:
        return []
    sign = "<" if query.order is Order.NEWEST_FIRST else ">"
    time = time_value(query.after.start_time, scope.params)
    run_id = scope.params.add("UUID", query.after.run_id)
    return [f"start_time {sign}= {time}", f"(start_time {sign} {time} OR id {sign} {run_id})"]


def _places(query: RunQuery, scope: RunScope) -> list[str]:
    params = scope.params
    conditions = _named(query, scope)
    if query.run_type is not None:
        conditions.append(f"run_type = {params.add('String', query.run_type)}")
    if query.is_root is not None:
        conditions.append("is_root" if query.is_root else "NOT is_root")
    if query.error is not None:
        conditions.append("has_error" if query.error else "NOT has_error")
    if query.thread is not None:
        conditions.append(f"thread_id = {params.add('String', query.thread)}")
    if query.has_thread:
        conditions.append("thread_id != ''")
    return conditions


def _named(query: RunQuery, scope: RunScope) -> list[str]:
    """Conditions that name ids."""
    params = scope.params
    one = (("trace_id", query.trace), ("parent_run_id", query.parent_run))
    some = (("trace_id", query.traces), ("id", query.among), ("reference_example_id", query.reference_examples))
    versions = [] if query.versions is None else [f"version IN {params.add('Array(UInt64)', query.versions)}"]
    return [
        *versions,
        *(f"{column} = {params.add('UUID', named)}" for column, named in one if named is not None),
        *(f"{column} IN {params.add('Array(UUID)', named)}" for column, named in some if named is not None),
    ]


def _in_traces(conditions: list[str], scope: RunScope) -> str:
    """Some run of the trace meets the conditions; without bounds on time, for it may have started at any."""
    return f"trace_id IN ({scope.select('trace_id', conditions)})"


def rewrite_root_filter(query: RunQuery) -> RunQuery:
    """Test the trace filter of a query for roots on the run itself."""
    if query.trace_filter is None or not asks_for_roots(query):
        return query
    parts = [expr for expr in (query.filter, query.trace_filter) if expr is not None]
    return replace(query, filter=all_of(parts), trace_filter=None)


def asks_for_roots(query: RunQuery) -> bool:
    """Whether only roots can be in the result."""
    wanted = ScalarTest(field=ScalarField.IS_ROOT, comparator=Comparator.EQ, value=True)
    members = query.filter.children if isinstance(query.filter, AndExpr) else (query.filter,)
    return query.is_root is True or wanted in members


def rewrite_id_times(query: RunQuery) -> RunQuery | None:
    """A read by id that looks only around the times in the ids; None when some id has none or the query has bounds.

    The result may lack runs whose start is far from the time in their id, so a caller that misses one asks again
    without the rewrite.
    """
    if not query.ids or query.start_time_from is not None or query.start_time_to is not None:
        return None
    times = [_id_time(run_id) for run_id in query.ids]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return None
    return replace(query, start_time_from=min(known) - ID_TIME_SLACK_US, start_time_to=max(known) + ID_TIME_SLACK_US)


def _id_time(run_id: UUID) -> int | None:
    """Microseconds since 1970 UTC in a UUID of version 7 (RFC 9562), else None."""
    return (run_id.int >> 80) * 1000 if run_id.version == _UUID_VERSION_7 else None


def reads_in_order(query: RunQuery) -> bool:
    """Whether to walk the rows in the order of the listing: only worth it when looking at a row is dear."""
    filters: Iterable[BoundExpr] = [expr for expr in (query.filter, query.search) if expr is not None]
    return len(query.sessions) == 1 and any(_reads_payload(leaf) for expr in filters for leaf in leaves(expr))


def _reads_payload(leaf: object) -> bool:
    match leaf:
        case PayloadLike() | PairExists():
            return True
        case SearchTest():
            return not is_answered_by_index(leaf)
        case _:
            return False
