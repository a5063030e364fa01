"""A query for runs, typed and free of the wire: what every caller (v1, v2, export, CLI) hands to the planner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from runlake.fql.bound import BoundExpr
from runlake.model.run_record import RunSelect
from runlake.model.usage import UsageOf

MAX_PAGE_ROWS: Final = 10_000
"""Most runs on one page, whatever was asked for; the page then has a next cursor."""

DEFAULT_PAGE_ROWS: Final = 100
"""Runs on a page when the caller does not say (documented upstream)."""


class Order(Enum):
    """Direction of a listing; the order is always by start time, then id."""

    NEWEST_FIRST = "desc"
    OLDEST_FIRST = "asc"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageKey:
    """The place of a run in a listing: start time in microseconds since 1970 UTC, then id."""

    start_time: int
    run_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs, in which order, how many, and which parts of them.

    ``sessions`` are the projects to look in; a caller that means all of them names them all. Conditions hold together,
    but ``ids`` makes every condition except tenant and sessions void (documented upstream). ``start_time_from`` and
    ``start_time_to`` are inclusive microseconds since 1970 UTC and speak of the start of the run. ``filter`` and
    ``search`` are about the run, ``trace_filter`` about the root of its trace, ``tree_filter`` about some run of it.
    ``among`` are ids that a run must have beside everything else, ``versions`` the rows that it may lie in; ``thread``
    is the thread that it names itself.
    ``thread_of_root`` is the thread that the root of its trace names,
    ``has_thread`` leaves out runs that name no thread, ``thread_with`` those in whose thread no run meets that query.
    ``usage_of`` says whose tokens and costs the runs show; conditions always speak of a run's own.
    Conditions on feedback see what was changed from ``feedback_from`` on (inclusive) and before ``feedback_to``.
    """

    tenant_id: UUID
    sessions: tuple[UUID, ...]
    ids: tuple[UUID, ...] | None = None
    among: tuple[UUID, ...] | None = None
    versions: tuple[int, ...] | None = None
    trace: UUID | None = None
    traces: tuple[UUID, ...] | None = None
    thread: str | None = None
    has_thread: bool = False
    thread_of_root: str | None = None
    thread_with: RunQuery | None = None
    parent_run: UUID | None = None
    run_type: str | None = None
    reference_examples: tuple[UUID, ...] | None = None
    start_time_from: int | None = None
    start_time_to: int | None = None
    error: bool | None = None
    is_root: bool | None = None
    filter: BoundExpr | None = None
    trace_filter: BoundExpr | None = None
    tree_filter: BoundExpr | None = None
    search: BoundExpr | None = None
    order: Order = Order.NEWEST_FIRST
    page_rows: int = DEFAULT_PAGE_ROWS
    after: PageKey | None = None
    select: frozenset[RunSelect] = frozenset()
    usage_of: UsageOf = UsageOf.RUN
    feedback_from: int | None = None
    feedback_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLimits:
    """What one statement and one page may cost.

    ``max_piece_bytes`` is about how much of a page one statement brings: the engine and the reader of its answer hold
    that several times over at once, the page once.
    """

    max_seconds: float = 30.0
    max_memory_bytes: int = 1 << 30
    max_page_bytes: int = 64 << 20
    max_piece_bytes: int = 16 << 20
