"""What a user interface asks beside the rows: how a query is run, and how an unfinished filter may go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from runlake.fql.completion import Choice, Sort, Wanted
from runlake.query.explain import StatementReport, report_statements
from runlake.query.lanes import QueryLanes, QueryShape
from runlake.query.listing import Listings
from runlake.query.names import NameKind, NameReader
from runlake.query.notes import Note, scan_notes
from runlake.query.read_request import LiveProjects, live_sessions
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.engine import Engine
from runlake.store.moment import Moments
from runlake.wire.run_queries import RunQuerySpec

MAX_COMPLETIONS: Final = 50

_NAME_KINDS: Final = {
    Sort.METADATA_KEY: NameKind.METADATA_KEY,
    Sort.INPUT_KEY: NameKind.INPUT_KEY,
    Sort.OUTPUT_KEY: NameKind.OUTPUT_KEY,
    Sort.FEEDBACK_KEY: NameKind.FEEDBACK_KEY,
    Sort.METADATA_VALUE: NameKind.KEY_VALUE,
    Sort.TAG: NameKind.TAG,
    Sort.RUN_NAME: NameKind.RUN_NAME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryReport:
    """How the first page of a query is read, and what that cost when it was run for this report."""

    statements: tuple[StatementReport, ...]
    notes: tuple[Note, ...]
    rows_read: int
    bytes_read: int
    elapsed_ms: float


class QueryInspector:
    """Answers for one store. Thread-safe; what it runs goes through the lanes of other queries."""

    def __init__(
        self,
        *,
        engine: Engine,
        moments: Moments,
        live_projects: LiveProjects,
        listings: Listings,
        limits: QueryLimits,
        lanes: QueryLanes,
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._live_projects = live_projects
        self._listings = listings
        self._limits = limits
        self._lanes = lanes
        self._names = NameReader(engine, limits)

    async def report(self, spec: RunQuerySpec, *, tenant_id: UUID) -> QueryReport:
        """The report on a query; its statements are run."""
        return await self._lanes.run(QueryShape.SEARCH, self._report, spec, tenant_id)

    async def choices(
        self, wanted: Wanted, *, tenant_id: UUID, sessions: tuple[UUID, ...] | None
    ) -> tuple[Choice, ...]:
        """What may be put in; names come from the newest runs of the projects, of all where none is named."""
        if wanted.sort is Sort.LISTED:
            return wanted.choices[:MAX_COMPLETIONS]
        if wanted.sort is Sort.NOTHING:
            return ()
        return await self._lanes.run(QueryShape.STATS, self._choices, wanted, tenant_id, sessions)

    def _report(self, spec: RunQuerySpec, tenant_id: UUID) -> QueryReport:
        listing = self._listings.open(spec, tenant_id=tenant_id)
        statements = report_statements(listing.query, listing.moment, self._limits, engine=self._engine)
        return QueryReport(
            statements=statements,
            notes=tuple(scan_notes(listing.query)),
            rows_read=sum(one.rows_read or 0 for one in statements),
            bytes_read=sum(one.bytes_read or 0 for one in statements),
            elapsed_ms=sum(one.elapsed_ms or 0 for one in statements),
        )

    def _choices(self, wanted: Wanted, tenant_id: UUID, sessions: tuple[UUID, ...] | None) -> tuple[Choice, ...]:
        live = self._live_projects(tenant_id)
        known = live_sessions(sessions, live)
        kind = _NAME_KINDS[wanted.sort]
        names = self._names.names(
            kind,
            RunQuery(tenant_id=tenant_id, sessions=known),
            self._moments.current(tenant_id),
            key=wanted.key,
            prefix=wanted.prefix,
            limit=MAX_COMPLETIONS,
        )
        return tuple(Choice(name, kind.value) for name in names)
