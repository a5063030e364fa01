"""``RunQueries``: what the API asks of the query side. Engine calls run on threads, never on the event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from uuid import UUID

from runlake.errors import NotFoundError
from runlake.fql import Mode
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.run_stats import RunStats
from runlake.query.explain import explain_query
from runlake.query.fetch import RunFetcher
from runlake.query.read_request import (
    LiveProjects,
    check_run_query,
    read_grouping,
    read_run_query,
    wants_feedback,
)
from runlake.query.request import PageKey, QueryLimits, RunQuery
from runlake.query.stats import StatsReader
from runlake.store.engine import Engine
from runlake.store.moment import Moment, Moments
from runlake.wire.cursor import Cursor, CursorSigner
from runlake.wire.run_queries import RunQueryBody, RunQuerySpec, check_query
from runlake.wire.runs import FieldProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRuns:
    """A page for the wire: its runs, the token of the next page, the fields asked for."""

    runs: list[RunRecord]
    next_cursor: str | None
    select: frozenset[RunSelect]
    explanation: str | None = None


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
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._live_projects = live_projects
        self._cursors = cursors
        self._limits = limits
        self._fetcher = RunFetcher(engine, limits)
        self._stats = StatsReader(engine, limits)

    async def page(self, spec: RunQuerySpec, *, tenant_id: UUID, mode: Mode = Mode.LENIENT) -> ListedRuns:
        """One page of the runs that ``spec`` asks for."""
        return await asyncio.to_thread(self._page, spec, tenant_id, mode)

    async def run(self, run_id: UUID, *, tenant_id: UUID, select: frozenset[RunSelect]) -> RunRecord:
        """One run; NotFoundError when the tenant has none of that id in a live project."""
        return await asyncio.to_thread(self._run, run_id, tenant_id, select)

    async def stats(self, spec: RunQuerySpec, *, tenant_id: UUID) -> RunStats | dict[str, RunStats]:
        """Statistics over all runs that ``spec`` asks for, by group when it groups."""
        return await asyncio.to_thread(self._read_stats, spec, tenant_id)

    def problems(self, body: RunQueryBody, *, tenant_id: UUID) -> list[FieldProblem]:
        """Everything that is wrong with a query; it is not run."""
        spec, problems = check_query(body)
        problems += check_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects)[1]
        return [FieldProblem(problem.field or "", problem.message) for problem in problems]

    def _page(self, spec: RunQuerySpec, tenant_id: UUID, mode: Mode) -> ListedRuns:
        query = read_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects, mode=mode)
        moment = self._moments.current(tenant_id)
        identity = _identity(query, spec.sessions)
        if spec.cursor is not None:
            cursor = self._cursors.decode(spec.cursor, query=identity)
            query = replace(query, after=PageKey(start_time=cursor.start_time, run_id=cursor.run_id))
            moment = moment.at(min(moment.visible_version, cursor.visible_version))
        page = self._fetcher.page(query, moment)
        token = None
        if page.next_after is not None and spec.paginate:
            token = self._cursors.encode(_cursor(page.next_after, moment), query=identity)
        explanation = explain_query(query, moment, self._limits, engine=self._engine) if spec.explain else None
        return ListedRuns(runs=page.runs, next_cursor=token, select=query.select, explanation=explanation)

    def _run(self, run_id: UUID, tenant_id: UUID, select: frozenset[RunSelect]) -> RunRecord:
        query = RunQuery(
            tenant_id=tenant_id,
            sessions=self._live_projects(tenant_id),
            ids=(run_id,),
            page_rows=1,
            select=select,
        )
        run = self._fetcher.one(query, self._moments.current(tenant_id))
        if run is None:
            raise NotFoundError(f"no run has the id {run_id}", field="run_id")
        return run

    def _read_stats(self, spec: RunQuerySpec, tenant_id: UUID) -> RunStats | dict[str, RunStats]:
        query = read_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects)
        moment = self._moments.current(tenant_id)
        grouping = read_grouping(spec)
        if grouping is None:
            return self._stats.stats(query, moment, with_feedback=wants_feedback(spec))
        return self._stats.grouped(query, moment, grouping, with_feedback=wants_feedback(spec))


def _cursor(key: PageKey, moment: Moment) -> Cursor:
    return Cursor(visible_version=moment.visible_version, start_time=key.start_time, run_id=key.run_id)


def _identity(query: RunQuery, named_sessions: tuple[UUID, ...] | None) -> bytes:
    """What makes a listing the same listing on every page: all of it but the size of a page and the fields asked for.

    Of the projects only those that the caller named count: the set of all may grow between pages, and runs of a new
    project are later than the moment of the listing anyway.
    """
    return repr((named_sessions, replace(query, sessions=(), page_rows=0, select=frozenset()))).encode()
