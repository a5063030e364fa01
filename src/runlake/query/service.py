"""``RunQueries``: what the API asks of the query side. Engine calls run on threads, never on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from runlake.errors import NotFoundError
from runlake.fql import Mode
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.run_stats import RunStats, StatsBucket
from runlake.model.snippet import RunSnippets
from runlake.model.usage import UsageOf
from runlake.query.explain import explain_query
from runlake.query.fetch import RunFetcher
from runlake.query.inspection import QueryInspector
from runlake.query.lanes import LIGHT, QueryLanes, QueryShape
from runlake.query.listing import Listings
from runlake.query.names import NameReader
from runlake.query.notes import Note, notes_on
from runlake.query.read_request import (
    LiveProjects,
    check_run_query,
    live_sessions,
    read_grouping,
    read_run_query,
    wanted_stats,
)
from runlake.query.request import MAX_PAGE_ROWS, QueryLimits, RunQuery
from runlake.query.silence import SILENT_AFTER_US, mark_silent
from runlake.query.snippets import find_snippets, with_searched_fields
from runlake.query.stats import StatsReader
from runlake.store.engine import Engine
from runlake.store.moment import Moments
from runlake.store.objects import ObjectStore
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import RunQueryBody, RunQuerySpec, check_query
from runlake.wire.runs import FieldProblem

ReadStats: TypeAlias = RunStats | dict[str, RunStats] | list[StatsBucket]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRuns:
    """A page for the wire: its runs, the token of the next page, the fields asked for."""

    runs: list[RunRecord]
    next_cursor: str | None
    select: frozenset[RunSelect]
    explanation: str | None = None
    snippets: dict[str, RunSnippets] | None = None
    notes: tuple[Note, ...] = ()


class RunQueries:
    """Reads for one store. Thread-safe; every answer shows one moment."""

    def __init__(
        self,
        *,
        engine: Engine,
        moments: Moments,
        live_projects: LiveProjects,
        cursors: CursorSigner,
        limits: QueryLimits,
        lanes: QueryLanes,
        now_us: Callable[[], int],
        objects: ObjectStore | None = None,
        silent_after_us: int = SILENT_AFTER_US,
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._live_projects = live_projects
        self._limits = limits
        self._listings = Listings(moments=moments, live_projects=live_projects, cursors=cursors, now_us=now_us)
        self._lanes = lanes
        self._now_us = now_us
        self._silent_after_us = silent_after_us
        # One for each lane, because a fetcher has threads of its own that a slow page keeps for itself.
        self._light_fetcher = RunFetcher(engine, limits, objects)
        self._search_fetcher = RunFetcher(engine, limits, objects)
        self._stats = StatsReader(engine, limits)
        self._names = NameReader(engine, limits)

    async def page(self, spec: RunQuerySpec, *, tenant_id: UUID, mode: Mode = Mode.LENIENT) -> ListedRuns:
        """One page of the runs that ``spec`` asks for."""
        return await self._lanes.run(shape := _shape_of(spec), self._page, spec, tenant_id, mode, shape)

    async def all(self, spec: RunQuerySpec, *, tenant_id: UUID) -> list[RunRecord]:
        """Every run that ``spec`` asks for, of one moment; for sets as small as a trace."""
        return await self._lanes.run(_shape_of(spec), self._all, spec, tenant_id)

    async def run(
        self,
        run_id: UUID,
        *,
        tenant_id: UUID,
        select: frozenset[RunSelect],
        sessions: tuple[UUID, ...] | None = None,
        usage_of: UsageOf = UsageOf.ROOTS_TRACE,
    ) -> RunRecord:
        """One run, of ``sessions`` where given; NotFoundError when the tenant has none in a live project."""
        return await self._lanes.run(QueryShape.RUN, self._run, run_id, tenant_id, select, sessions, usage_of)

    async def stats(self, spec: RunQuerySpec, *, tenant_id: UUID) -> ReadStats:
        """Statistics over all runs that ``spec`` asks for, by group or span of time when it says so."""
        return await self._lanes.run(QueryShape.STATS, self._read_stats, spec, tenant_id)

    def inspector(self) -> QueryInspector:
        """What explains queries and completes filters over the same store."""
        return QueryInspector(
            engine=self._engine,
            moments=self._moments,
            live_projects=self._live_projects,
            listings=self._listings,
            limits=self._limits,
            lanes=self._lanes,
        )

    def problems(self, body: RunQueryBody, *, tenant_id: UUID) -> list[FieldProblem]:
        """Everything that is wrong with a query; it is not run."""
        spec, problems = check_query(body)
        problems += check_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects)[1]
        return [FieldProblem(problem.field or "", problem.message) for problem in problems]

    def _page(self, spec: RunQuerySpec, tenant_id: UUID, mode: Mode, shape: QueryShape) -> ListedRuns:
        listing = self._listings.open(spec, tenant_id=tenant_id, mode=mode)
        query, moment = with_searched_fields(listing.query) if spec.snippets else listing.query, listing.moment
        fetcher = self._light_fetcher if shape in LIGHT else self._search_fetcher
        page = fetcher.page(query, moment)
        self._mark_silent(page.runs)
        token = None
        if page.next_after is not None and spec.paginate:
            token = self._listings.token(listing, page.next_after)
        explanation = explain_query(query, moment, self._limits, engine=self._engine) if spec.explain else None
        is_empty = not page.runs and query.after is None
        return ListedRuns(
            runs=page.runs,
            next_cursor=token,
            select=listing.query.select,
            explanation=explanation,
            snippets=find_snippets(query, page.runs) if spec.snippets else None,
            notes=notes_on(query, moment, self._names, is_empty=is_empty),
        )

    def _all(self, spec: RunQuerySpec, tenant_id: UUID) -> list[RunRecord]:
        listing = self._listings.open(replace(spec, limit=MAX_PAGE_ROWS), tenant_id=tenant_id)
        fetcher = self._light_fetcher if _shape_of(spec) in LIGHT else self._search_fetcher
        page = fetcher.page(listing.query, listing.moment)
        runs = page.runs
        while page.next_after is not None:
            page = fetcher.page(replace(listing.query, after=page.next_after), listing.moment)
            runs += page.runs
        self._mark_silent(runs)
        return runs

    def _run(
        self,
        run_id: UUID,
        tenant_id: UUID,
        select: frozenset[RunSelect],
        sessions: tuple[UUID, ...] | None,
        usage_of: UsageOf,
    ) -> RunRecord:
        query = RunQuery(
            tenant_id=tenant_id,
            sessions=live_sessions(sessions, self._live_projects(tenant_id)),
            ids=(run_id,),
            page_rows=1,
            select=select,
            usage_of=usage_of,
        )
        run = self._light_fetcher.one(query, self._moments.current(tenant_id))
        if run is None:
            raise NotFoundError(f"no run has the id {run_id}", field="run_id")
        self._mark_silent([run])
        return run

    def _mark_silent(self, runs: list[RunRecord]) -> None:
        mark_silent(runs, now_us=self._now_us(), after_us=self._silent_after_us)

    def _read_stats(self, spec: RunQuerySpec, tenant_id: UUID) -> ReadStats:
        query = read_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects)
        moment = self._moments.current(tenant_id)
        grouping, wanted = read_grouping(spec), wanted_stats(spec)
        if spec.interval is not None:
            return self._stats.over_time(query, moment, spec.interval, wanted, grouping)
        if grouping is not None:
            return self._stats.grouped(query, moment, grouping, wanted)
        return self._stats.stats(query, moment, wanted)


def _shape_of(spec: RunQuerySpec) -> QueryShape:
    """How much work a listing may be: whatever says a filter may have to read every payload of a project."""
    if any((spec.filter, spec.trace_filter, spec.tree_filter, spec.query, spec.search_filter, spec.search)):
        return QueryShape.SEARCH
    return QueryShape.LIST if spec.trace is None else QueryShape.TRACE
