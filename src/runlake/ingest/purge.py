"""Removes the rows of deleted projects from the engine, in the background.

A deleted project vanishes from every query the moment the ledger marks it, because queries name the live projects they
look in; its rows follow here. What a crash interrupts is found in the ledger and done at the next start.
"""

from __future__ import annotations

import queue
import threading
from typing import Final
from uuid import UUID

import structlog

from runlake.errors import RunlakeError
from runlake.ingest.erase import erase_open_runs
from runlake.ingest.writer import Writer
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moments
from runlake.store.projects import DeletedProjects

_LOG: Final = structlog.get_logger("runlake.purge")


class Purger:
    """One thread that erases one project after the other; ``close`` lets the current one finish."""

    def __init__(self, *, engine: Engine, ledger: DeletedProjects, writer: Writer, moments: Moments) -> None:
        self._engine = engine
        self._moments = moments
        self._ledger = ledger
        self._writer = writer
        self._queue: queue.SimpleQueue[tuple[UUID, UUID] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="runlake-purge", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process left undone."""
        for tenant_id, project_id in self._ledger.unpurged_projects():
            self.submit(tenant_id, project_id)
        self._thread.start()

    def submit(self, tenant_id: UUID, project_id: UUID) -> None:
        """Have the rows of a project that the ledger has marked deleted removed soon."""
        self._queue.put((tenant_id, project_id))

    def close(self) -> None:
        """End after the project at hand; the rest is done at the next start."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._purge(*item)
            except RunlakeError:
                _LOG.exception("purge failed, will be repeated at the next start", project_id=str(item[1]))

    def _purge(self, tenant_id: UUID, project_id: UUID) -> None:
        # Runs in the writer's thread, so it also waits for every commit that began before the project was marked.
        self._writer.delete_between_commits(
            lambda writer: erase_open_runs(
                self._engine, self._moments, writer.open_set, tenant_id, _open_runs(tenant_id, project_id)
            )
        ).result()
        self._engine.command(_feedback_deletion(tenant_id, project_id))
        self._engine.command(_runs_deletion(tenant_id, project_id))
        self._ledger.mark_purged(tenant_id, project_id)
        _LOG.info("purged", project_id=str(project_id))


def _open_runs(tenant_id: UUID, project_id: UUID) -> Statement:
    params = Params()
    tenant, project = params.add("UUID", tenant_id), params.add("UUID", project_id)
    return Statement(
        f"SELECT DISTINCT id FROM open_runs WHERE tenant_id = {tenant} AND session_id = {project}", params.as_tuple()
    )


def _feedback_deletion(tenant_id: UUID, project_id: UUID) -> Statement:
    params = Params()
    tenant, project = params.add("UUID", tenant_id), params.add("UUID", project_id)
    doomed_runs = f"SELECT id FROM runs WHERE tenant_id = {tenant} AND session_id = {project}"
    return Statement(
        f"DELETE FROM feedback WHERE tenant_id = {tenant} AND (session_id = {project} OR run_id IN ({doomed_runs}))",
        params.as_tuple(),
    )


def _runs_deletion(tenant_id: UUID, project_id: UUID) -> Statement:
    params = Params()
    tenant, project = params.add("UUID", tenant_id), params.add("UUID", project_id)
    return Statement(f"DELETE FROM runs WHERE tenant_id = {tenant} AND session_id = {project}", params.as_tuple())
