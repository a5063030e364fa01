"""Puts together what reads beyond plain runs: statistics, threads, the v2 API, shares and annotation queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from runlake.api.annotation_queues import ANNOTATION_QUEUE_HANDLERS, AnnotationQueues
from runlake.api.elsewhere import ELSEWHERE_HANDLERS
from runlake.api.links import V2Links
from runlake.api.shares import SHARE_HANDLERS
from runlake.api.sql import SQL_HANDLERS
from runlake.api.stats import STATS_HANDLERS
from runlake.api.threads import THREAD_HANDLERS
from runlake.api.v2_projects import V2_PROJECT_HANDLERS
from runlake.api.v2_runs import V2_RUN_HANDLERS
from runlake.api.v2_threads import V2_THREAD_HANDLERS
from runlake.config import Settings
from runlake.query.lanes import QueryLanes
from runlake.query.request import QueryLimits
from runlake.query.service import RunQueries
from runlake.query.shares import Shares
from runlake.query.sql_queries import SqlQueries
from runlake.query.thread_queries import ThreadQueries
from runlake.store.annotation_ledger import AnnotationLedger
from runlake.store.engine import Engine
from runlake.store.ledger import CURSOR_KEY, Ledger
from runlake.store.moment import Moments
from runlake.store.objects import ObjectStore
from runlake.store.share_ledger import ShareLedger
from runlake.wire.attachment_links import AttachmentLinks
from runlake.wire.cursor import CursorSigner

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


def reading_services(
    settings: Settings,
    runs: RunQueries,
    *,
    engine: Engine,
    moments: Moments,
    ledger: Ledger,
    limits: QueryLimits,
    lanes: QueryLanes,
    objects: ObjectStore,
    links: AttachmentLinks,
    now_us: Callable[[], int],
    new_id: Callable[[], UUID],
) -> dict[str, object]:
    """What handlers ask for, by the name of their parameter."""
    shares = ShareLedger(ledger)
    threads = ThreadQueries(
        engine=engine,
        moments=moments,
        live_projects=ledger.live_project_ids,
        cursors=CursorSigner(ledger.secret(CURSOR_KEY)),
        limits=limits,
        lanes=lanes,
        now_us=now_us,
        objects=objects,
    )
    return {
        "threads": threads,
        "sql": SqlQueries(
            engine=engine, moments=moments, live_projects=ledger.live_project_ids, limits=limits, lanes=lanes
        ),
        "shares": Shares(ledger=shares, runs=runs, now_us=now_us, new_id=new_id),
        "annotation_queues": AnnotationQueues(
            store=AnnotationLedger(ledger), queries=runs, now_us=now_us, new_id=new_id
        ),
        "v2_links": V2Links(attachments=links, shares=shares, public_url=settings.public_url),
    }
