"""One commit: the writes of many requests become rows, are put on disk, and become visible together.

Runs in the writer's thread only, so nothing here is locked. Rows go to disk side by side, settled marks after the rows
they point to, visibility last of all. A crash anywhere in between loses nothing acknowledged and
doubles nothing: see ``ingest.recovery``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from uuid import UUID

from runlake.ingest.batch import IngestBatch
from runlake.ingest.costs import CostBook
from runlake.ingest.derive import DerivedRun, derive_run, known_start
from runlake.ingest.existing import FinishedRuns, Sought, find_finished, find_open, find_traces
from runlake.ingest.large_payloads import LargePayloads
from runlake.ingest.object_names import NoteDropped, dropped_objects, named_objects, objects_bytes
from runlake.ingest.open_set import OpenSet, RunKey
from runlake.ingest.placement import Orphans, Place, parents_elsewhere, place_all, rebase, said_place
from runlake.ingest.projects import Projects, in_projects
from runlake.ingest.rows import (
    RUN_ROW_COLUMNS,
    SETTLED_COLUMNS,
    StoredRun,
    encode_head,
    encode_settled,
    encode_tail,
)
from runlake.ingest.tombstones import Tombstones
from runlake.model.project import Feedback
from runlake.model.run import RunField, RunState, RunWrite, merge_write, with_derived
from runlake.store.engine import Engine, InsertRow
from runlake.store.feedback_rows import FEEDBACK_COLUMNS, encode_feedback
from runlake.store.moment import Moments, NamedRow, ReplacedRow
from runlake.store.objects import ObjectKey, ObjectStore


@dataclass(slots=True)
class Change:
    """A run of this commit: what the store has, and what it shall have.

    ``silent_since``: the run is not complete and moves to ``runs`` all the same, because that was its last change.
    """

    key: RunKey
    stored: StoredRun | None
    before: RunState
    after: RunState
    silent_since: int | None = None

    @property
    def lies_in_runs(self) -> bool:
        """Where its new row goes; what is in ``runs`` stays there."""
        return self.stored is not None or self.after.complete or self.silent_since is not None


@dataclass(slots=True)
class Rows:
    """What one commit puts on disk."""

    runs: list[InsertRow] = field(default_factory=list)
    open_runs: list[InsertRow] = field(default_factory=list)
    settled: list[bytes] = field(default_factory=list)
    feedback: list[bytes] = field(default_factory=list)


class Committer:
    """Turns batches into durable, visible rows. Not thread-safe by design: one per store, one thread."""

    def __init__(
        self,
        *,
        engine: Engine,
        moments: Moments,
        projects: Projects,
        prices: CostBook,
        open_set: OpenSet,
        finished: FinishedRuns,
        orphans: Orphans,
        tombstones: Tombstones,
        last_version: int,
        now_us: Callable[[], int],
        objects: ObjectStore | None = None,
        note_dropped: NoteDropped | None = None,
    ) -> None:
        self._engine = engine
        self._objects = objects
        self._note_dropped = note_dropped
        self._moments = moments
        self._projects = projects
        self._prices = prices
        self._open = open_set
        self._finished = finished
        self._orphans = orphans
        self._tombstones = tombstones
        self._version = last_version
        self._now_us = now_us
        self._helpers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="runlake-insert")

    def close(self) -> None:
        """End the helper threads; the last commit is done."""
        self._helpers.shutdown()

    def commit(self, batches: Sequence[IngestBatch]) -> None:
        """Put every write of the batches on disk and make it visible; on any error nothing of it is visible."""
        self._version = max(self._version, self._now_us())
        writes = self._group(batches)
        changes = [change for tenant_id, runs in writes.items() for change in self._changes(tenant_id, runs)]
        feedback = self._tombstones.living_feedback([item for batch in batches for item in batch.feedback])
        self._store(changes, feedback)

    def move_to_runs(self, keys: Sequence[RunKey]) -> None:
        """Let open runs lie in ``runs`` as they are; on any error nothing of it is visible."""
        versions = {key: version for key in keys if (version := self._open.version(key)) is not None}
        if not versions:
            return
        self._version = max(self._version, self._now_us())
        found = find_open(self._engine, versions)
        changes = [Change(key, None, run.state, run.state, silent_since=run.version) for key, run in found.items()]
        self._store(changes, ())

    @property
    def last_version(self) -> int:
        """The last version handed out."""
        return self._version

    def next_version(self) -> int:
        self._version += 1
        return self._version

    def _group(self, batches: Sequence[IngestBatch]) -> dict[UUID, dict[UUID, list[RunWrite]]]:
        grouped: dict[UUID, dict[UUID, list[RunWrite]]] = {}
        for batch in batches:
            runs = grouped.setdefault(batch.tenant_id, {})
            for write in in_projects(self._projects, batch):
                runs.setdefault(write.run_id, []).append(write)
        return grouped

    def _changes(self, tenant_id: UUID, runs: Mapping[UUID, Sequence[RunWrite]]) -> list[Change]:
        known = self._known(tenant_id, runs)
        changes: dict[UUID, Change] = {}
        dropped: list[ObjectKey] = []
        for run_id, writes in runs.items():
            stored, before = known.get(run_id, (None, RunState(run_id)))
            after = before
            for write in writes:
                after = merge_write(after, write)
            dropped += dropped_objects(tenant_id, before, writes, after)
            if after.created and known_start(after) is None:
                after = with_derived(after, RunField.START_TIME, self._now_us())
            if after is not before:
                changes[run_id] = Change((tenant_id, run_id), stored, before, after)
        self._place(tenant_id, changes)
        deleted = self._tombstones.deleted_runs(tenant_id, {run_id: change.after for run_id, change in changes.items()})
        dropped += (key for run_id in deleted for key in named_objects(tenant_id, changes[run_id].after))
        if dropped and self._note_dropped is not None:
            self._note_dropped(dropped)
        return [change for run_id, change in changes.items() if run_id not in deleted]

    def _known(
        self, tenant_id: UUID, runs: Mapping[UUID, Sequence[RunWrite]]
    ) -> dict[UUID, tuple[StoredRun | None, RunState]]:
        """States that exist already: open ones from memory or store, finished ones from the store."""
        known: dict[UUID, tuple[StoredRun | None, RunState]] = {}
        forgotten: dict[RunKey, int] = {}
        sought: list[Sought] = []
        for run_id, writes in runs.items():
            key = (tenant_id, run_id)
            version, state = self._open.version(key), self._open.state(key)
            if state is not None:
                known[run_id] = (None, state)
            elif version is not None:
                forgotten[key] = version
            else:
                item = Sought(key, _start_times(writes))
                if not self._finished.surely_absent(item):
                    sought.append(self._finished.near_stored_start(item))
        for key, run in find_open(self._engine, forgotten).items():
            known[key[1]] = (None, run.state)
        for run_id, run in find_finished(self._engine, tenant_id, sought).items():
            known[run_id] = (run, run.state)
        return known

    def _place(self, tenant_id: UUID, changes: dict[UUID, Change]) -> None:
        states = {run_id: change.after for run_id, change in changes.items()}
        places = self._find_places(tenant_id, parents_elsewhere(states))
        placed, waiting = place_all(states, places.get)
        for run_id, state in placed.items():
            changes[run_id].after = state
        for child_id, parent_id in waiting.items():
            self._orphans.add(tenant_id, parent_id, child_id)
        if self._orphans:
            for run_id in list(placed):
                self._adopt(tenant_id, run_id, changes)

    def _find_places(self, tenant_id: UUID, run_ids: Iterable[UUID]) -> dict[UUID, Place | None]:
        """The places of runs outside this commit, open or finished, in one statement of each kind."""
        states: dict[UUID, RunState] = {}
        forgotten: dict[RunKey, int] = {}
        sought: list[Sought] = []
        for run_id in run_ids:
            key = (tenant_id, run_id)
            state, version = self._open.state(key), self._open.version(key)
            if state is not None:
                states[run_id] = state
            elif version is not None:
                forgotten[key] = version
            else:
                sought.append(Sought(key, ()))
        states |= {key[1]: run.state for key, run in find_open(self._engine, forgotten).items()}
        states |= {run_id: run.state for run_id, run in find_finished(self._engine, tenant_id, sought).items()}
        return {run_id: said_place(state) for run_id, state in states.items()}

    def _adopt(self, tenant_id: UUID, parent_id: UUID, changes: dict[UUID, Change]) -> None:
        """Move the little traces that waited for this run below it."""
        children = self._orphans.take((tenant_id, parent_id)) - {parent_id}
        if not children:
            return
        for run in self._runs_of_traces(tenant_id, children, changes):
            change = changes.setdefault(run.key[1], run)
            place = said_place(change.after)
            if place is None or place.trace_id not in children:
                continue
            root = changes.get(place.trace_id)
            change.after = self._moved(change.after, root, place, said_place(changes[parent_id].after))

    @staticmethod
    def _moved(state: RunState, orphan: Change | None, place: Place, parent: Place | None) -> RunState:
        if orphan is None or parent is None:
            return state
        first = Place(place.trace_id, place.dotted_order.split(".", 1)[0])
        return rebase(state, first, Place(parent.trace_id, f"{parent.dotted_order}.{first.dotted_order}"))

    def _runs_of_traces(
        self, tenant_id: UUID, trace_ids: frozenset[UUID], changes: Mapping[UUID, Change]
    ) -> Iterable[Change]:
        """Every run of the traces: in this commit, open, finished; each as a change that changes nothing yet."""
        seen = {run_id: change for run_id, change in changes.items() if _trace_of(change.after) in trace_ids}
        open_versions = {
            (tenant_id, row.run_id): row.version
            for row in self._open.of_traces(tenant_id, trace_ids)
            if row.run_id not in changes
        }
        for key, run in find_open(self._engine, open_versions).items():
            seen[key[1]] = Change(key, None, run.state, run.state)
        for run in find_traces(self._engine, tenant_id, tuple(trace_ids)):
            key = (tenant_id, run.state.run_id)
            if run.state.run_id not in changes and key not in self._open:
                seen[run.state.run_id] = Change(key, run, run.state, run.state)
        return sorted(seen.values(), key=lambda change: change.key[1] not in trace_ids)

    def _store(self, changes: Sequence[Change], feedback: Sequence[Feedback]) -> None:
        rows = Rows()
        placed: list[tuple[Change, DerivedRun, UUID, int]] = []
        for change in changes:
            session_id = self._session_of(change)
            payloads = LargePayloads(self._objects, change.key[0])
            derived = derive_run(change.after, now_us=self._now_us(), prices=self._prices, payloads=payloads)
            version = self.next_version()
            placed.append((change, derived, session_id, version))
            replaces = 0 if change.stored is None else change.stored.version
            head = encode_head(change.key[0], session_id, version=version, replaces=replaces)
            tail = encode_tail(session_id, change.after, derived, payloads, silent_since=change.silent_since)
            (rows.runs if change.lies_in_runs else rows.open_runs).append(head + tail)
        marks = [
            (change.key, self.next_version()) for change in changes if change.lies_in_runs and change.key in self._open
        ]
        rows.settled = [encode_settled(*key, version) for key, version in marks]
        rows.feedback = [encode_feedback(item, self.next_version()) for item in feedback]
        self._insert(rows)
        self._remember(placed, marks)

    def _insert(self, rows: Rows) -> None:
        """Everything at once, but settled marks only after the rows they point to are on disk."""
        inserts = (
            ("feedback", FEEDBACK_COLUMNS, rows.feedback),
            ("open_runs", RUN_ROW_COLUMNS, rows.open_runs),
        )
        others = [self._helpers.submit(self._engine.insert, *insert) for insert in inserts if insert[2]]
        try:
            if rows.runs:
                self._engine.insert("runs", RUN_ROW_COLUMNS, rows.runs)
        finally:
            # Also after a failure: what is still being written must not outlive the clean-up of this commit.
            wait(others)
        for other in others:
            other.result()
        if rows.settled:
            self._engine.insert("open_runs", SETTLED_COLUMNS, rows.settled)

    def _remember(
        self, placed: Sequence[tuple[Change, DerivedRun, UUID, int]], marks: Sequence[tuple[RunKey, int]]
    ) -> None:
        for key, version in marks:
            self._open.settle(key, version)
        with_objects: dict[UUID, list[NamedRow]] = {}
        for change, derived, session_id, version in placed:
            row = _named_row(change.after, derived, session_id, version)
            if row.objects_bytes:
                with_objects.setdefault(change.key[0], []).append(row)
            if change.lies_in_runs:
                self._finished.add(change.key, derived.start_time)
            else:
                self._open.put(change.key[0], row, change.after)
        self._moments.publish(
            self._version,
            replaced=_replaced(placed),
            with_objects=with_objects,
            opened={tenant: self._open.rows_of(tenant) for tenant in {c.key[0] for c, _, _, _ in placed}},
        )

    def _session_of(self, change: Change) -> UUID:
        session_id = change.after.get(RunField.SESSION_ID)
        if isinstance(session_id, UUID):
            return session_id
        started = known_start(change.after)
        return self._projects.resolve(change.key[0], session_id=None, session_name=None, started=started)


def _replaced(placed: Sequence[tuple[Change, DerivedRun, UUID, int]]) -> dict[UUID, list[ReplacedRow]]:
    """The rows, by tenant, that rows of this commit take the place of."""
    rows: dict[UUID, list[ReplacedRow]] = {}
    for change, _, _, version in placed:
        if change.stored is not None:
            rows.setdefault(change.key[0], []).append(ReplacedRow(change.stored.version, version))
    return rows


def _named_row(state: RunState, derived: DerivedRun, session_id: UUID, version: int) -> NamedRow:
    return NamedRow(
        version=version,
        run_id=state.run_id,
        trace_id=derived.trace_id,
        session_id=session_id,
        start_time=derived.start_time,
        is_root=derived.is_root,
        has_error=derived.has_error,
        run_type=derived.run_type,
        thread_id=derived.thread_id,
        objects_bytes=objects_bytes(state),
    )


def _trace_of(state: RunState) -> UUID | None:
    place = said_place(state)
    return None if place is None else place.trace_id


def _start_times(writes: Sequence[RunWrite]) -> tuple[int, ...]:
    times = (write.fields.get(RunField.START_TIME) for write in writes)
    return tuple(time for time in times if isinstance(time, int))
