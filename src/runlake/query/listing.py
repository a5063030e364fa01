"""Opening a listing: what a request asks for and where its cursor stands become a query, a moment and a window.

Every listing (runs, traces, threads and their turns) begins here and gets its page tokens here, so all of them
promise the same: pages joined are the unpaged result of one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from runlake.fql import Mode
from runlake.query.read_request import LiveProjects, read_run_query
from runlake.query.request import PageKey, RunQuery
from runlake.store.moment import Moment, Moments
from runlake.wire.cursor import Cursor, CursorSigner
from runlake.wire.run_queries import RunQuerySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a listing, about to be read.

    ``identity`` is what makes it the same listing on every page; ``window_from`` the lower bound on start times that
    the first page chose, 0 when it chose none.
    """

    query: RunQuery
    moment: Moment
    identity: bytes
    window_from: int = 0


class Listings:
    """Opens listings and signs their tokens. Thread-safe."""

    def __init__(
        self, *, moments: Moments, live_projects: LiveProjects, cursors: CursorSigner, now_us: Callable[[], int]
    ) -> None:
        self._moments = moments
        self._live_projects = live_projects
        self._cursors = cursors
        self._now_us = now_us

    def open(
        self, spec: RunQuerySpec, *, tenant_id: UUID, mode: Mode = Mode.LENIENT, also: tuple[object, ...] = ()
    ) -> Listing:
        """The listing of ``spec`` at its cursor; ``also`` is what else a request must repeat to get the next page."""
        query = read_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects, mode=mode)
        identity = _identity(query, spec, also)
        moment = self._moments.current(tenant_id)
        window_from = 0
        if spec.cursor is not None:
            cursor = self._cursors.decode(spec.cursor, query=identity)
            query = replace(query, after=PageKey(start_time=cursor.start_time, run_id=cursor.run_id))
            moment = moment.at(min(moment.visible_version, cursor.visible_version))
            window_from = cursor.window_from
        if spec.window_us is not None and query.start_time_from is None:
            window_from = window_from or self._now_us() - spec.window_us
            query = _since(query, window_from)
        return Listing(query=query, moment=moment, identity=identity, window_from=window_from)

    def token(self, listing: Listing, last: PageKey) -> str:
        """The token of the page after the one that ends with ``last``."""
        cursor = Cursor(
            visible_version=listing.moment.visible_version,
            start_time=last.start_time,
            run_id=last.run_id,
            window_from=listing.window_from,
        )
        return self._cursors.encode(cursor, query=listing.identity)


def _since(query: RunQuery, moment_us: int) -> RunQuery:
    other = query.thread_with
    return replace(
        query,
        start_time_from=moment_us,
        thread_with=None if other is None else replace(other, start_time_from=moment_us),
    )


def _identity(query: RunQuery, spec: RunQuerySpec, also: tuple[object, ...]) -> bytes:
    """What makes a listing the same listing on every page: all of it but the size of a page and the fields asked for.

    Of the projects only those that the caller named count: the set of all may grow between pages, and runs of a new
    project are later than the moment of the listing anyway.
    """
    same = replace(query, sessions=(), page_rows=0, select=frozenset())
    return repr((spec.sessions, spec.window_us, same, also)).encode()
