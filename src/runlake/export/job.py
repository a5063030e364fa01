"""What one thread of a worker does: one export run, or several side by side, from their claim to their end.

Several are an attempt together: what goes wrong with it counts for none of them. Those that are not complete by then
are done one by one, and only what goes wrong with a run alone is its failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
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
from runlake.export.partition import FileLimits, StretchExporter
from runlake.export.planning import manifest_path
from runlake.export.service import ExportProjects
from runlake.export.storage import Storage
from runlake.model.export import (
    RUN_TIMEOUT_US,
    Export,
    ExportRun,
    ExportStatus,
    RunKind,
    RunResult,
    complete,
    fail,
    release,
    restart,
    stretches,
    time_out,
)
from runlake.store.exports import ExportRecords, RunChange

_STORED_EVERY_S: Final = 0.25
"""Runs that are complete are stored together, as a commit waits for the disk; until then they are not."""


class Stopped(Exception):  # noqa: N818 -- no error: somebody else decides about the runs now
    """The runs are not this worker's any more, or the worker ends."""


class TimedOut(Exception):  # noqa: N818 -- as above
    """The run takes longer than it may."""


class Clock(Protocol):
    def __call__(self) -> int:
        """Microseconds since 1970 UTC."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobParts:
    """What all jobs of a worker share."""

    ledger: ExportRecords
    projects: ExportProjects
    reader: ExportReader
    opener: DestinationOpener
    file_limits: FileLimits
    now_us: Clock
    jitter: Callable[[], float]


class ExportJob:
    """Runs of one export at work. ``start`` opens the thread, which calls ``ended`` last; ``stop`` ends it soon."""

    def __init__(self, runs: Sequence[ExportRun], parts: JobParts, *, ended: Callable[[ExportJob], None]) -> None:
        self._runs = tuple(runs)
        self._parts = parts
        self._ended = ended
        self._open = {run.id: run for run in runs}
        self._changes: list[RunChange] = []
        self._stored_at = 0.0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runlake-export-run", daemon=True)
        self._log = structlog.get_logger("runlake.export")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give back what is not complete, at the next batch."""
        self._stopped.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def stop_unless_held(self, held: AbstractSet[tuple[UUID, UUID]]) -> None:
        """Stop when one of the runs that are not complete is not among those that the worker holds."""
        with self._lock:
            if not {(run.tenant_id, run.id) for run in self._open.values()} <= held:
                self._stopped.set()

    def store(self) -> None:
        """Store what is complete."""
        with self._lock:
            changes, self._changes = self._changes, []
            self._stored_at = time.monotonic()
            if changes:
                self._parts.ledger.replace_runs(changes)

    def _work(self) -> None:
        give_way()
        try:
            for runs in stretches(self._runs, at_most=len(self._runs), of={self._runs[0].export_id}):
                if len(runs) > 1:
                    self._try_together(runs)
            for run in tuple(self._open.values()):
                self._alone(run, is_again=len(self._runs) > 1)
            self.store()
        except Exception:  # noqa: BLE001 -- last resort; the leases run out and the runs are done again
            self._log.exception("export runs could not be ended", runs=[str(run_id) for run_id in self._open])
        finally:
            self._ended(self)

    def _try_together(self, runs: Sequence[ExportRun]) -> None:
        try:
            self._export(runs, is_again=False)
        except Stopped:
            self._give_back(self._open.values())
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is told of the run that it befalls alone
            self._log.info("export runs go on one by one", runs=len(self._open), reason=str(error))

    def _alone(self, run: ExportRun, *, is_again: bool) -> None:
        """Do one run; whatever becomes of it is stored."""
        if run.id not in self._open:
            return
        try:
            self._export((run,), is_again=is_again)
        except Stopped:
            self._give_back(self._open.values())
        except TimedOut:
            self._end(run, time_out(run, now_us=self._now_us()))
        except RunlakeError as error:
            # What the sender could mend is wrong for good; what is ours or the machine's may pass.
            transient = error.transient if isinstance(error, DestinationError) else not isinstance(error, UserError)
            self._log.warning("export run failed", run=str(run.id), transient=transient, reason=error.message)
            self._fail(run, error.message, transient=transient)
        except Exception:  # noqa: BLE001 -- a defect of ours must not stop the other runs
            self._log.exception("export run failed", run=str(run.id))
            self._fail(run, "the server failed on this run; its log has the cause", transient=True)

    def _fail(self, run: ExportRun, message: str, *, transient: bool) -> None:
        failed = fail(run, message, transient=transient, now_us=self._now_us(), jitter=self._parts.jitter())
        self._end(run, failed)

    def _give_back(self, runs: Iterable[ExportRun]) -> None:
        """Whoever is next may do them; void for those that somebody else has decided about."""
        for run in tuple(runs):
            self._end(run, release(run, now_us=self._now_us()))
        self.store()

    def _end(self, run: ExportRun, ended: ExportRun) -> None:
        with self._lock:
            self._open.pop(run.id, None)
            self._changes.append((run, ended))
        if time.monotonic() - self._stored_at >= _STORED_EVERY_S:
            self.store()

    def _now_us(self) -> int:
        return self._parts.now_us()

    def _export(self, runs: Sequence[ExportRun], *, is_again: bool) -> None:
        """Write the files of the runs, which are complete as soon as theirs are in place.

        ``is_again`` says that an attempt of this job may have left files already.
        """
        parts, first = self._parts, runs[0]
        export = parts.ledger.read_export(first.tenant_id, first.export_id)
        storage = parts.opener.open(parts.ledger.read_destination(first.tenant_id, export.spec.destination_id))
        if first.project_id is None:
            self._write_manifest(export, first, storage)
            self._end(first, complete(first, None, now_us=self._now_us()))
            return
        parts.projects.read_project(first.tenant_id, first.project_id)
        exporter = StretchExporter(
            export=export,
            runs=runs,
            reader=parts.reader,
            storage=storage,
            limits=parts.file_limits,
            control_of=partial(_RunControl, self),
            is_again=is_again or first.retry_number > 0,
        )
        counted = exporter.count()
        self._give_back(runs[len(counted.runs) :])
        for run, result in exporter.write(counted):
            self._end(run, complete(run, result, now_us=self._now_us()))

    def _write_manifest(self, export: Export, manifest: ExportRun, storage: Storage) -> None:
        ledger = self._parts.ledger
        runs = [run for run in ledger.list_runs(export.tenant_id, export.id) if run.kind is not RunKind.MANIFEST]
        differing = {run.id for run in differing_runs(export, runs, storage)}
        if differing:
            ledger.change_export(
                export.tenant_id, export.id, partial(_do_again, run_ids=differing, now_us=self._now_us())
            )
            raise DestinationError("files differ from what was written; their days are exported again", transient=True)
        self.check(manifest)
        storage.put(manifest_path(export), encode_manifest(make_manifest(export, runs, schema_version=SCHEMA_VERSION)))

    def check(self, run: ExportRun) -> None:
        """Raise when work on a run of this job has to end."""
        if self._stopped.is_set():
            raise Stopped
        if run.started_at is not None and self._now_us() - run.started_at > RUN_TIMEOUT_US:
            raise TimedOut

    def confirm(self, run: ExportRun) -> None:
        """As ``check``, after a look into the ledger."""
        self.check(run)
        if not self._parts.ledger.is_held(run):
            raise Stopped

    def report(self, run: ExportRun, result: RunResult, estimated_rows: int | None) -> None:
        """Store how far a run of this job is."""
        self.check(run)
        if not self._parts.ledger.report(run, result=result, estimated_rows=estimated_rows):
            raise Stopped


@dataclass(frozen=True, slots=True)
class _RunControl:
    """``Control`` over one run of a job."""

    job: ExportJob
    run: ExportRun

    def check(self) -> None:
        self.job.check(self.run)

    def confirm(self) -> None:
        self.job.confirm(self.run)

    def report(self, result: RunResult, *, estimated_rows: int | None) -> None:
        self.job.report(self.run, result, estimated_rows)


def _do_again(
    export: Export, runs: list[ExportRun], *, run_ids: set[UUID], now_us: int
) -> tuple[Export, list[ExportRun]]:
    completed = frozenset({ExportStatus.COMPLETED})
    return export, [restart(run, completed, now_us=now_us) if run.id in run_ids else run for run in runs]
