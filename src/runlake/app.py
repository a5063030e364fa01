"""Composition root: settings -> lock -> engine -> ledger -> services -> ASGI application.

The one file that knows every part; each part gets what it needs from here, clock and id source included.
"""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack
from typing import Any, Final, cast

from litestar import Litestar
from litestar.di import Provide

from runlake.access_wiring import Entrance, open_entrance
from runlake.api.asgi import AsgiApp
from runlake.api.attachments import ATTACHMENT_HANDLERS
from runlake.api.auth import CALLER_DEPENDENCIES
from runlake.api.body_budget import BodyBudget
from runlake.api.browsers import BrowserGuard
from runlake.api.deletes import DELETE_HANDLERS, DeletionService
from runlake.api.disconnects import Disconnects
from runlake.api.errors import EXCEPTION_HANDLERS
from runlake.api.export_stream import EXPORT_STREAM_HANDLERS
from runlake.api.exports import EXPORT_HANDLERS
from runlake.api.feedback import Stamps
from runlake.api.filters import FILTER_HANDLERS
from runlake.api.health import HEALTH_HANDLERS, Health
from runlake.api.ingest import INGEST_HANDLERS, IngestService
from runlake.api.keys import KEY_HANDLERS
from runlake.api.openapi import DOCUMENT_HANDLERS, ApiDocument
from runlake.api.otlp import OTLP_HANDLERS
from runlake.api.prefixes import CanonicalPaths
from runlake.api.projects import PROJECT_HANDLERS, ProjectService
from runlake.api.query import RUN_QUERY_HANDLERS
from runlake.api.rate_limits import add_rate_headers
from runlake.api.requests import HttpMetrics, RequestLog
from runlake.api.snapshots import SNAPSHOT_HANDLERS
from runlake.api.workspaces import WORKSPACE_HANDLERS
from runlake.config import Settings
from runlake.dataset_wiring import ALL_DATASET_HANDLERS, dataset_services
from runlake.deletes.wiring import StartedDeletions, start_deletions
from runlake.export.wiring import start_exports
from runlake.feedback_wiring import ALL_FEEDBACK_HANDLERS, FeedbackParts
from runlake.hidden_packages import hidden
from runlake.ingest.costs import CostBook
from runlake.ingest.writer import Writer
from runlake.object_wiring import ObjectParts, open_objects
from runlake.operations_wiring import Operations, open_operations, watch_store
from runlake.query.matching_traces import MatchingTraces
from runlake.query.project_stats import ProjectStatsReader
from runlake.query.request import QueryLimits
from runlake.query.service import RunQueries
from runlake.reading_wiring import READING_HANDLERS, reading_services
from runlake.store.chdb import ChdbEngine
from runlake.store.deletion_ledger import DeletionLedger
from runlake.store.engine import ENGINE_FOLDER, Engine
from runlake.store.ledger import CURSOR_KEY, LEDGER_NAME, Ledger
from runlake.store.lock import DataLock
from runlake.store.moment import Moments
from runlake.store.schema import migrate
from runlake.wire.cursor import CursorSigner

API_HANDLERS: Final[tuple[Any, ...]] = (
    *RUN_QUERY_HANDLERS,
    *FILTER_HANDLERS,
    *READING_HANDLERS,
    *INGEST_HANDLERS,
    *OTLP_HANDLERS,
    *ATTACHMENT_HANDLERS,
    *DELETE_HANDLERS,
    *PROJECT_HANDLERS,
    *ALL_FEEDBACK_HANDLERS,
    *ALL_DATASET_HANDLERS,
    *EXPORT_HANDLERS,
    *EXPORT_STREAM_HANDLERS,
    *WORKSPACE_HANDLERS,
    *KEY_HANDLERS,
    *SNAPSHOT_HANDLERS,
    *HEALTH_HANDLERS,
)
"""Every route of the API, in the order in which /docs shows them."""

new_id = uuid.uuid4


def now_us() -> int:
    """The clock of the whole server: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Application:
    """A built server: an ASGI application, and the resources to close when it has stopped.

    ``notice`` is what whoever starts it should know about its keys.
    """

    def __init__(self, *, asgi: AsgiApp, health: Health, notice: str | None, resources: ExitStack) -> None:
        self.asgi = asgi
        self.health = health
        self.notice = notice
        self._resources = resources

    def close(self) -> None:
        """Commit what is queued and release everything in reverse order of opening; harmless when called twice."""
        self._resources.close()


def build(settings: Settings) -> Application:
    """Open the data directory and put the server together; SettingsError when the directory cannot be used."""
    with ExitStack() as opening:
        opening.callback(DataLock.acquire(settings.data).release)
        engine = ChdbEngine.open(settings.data / ENGINE_FOLDER, memory_limit_bytes=settings.engine_max_memory_bytes)
        opening.callback(engine.close)
        migrate(engine)
        ledger = Ledger.open(settings.data / LEDGER_NAME, now=now_us, new_id=new_id)
        opening.callback(ledger.close)
        entrance = open_entrance(settings, ledger, now_us=now_us, new_id=new_id)
        opening.callback(entrance.ring.close)
        operations = open_operations(settings, abandon=engine.abandon)
        opening.callback(operations.lanes.close)
        moments = Moments()
        parts = open_objects(settings, ledger, now_us=now_us)
        writer = _open_writer(settings, operations, engine=engine, moments=moments, ledger=ledger, parts=parts)
        opening.callback(writer.close)
        sweeper = parts.sweeper(engine)
        sweeper.start()
        opening.callback(sweeper.close)
        deletes = start_deletions(
            engine=engine,
            moments=moments,
            writer=writer,
            projects=ledger,
            records=DeletionLedger(ledger),
            now_us=now_us,
            new_id=new_id,
            objects=parts.objects,
        )
        opening.callback(deletes.worker.close)
        exports = start_exports(
            settings,
            engine=engine,
            moments=moments,
            ledger=ledger,
            objects=parts.objects,
            now_us=now_us,
            new_id=new_id,
        )
        opening.callback(exports.close)
        watched = watch_store(settings, operations, engine=engine, ledger=ledger, writer=writer, now_us=now_us)
        services = _services(
            settings,
            operations,
            engine=engine,
            moments=moments,
            ledger=ledger,
            writer=writer,
            deletes=deletes,
            parts=parts,
        )
        named = {**services, **entrance.services, **watched.services, **exports.services}
        asgi = _make_asgi(settings, named, operations, entrance)
        return Application(asgi=asgi, health=watched.health, notice=entrance.notice, resources=opening.pop_all())


def _open_writer(
    settings: Settings, operations: Operations, *, engine: Engine, moments: Moments, ledger: Ledger, parts: ObjectParts
) -> Writer:
    writer = Writer(
        engine=engine,
        moments=moments,
        projects=ledger,
        prices=CostBook(),
        now_us=now_us,
        observe_commit=operations.metrics.observe_commit,
        check_space=operations.reserve.check,
        max_pending_bytes=settings.max_pending_bytes,
        commit_window_ms=settings.commit_window_ms,
        objects=parts.objects,
        note_dropped=parts.notes.note_dropped,
    )
    writer.start()
    return writer


def _services(
    settings: Settings,
    operations: Operations,
    *,
    engine: Engine,
    moments: Moments,
    ledger: Ledger,
    writer: Writer,
    deletes: StartedDeletions,
    parts: ObjectParts,
) -> dict[str, object]:
    """What handlers ask for, by the name of their parameter."""
    limits = QueryLimits(
        max_seconds=settings.query_max_seconds,
        max_memory_bytes=settings.query_max_memory_bytes,
        max_page_bytes=settings.page_max_bytes,
    )
    runs = RunQueries(
        engine=engine,
        moments=moments,
        live_projects=ledger.live_project_ids,
        cursors=CursorSigner(ledger.secret(CURSOR_KEY)),
        limits=limits,
        lanes=operations.lanes,
        now_us=now_us,
        objects=parts.objects,
        silent_after_us=settings.silent_after_seconds * 1_000_000,
    )
    feedback = FeedbackParts(engine=engine, moments=moments, ledger=ledger, writer=writer, now_us=now_us, new_id=new_id)
    ingest = IngestService(
        writer=parts.in_front_of(feedback.writer),
        bodies=BodyBudget(settings.max_pending_bytes),
        max_decoded_body_bytes=settings.max_decoded_body_bytes,
        now_us=now_us,
        new_id=new_id,
        count_refused=operations.metrics.count_refused,
        spool_directory=settings.data,
    )
    stats = ProjectStatsReader(engine=engine, moments=moments, limits=limits)
    projects = ProjectService(store=ledger, deletions=deletes.deletions, stats=stats, now_us=now_us, new_id=new_id)
    return {
        "runs": runs,
        "inspector": runs.inspector(),
        **parts.services(runs),
        **reading_services(
            settings,
            runs,
            engine=engine,
            moments=moments,
            ledger=ledger,
            limits=limits,
            lanes=operations.lanes,
            objects=parts.objects,
            links=parts.links,
            now_us=now_us,
            new_id=new_id,
        ),
        **dataset_services(settings, runs, ledger=ledger, parts=parts, now_us=now_us, new_id=new_id),
        "ingest": ingest,
        "projects": projects,
        **feedback.services,
        "deletes": DeletionService(
            deletions=deletes.deletions,
            retention=deletes.retention,
            matching=MatchingTraces(moments=moments, live_projects=ledger.live_project_ids, limits=limits),
            projects=ledger,
        ),
        "stamps": Stamps(now_us=now_us, new_id=new_id),
    }


def _make_asgi(settings: Settings, services: dict[str, object], operations: Operations, entrance: Entrance) -> AsgiApp:
    registry = operations.metrics.registry
    dependencies = {name: _always(value) for name, value in {**services, "registry": registry}.items()}
    dependencies |= CALLER_DEPENDENCIES
    document = ApiDocument(API_HANDLERS, dependencies)
    with hidden("pydantic"):
        litestar = Litestar(
            route_handlers=[*API_HANDLERS, *DOCUMENT_HANDLERS],
            dependencies={**dependencies, "api_document": _always(document)},
            middleware=[entrance.middleware],
            before_send=[cast("Any", add_rate_headers)],
            exception_handlers=EXCEPTION_HANDLERS,
            openapi_config=None,
            logging_config=None,
            request_max_body_size=settings.max_body_bytes,
        )
    guarded = BrowserGuard(CanonicalPaths(cast("AsgiApp", litestar)), entrance.browser_rules)
    return RequestLog(Disconnects(guarded), metrics=HttpMetrics(registry), new_id=lambda: new_id().hex[:16])


def _always(value: object) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)
