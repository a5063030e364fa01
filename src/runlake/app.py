"""Composition root: settings -> lock -> engine -> ledger -> services -> ASGI application.

The one file that knows every part; each part gets what it needs from here, clock and id source included.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, cast

from litestar import Litestar
from litestar.di import Provide
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from runlake.api.asgi import AsgiApp
from runlake.api.errors import EXCEPTION_HANDLERS
from runlake.api.health import HEALTH_HANDLERS, Health
from runlake.api.ingest import INGEST_HANDLERS, IngestService
from runlake.api.openapi import DOCUMENT_HANDLERS, ApiDocument
from runlake.api.prefixes import CanonicalPaths
from runlake.api.requests import HttpMetrics, RequestLog
from runlake.config import Settings
from runlake.ingest.costs import CostBook
from runlake.ingest.writer import Writer
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import Engine, Statement
from runlake.store.ledger import LEDGER_NAME, Ledger
from runlake.store.lock import DataLock
from runlake.store.moment import Moments
from runlake.store.schema import migrate

ENGINE_FOLDER: Final = "engine"

Handlers = list[Any]
Dependencies = dict[str, Provide]


def now_us() -> int:
    """The clock of the whole server: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Application:
    """A built server: an ASGI application and the parts that have to be started and closed around it."""

    def __init__(self, *, asgi: AsgiApp, health: Health, resources: ExitStack) -> None:
        self.asgi = asgi
        self.health = health
        self._resources = resources

    def close(self) -> None:
        """Release everything in the reverse order of opening; harmless when called twice."""
        self._resources.close()


def build(settings: Settings) -> Application:
    """Open the data directory and put the server together; SettingsError when the directory cannot be used."""
    with ExitStack() as opening:
        lock = DataLock.acquire(settings.data)
        opening.callback(lock.release)
        engine = ChdbEngine.open(settings.data / ENGINE_FOLDER, memory_limit_bytes=settings.engine_max_memory_bytes)
        opening.callback(engine.close)
        migrate(engine)
        ledger = Ledger.open(settings.data / LEDGER_NAME, now=now_us, new_id=uuid.uuid4)
        opening.callback(ledger.close)
        health = Health(data=settings.data, check_storage=_storage_check(engine, ledger))
        moments = Moments()
        writer = Writer(
            engine=engine,
            moments=moments,
            projects=ledger,
            prices=CostBook(),
            now_us=now_us,
            max_pending_bytes=settings.max_pending_bytes,
            commit_window_ms=settings.commit_window_ms,
        )
        writer.start()
        opening.callback(writer.close)
        asgi = _make_asgi(settings, ledger=ledger, health=health, writer=writer)
        return Application(asgi=asgi, health=health, resources=opening.pop_all())


def _storage_check(engine: Engine, ledger: Ledger) -> Callable[[], None]:
    def check() -> None:
        engine.select(Statement("SELECT 1"))
        ledger.check()

    return check


def _make_asgi(settings: Settings, *, ledger: Ledger, health: Health, writer: Writer) -> AsgiApp:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    handlers: Handlers = [*INGEST_HANDLERS, *HEALTH_HANDLERS]
    ingest = IngestService(
        writer=writer,
        max_decoded_body_bytes=settings.max_decoded_body_bytes,
        now_us=now_us,
        new_id=uuid.uuid4,
    )
    dependencies: Dependencies = {
        "tenant_id": _always(ledger.default_tenant_id),
        "health": _always(health),
        "registry": _always(registry),
        "ledger": _always(ledger),
        "ingest": _always(ingest),
    }
    document = ApiDocument(handlers, dependencies)
    litestar = Litestar(
        route_handlers=[*handlers, *DOCUMENT_HANDLERS],
        dependencies={**dependencies, "api_document": _always(document)},
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
        request_max_body_size=settings.max_body_bytes,
    )
    return RequestLog(
        CanonicalPaths(cast("AsgiApp", litestar)), metrics=HttpMetrics(registry), new_id=lambda: uuid.uuid4().hex[:16]
    )


def _always(value: object) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)
