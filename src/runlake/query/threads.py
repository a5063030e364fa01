"""Threads: roots that meet a query, grouped by the thread that they name, the one with the newest root first.

The thread of a trace is the thread of its root. Roots of both tables are grouped side by side and put together here;
sums, previews and feedback are read for the threads of the page only. Blocks; the service calls it on a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from uuid import UUID

from runlake.model.quantiles import quantile
from runlake.model.run import NO_ID
from runlake.model.run_record import FeedbackSummary, RunRecord, RunSelect
from runlake.model.thread import ThreadSummary
from runlake.model.usage import UsageTotals, add_usage
from runlake.query.compile import time_value
from runlake.query.fetch import RunFetcher
from runlake.query.lanes import HelperThreads
from runlake.query.page_extras import feedback_sql, summarise_by, thread_feedback_sql
from runlake.query.plan import near, of_traces, run_conditions, run_scope, statement_settings
from runlake.query.request import PageKey, QueryLimits, RunQuery
from runlake.query.scope import RunScope, RunTable, tables_at
from runlake.query.usage_sql import read_usage, usage_cells
from runlake.store.engine import Engine, Row
from runlake.store.moment import Moment

MAX_PAGE_THREADS: Final = 1_000
"""Most threads on one page; the page then has a next cursor."""

MAX_NAMED_TRACES: Final = 2_000
"""Up to this number the traces of a page are named by their ids, beyond it by the query that found them."""

_THREAD: Final = "thread "
"""Tells a thread from a run of the same id where both are owners of feedback."""

PartT = TypeVar("PartT")

_ROOT_CELLS: Final = "thread_id, start_time, id, has_error, duration_us, end_time"
_GROUP: Final = (
    "thread_id, max((start_time, id)) AS last, toUnixTimestamp64Micro(last.1), toString(last.2),"
    " min((start_time, id)) AS first, toUnixTimestamp64Micro(first.1), toString(first.2), countIf(has_error),"
    " maxIf((start_time, id), has_error) AS failed, toUnixTimestamp64Micro(failed.1), toString(failed.2),"
    " toUnixTimestamp64Micro(max(end_time)), groupArray(duration_us), groupArray(toString(id))"
)
_PREVIEWS: Final = frozenset({RunSelect.INPUTS_PREVIEW, RunSelect.OUTPUTS_PREVIEW, RunSelect.ERROR})


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """Threads in order, and the newest root of the last one when more follow."""

    threads: list[ThreadSummary]
    next_after: PageKey | None


@dataclass(frozen=True, slots=True)
class _Root:
    """A place in time: the start of a root, then its id as the engine compares ids."""

    start_time: int
    id: str

    def __lt__(self, other: _Root) -> bool:
        return self.place < other.place

    @property
    def place(self) -> tuple[int, int, int]:
        number = UUID(self.id).int
        return self.start_time, number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64


@dataclass(slots=True, kw_only=True)
class _Group:
    """The roots of one thread, as far as they have been read."""

    last: _Root
    first: _Root
    failed: _Root | None
    errors: int
    end: int | None
    durations_us: list[int]
    root_ids: list[str]


@dataclass(slots=True)
class _Details:
    """What the runs of one thread's traces add up to."""

    usage: list[UsageTotals] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)


class ThreadReader:
    """Reads threads from one engine."""

    def __init__(self, engine: Engine, fetcher: RunFetcher, limits: QueryLimits) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._limits = limits
        # Not the fetcher's own helpers: what runs here may wait for those.
        self._helpers = HelperThreads(4, thread_name_prefix="runlake-threads")

    def page(self, query: RunQuery, moment: Moment, *, offset: int = 0) -> ThreadPage:
        """``query.page_rows`` threads of the roots that meet the query, from ``query.after`` on."""
        rows = max(1, min(query.page_rows, MAX_PAGE_THREADS))
        place, query = query.after, replace(query, after=None)
        groups = self._newest(query, moment, place, offset + rows + 1)
        wanted = sorted(groups, key=lambda name: groups[name].last, reverse=True)[offset:]
        shown = {name: groups[name] for name in wanted[:rows]}
        threads = self._complete(shown, query, moment) if shown else []
        if len(wanted) <= rows:
            return ThreadPage(threads, None)
        last = threads[-1]
        return ThreadPage(threads, PageKey(start_time=last.max_start_time, run_id=UUID(last.last_trace_id)))

    def count(self, query: RunQuery, moment: Moment) -> int:
        """How many threads the roots that meet the query belong to."""
        scope = run_scope(query, moment)
        roots = scope.select("thread_id", run_conditions(_of_threads(query), scope))
        return int(str(self._rows(f"SELECT uniqExact(thread_id) FROM ({roots})", scope)[0][0]))

    def turn_numbers(self, query: RunQuery, moment: Moment) -> dict[str, int]:
        """The place of each root in the thread that the query names, from 1, whatever else the query asks."""
        whole = RunQuery(tenant_id=query.tenant_id, sessions=query.sessions, thread=query.thread)
        scope = run_scope(whole, moment)
        roots = scope.select("start_time, id", run_conditions(_of_threads(whole), scope))
        rows = self._rows(f"SELECT toString(id) FROM ({roots}) ORDER BY start_time, id", scope)
        return {str(row[0]): number for number, row in enumerate(rows, start=1)}

    def _newest(self, query: RunQuery, moment: Moment, place: PageKey | None, rows: int) -> dict[str, _Group]:
        """Groups among which are the ``rows`` newest threads behind ``place``, each with all of its roots.

        A table's list may hold threads that the page before has shown, because their newest root lies in the other
        table. They are left out here, and longer lists are read where too few others remain.
        """
        limit = None if place is None else _Root(place.start_time, str(place.run_id))
        while True:
            lists = self._lists(query, moment, place, rows)
            cut = [table for table, groups in lists.items() if len(groups) >= rows]
            # Behind a place a list also lacks the threads whose part in the table lies before it.
            whole = self._whole(query, moment, lists, cut if place is None else tuple(lists))
            if limit is not None:
                whole = {name: group for name, group in whole.items() if group.last < limit}
            if _holds_newest(whole, [lists[table] for table in cut], rows):
                return whole
            rows *= 2

    def _lists(
        self, query: RunQuery, moment: Moment, place: PageKey | None, rows: int
    ) -> dict[RunTable, dict[str, _Group]]:
        """The newest threads of each table by itself."""
        tables = tables_at(near(_of_threads(query), moment))
        return self._each(tables, lambda table: self._groups(query, moment, table, place=place, rows=rows))

    def _whole(
        self, query: RunQuery, moment: Moment, lists: Mapping[RunTable, Mapping[str, _Group]], cut: Sequence[RunTable]
    ) -> dict[str, _Group]:
        """The lists together; what a table that was cut has of a thread beyond its list is read by name."""
        found = _merged(lists.values())
        missing = {table: [name for name in found if name not in lists[table]] for table in cut if len(lists) > 1}
        more = [self._groups(query, moment, table, names=names) for table, names in missing.items() if names]
        return _merged([*lists.values(), *more])

    def _groups(
        self,
        query: RunQuery,
        moment: Moment,
        table: RunTable,
        *,
        place: PageKey | None = None,
        names: Sequence[str] | None = None,
        rows: int | None = None,
    ) -> dict[str, _Group]:
        scope = run_scope(query, moment)
        conditions = run_conditions(_of_threads(query), scope)
        if names is not None:
            conditions.insert(0, f"thread_id IN {scope.params.add('Array(String)', names)}")
        roots = scope.select_from(table, _ROOT_CELLS, conditions)
        sql = f"SELECT {_GROUP} FROM ({roots}) GROUP BY thread_id"
        if place is not None:
            run_id = scope.params.add("UUID", place.run_id)
            sql += f" HAVING last < ({time_value(place.start_time, scope.params)}, {run_id})"
        if rows is not None:
            sql += f" ORDER BY last DESC LIMIT {int(rows)}"
        return {str(row[0]): _read_group(row) for row in self._rows(sql, scope)}

    def _complete(self, groups: Mapping[str, _Group], query: RunQuery, moment: Moment) -> list[ThreadSummary]:
        """The threads with everything that is not on their roots' narrow columns."""
        previews = self._helpers.submit(self._previews, groups.values(), query, moment)
        on_threads = self._helpers.submit(self._on_threads, tuple(groups), query, moment)
        details = self._details(groups, query, moment)
        thread_of = {run_id: name for name, found in details.items() for run_id in found.judged}
        on_runs = self._on_runs(tuple(thread_of), query, moment) if thread_of else []
        feedback = _judged(thread_of, on_runs, on_threads.result())
        runs = previews.result()
        return [
            _summary(name, group, runs, add_usage(details[name].usage), feedback.get(name, {}))
            for name, group in groups.items()
        ]

    def _details(self, groups: Mapping[str, _Group], query: RunQuery, moment: Moment) -> dict[str, _Details]:
        thread_of = {root: name for name, group in groups.items() for root in group.root_ids}
        found: dict[str, _Details] = {name: _Details() for name in groups}
        traces = {UUID(root) for root in thread_of}
        tables = tables_at(of_traces(traces, query, moment))
        for rows in self._each(tables, lambda table: self._sums(groups, query, moment, table)).values():
            for trace_id, judged, *cells in rows:
                details = found[thread_of[str(trace_id)]]
                details.usage.append(read_usage(cells))
                details.judged += judged if isinstance(judged, list) else []
        return found

    def _sums(self, groups: Mapping[str, _Group], query: RunQuery, moment: Moment, table: RunTable) -> list[Row]:
        """A row for each trace: its id, its runs with feedback, and the cells of ``read_usage``."""
        scope = run_scope(query, moment)
        _, sums = usage_cells(scope, with_details=True)
        judged = f"id IN (SELECT run_id FROM {scope.columns.feedback.table} WHERE tenant_id = {scope.tenant})"
        cells = f"toString(trace_id), groupArrayIf(toString(id), {judged}), {sums}"
        sql = scope.select_from(table, cells, [_in_traces(groups, query, scope)], tail=" GROUP BY trace_id")
        return self._rows(sql, scope)

    def _on_runs(self, run_ids: Sequence[str], query: RunQuery, moment: Moment) -> list[Row]:
        scope = run_scope(query, moment)
        return self._rows(feedback_sql(scope, [UUID(run_id) for run_id in run_ids]), scope)

    def _on_threads(self, names: Sequence[str], query: RunQuery, moment: Moment) -> list[Row]:
        scope = run_scope(query, moment)
        return self._rows(thread_feedback_sql(scope, names), scope)

    def _previews(self, groups: Iterable[_Group], query: RunQuery, moment: Moment) -> dict[str, RunRecord]:
        """The roots at either end of each thread, and the last that failed, by id."""
        ends = (root for group in groups for root in (group.first, group.last, group.failed) if root is not None)
        ids = tuple(UUID(run_id) for run_id in dict.fromkeys(root.id for root in ends))
        wanted = RunQuery(
            tenant_id=query.tenant_id, sessions=query.sessions, ids=ids, page_rows=len(ids), select=_PREVIEWS
        )
        return {run.id: run for run in self._fetcher.page(wanted, moment).runs}

    def _each(self, tables: Sequence[RunTable], read: Callable[[RunTable], PartT]) -> dict[RunTable, PartT]:
        """What ``read`` says of each table, side by side."""
        first, *others = tables
        found = {table: self._helpers.submit(read, table) for table in others}
        return {first: read(first), **{table: part.result() for table, part in found.items()}}

    def _rows(self, sql: str, scope: RunScope) -> list[Row]:
        return self._engine.select(scope.statement(sql, statement_settings(self._limits))).rows


def _judged(
    thread_of: Mapping[str, str], on_runs: Sequence[Row], on_threads: Sequence[Row]
) -> dict[str, dict[str, FeedbackSummary]]:
    """Feedback by thread: that on any run of its traces, and that on the thread itself."""
    marked = [[f"{_THREAD}{row[0]}", *row[1:]] for row in on_threads]
    found = summarise_by([*on_runs, *marked], lambda of: thread_of[of] if of in thread_of else of.removeprefix(_THREAD))
    for row in on_threads:
        by_key = found[str(row[0])]
        by_key[str(row[4])] = replace(by_key[str(row[4])], on_thread=True)
    return found


def _holds_newest(whole: Mapping[str, _Group], cut: Sequence[Mapping[str, _Group]], rows: int) -> bool:
    """Whether no thread behind the end of a list that was cut belongs among the ``rows`` newest of ``whole``."""
    if not cut:
        return True
    if len(whole) < rows:
        return False
    last_wanted = sorted((group.last for group in whole.values()), reverse=True)[rows - 1]
    return all(not last_wanted < min(group.last for group in groups.values()) for groups in cut)


def _of_threads(query: RunQuery) -> RunQuery:
    return replace(query, is_root=True, has_thread=True)


def _in_traces(groups: Mapping[str, _Group], query: RunQuery, scope: RunScope) -> str:
    roots = [UUID(root) for group in groups.values() for root in group.root_ids]
    if len(roots) <= MAX_NAMED_TRACES:
        return f"trace_id IN {scope.params.add('Array(UUID)', roots)}"
    named = f"thread_id IN {scope.params.add('Array(String)', tuple(groups))}"
    conditions = run_conditions(_of_threads(query), scope)
    return f"trace_id IN ({scope.select('trace_id', [named, *conditions])})"


def _read_group(row: Sequence[Any]) -> _Group:
    _, _, last_start, last_id, _, first_start, first_id, errors, _, failed_start, failed_id, end, durations, ids = row
    failed = None if failed_id == str(NO_ID) else _Root(failed_start, failed_id)
    return _Group(
        last=_Root(last_start, last_id),
        first=_Root(first_start, first_id),
        failed=failed,
        errors=int(errors),
        end=end,
        durations_us=durations,
        root_ids=ids,
    )


def _merged(lists: Iterable[Mapping[str, _Group]]) -> dict[str, _Group]:
    """One group a thread; no two lists hold the same root."""
    parts: dict[str, list[_Group]] = {}
    for groups in lists:
        for name, group in groups.items():
            parts.setdefault(name, []).append(group)
    return {name: found[0] if len(found) == 1 else _together(found) for name, found in parts.items()}


def _together(parts: Sequence[_Group]) -> _Group:
    return _Group(
        last=max(part.last for part in parts),
        first=min(part.first for part in parts),
        failed=max((part.failed for part in parts if part.failed is not None), default=None),
        errors=sum(part.errors for part in parts),
        end=max((part.end for part in parts if part.end is not None), default=None),
        durations_us=[us for part in parts for us in part.durations_us],
        root_ids=[root for part in parts for root in part.root_ids],
    )


def _summary(
    name: str,
    group: _Group,
    runs: Mapping[str, RunRecord],
    usage: UsageTotals,
    feedback: Mapping[str, FeedbackSummary],
) -> ThreadSummary:
    first, last = runs.get(group.first.id), runs.get(group.last.id)
    failed = None if group.failed is None else runs.get(group.failed.id)
    return ThreadSummary(
        thread_id=name,
        turns=len(group.root_ids),
        errored_turns=group.errors,
        first_trace_id=group.first.id,
        last_trace_id=group.last.id,
        min_start_time=group.first.start_time,
        max_start_time=group.last.start_time,
        max_end_time=group.end,
        latency_p50=_seconds(quantile(group.durations_us, 0.5)),
        latency_p99=_seconds(quantile(group.durations_us, 0.99)),
        usage=usage,
        first_inputs=None if first is None else first.inputs_preview,
        last_outputs=None if last is None else last.outputs_preview,
        last_error=None if failed is None else failed.error,
        feedback=feedback,
    )


def _seconds(us: float | None) -> float | None:
    return None if us is None else us / 1e6
