"""Puts the parts of exports together for a server: settings in, a service and its started workers out."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from runlake.config import Settings
from runlake.export.late_reader import LateReader
from runlake.export.opening import DestinationOpener
from runlake.export.partition import FileLimits
from runlake.export.pull import PullService
from runlake.export.sealing import KEY_NAME, Sealer
from runlake.export.service import ExportService
from runlake.export.worker import ExportWorkers, WorkerLimits
from runlake.store.export_ledger import ExportLedger
from runlake.store.ledger import CURSOR_KEY, Ledger
from runlake.store.projects import ProjectFilter
from runlake.wire.export_cursor import PullCursors
from runlake.wiring.foundation import Foundation
from runlake.wiring.objects import ObjectParts

_ROOT_NAME: Final = "exports"
_SPOOL_NAME: Final = "export-spool"


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


def start_exports(foundation: Foundation, parts: ObjectParts) -> StartedExports:
    """Build everything and start the workers."""
    ledger = foundation.ledger
    opener = _open_destinations(foundation.settings)
    reader = LateReader(
        engine=foundation.engine,
        moments=foundation.moments,
        live_projects=ledger.live_project_ids,
        objects=parts.objects,
    )
    workers = _workers(foundation, reader, opener)
    service = ExportService(
        ledger=ExportLedger(ledger),
        projects=ledger,
        opener=opener,
        reader=reader,
        wake=workers.wake,
        now_us=foundation.now_us,
        new_id=foundation.new_id,
    )
    pulls = PullService(
        source=reader,
        live_projects=ledger.live_project_ids,
        find_project=lambda tenant_id, name: _project_of(ledger, tenant_id, name),
        cursors=PullCursors(ledger.secret(CURSOR_KEY)),
        max_pulls=foundation.settings.export_max_pulls,
    )
    workers.start()
    return StartedExports(service, pulls, workers)


def _open_destinations(settings: Settings) -> DestinationOpener:
    spool = settings.data / _SPOOL_NAME
    # What lies there was on its way when the last process ended; it is written again.
    shutil.rmtree(spool, ignore_errors=True)
    return DestinationOpener(
        sealer=Sealer(settings.credentials_key_file or settings.data / KEY_NAME),
        roots=export_roots(settings),
        spool=spool,
        private_endpoints=allows_private_endpoints(settings),
    )


def _workers(foundation: Foundation, reader: LateReader, opener: DestinationOpener) -> ExportWorkers:
    settings = foundation.settings
    return ExportWorkers(
        ledger=ExportLedger(foundation.ledger),
        projects=foundation.ledger,
        reader=reader,
        opener=opener,
        limits=WorkerLimits(
            runs=settings.export_max_runs or max(1, (os.cpu_count() or 1) // 2),
            runs_per_export=settings.export_max_runs_per_export,
            file=FileLimits(rows=settings.export_file_max_rows, bytes=settings.export_file_max_bytes),
        ),
        now_us=foundation.now_us,
        new_id=foundation.new_id,
        jitter=random.random,
    )


def _project_of(ledger: Ledger, tenant_id: UUID, name: str) -> UUID | None:
    found = ledger.list_projects(tenant_id, ProjectFilter(name=name), limit=1)
    return found[0].id if found else None


def allows_private_endpoints(settings: Settings) -> bool:
    """Whoever may use a server without keys on this machine's loopback address can reach the network anyway."""
    if settings.export_private_endpoints == "auto":
        return not settings.keys_required
    return settings.export_private_endpoints == "allow"
