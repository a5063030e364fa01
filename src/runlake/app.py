"""Composition root: settings -> open store -> services -> ASGI application.

The one file that sees the whole; each part is put together in ``wiring`` and gets what it needs from here, clock and id
source included.
"""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack

from runlake.api.asgi import AsgiApp
from runlake.api.health import Health
from runlake.config import Settings
from runlake.store.engine import Engine
from runlake.wiring.access import open_entrance
from runlake.wiring.datasets import dataset_services
from runlake.wiring.deletions import start_deletions
from runlake.wiring.exports import start_exports
from runlake.wiring.feedback import FeedbackParts
from runlake.wiring.foundation import open_foundation
from runlake.wiring.http import make_asgi
from runlake.wiring.ingest import ingest_services, start_replaced_sweeper, start_writer
from runlake.wiring.objects import open_objects
from runlake.wiring.operations import open_operations, watch_store
from runlake.wiring.projects import project_services
from runlake.wiring.reading import query_limits, reading_services, run_queries

new_id = uuid.uuid4


def now_us() -> int:
    """The clock of the whole server: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Application:
    """A built server: an ASGI application, and the resources to close when it has stopped.

    ``notice`` is what whoever starts it should know about its keys.
    """

    def __init__(
        self, *, asgi: AsgiApp, health: Health, notice: str | None, engine: Engine, resources: ExitStack
    ) -> None:
        self.asgi = asgi
        self.health = health
        self.notice = notice
        self._engine = engine
        self._resources = resources

    def close(self) -> None:
        """Commit what is queued and release everything in reverse order of opening; harmless when called twice."""
        self._resources.close()

    @property
    def is_open(self) -> bool:
        """After ``close``: whether the engine had to be left at work, so that the process ends best without tidying."""
        return self._engine.is_open


def build(settings: Settings) -> Application:
    """Open the data directory and put the server together; SettingsError when the directory cannot be used."""
    with ExitStack() as opening:
        foundation = open_foundation(settings, opening, now_us=now_us, new_id=new_id)
        entrance = open_entrance(foundation)
        opening.callback(entrance.ring.close)
        operations = open_operations(foundation)
        opening.callback(operations.lanes.close)
        objects = open_objects(foundation)
        writer = start_writer(foundation, operations, objects)
        opening.callback(writer.close)
        opening.callback(objects.start_sweeper(foundation.engine).close)
        opening.callback(start_replaced_sweeper(foundation, operations).close)
        deletions = start_deletions(foundation, writer, objects)
        opening.callback(deletions.worker.close)
        exports = start_exports(foundation, objects)
        opening.callback(exports.close)
        watched = watch_store(foundation, operations, writer)
        feedback = FeedbackParts(foundation, writer)
        limits = query_limits(settings)
        runs = run_queries(foundation, operations, objects, limits)
        services = {
            **entrance.services,
            **watched.services,
            **exports.services,
            **feedback.services,
            **objects.services(runs),
            **deletions.services(foundation, limits),
            **project_services(foundation, deletions, limits),
            **ingest_services(foundation, operations, objects.in_front_of(feedback.writer)),
            **reading_services(foundation, operations, objects, runs, limits),
            **dataset_services(foundation, runs, objects),
        }
        asgi = make_asgi(services, operations, entrance, max_body_bytes=settings.max_body_bytes, new_id=new_id)
        return Application(
            asgi=asgi,
            health=watched.health,
            notice=entrance.notice,
            engine=foundation.engine,
            resources=opening.pop_all(),
        )
