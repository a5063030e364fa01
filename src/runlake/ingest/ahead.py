"""Work done ahead of the commit: the rows of a request's new runs, made in the request's own thread.

Deriving and encoding a run takes as long as writing it. Done here, it overlaps with the commit that the disk is busy
with. It is a guess that nobody else writes the run: the commit takes a row only when the state it arrives at equals the
one the row was made from, and makes the row itself otherwise. So nothing here can change what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from runlake.ingest.batch import IngestBatch
from runlake.ingest.costs import CostBook
from runlake.ingest.derive import DerivedRun, derive_run
from runlake.ingest.large_payloads import LargePayloads, LongTail
from runlake.ingest.projects import Projects, in_project
from runlake.ingest.rows import encode_tail
from runlake.model.run import RunField, RunState, RunWrite, WriteKind, merge_write
from runlake.store.objects import ObjectStore

WORTH_BYTES: Final = 32 << 10
"""A smaller request is derived by the commit: a hop to another thread would cost it more than it saves."""


@dataclass(frozen=True, slots=True)
class ReadyRow:
    """What the writes of one request make of a run that nobody else has written."""

    state: RunState
    session_id: UUID
    derived: DerivedRun
    tail: bytes | LongTail

    def fits(self, state: RunState, session_id: UUID) -> bool:
        """Whether the row is that of ``state``; values that are the same objects compare at once."""
        return self.session_id == session_id and self.state == state


def make_row(state: RunState, session_id: UUID, *, now_us: int, prices: CostBook, payloads: LargePayloads) -> ReadyRow:
    """Derive and encode what does not depend on the commit."""
    derived = derive_run(state, now_us=now_us, prices=prices, payloads=payloads)
    return ReadyRow(state, session_id, derived, encode_tail(session_id, state, derived, payloads))


@dataclass(frozen=True, slots=True)
class ReadyBatch:
    """A batch on its way to the commit, with the rows that could be made ahead."""

    batch: IngestBatch
    size_bytes: int
    rows: Mapping[UUID, ReadyRow] = field(default_factory=dict)


class RowsAhead:
    """Makes the rows of whole batches. Thread-safe: it holds no state of its own."""

    def __init__(
        self, *, projects: Projects, prices: CostBook, now_us: Callable[[], int], objects: ObjectStore | None = None
    ) -> None:
        self._objects = objects
        self._projects = projects
        self._prices = prices
        self._now_us = now_us

    def prepare(self, batch: IngestBatch) -> ReadyBatch:
        """The batch with the rows of the runs that it creates."""
        grouped: dict[UUID, list[RunWrite]] = {}
        for write in batch.runs:
            grouped.setdefault(write.run_id, []).append(write)
        rows = {run_id: row for run_id, writes in grouped.items() if (row := self._row(batch.tenant_id, writes))}
        return ReadyBatch(batch, batch.size_bytes + sum(len(row.tail) for row in rows.values()), rows)

    def _row(self, tenant_id: UUID, writes: Sequence[RunWrite]) -> ReadyRow | None:
        """The row of a run that is created here and says its place; None for any other."""
        if all(write.kind is not WriteKind.CREATE for write in writes):
            return None
        state = RunState(writes[0].run_id)
        for write in writes:
            # The commit resolves the project again: it may be deleted in between.
            state = merge_write(state, in_project(self._projects, tenant_id, write))
        session_id = state.get(RunField.SESSION_ID)
        if not isinstance(session_id, UUID) or RunField.DOTTED_ORDER not in state.entries:
            return None
        payloads = LargePayloads(self._objects, tenant_id)
        return make_row(state, session_id, now_us=self._now_us(), prices=self._prices, payloads=payloads)
