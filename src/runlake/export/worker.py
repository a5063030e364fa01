"""Does the work of exports: one thread that looks for work and keeps leases alive, one job for what it found.

Any number of workers, in any number of processes, may share a ledger. All that counts is written there; whatever a
worker holds in memory may be lost at any moment. Between two transitions of ``model.export`` lies the I/O done here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from runlake.export.content import ExportReader, has_windows
from runlake.export.job import Clock, ExportJob, JobParts
from runlake.export.opening import DestinationOpener
from runlake.export.ownership import is_gone, new_owner
from runlake.export.partition import FileLimits
from runlake.export.planning import plan_runs
from runlake.export.service import ExportProjects, projects_of
from runlake.model.export import (
    SECOND_US,
    STRETCH_RUNS,
    UNFINISHED,
    Export,
    ExportRun,
    ExportStatus,
    Lease,
    claim,
    next_due_us,
    settle,
    spawn,
    stretches,
    time_out,
)
from runlake.store.exports import ExportRecords

LEASE_US: Final = 60 * SECOND_US
_HEARTBEAT_US: Final = 5 * SECOND_US
_BUSY_TICK_S: Final = 0.5
_WAITING_TICK_S: Final = 2.0
_IDLE_TICK_S: Final = 15.0
"""Between two looks when nothing is at work, waits or is due; so late is seen what another process orders."""

_CANDIDATES: Final = 100
_LEAST_TOGETHER: Final = 4
"""Runs that are taken together even where few are left."""

_MAX_OPEN_WINDOWS: Final = 3
"""Windows of one schedule that are exported at the same time when it has to catch up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """``runs`` at work in this process, ``runs_per_export`` in all processes, and the size of files."""

    runs: int
    runs_per_export: int
    file: FileLimits


class ExportWorkers:
    """The workers of one process. ``start`` opens the thread, ``close`` gives back what is at work and ends it."""

    def __init__(
        self,
        *,
        ledger: ExportRecords,
        projects: ExportProjects,
        reader: ExportReader,
        opener: DestinationOpener,
        limits: WorkerLimits,
        now_us: Clock,
        new_id: Callable[[], UUID],
        jitter: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._projects = projects
        self._reader = reader
        self._limits = limits
        self._now_us = now_us
        self._new_id = new_id
        self._parts = JobParts(
            ledger=ledger,
            projects=projects,
            reader=reader,
            opener=opener,
            file_limits=limits.file,
            now_us=now_us,
            jitter=jitter,
        )
        self._owner = new_owner()
        self._active: set[ExportJob] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._heartbeat_due_us = 0
        self._are_waiting = False
        self._due_us: float = math.inf
        self._thread = threading.Thread(target=self._run, name="runlake-exports", daemon=True)
        self._log = structlog.get_logger("runlake.export")

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There may be work, or work may have been cancelled."""
        self._wake.set()

    def close(self, timeout_s: float = 10.0) -> None:
        """Give back what is at work; somebody else, or this process after its restart, does it again."""
        self._closing.set()
        jobs = self._jobs()
        for job in jobs:
            job.stop()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        for job in jobs:
            # A thread inside an upload does not hear; its lease runs out, and its file counts only if it is listed.
            job.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.tick()
                rest_s = self._rest_s()
            except Exception:  # noqa: BLE001 -- the thread must outlive any failure; the next round tries again
                self._log.exception("looking for exports failed")
                rest_s = _WAITING_TICK_S
            self._wake.wait(rest_s)
            self._wake.clear()

    def _rest_s(self) -> float:
        """How long the next round can wait, unless somebody wakes this thread, as all do who change something here."""
        if self._active:
            return _BUSY_TICK_S
        if self._are_waiting:
            return _WAITING_TICK_S
        until_due_s = (self._due_us - self._now_us()) / SECOND_US
        return min(_IDLE_TICK_S, max(_BUSY_TICK_S, until_due_s))

    def tick(self) -> None:
        """One round: who was cancelled, what is due, what is over time, what is finished, what can be started."""
        now_us = self._now_us()
        if self._active:
            self._stop_lost_jobs()
        if now_us >= self._heartbeat_due_us:
            self._heartbeat_due_us = now_us + _HEARTBEAT_US
            if self._active:
                self._ledger.keep_alive(self._owner, now_us + LEASE_US)
            self._ledger.void_leases_of(is_gone)
        schedules = self._ledger.running_schedules()
        for schedule in schedules:
            self._spawn_due(schedule, now_us)
        unfinished = self._ledger.unfinished_exports()
        for export in unfinished:
            self._settle(export, now_us)
        self._are_waiting = bool(unfinished)
        self._due_us = min(filter(None, map(next_due_us, schedules)), default=math.inf)
        self._claim(now_us, unfinished)

    def _stop_lost_jobs(self) -> None:
        held = self._ledger.leased_runs(self._owner)
        for job in self._jobs():
            job.stop_unless_held(held)
            job.store()

    def _jobs(self) -> list[ExportJob]:
        with self._lock:
            return list(self._active)

    def _spawn_due(self, schedule: Export, now_us: int) -> None:
        """Export every window that is over, in their order, a few at a time."""
        while (due_us := next_due_us(schedule)) is not None and due_us <= now_us:
            spawned = self._ledger.list_spawned(schedule.tenant_id, schedule.id)
            if sum(export.status in UNFINISHED for export in spawned) >= _MAX_OPEN_WINDOWS:
                return
            child = self._ledger.spawn_export(schedule, partial(self._plan_window, now_us=now_us))
            if child is None:
                return
            self._log.info("window of a schedule is due", schedule=str(schedule.id), export=str(child.id))
            schedule = self._ledger.read_export(schedule.tenant_id, schedule.id)

    def _plan_window(self, schedule: Export, *, now_us: int) -> tuple[Export, tuple[Export, list[ExportRun]]]:
        moved, child = spawn(schedule, child_id=self._new_id(), watermark=self._reader.watermark(), now_us=now_us)
        project_ids = projects_of(child.spec, child.tenant_id, self._projects)
        return moved, (child, plan_runs(child, project_ids, new_id=self._new_id, now_us=now_us))

    def _settle(self, export: Export, now_us: int) -> None:
        if export.deadline_us is not None and export.deadline_us <= now_us:
            self._ledger.change_export(export.tenant_id, export.id, partial(_expire, now_us=now_us))
        settled = self._ledger.settle_export(export, partial(settle, now_us=now_us))
        if settled.status not in UNFINISHED:
            self._log.info("export ended", export=str(export.id), status=settled.status.value)

    def _claim(self, now_us: int, unfinished: Sequence[Export]) -> None:
        free = self._limits.runs - len(self._active)
        if free <= 0 or self._closing.is_set():
            return
        lease = Lease(owner=self._owner, now_us=now_us, until_us=now_us + LEASE_US)
        candidates = self._ledger.claimable_runs(now_us, limit=_CANDIDATES)
        # Half of what there is, so that workers of other processes find some too.
        at_most = min(STRETCH_RUNS, max(_LEAST_TOGETHER, len(candidates) // (2 * free)))
        cut = {export.id for export in unfinished if has_windows(export.spec.content)}
        for stretch in stretches(candidates, at_most=at_most, of=cut):
            if free <= 0:
                return
            wanted = [(run, claim(run, lease)) for run in stretch]
            taken = self._ledger.take_runs(wanted, max_per_export=self._limits.runs_per_export)
            running = [run for run in taken if run.status is ExportStatus.RUNNING]
            if running:
                self._begin(running)
                free -= 1

    def _begin(self, runs: list[ExportRun]) -> None:
        job = ExportJob(runs, self._parts, ended=self._job_ended)
        with self._lock:
            self._active.add(job)
        job.start()

    def _job_ended(self, job: ExportJob) -> None:
        with self._lock:
            self._active.discard(job)
        self._wake.set()


def _expire(export: Export, runs: list[ExportRun], *, now_us: int) -> tuple[Export, list[ExportRun]]:
    expired = [time_out(run, now_us=now_us) if run.status in UNFINISHED else run for run in runs]
    return replace(export, updated_at=now_us), expired
