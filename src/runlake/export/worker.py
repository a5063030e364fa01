"""Does the work of exports: one thread that looks for work and keeps leases alive, one thread for each run at work.

Any number of workers, in any number of processes, may share a ledger. All that counts is written there; whatever a
worker holds in memory may be lost at any moment. Between two transitions of ``model.export`` lies the I/O done here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog

from runlake.errors import DestinationError, RunlakeError, UserError
from runlake.export.background import give_way
from runlake.export.columns import SCHEMA_VERSION
from runlake.export.content import ExportReader
from runlake.export.manifest import differing_runs, encode_manifest, make_manifest
from runlake.export.opening import DestinationOpener
from runlake.export.ownership import is_gone, new_owner
from runlake.export.partition import FileLimits, PartitionExporter
from runlake.export.planning import manifest_path, plan_runs
from runlake.export.service import ExportProjects, projects_of
from runlake.export.storage import Storage
from runlake.model.export import (
    RUN_TIMEOUT_US,
    SECOND_US,
    UNFINISHED,
    Export,
    ExportRun,
    ExportStatus,
    Lease,
    RunKind,
    RunResult,
    claim,
    complete,
    fail,
    next_due_us,
    release,
    restart,
    settle,
    spawn,
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
_MAX_OPEN_WINDOWS: Final = 3
"""Windows of one schedule that are exported at the same time when it has to catch up."""


class Stopped(Exception):  # noqa: N818 -- no error: somebody else decides about the run now
    """The run is not this worker's any more, or the worker ends."""


class TimedOut(Exception):  # noqa: N818 -- as above
    """The run takes longer than it may."""


class Clock(Protocol):
    def __call__(self) -> int:
        """Microseconds since 1970 UTC."""
        ...


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
        self._opener = opener
        self._limits = limits
        self._now_us = now_us
        self._new_id = new_id
        self._jitter = jitter
        self._owner = new_owner()
        self._active: dict[UUID, _Job] = {}
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
        with self._lock:
            jobs = list(self._active.values())
        for job in jobs:
            job.stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        for job in jobs:
            # A thread inside an upload does not hear; its lease runs out, and its file counts only if it is listed.
            job.thread.join(timeout_s)

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
        self._claim(now_us)

    def _stop_lost_jobs(self) -> None:
        held = self._ledger.leased_runs(self._owner)
        with self._lock:
            for job in self._active.values():
                if (job.run.tenant_id, job.run.id) not in held:
                    job.stopped.set()

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

    def _claim(self, now_us: int) -> None:
        free = self._limits.runs - len(self._active)
        if free <= 0 or self._closing.is_set():
            return
        lease = Lease(owner=self._owner, now_us=now_us, until_us=now_us + LEASE_US)
        for run in self._ledger.claimable_runs(now_us, limit=_CANDIDATES):
            if free <= 0:
                return
            wanted = claim(run, lease)
            taken = self._ledger.take_run(run, wanted, max_per_export=self._limits.runs_per_export)
            if taken is not None and taken.status is ExportStatus.RUNNING:
                self._begin(taken)
                free -= 1

    def _begin(self, run: ExportRun) -> None:
        job = _Job(run, now_us=self._now_us, ledger=self._ledger)
        job.thread = threading.Thread(target=self._work, args=(job,), name="runlake-export-run", daemon=True)
        with self._lock:
            self._active[run.id] = job
        job.thread.start()

    def _work(self, job: _Job) -> None:
        give_way()
        try:
            ended = self._attempt(job)
            if ended is not None:
                self._ledger.replace_run(job.run, ended)
        except Exception:  # noqa: BLE001 -- last resort; the lease runs out and the run is done again
            self._log.exception("an export run could not be ended", run=str(job.run.id))
        finally:
            with self._lock:
                self._active.pop(job.run.id, None)
            self._wake.set()

    def _attempt(self, job: _Job) -> ExportRun | None:
        """What has become of the run; None when that is not ours to say."""
        run = job.run
        try:
            result = self._do(job)
            return complete(run, result, now_us=self._now_us())
        except Stopped:
            return release(run, now_us=self._now_us()) if self._closing.is_set() else None
        except TimedOut:
            return time_out(run, now_us=self._now_us())
        except RunlakeError as error:
            # What the sender could mend is wrong for good; what is ours or the machine's may pass.
            transient = error.transient if isinstance(error, DestinationError) else not isinstance(error, UserError)
            self._log.warning("export run failed", run=str(run.id), transient=transient, reason=error.message)
            return self._failed(run, error.message, transient=transient)
        except Exception:  # noqa: BLE001 -- a defect of ours must not stop the other runs
            self._log.exception("export run failed", run=str(run.id))
            return self._failed(run, "the server failed on this run; its log has the cause", transient=True)

    def _failed(self, run: ExportRun, message: str, *, transient: bool) -> ExportRun:
        return fail(run, message, transient=transient, now_us=self._now_us(), jitter=self._jitter())

    def _do(self, job: _Job) -> RunResult | None:
        run = job.run
        export = self._ledger.read_export(run.tenant_id, run.export_id)
        destination = self._ledger.read_destination(run.tenant_id, export.spec.destination_id)
        storage = self._opener.open(destination)
        if run.project_id is None:
            self._write_manifest(export, storage, job)
            return None
        self._projects.read_project(run.tenant_id, run.project_id)
        partition = PartitionExporter(
            export=export,
            run=run,
            reader=self._reader,
            storage=storage,
            limits=self._limits.file,
            control=job,
        )
        return partition.work()

    def _write_manifest(self, export: Export, storage: Storage, job: _Job) -> None:
        runs = [run for run in self._ledger.list_runs(export.tenant_id, export.id) if run.kind is not RunKind.MANIFEST]
        differing = {run.id for run in differing_runs(export, runs, storage)}
        if differing:
            self._ledger.change_export(
                export.tenant_id, export.id, partial(_do_again, run_ids=differing, now_us=self._now_us())
            )
            raise DestinationError("files differ from what was written; their days are exported again", transient=True)
        job.check()
        storage.put(manifest_path(export), encode_manifest(make_manifest(export, runs, schema_version=SCHEMA_VERSION)))


class _Job:
    """A run at work, and ``Control`` over it."""

    def __init__(self, run: ExportRun, *, now_us: Clock, ledger: ExportRecords) -> None:
        self.run = run
        self.stopped = threading.Event()
        self.thread = threading.Thread()
        self._now_us = now_us
        self._ledger = ledger

    def check(self) -> None:
        if self.stopped.is_set():
            raise Stopped
        if self.run.started_at is not None and self._now_us() - self.run.started_at > RUN_TIMEOUT_US:
            raise TimedOut

    def report(self, result: RunResult, *, estimated_rows: int | None) -> None:
        self.check()
        if not self._ledger.report(self.run, result=result, estimated_rows=estimated_rows):
            raise Stopped


def _expire(export: Export, runs: list[ExportRun], *, now_us: int) -> tuple[Export, list[ExportRun]]:
    expired = [time_out(run, now_us=now_us) if run.status in UNFINISHED else run for run in runs]
    return replace(export, updated_at=now_us), expired


def _do_again(
    export: Export, runs: list[ExportRun], *, run_ids: set[UUID], now_us: int
) -> tuple[Export, list[ExportRun]]:
    completed = frozenset({ExportStatus.COMPLETED})
    return export, [restart(run, completed, now_us=now_us) if run.id in run_ids else run for run in runs]
