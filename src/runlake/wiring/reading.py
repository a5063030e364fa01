"""Puts together what reads: runs, statistics, threads, the v2 API, shares and annotation queues."""

from __future__ import annotations

from typing import Any, Final

from runlake.api.annotation_queues import ANNOTATION_QUEUE_HANDLERS, AnnotationQueues
from runlake.api.elsewhere import ELSEWHERE_HANDLERS
from runlake.api.links import V2Links
from runlake.api.run_bodies import RunBodies
from runlake.api.shares import SHARE_HANDLERS
from runlake.api.sql import SQL_HANDLERS
from runlake.api.stats import STATS_HANDLERS
from runlake.api.threads import THREAD_HANDLERS
from runlake.api.v2_projects import V2_PROJECT_HANDLERS
from runlake.api.v2_runs import V2_RUN_HANDLERS
from runlake.api.v2_threads import V2_THREAD_HANDLERS
from runlake.config import Settings
from runlake.query.memberships import Memberships
from runlake.query.request import QueryLimits
from runlake.query.service import RunQueries
from runlake.query.shares import Shares
from runlake.query.sql_queries import SqlQueries
from runlake.query.thread_queries import ThreadQueries
from runlake.store.annotation_ledger import AnnotationLedger
from runlake.store.example_ledger import ExampleLedger
from runlake.store.share_ledger import ShareLedger
from runlake.wiring.foundation import Foundation
from runlake.wiring.objects import ObjectParts
from runlake.wiring.operations import Operations

READING_HANDLERS: Final[tuple[Any, ...]] = (
    *STATS_HANDLERS,
    *THREAD_HANDLERS,
    *V2_RUN_HANDLERS,
    *V2_THREAD_HANDLERS,
    *V2_PROJECT_HANDLERS,
    *SQL_HANDLERS,
    *SHARE_HANDLERS,
    *ANNOTATION_QUEUE_HANDLERS,
    *ELSEWHERE_HANDLERS,
)


def query_limits(settings: Settings) -> QueryLimits:
    """What one query may cost."""
    return QueryLimits(
        max_seconds=settings.query_max_seconds,
        max_memory_bytes=settings.query_max_memory_bytes,
        max_page_bytes=settings.page_max_bytes,
    )


def run_queries(foundation: Foundation, operations: Operations, parts: ObjectParts, limits: QueryLimits) -> RunQueries:
    """What reads runs, for all who do."""
    return RunQueries(
        engine=foundation.engine,
        moments=foundation.moments,
        live_projects=foundation.ledger.live_project_ids,
        cursors=foundation.cursors(),
        limits=limits,
        lanes=operations.lanes,
        now_us=foundation.now_us,
        objects=parts.objects,
        silent_after_us=foundation.settings.silent_after_seconds * 1_000_000,
    )


def reading_services(
    foundation: Foundation, operations: Operations, parts: ObjectParts, runs: RunQueries, limits: QueryLimits
) -> dict[str, object]:
    """What handlers ask for, by the name of their parameter."""
    ledger, now_us, new_id = foundation.ledger, foundation.now_us, foundation.new_id
    share_ledger = ShareLedger(ledger)
    shares = Shares(ledger=share_ledger, runs=runs, now_us=now_us, new_id=new_id)
    memberships = Memberships(ExampleLedger(ledger, now_us=now_us))
    return {
        "runs": runs,
        "inspector": runs.inspector(),
        "threads": _thread_queries(foundation, operations, parts, limits),
        "sql": SqlQueries(
            engine=foundation.engine,
            moments=foundation.moments,
            live_projects=ledger.live_project_ids,
            limits=limits,
            lanes=operations.lanes,
        ),
        "shares": shares,
        "run_bodies": RunBodies(attachments=parts.links, shares=shares, memberships=memberships),
        "annotation_queues": AnnotationQueues(
            store=AnnotationLedger(ledger), queries=runs, now_us=now_us, new_id=new_id
        ),
        "v2_links": V2Links(attachments=parts.links, shares=share_ledger, public_url=foundation.settings.public_url),
    }


def _thread_queries(
    foundation: Foundation, operations: Operations, parts: ObjectParts, limits: QueryLimits
) -> ThreadQueries:
    return ThreadQueries(
        engine=foundation.engine,
        moments=foundation.moments,
        live_projects=foundation.ledger.live_project_ids,
        cursors=foundation.cursors(),
        limits=limits,
        lanes=operations.lanes,
        now_us=foundation.now_us,
        objects=parts.objects,
    )
