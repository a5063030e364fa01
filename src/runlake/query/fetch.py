"""Runs the statements of a query and builds its page. Blocks; the service calls it on a thread.

A page ends where the rows asked for, the rows of ``MAX_PAGE_ROWS`` or the bytes of ``QueryLimits`` end, whichever is
first, and then says where the next one starts. It is read in pieces whose size follows the payloads seen so far, so
that memory stays near the limit of bytes whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Final, assert_never
from uuid import UUID

from runlake.errors import StoreError
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.usage import UsageOf, UsageTotals
from runlake.query import candidates
from runlake.query.lanes import HelperThreads
from runlake.query.page_extras import add_children, add_feedback, children_sql, feedback_sql
from runlake.query.plan import Kept, near, of_traces, plan_page, rewrite_id_times, run_scope, statement_settings
from runlake.query.request import MAX_PAGE_ROWS, Order, PageKey, QueryLimits, RunQuery
from runlake.query.rows import payload_bytes, read_runs
from runlake.query.scope import RunScope, RunTable, tables_at
from runlake.query.usage_sql import (
    DETAIL_FIELDS,
    USAGE_FIELDS,
    by_subtree_sql,
    by_trace_sql,
    read_usage_by,
    show_usage,
    sum_of,
)
from runlake.store.columns import PAYLOAD_SELECTS
from runlake.store.engine import Engine, Row, Statement
from runlake.store.moment import Moment
from runlake.store.objects import ObjectStore

FIRST_PIECE_ROWS: Final = 250
"""Rows of the first piece of a page, before anything is known of their size."""

TOGETHER_AT_MOST_BYTES: Final = 128 << 20
"""How much text of objects a page may read beside what it shows, which saves a statement."""

HELPER_THREADS: Final = 8
"""Threads that read beside the one that asked."""

_Place = tuple[RunTable, Kept]

_CHILDREN: Final = frozenset({RunSelect.CHILD_RUN_IDS, RunSelect.DIRECT_CHILD_RUN_IDS})


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs in order, and the key of the last one when more follow."""

    runs: list[RunRecord]
    next_after: PageKey | None


class RunFetcher:
    """Reads pages from one engine."""

    def __init__(self, engine: Engine, limits: QueryLimits, objects: ObjectStore | None = None) -> None:
        self._engine = engine
        self._objects = objects
        self._limits = limits
        self._helpers = HelperThreads(HELPER_THREADS, thread_name_prefix="runlake-query")

    def page(self, query: RunQuery, moment: Moment) -> RunPage:
        """The page of ``query`` at ``moment``."""
        rows = max(1, min(query.page_rows, MAX_PAGE_ROWS))
        runs, has_more = self._by_id(query, moment, rows) or self._pieces(query, moment, rows)
        self._load_objects(runs, query.tenant_id)
        is_whole = not has_more and _is_whole_trace(query) and _shows_sums(runs, query)
        sums = [] if is_whole else self._ask_for_sums(runs, query, moment)
        if runs and RunSelect.FEEDBACK_STATS in query.select:
            add_feedback(runs, self._feedback(_ids(run.id for run in runs), query, moment))
        if runs and query.select & _CHILDREN:
            scope = run_scope(query, moment)
            add_children(runs, self._rows(children_sql(scope, _ids(run.trace_id for run in runs)), scope))
        if sums:
            _show_sums(runs, query, read_usage_by(found.result() for found in sums))
        elif is_whole:
            with_details = bool(query.select & DETAIL_FIELDS)
            _show_sums(runs, query, {str(query.trace): sum_of(runs, with_details=with_details)})
        return RunPage(runs, _key_of(runs[-1]) if has_more and runs else None)

    def one(self, query: RunQuery, moment: Moment) -> RunRecord | None:
        """The run of a query by a single id; its feedback is looked for meanwhile."""
        ids = query.ids or ()
        wants_feedback = RunSelect.FEEDBACK_STATS in query.select
        judged = self._helpers.submit(self._feedback, ids, query, moment) if wants_feedback else None
        runs = self.page(replace(query, select=query.select - {RunSelect.FEEDBACK_STATS}), moment).runs
        if judged is not None:
            add_feedback(runs, judged.result())
        return next(iter(runs), None)

    def _by_id(self, query: RunQuery, moment: Moment, rows: int) -> tuple[list[RunRecord], bool] | None:
        """Runs that were asked for by id, when all of them are found, complete, near the time that their ids tell."""
        narrow = rewrite_id_times(query)
        wanted = len(query.ids or ())
        if narrow is None or query.after is not None or wanted > min(rows, FIRST_PIECE_ROWS):
            return None
        # A complete run is never current in the other table, so finding all of them here is the whole answer. Few have
        # objects, so the second place is asked only about what the first does not have.
        runs: list[RunRecord] = []
        for place in _places_at(replace(moment, open_rows=()), query, rows):
            runs += self._from_place(narrow, moment, wanted, place)
            if len(runs) == wanted:
                break
        if len(runs) < wanted or sum(map(payload_bytes, runs)) > self._limits.max_page_bytes:
            return None
        runs.sort(key=_place_in_listing, reverse=query.order is Order.NEWEST_FIRST)
        return runs, False

    def _pieces(self, query: RunQuery, moment: Moment, rows: int) -> tuple[list[RunRecord], bool]:
        """Up to ``rows`` runs, and whether there are more."""
        runs: list[RunRecord] = []
        budget = self._limits.max_page_bytes
        size = 0
        while True:
            wanted = self._next_piece_rows(len(runs), size, rows)
            piece = self._piece(query, moment, wanted)
            for run in piece:
                size += payload_bytes(run)
                if len(runs) == rows or (runs and size > budget):
                    return runs, True
                runs.append(run)
            if len(piece) < wanted:
                return runs, False
            query = replace(query, after=_key_of(runs[-1]))

    def _next_piece_rows(self, count: int, size: int, rows: int) -> int:
        """One more than the page still takes, to see whether there is more; less while payloads are large."""
        if not count:
            return min(FIRST_PIECE_ROWS, rows) + 1
        left = min(self._limits.max_page_bytes - size, self._limits.max_piece_bytes)
        affordable = left * count // max(size, 1)
        return max(1, min(rows - count, affordable)) + 1

    def _piece(self, query: RunQuery, moment: Moment, rows: int) -> list[RunRecord]:
        """The first runs of every place, merged; a run is in one of them."""
        first, *others = _places_at(moment, query, rows)
        if others and not _is_filtered(query):
            # The page is likely to be full of these, and then the others need be asked up to its end alone, if at all.
            runs = self._from_place(query, moment, rows, first)
            if len(runs) == rows:
                query = _until(runs[-1], query)
                others = _still_needed(others, query, moment)
            found = [self._helpers.submit(self._from_place, query, moment, rows, place) for place in others]
        else:
            found = [self._helpers.submit(self._from_place, query, moment, rows, place) for place in others]
            runs = self._from_place(query, moment, rows, first)
        for other in found:
            runs += other.result()
        if found:
            runs.sort(key=_place_in_listing, reverse=query.order is Order.NEWEST_FIRST)
        return runs[:rows]

    def _from_place(self, query: RunQuery, moment: Moment, rows: int, place: _Place) -> list[RunRecord]:
        """The first runs of one place; candidate by candidate where one statement would read too much for them."""
        table, kept = place
        read_at_most = candidates.READ_AT_ONCE if table is RunTable.RUNS and candidates.has_candidates(query) else None
        plan = plan_page(query, moment, self._limits, rows=rows, table=table, kept=kept, read_at_most=read_at_most)
        try:
            return read_runs(self._engine.select(plan.statement).rows, plan.columns)
        except StoreError as error:
            if not error.is_too_many_rows:
                raise
            return self._from_candidates(query, moment, rows, place)

    def _from_candidates(self, query: RunQuery, moment: Moment, rows: int, place: _Place) -> list[RunRecord]:
        table, kept = place
        runs: list[RunRecord] = []
        looked_at = 0
        while len(runs) < rows:
            asked = candidates.next_batch_rows(rows - len(runs), looked_at=looked_at, found=len(runs))
            batch = candidates.read_batch(self._engine, query, moment, self._limits, table=table, rows=asked)
            if batch is None:
                break
            page = candidates.only(batch, query)
            plan = plan_page(page, moment, self._limits, rows=rows - len(runs), table=table, kept=kept)
            runs += read_runs(self._engine.select(plan.statement).rows, plan.columns)
            if len(batch.versions) < asked:
                break
            looked_at += asked
            query = replace(query, after=batch.last)
        return runs

    def _ask_for_sums(self, runs: Sequence[RunRecord], query: RunQuery, moment: Moment) -> list[Future[list[Row]]]:
        """Start to sum tokens and costs over traces or subtrees, where the page shows such sums."""
        if not _shows_sums(runs, query):
            return []
        summed = list(_summed(runs, query))
        traces, ids = _ids(run.trace_id for run in summed), _ids(run.id for run in summed)
        tables = tables_at(of_traces(traces, query, moment))
        return [self._helpers.submit(self._sums, traces, ids, query, moment, table) for table in tables]

    def _sums(
        self, traces: Sequence[UUID], run_ids: Sequence[UUID], query: RunQuery, moment: Moment, table: RunTable
    ) -> list[Row]:
        """Sums over the subtrees of some runs of some traces, in one table."""
        scope = run_scope(query, moment)
        in_traces = f"trace_id IN {scope.params.add('Array(UUID)', traces)}"
        with_details = bool(query.select & DETAIL_FIELDS)
        if set(traces) >= set(run_ids):
            return self._rows(by_trace_sql(scope, table, in_traces, with_details=with_details), scope)
        return self._rows(by_subtree_sql(scope, table, in_traces, run_ids, with_details=with_details), scope)

    def _feedback(self, run_ids: Sequence[UUID], query: RunQuery, moment: Moment) -> list[Row]:
        scope = run_scope(query, moment)
        return self._rows(feedback_sql(scope, run_ids), scope)

    def _load_objects(self, runs: Sequence[RunRecord], tenant_id: UUID) -> None:
        """Fetch the payloads of a page that lie outside its rows."""

        def load(run: RunRecord) -> None:
            for name, ref in run.objects.items():
                if self._objects is None:
                    raise StoreError("a run names an object, and the server was put together without objects")
                setattr(run, name, self._objects.payload(tenant_id, UUID(run.id), ref))

        for _ in self._helpers.map(load, [run for run in runs if run.objects]):
            pass

    def _rows(self, sql: str, scope: RunScope) -> list[Row]:
        statement = Statement(sql, scope.params.as_tuple(), statement_settings(self._limits))
        return self._engine.select(statement).rows


def _places_at(moment: Moment, query: RunQuery, rows: int) -> list[_Place]:
    """Where to look for ``rows`` runs, each of which is in one place."""
    seen = near(query, moment)
    return [(table, kept) for table in tables_at(seen) for kept in _kept(seen, query, rows)]


def _kept(seen: Moment, query: RunQuery, rows: int) -> tuple[Kept, ...]:
    """Runs whose payloads are objects are looked for apart where reading their texts, for nothing, may be too much."""
    named = seen.object_rows
    if named == () or not query.select & PAYLOAD_SELECTS:
        return (Kept.NONE_IN_OBJECTS,)
    if named is not None and query.ids is None:
        largest = nlargest(rows, (row.objects_bytes for row in named))
        if sum(largest) <= TOGETHER_AT_MOST_BYTES:
            return (Kept.TOGETHER,)
    return (Kept.IN_ROWS, Kept.IN_OBJECTS)


def _is_filtered(query: RunQuery) -> bool:
    """Whether more than the arguments decide which runs are listed, so that few of them may be."""
    conditions = (query.filter, query.search, query.trace_filter, query.tree_filter, query.thread_with)
    return any(condition is not None for condition in conditions)


def _until(last: RunRecord, query: RunQuery) -> RunQuery:
    """The listing up to this run, and those that start with it."""
    match query.order:
        case Order.NEWEST_FIRST:
            return replace(query, start_time_from=last.start_time)
        case Order.OLDEST_FIRST:
            return replace(query, start_time_to=last.start_time)
        case _:
            assert_never(query.order)


def _still_needed(places: Iterable[_Place], query: RunQuery, moment: Moment) -> list[_Place]:
    """Those of the places that may hold runs of the query."""
    seen = near(query, moment)
    return [
        (table, kept)
        for table, kept in places
        if (table is RunTable.RUNS or seen.has_open) and (kept is not Kept.IN_OBJECTS or seen.object_rows != ())
    ]


def _ids(texts: Iterable[str]) -> tuple[UUID, ...]:
    return tuple(UUID(text) for text in dict.fromkeys(texts))


def _shows_sums(runs: Sequence[RunRecord], query: RunQuery) -> bool:
    """Whether some run of the page shows more than its own tokens and costs."""
    shown = USAGE_FIELDS | DETAIL_FIELDS
    match query.usage_of:
        case UsageOf.RUN:
            return False
        case UsageOf.ROOTS_TRACE:
            return bool(query.select & shown) and any(run.trace_id == run.id for run in runs)
        case UsageOf.SUBTREE:
            return bool(query.select & (shown | {RunSelect.FIRST_TOKEN_TIME})) and bool(runs)
        case _:
            assert_never(query.usage_of)


def _is_whole_trace(query: RunQuery) -> bool:
    """Whether a page with nothing after it holds every run of a trace, so that the page itself tells the sums."""
    return query.trace is not None and query == RunQuery(
        tenant_id=query.tenant_id,
        sessions=query.sessions,
        trace=query.trace,
        order=query.order,
        page_rows=query.page_rows,
        select=query.select,
        usage_of=UsageOf.ROOTS_TRACE,
        feedback_from=query.feedback_from,
        feedback_to=query.feedback_to,
    )


def _summed(runs: Iterable[RunRecord], query: RunQuery) -> Iterator[RunRecord]:
    """Those runs of the page that show more than their own tokens and costs."""
    return (run for run in runs if query.usage_of is UsageOf.SUBTREE or run.trace_id == run.id)


def _show_sums(runs: Iterable[RunRecord], query: RunQuery, sums: Mapping[str, UsageTotals]) -> None:
    with_details, with_first_token = bool(query.select & DETAIL_FIELDS), query.usage_of is UsageOf.SUBTREE
    for run in _summed(runs, query):
        found = sums.get(run.id)
        if found is not None:
            show_usage(run, found, with_details=with_details, with_first_token=with_first_token)


def _place_in_listing(run: RunRecord) -> tuple[int, int, int]:
    """By start, then by id as the engine compares UUIDs: their second half first."""
    number = UUID(run.id).int
    return run.start_time, number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64


def _key_of(run: RunRecord) -> PageKey:
    return PageKey(start_time=run.start_time, run_id=UUID(run.id))
