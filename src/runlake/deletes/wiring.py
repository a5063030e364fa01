"""Puts the parts of deletions together and starts their worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from runlake.deletes.retention import Retention, RetentionStore
from runlake.deletes.run_objects import RunObjects
from runlake.deletes.service import Deletions, DeletionStore
from runlake.deletes.worker import DeletedProjects, DeletionWorker, Pace
from runlake.ingest.writer import Writer
from runlake.store.engine import Engine
from runlake.store.moment import Moments


class LiveProjects(DeletedProjects, Protocol):
    """What deletions ask of the projects."""

    def live_project_ids(self, tenant_id: UUID) -> tuple[UUID, ...]: ...


class DeletionRecords(DeletionStore, RetentionStore, Protocol):
    """Where orders and rules are kept."""


@dataclass(frozen=True, slots=True)
class StartedDeletions:
    """The services, and the worker to close."""

    deletions: Deletions
    retention: Retention
    worker: DeletionWorker


def start_deletions(
    *,
    engine: Engine,
    moments: Moments,
    writer: Writer,
    projects: LiveProjects,
    records: DeletionRecords,
    now_us: Callable[[], int],
    new_id: Callable[[], UUID],
    objects: RunObjects | None = None,
    pace: Pace | None = None,
) -> StartedDeletions:
    """On return everything that was deleted is hidden again, and the worker goes on with it."""
    worker = DeletionWorker(engine=engine, projects=projects, now_us=now_us, pace=pace)
    deletions = Deletions(
        engine=engine,
        moments=moments,
        writer=writer,
        store=records,
        wake=worker.wake,
        now_us=now_us,
        new_id=new_id,
        objects=objects,
    )
    retention = Retention(deletions=deletions, store=records, live_projects=projects.live_project_ids, now_us=now_us)
    worker.start(deletions, retention)
    return StartedDeletions(deletions, retention, worker)
