"""``ThreadQueries``: what the API asks about threads. Engine calls run on threads, never on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from runlake.model.run_record import RunRecord
from runlake.model.run_stats import RunStats, StatsSelect
from runlake.model.thread import ThreadSummary
from runlake.query.fetch import RunFetcher
from runlake.query.lanes import QueryLanes, QueryShape
from runlake.query.listing import Listing, Listings
from runlake.query.read_request import LiveProjects
from runlake.query.request import QueryLimits
from runlake.query.stats import StatsReader
from runlake.query.threads import ThreadReader
from runlake.store.engine import Engine
from runlake.store.moment import Moments
from runlake.store.objects import ObjectStore
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import RunQuerySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedThreads:
    """A page of threads, the token of the next one, and how many there are in all where that was asked for."""

    threads: list[ThreadSummary]
    next_cursor: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTurns:
    """A page of the traces of a thread; ``numbers`` are their places in the whole thread, by id of the root."""

    runs: list[RunRecord]
    next_cursor: str | None
    numbers: dict[str, int]


class ThreadQueries:
    """Reads of threads. Thread-safe; every answer shows one moment."""

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
    ) -> None:
        self._listings = Listings(moments=moments, live_projects=live_projects, cursors=cursors, now_us=now_us)
        self._lanes = lanes
        self._fetcher = RunFetcher(engine, limits, objects)
        self._threads = ThreadReader(engine, self._fetcher, limits)
        self._stats = StatsReader(engine, limits)

    async def page(
        self, spec: RunQuerySpec, *, tenant_id: UUID, offset: int = 0, with_total: bool = False
    ) -> ListedThreads:
        """Threads of the roots that ``spec`` asks for, the one with the newest root first."""
        return await self._lanes.run(QueryShape.LIST, self._page, spec, tenant_id, offset, with_total)

    async def one(self, spec: RunQuerySpec, *, tenant_id: UUID) -> ThreadSummary | None:
        """The thread that ``spec`` names; None when none of its roots meets the rest."""
        found = await self._lanes.run(QueryShape.LIST, self._page, replace(spec, limit=1), tenant_id, 0, False)
        return next(iter(found.threads), None)

    async def turns(self, spec: RunQuerySpec, *, tenant_id: UUID, with_numbers: bool) -> ListedTurns:
        """The roots of the thread that ``spec`` names, a page at a time."""
        return await self._lanes.run(QueryShape.LIST, self._turns, spec, tenant_id, with_numbers)

    async def stats(
        self, spec: RunQuerySpec, wanted: frozenset[StatsSelect], *, tenant_id: UUID
    ) -> tuple[int, RunStats]:
        """How many threads the roots belong to, and statistics over the roots."""
        return await self._lanes.run(QueryShape.STATS, self._read_stats, spec, wanted, tenant_id)

    def _page(self, spec: RunQuerySpec, tenant_id: UUID, offset: int, with_total: bool) -> ListedThreads:
        listing = self._open(spec, tenant_id)
        page = self._threads.page(listing.query, listing.moment, offset=offset)
        token = None if page.next_after is None else self._listings.token(listing, page.next_after)
        total = self._threads.count(replace(listing.query, after=None), listing.moment) if with_total else None
        return ListedThreads(threads=page.threads, next_cursor=token, total=total)

    def _turns(self, spec: RunQuerySpec, tenant_id: UUID, with_numbers: bool) -> ListedTurns:
        listing = self._listings.open(spec, tenant_id=tenant_id)
        page = self._fetcher.page(listing.query, listing.moment)
        token = None if page.next_after is None else self._listings.token(listing, page.next_after)
        numbers = self._threads.turn_numbers(listing.query, listing.moment) if with_numbers and page.runs else {}
        return ListedTurns(runs=page.runs, next_cursor=token, numbers=numbers)

    def _read_stats(self, spec: RunQuerySpec, wanted: frozenset[StatsSelect], tenant_id: UUID) -> tuple[int, RunStats]:
        listing = self._open(spec, tenant_id)
        stats = self._stats.stats(listing.query, listing.moment, wanted)
        return self._threads.count(listing.query, listing.moment), stats

    def _open(self, spec: RunQuerySpec, tenant_id: UUID) -> Listing:
        return self._listings.open(replace(spec, is_root=True, has_thread=True), tenant_id=tenant_id, also=("threads",))
