"""The group commit: requests queue up, one thread puts them on disk together, each is answered when it is there.

While one commit is being written the next one gathers, so the number of fsyncs follows the disk and not the number of
clients. Admission is by bytes: beyond ``max_pending_bytes`` a request is turned away with a hint when to come back.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from runlake.errors import OverloadedError, RunlakeError, StoreUnavailableError, TooMuchWorkError
from runlake.ingest.batch import IngestBatch
from runlake.ingest.commit import Committer
from runlake.ingest.costs import CostBook
from runlake.ingest.object_names import NoteDropped
from runlake.ingest.open_set import OpenSet
from runlake.ingest.projects import Projects
from runlake.ingest.recovery import recover
from runlake.ingest.silent_runs import SilentRuns
from runlake.ingest.sweep import Sweeper
from runlake.ingest.tombstones import Tombstones
from runlake.ingest.undo import Undo
from runlake.store.engine import Engine
from runlake.store.moment import Moments
from runlake.store.objects import ObjectStore

_SWEEP_EVERY_S: Final = 5.0
_MAX_COMMIT_BYTES: Final = 64 << 20


@dataclass(slots=True)
class Pending:
    """A request that waits for its commit; ``work`` runs in the writer's thread instead, when given."""

    batch: IngestBatch | None
    work: Callable[[], None] | None
    done: Future[None]

    @property
    def size_bytes(self) -> int:
        return 0 if self.batch is None else self.batch.size_bytes


@dataclass(frozen=True, slots=True)
class DeletingWriter:
    """What a deletion may touch while no commit runs."""

    open_set: OpenSet
    tombstones: Tombstones
    next_version: Callable[[], int]


@dataclass(frozen=True, slots=True)
class WriterStats:
    """Counters since start.

    ``oldest_open_us`` is the last write to the open run that was written to least recently; ``replaced_rows`` are those
    of ``runs`` that reads have to leave out.
    """

    commits: int
    runs: int
    feedback: int
    pending_bytes: int
    open_runs: int
    last_commit_ms: float
    failed_commits: int
    failed_sweeps: int
    dropped_writes: int
    oldest_open_us: int | None
    replaced_rows: int


class Writer:
    """``BatchWriter`` over one store. ``start`` opens the thread, ``close`` commits what is queued and ends it."""

    def __init__(
        self,
        *,
        engine: Engine,
        moments: Moments,
        projects: Projects,
        prices: CostBook,
        now_us: Callable[[], int],
        observe_commit: Callable[[float], None] = lambda _seconds: None,
        check_space: Callable[[int], None] = lambda _size_bytes: None,
        max_pending_bytes: int = 256 << 20,
        commit_window_ms: int = 2,
        objects: ObjectStore | None = None,
        note_dropped: NoteDropped | None = None,
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._max_pending_bytes = max_pending_bytes
        self._window_s = commit_window_ms / 1000
        recovered = recover(engine, moments)
        self.tombstones = Tombstones(engine)
        self._committer = Committer(
            engine=engine,
            moments=moments,
            projects=projects,
            prices=prices,
            open_set=recovered.open_set,
            finished=recovered.finished,
            orphans=recovered.orphans,
            tombstones=self.tombstones,
            last_version=recovered.last_version,
            now_us=now_us,
            objects=objects,
            note_dropped=note_dropped,
        )
        self._sweeper = Sweeper(
            engine=engine,
            moments=moments,
            open_set=recovered.open_set,
            now_us=now_us,
        )
        self._silent_runs = SilentRuns(committer=self._committer, open_set=recovered.open_set, now_us=now_us)
        self._open_set = recovered.open_set
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="runlake-writer", daemon=True)
        self._closed = False
        self._undo = Undo(engine)
        self._check_space = check_space
        self._observe_commit = observe_commit
        self._failed_commits = 0
        self._failed_sweeps = 0
        self._counts = [0, 0, 0]
        self._last_commit_ms = 0.0
        self._log = structlog.get_logger("runlake.ingest")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Commit what is queued and stop; later writes are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._committer.close()

    async def write(self, batch: IngestBatch) -> None:
        """Return when the batch is on disk and visible; raise, with nothing of it visible, otherwise."""
        if batch.runs or batch.feedback:
            await asyncio.wrap_future(self._enqueue(Pending(batch, None, Future())))

    def delete_between_commits(self, work: Callable[[DeletingWriter], None]) -> Future[None]:
        """Run ``work`` between two commits, with what of the writer a deletion has to change."""

        def run() -> None:
            self._undo.finish()
            work(DeletingWriter(self._open_set, self.tombstones, self._committer.next_version))

        return self.run_exclusively(run)

    def run_exclusively(self, work: Callable[[], None]) -> Future[None]:
        """Run ``work`` between two commits, for changes that must not meet a write (deleting a project)."""
        return self._enqueue(Pending(None, work, Future()))

    def wait_exclusively(self, work: Callable[[], None]) -> None:
        """``run_exclusively`` for callers with a thread of their own: return when it is done."""
        self.run_exclusively(work).result()

    def stats(self) -> WriterStats:
        commits, runs, feedback = self._counts
        return WriterStats(
            commits=commits,
            runs=runs,
            feedback=feedback,
            pending_bytes=self._pending_bytes,
            open_runs=len(self._open_set),
            last_commit_ms=self._last_commit_ms,
            failed_commits=self._failed_commits,
            failed_sweeps=self._failed_sweeps,
            dropped_writes=self.tombstones.dropped,
            oldest_open_us=self._open_set.oldest_version(),
            replaced_rows=self._moments.count_replaced(),
        )

    def check(self) -> None:
        """Raise StoreUnavailableError when writes are not being committed."""
        if self._closed or not self._thread.is_alive():
            raise StoreUnavailableError("the writer has stopped; restart the server")

    def _enqueue(self, pending: Pending) -> Future[None]:
        with self._lock:
            if self._closed:
                raise StoreUnavailableError("the server is shutting down")
            if self._pending_bytes and self._pending_bytes + pending.size_bytes > self._max_pending_bytes:
                raise OverloadedError(
                    f"{self._pending_bytes} bytes of writes are waiting, the limit that max_pending_bytes sets is "
                    f"{self._max_pending_bytes}; send again after the given time"
                )
            self._pending_bytes += pending.size_bytes
        self._queue.put(pending)
        return pending.done

    def _run(self) -> None:
        next_sweep = time.monotonic() + _SWEEP_EVERY_S
        while True:
            taken, last = self._take(next_sweep - time.monotonic() if self._open_set.has_rows else None)
            try:
                self._serve(taken)
                if time.monotonic() >= next_sweep and not last:
                    next_sweep = time.monotonic() + _SWEEP_EVERY_S
                    self._sweep()
            except Exception as error:  # noqa: BLE001 - without this thread no write would ever be answered again
                self._log.exception("the writer met an unexpected failure and goes on")
                self._fail([item for item in taken if not item.done.done()], error)
            if last:
                return

    def _take(self, wait_s: float | None) -> tuple[list[Pending], bool]:
        """Everything queued, up to one commit's size; waits for the first. True when the writer shall end."""
        try:
            first = self._queue.get(timeout=None if wait_s is None else max(wait_s, 0.0))
        except queue.Empty:
            return [], False
        if first is None:
            return [], True
        if self._window_s:
            time.sleep(self._window_s)
        taken, size_bytes = [first], first.size_bytes
        while size_bytes < _MAX_COMMIT_BYTES:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return taken, True
            taken.append(item)
            size_bytes += item.size_bytes
        return taken, False

    def _serve(self, taken: Sequence[Pending]) -> None:
        # From here on a request cannot be cancelled; one whose client is gone already is left out.
        wanted = [item for item in taken if item.done.set_running_or_notify_cancel()]
        writes = [item for item in wanted if item.batch is not None]
        try:
            self._commit_or_split(writes)
            for item in wanted:
                if item.work is not None:
                    self._answer(item, item.work)
        finally:
            with self._lock:
                self._pending_bytes -= sum(item.size_bytes for item in taken)

    def _commit_or_split(self, writes: Sequence[Pending]) -> None:
        """Commit all together; if that fails for a reason of its own content, one by one: only the offender fails."""
        if not writes:
            return
        try:
            self._commit(writes)
        except StoreUnavailableError as error:
            self._fail(writes, error)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure; the senders get it
            if len(writes) == 1:
                self._fail(writes, error)
                return
            for item in writes:
                self._answer(item, partial(self._commit, [item]))
        else:
            for item in writes:
                item.done.set_result(None)

    def _commit(self, writes: Sequence[Pending]) -> None:
        self._undo.finish()
        self._check_space(sum(item.size_bytes for item in writes))
        started = time.perf_counter()
        batches = [item.batch for item in writes if item.batch is not None]
        visible = self._committer.last_version
        try:
            self._committer.commit(batches)
        except BaseException:
            self._undo.note(visible)
            self._failed_commits += 1
            raise
        seconds = time.perf_counter() - started
        self._observe_commit(seconds)
        self._last_commit_ms = seconds * 1000
        self._counts[0] += 1
        self._counts[1] += sum(len(batch.runs) for batch in batches)
        self._counts[2] += sum(len(batch.feedback) for batch in batches)

    def _sweep(self) -> None:
        try:
            self._undo.finish()
            self._move_silent_runs()
            self._sweeper.sweep()
        except RunlakeError:
            self._failed_sweeps += 1
            self._log.exception("sweeping open runs failed, will be repeated")

    def _move_silent_runs(self) -> None:
        visible = self._committer.last_version
        try:
            self._silent_runs.move()
        except BaseException:
            self._undo.note(visible)
            raise

    def _answer(self, item: Pending, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure; the sender gets it
            self._fail([item], error)
        else:
            item.done.set_result(None)

    def _fail(self, items: Sequence[Pending], error: Exception) -> None:
        if isinstance(error, TooMuchWorkError):
            # As a query's error it says "do not repeat"; a write that is not repeated is lost.
            error = StoreUnavailableError("the store lacks the memory for this write now")
        if isinstance(error, StoreUnavailableError):
            self._log.warning("commit refused", code=error.code, requests=len(items), message=error.message)
        elif not isinstance(error, RunlakeError) or error.status >= 500:  # noqa: PLR2004 - HTTP's own boundary
            self._log.error("commit failed", exc_info=error)
        for item in items:
            item.done.set_exception(error)
