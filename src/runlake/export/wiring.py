"""Puts the parts of exports together for a server: settings in, a service and its started workers out."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from runlake.config import Settings
from runlake.export.content import ExportSelection
from runlake.export.opening import DestinationOpener
from runlake.export.partition import FileLimits
from runlake.export.pull import PullService
from runlake.export.run_files import RunFile
from runlake.export.sealing import KEY_NAME, Sealer
from runlake.export.service import ExportService
from runlake.export.worker import ExportWorkers, WorkerLimits
from runlake.query.read_request import LiveProjects
from runlake.store.engine import Engine
from runlake.store.export_ledger import ExportLedger
from runlake.store.ledger import CURSOR_KEY, Ledger
from runlake.store.moment import Moments
from runlake.store.objects import ObjectStore
from runlake.store.projects import ProjectFilter
from runlake.wire.export_cursor import PullCursors

if TYPE_CHECKING:
    import pyarrow as pa

    from runlake.export.source import ExportPiece, ExportSource

_ROOT_NAME: Final = "exports"
_SPOOL_NAME: Final = "export-spool"


class LateReader:
    """An ``ExportReader`` that loads pyarrow with the first export, not with the server."""

    def __init__(self, *, engine: Engine, moments: Moments, live_projects: LiveProjects, objects: ObjectStore) -> None:
        self._engine = engine
        self._objects = objects
        self._moments = moments
        self._live_projects = live_projects

    @cached_property
    def _source(self) -> ExportSource:
        from runlake.export.source import ExportSource  # noqa: PLC0415 -- this is the point of the class

        return ExportSource(
            engine=self._engine, moments=self._moments, live_projects=self._live_projects, objects=self._objects
        )

    def watermark(self) -> int:
        return self._moments.current(UUID(int=0)).visible_version

    def check(self, selection: ExportSelection, /) -> None:
        self._source.check(selection)

    def count(self, selection: ExportSelection, /) -> int:
        return self._source.count(selection)

    def schema(self, selection: ExportSelection, /) -> pa.Schema:
        return self._source.schema(selection)

    def batches(self, selection: ExportSelection, /) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        return self._source.batches(selection)

    def file_chunks(self, tenant_id: UUID, run_id: UUID, file: RunFile, /) -> Iterator[bytes]:
        return self._source.file_chunks(tenant_id, run_id, file)

    def pieces(self, selection: ExportSelection, /) -> AbstractContextManager[Iterator[ExportPiece]]:
        return self._source.pieces(selection)


@dataclass(frozen=True, slots=True)
class StartedExports:
    """The services for the API, and the workers to close."""

    service: ExportService
    pulls: PullService
    workers: ExportWorkers

    @property
    def services(self) -> dict[str, object]:
        """What handlers ask for, by the name of their parameter."""
        return {"exports": self.service, "pulls": self.pulls}

    def close(self) -> None:
        """End what is under way."""
        self.pulls.close()
        self.workers.close()


def export_roots(settings: Settings) -> tuple[Path, ...]:
    """The directories that local destinations have to lie below."""
    if settings.export_roots is None:
        return (settings.data.resolve() / _ROOT_NAME,)
    return tuple(Path(root).resolve() for root in settings.export_roots.split(os.pathsep) if root)


def start_exports(
    settings: Settings,
    *,
    engine: Engine,
    moments: Moments,
    ledger: Ledger,
    objects: ObjectStore,
    now_us: Callable[[], int],
    new_id: Callable[[], UUID],
) -> StartedExports:
    """Build everything and start the workers."""
    spool = settings.data / _SPOOL_NAME
    # What lies there was on its way when the last process ended; it is written again.
    shutil.rmtree(spool, ignore_errors=True)
    opener = DestinationOpener(
        sealer=Sealer(settings.credentials_key_file or settings.data / KEY_NAME),
        roots=export_roots(settings),
        spool=spool,
        private_endpoints=allows_private_endpoints(settings),
    )
    reader = LateReader(engine=engine, moments=moments, live_projects=ledger.live_project_ids, objects=objects)
    records = ExportLedger(ledger)
    workers = ExportWorkers(
        ledger=records,
        projects=ledger,
        reader=reader,
        opener=opener,
        limits=WorkerLimits(
            runs=settings.export_max_runs or max(1, (os.cpu_count() or 1) // 2),
            runs_per_export=settings.export_max_runs_per_export,
            file=FileLimits(rows=settings.export_file_max_rows, bytes=settings.export_file_max_bytes),
        ),
        now_us=now_us,
        new_id=new_id,
        jitter=random.random,
    )
    service = ExportService(
        ledger=records,
        projects=ledger,
        opener=opener,
        reader=reader,
        wake=workers.wake,
        now_us=now_us,
        new_id=new_id,
    )
    pulls = PullService(
        source=reader,
        live_projects=ledger.live_project_ids,
        find_project=lambda tenant_id, name: _project_of(ledger, tenant_id, name),
        cursors=PullCursors(ledger.secret(CURSOR_KEY)),
        max_pulls=settings.export_max_pulls,
    )
    workers.start()
    return StartedExports(service, pulls, workers)


def _project_of(ledger: Ledger, tenant_id: UUID, name: str) -> UUID | None:
    found = ledger.list_projects(tenant_id, ProjectFilter(name=name), limit=1)
    return found[0].id if found else None


def allows_private_endpoints(settings: Settings) -> bool:
    """Whoever may use a server without keys on this machine's loopback address can reach the network anyway."""
    if settings.export_private_endpoints == "auto":
        return not settings.keys_required
    return settings.export_private_endpoints == "allow"
