"""Exports and their state machine: plain data, and pure transitions from one state to the next. No I/O, no clock.

An export is a set of export runs (partitions): one for each project and UTC day of its window, where it follows changes
one for those, and one that writes the manifest when all others are complete. Statuses are documented upstream; leases,
back-off, retry and resume are our choice (``docs/decisions/0004-durable-export-jobs.md``). Times are microseconds since
1970 UTC. Every transition raises ``ValueError`` when it does not apply to the state, which is a defect of the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from runlake.model.export_content import Compression, ContentKind, FileFormat, FileKind

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
DAY_US: Final = 24 * HOUR_US

SCHEDULE_DELAY_US: Final = 600 * SECOND_US
"""A scheduled window is exported this long after its end (documented upstream)."""

MAX_RETRIES: Final = 20
"""Repetitions of one export run before it fails for good (documented upstream)."""

STRETCH_RUNS: Final = 24
"""Most runs of a project side by side that one worker takes, and one read serves, together (our choice)."""

RUN_TIMEOUT_US: Final = 4 * HOUR_US
EXPORT_TIMEOUT_US: Final = 72 * HOUR_US
"""Both documented upstream; the second counts from the creation, or from the last resume or retry."""

FIRST_WAIT_US: Final = SECOND_US
LONGEST_WAIT_US: Final = 300 * SECOND_US


class ExportStatus(StrEnum):
    """Status of an export or of an export run; only a schedule is ``INTERVAL_SCHEDULED``."""

    CREATED = "Created"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
    INTERVAL_SCHEDULED = "IntervalScheduled"


UNFINISHED: Final = frozenset({ExportStatus.CREATED, ExportStatus.RUNNING})
RETRYABLE: Final = frozenset({ExportStatus.FAILED, ExportStatus.TIMED_OUT})


class RunKind(StrEnum):
    """``WINDOW`` is a day of the window, ``CHANGES`` what changed before it, ``MANIFEST`` the last file written."""

    WINDOW = "window"
    CHANGES = "changes"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """What an export shall contain. ``end_us`` is exclusive and None for a schedule, which has ``interval_hours``.

    ``project_ids`` is empty when ``all_experiments`` is set; they are found when the export is planned.
    ``include_changes`` makes a schedule export again what changed since the window before. ``include_files`` writes
    what it names of every run as files of their own, beside the data files.
    """

    destination_id: UUID
    project_ids: tuple[UUID, ...] = ()
    all_experiments: bool = False
    start_us: int
    end_us: int | None = None
    interval_hours: int | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    content: ContentKind = ContentKind.RUNS
    format: FileFormat = FileFormat.PARQUET
    format_version: str = "v1"
    compression: Compression = Compression.ZSTANDARD
    fields: tuple[str, ...] | None = None
    include_changes: bool = False
    include_files: tuple[FileKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export or one schedule.

    ``watermark`` is the store's version when it was planned: everything written until then is in it. ``changed_since``
    is the watermark of the export of the window before. ``next_start_us`` is the start of the next window of a
    schedule. ``deadline_us`` is when it times out. ``revision`` counts the stored changes.
    """

    tenant_id: UUID
    id: UUID
    spec: ExportSpec
    status: ExportStatus
    created_at: int
    updated_at: int
    finished_at: int | None = None
    source_id: UUID | None = None
    watermark: int | None = None
    changed_since: int | None = None
    changes_from_us: int | None = None
    next_start_us: int | None = None
    deadline_us: int | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file at the destination; ``path`` is below the destination's prefix."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What an export run has written so far; ``folder`` is below the destination's prefix.

    ``as_of`` is the version of the moment that its rows show. ``files`` are the data files; ``run_files`` counts those
    that their rows name, which may be too many to be listed here.
    """

    folder: str
    as_of: int
    files: tuple[ExportedFile, ...] = ()
    run_files: int = 0
    run_files_bytes: int = 0

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files) + self.run_files_bytes

    @property
    def files_written(self) -> int:
        return len(self.files) + self.run_files


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRun:
    """One partition of an export.

    ``retry_number`` counts repetitions and keys ``errors``; ``attempts_left`` is what remains before it fails for good.
    While it runs, ``lease_owner`` works on it and is believed alive until ``lease_until_us``. It is not started before
    ``not_before_us``. ``project_id`` is None for the manifest.
    """

    tenant_id: UUID
    id: UUID
    export_id: UUID
    kind: RunKind
    start_us: int
    end_us: int
    created_at: int
    updated_at: int
    project_id: UUID | None = None
    status: ExportStatus = ExportStatus.CREATED
    retry_number: int = 0
    attempts_left: int = MAX_RETRIES + 1
    errors: Mapping[str, str] = field(default_factory=dict)
    not_before_us: int = 0
    started_at: int | None = None
    finished_at: int | None = None
    lease_owner: str | None = None
    lease_until_us: int | None = None
    estimated_rows: int | None = None
    result: RunResult | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProgress:
    """How far an export is; the manifest does not count. ``estimated_rows`` is None until every run has counted."""

    runs_total: int = 0
    runs_completed: int = 0
    runs_failed: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    exported_files: int = 0
    estimated_rows: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who asks for work, until when it may be believed alive, and what time it is."""

    owner: str
    now_us: int
    until_us: int


def days_of(start_us: int, end_us: int) -> Iterator[tuple[int, int]]:
    """The window cut at UTC midnights; nothing when it is empty."""
    while start_us < end_us:
        midnight = (start_us // DAY_US + 1) * DAY_US
        yield start_us, min(midnight, end_us)
        start_us = midnight


def is_claimable(run: ExportRun, now_us: int) -> bool:
    """Whether a worker may take the run now: it waits and its time has come, or its worker is lost."""
    if run.status is ExportStatus.RUNNING:
        return (run.lease_until_us or 0) <= now_us
    return run.status is ExportStatus.CREATED and run.not_before_us <= now_us


def stretches(runs: Sequence[ExportRun], *, at_most: int, of: Container[UUID]) -> list[list[ExportRun]]:
    """The runs in their order, those together that one read can serve: days of one project that follow one another.

    ``of`` are the exports whose content allows that. What has failed before is worked on alone, so that it takes
    nothing else down with it.
    """
    found: list[list[ExportRun]] = []
    for run in runs:
        last = found[-1] if found else []
        if last and len(last) < at_most and run.export_id in of and _follows(last[-1], run):
            last.append(run)
        else:
            found.append([run])
    return found


def _follows(before: ExportRun, run: ExportRun) -> bool:
    is_next = (run.export_id, run.project_id, run.start_us) == (before.export_id, before.project_id, before.end_us)
    return is_next and all(each.kind is RunKind.WINDOW and each.retry_number == 0 for each in (before, run))


def claim(run: ExportRun, lease: Lease) -> ExportRun:
    """The run in the hands of a worker. After a lost worker this is a retry, or a failure when none is left."""
    if not is_claimable(run, lease.now_us):
        raise ValueError(f"run {run.id} cannot be claimed as {run.status}")
    if run.status is ExportStatus.RUNNING:
        lost = fail(run, "the worker stopped without a word", transient=True, now_us=lease.now_us, jitter=0.0)
        if lost.status is not ExportStatus.CREATED:
            return lost
        run = lost
    return replace(
        run,
        status=ExportStatus.RUNNING,
        attempts_left=run.attempts_left - 1,
        started_at=lease.now_us,
        updated_at=lease.now_us,
        lease_owner=lease.owner,
        lease_until_us=lease.until_us,
        result=None,
    )


def complete(run: ExportRun, result: RunResult | None, *, now_us: int) -> ExportRun:
    """The run with all its files in place."""
    _require_running(run)
    return replace(
        _released(run, now_us),
        status=ExportStatus.COMPLETED,
        finished_at=now_us,
        not_before_us=0,
        estimated_rows=None if result is None else result.rows,
        result=result,
    )


def fail(run: ExportRun, message: str, *, transient: bool, now_us: int, jitter: float) -> ExportRun:
    """The run after an attempt that did not succeed: waiting for the next one, or failed.

    ``jitter`` between 0 and 1 spreads the waiting time over the upper half of its length, so that many runs that failed
    together do not come back together.
    """
    _require_running(run)
    errors = {**run.errors, f"retry_{run.retry_number}": message}
    released = replace(_released(run, now_us), errors=errors)
    if not transient or run.attempts_left <= 0:
        return replace(released, status=ExportStatus.FAILED, finished_at=now_us)
    return replace(
        released,
        status=ExportStatus.CREATED,
        retry_number=run.retry_number + 1,
        not_before_us=now_us + waiting_us(run.retry_number, jitter),
        result=None,
    )


def waiting_us(retry_number: int, jitter: float) -> int:
    """Exponential back-off: 1 s, 2 s, 4 s ... up to 5 minutes, at least half of it."""
    longest = min(FIRST_WAIT_US << min(retry_number, 30), LONGEST_WAIT_US)
    return int(longest * (0.5 + jitter / 2))


def time_out(run: ExportRun, *, now_us: int) -> ExportRun:
    """The run that took longer than ``RUN_TIMEOUT_US``, or whose export ran out of time."""
    if run.status not in UNFINISHED:
        raise ValueError(f"run {run.id} cannot time out as {run.status}")
    errors = {**run.errors, f"retry_{run.retry_number}": "the time for it ran out"}
    return replace(_released(run, now_us), status=ExportStatus.TIMED_OUT, finished_at=now_us, errors=errors)


def release(run: ExportRun, *, now_us: int) -> ExportRun:
    """The run given back unfinished by a worker that stops; the attempt does not count."""
    _require_running(run)
    return replace(
        _released(run, now_us), status=ExportStatus.CREATED, attempts_left=run.attempts_left + 1, result=None
    )


def cancel(run: ExportRun, *, now_us: int) -> ExportRun:
    """The run of a cancelled export; what is finished stays as it is."""
    if run.status not in UNFINISHED:
        return run
    return replace(_released(run, now_us), status=ExportStatus.CANCELLED, finished_at=now_us, result=None)


def restart(run: ExportRun, statuses: frozenset[ExportStatus], *, now_us: int) -> ExportRun:
    """The run at its start again with all attempts, when its status is one of ``statuses``; otherwise as it is."""
    if run.status not in statuses:
        return run
    again = run.status in RETRYABLE or run.status is ExportStatus.COMPLETED
    return replace(
        run,
        status=ExportStatus.CREATED,
        retry_number=run.retry_number + 1 if again else run.retry_number,
        attempts_left=MAX_RETRIES + 1,
        not_before_us=0,
        updated_at=now_us,
        started_at=None,
        finished_at=None,
        result=None,
    )


class RunFacet(NamedTuple):
    """All that the status of an export depends on in one of its runs."""

    kind: RunKind
    status: ExportStatus
    retried: bool


def settle(export: Export, runs: Collection[RunFacet], *, now_us: int) -> Export:
    """The export as its runs make it. Cancelled exports and schedules are what their owner made them."""
    if export.status in (ExportStatus.CANCELLED, ExportStatus.INTERVAL_SCHEDULED):
        return export
    status = _status_of(runs)
    if status is export.status:
        return export
    finished = None if status in UNFINISHED else now_us
    return replace(export, status=status, updated_at=now_us, finished_at=finished)


def _status_of(runs: Collection[RunFacet]) -> ExportStatus:
    parts = {run.status for run in runs if run.kind is not RunKind.MANIFEST}
    everything = {run.status for run in runs}
    # A manifest waits for all parts, so it waits in vain when one of them failed for good.
    if parts.isdisjoint(UNFINISHED):
        for broken in (ExportStatus.FAILED, ExportStatus.TIMED_OUT, ExportStatus.CANCELLED):
            if broken in everything:
                return broken
        if everything <= {ExportStatus.COMPLETED}:
            return ExportStatus.COMPLETED
    untouched = everything <= {ExportStatus.CREATED} and not any(run.retried for run in runs)
    return ExportStatus.CREATED if untouched else ExportStatus.RUNNING


def next_due_us(schedule: Export) -> int | None:
    """When the next window of a schedule is to be exported; None when it is not running."""
    if schedule.status is not ExportStatus.INTERVAL_SCHEDULED or schedule.next_start_us is None:
        return None
    return _window_end(schedule) + SCHEDULE_DELAY_US


def spawn(schedule: Export, *, child_id: UUID, watermark: int, now_us: int) -> tuple[Export, Export]:
    """(the schedule, moved to its next window; the export of the window that is due)."""
    due = next_due_us(schedule)
    if due is None or due > now_us or schedule.next_start_us is None:
        raise ValueError(f"schedule {schedule.id} is not due")
    start_us, end_us = schedule.next_start_us, _window_end(schedule)
    follows = schedule.spec.include_changes and schedule.watermark is not None
    child = Export(
        tenant_id=schedule.tenant_id,
        id=child_id,
        spec=replace(schedule.spec, start_us=start_us, end_us=end_us, interval_hours=None),
        status=ExportStatus.CREATED,
        created_at=now_us,
        updated_at=now_us,
        source_id=schedule.id,
        watermark=watermark,
        changed_since=schedule.watermark if follows else None,
        changes_from_us=schedule.spec.start_us if follows else None,
        deadline_us=now_us + EXPORT_TIMEOUT_US,
    )
    return replace(schedule, next_start_us=end_us, watermark=watermark, updated_at=now_us), child


def _window_end(schedule: Export) -> int:
    if schedule.next_start_us is None or schedule.spec.interval_hours is None:
        raise ValueError(f"export {schedule.id} is not a schedule")
    return schedule.next_start_us + schedule.spec.interval_hours * HOUR_US


def _released(run: ExportRun, now_us: int) -> ExportRun:
    return replace(run, lease_owner=None, lease_until_us=None, updated_at=now_us)


def _require_running(run: ExportRun) -> None:
    if run.status is not ExportStatus.RUNNING:
        raise ValueError(f"run {run.id} is not running but {run.status}")
