"""The thread that carries deletions out: hidden -> masked -> done, and starts those of retention.

All it does may be repeated: a failure is tried again after a pause, what a crash interrupts is found in the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol
from uuid import UUID

import structlog

from runlake.deletes.contents import count_replaced_files, read_left
from runlake.deletes.masking import mask, rewrite
from runlake.deletes.service import Deletions, unstage
from runlake.deletes.target import Target
from runlake.errors import RunlakeError, StoreUnavailableError
from runlake.model.deletion import Deletion, DeletionKind, DeletionState
from runlake.model.run import NO_ID
from runlake.store.engine import Engine, Statement

_LOG: Final = structlog.get_logger("runlake.deletes")
_MASKED_AT_ONCE: Final = 100
_RETRY_S: Final = 30.0
_ERASED_CHECK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the worker lets things gather, in seconds.

    A rewrite waits ``gather_s`` for more deletions, and for ``rest`` times as long as the last one took.
    """

    gather_s: float = 30.0
    rest: float = 10.0
    retention_s: float = 3600.0
    first_retention_s: float = 60.0


class RetentionPass(Protocol):
    """Orders the deletion of what has expired (``deletes.retention.Retention`` outside tests)."""

    def expire(self) -> int:
        """The number of deletions ordered."""
        ...


class DeletedProjects(Protocol):
    """Projects that are deleted while the engine may still hold their rows."""

    def unpurged_projects(self) -> list[tuple[UUID, UUID]]: ...

    def mark_purged(self, tenant_id: UUID, project_id: UUID) -> None: ...


class DeletionWorker:
    """One thread; ``close`` lets the step at hand finish."""

    def __init__(
        self,
        *,
        engine: Engine,
        projects: DeletedProjects,
        now_us: Callable[[], int],
        pace: Pace | None = None,
    ) -> None:
        self._engine = engine
        self._projects = projects
        self._now_us = now_us
        self._pace = pace or Pace()
        self._wake = threading.Event()
        self._closed = False
        self._deletions: Deletions | None = None
        self._retention: RetentionPass | None = None
        self._rewritten: dict[UUID, int] = {}
        self._rewrite_at: float | None = None
        self._rested_at = 0.0
        self._retention_at = 0.0
        self._thread = threading.Thread(target=self._run, name="runlake-deletes", daemon=True)

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def start(self, deletions: Deletions, retention: RetentionPass) -> None:
        """Take up what an earlier process left: hidden again on return, so that nothing deleted is ever shown."""
        self._deletions, self._retention = deletions, retention
        ordered = {deletion.project_id for deletion in deletions.resume()}
        for tenant_id, project_id in self._projects.unpurged_projects():
            if project_id not in ordered:
                deletions.order_project(tenant_id, project_id)
        self._retention_at = time.monotonic() + self._pace.first_retention_s
        self._thread.start()

    def close(self) -> None:
        """End after the step at hand; the rest is done at the next start."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait_s: float = 0.0
        while not self._closed:
            self._wake.wait(wait_s)
            self._wake.clear()
            try:
                wait_s = self._step()
            except StoreUnavailableError as error:
                _LOG.info("a deletion goes on later", reason=error.message, after_s=_RETRY_S)
                wait_s = _RETRY_S
            except RunlakeError:
                _LOG.exception("a deletion failed and will be tried again", after_s=_RETRY_S)
                wait_s = _RETRY_S

    def _step(self) -> float:
        """Do what is due; seconds until something else is."""
        if self._deletions is None or self._retention is None or self._closed:
            return _RETRY_S
        if time.monotonic() >= self._retention_at:
            self._retention_at = time.monotonic() + self._pace.retention_s
            self._retention.expire()
        unfinished = self._deletions.store.unfinished()
        self._mask([deletion for deletion in unfinished if deletion.state is DeletionState.HIDDEN])
        masked = [d for d in self._deletions.store.unfinished() if d.state is DeletionState.MASKED]
        self._rewrite([deletion for deletion in masked if deletion.id not in self._rewritten])
        self._finish([deletion for deletion in masked if deletion.id in self._rewritten])
        return self._seconds_to_wait(masked)

    def _seconds_to_wait(self, masked: Sequence[Deletion]) -> float:
        due = [self._retention_at]
        if self._rewrite_at is not None:
            due.append(self._rewrite_at)
        if any(deletion.id in self._rewritten for deletion in masked):
            due.append(time.monotonic() + _ERASED_CHECK_S)
        return max(0.05, min(due) - time.monotonic())

    def _mask(self, hidden: Sequence[Deletion]) -> None:
        """Together where they are alike: a mask visits every part of a month, for one trace as for a thousand."""
        for (_, kind, _), group in groupby(sorted(hidden, key=_likeness), key=_likeness):
            alike = list(group)
            for start in range(0, len(alike), _MASKED_AT_ONCE):
                self._mask_together(alike[start : start + _MASKED_AT_ONCE], kind)

    def _mask_together(self, deletions: Sequence[Deletion], kind: DeletionKind) -> None:
        service = self._service
        mask(self._engine, Target.of(deletions), kind, service.objects)
        service.store.advance(deletions, DeletionState.MASKED, self._now_us())
        service.end_hiding(deletions)
        _LOG.info("masked", deletions=len(deletions), kind=kind.value)

    def _rewrite(self, masked: Sequence[Deletion]) -> None:
        now = time.monotonic()
        if not masked:
            self._rewrite_at = None
            return
        if self._rewrite_at is None:
            self._rewrite_at = max(now + self._pace.gather_s, self._rested_at)
        if now < self._rewrite_at:
            return
        targets = [Target.of([deletion]) for deletion in masked]
        rewrite(self._engine, targets, self._service.between_commits)
        self._rested_at = time.monotonic() + self._pace.rest * (time.monotonic() - now)
        self._rewrite_at = None
        at_s = int(str(self._engine.select(Statement("SELECT toUnixTimestamp(now())")).rows[0][0]))
        for deletion, target in zip(masked, targets, strict=True):
            if read_left(self._engine, target).runs:
                # A write that was under way when the deletion was hidden came after the mask.
                mask(self._engine, target, deletion.kind, self._service.objects)
            else:
                self._rewritten[deletion.id] = at_s

    def _finish(self, rewritten: Sequence[Deletion]) -> None:
        """Done is what no file holds: also the replaced files are gone."""
        done = [d for d in rewritten if not count_replaced_files(self._engine, self._rewritten[d.id])]
        if not done:
            return
        for deletion in done:
            if _is_project(deletion) and deletion.project_id is not None:
                self._projects.mark_purged(deletion.tenant_id, deletion.project_id)
        self._service.store.advance(done, DeletionState.DONE, self._now_us())
        for deletion in done:
            if not _is_project(deletion):
                unstage(self._engine, deletion.id)
            del self._rewritten[deletion.id]
            _LOG.info("deleted", deletion_id=str(deletion.id), kind=deletion.kind.value, runs=deletion.contents.runs)

    @property
    def _service(self) -> Deletions:
        if self._deletions is None:
            raise RuntimeError("the worker was not started")
        return self._deletions


def _is_project(deletion: Deletion) -> bool:
    return deletion.kind is DeletionKind.PROJECT


def _likeness(deletion: Deletion) -> tuple[UUID, DeletionKind, UUID]:
    """Deletions that are equal here can be masked by the same statements."""
    project_id = deletion.project_id if _is_project(deletion) else None
    return deletion.tenant_id, deletion.kind, project_id or NO_ID
