"""Single judgements: create, read, list, change, delete. Many at once travel in multipart batches instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from runlake.errors import NotFoundError
from runlake.ingest.batch import BatchWriter, IngestBatch
from runlake.ingest.feedback_lookup import FeedbackLookup
from runlake.model.project import Feedback
from runlake.store.feedback import FeedbackFilter, FeedbackReader

_LOCKS: Final = 1024
"""So many that two of a hundred requests at once hardly ever wait for one another only because they share one."""


def _new_locks() -> tuple[asyncio.Lock, ...]:
    return tuple(asyncio.Lock() for _ in range(_LOCKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackService:
    """Reads block and run on a thread; writes return when they are on disk."""

    reader: FeedbackReader
    lookup: FeedbackLookup
    writer: BatchWriter
    now_us: Callable[[], int]
    locks: tuple[asyncio.Lock, ...] = field(default_factory=_new_locks)
    """A change reads before it writes; one at a time for an id, so that two changes at once both hold."""

    async def create(self, feedback: Feedback) -> Feedback:
        """Store it; under an id that is taken it replaces what was there and keeps the time of creation."""
        async with self._lock(feedback.id):
            old = await self.lookup.find(feedback.tenant_id, feedback.id)
            if old is None:
                await self._write(feedback)
                return feedback
            new = replace(feedback, created_at=old.created_at)
            moved = (old.key, old.run_id) != (new.key, new.run_id)
            # Key and run are part of the table's sorting key: the row under the old ones has to be deleted itself.
            await self._write(*([replace(old, deleted=True)] if moved else []), new)
            return new

    async def read(self, tenant_id: UUID, feedback_id: UUID) -> Feedback:
        found = await self.lookup.find(tenant_id, feedback_id)
        if found is None:
            raise NotFoundError(f"no feedback has the id {feedback_id}", field="feedback_id")
        return found

    async def list(self, tenant_id: UUID, wanted: FeedbackFilter, *, offset: int, limit: int) -> list[Feedback]:
        return await asyncio.to_thread(self.reader.list, tenant_id, wanted, offset=offset, limit=limit)

    async def update(self, tenant_id: UUID, feedback_id: UUID, change: Callable[[Feedback], Feedback]) -> Feedback:
        async with self._lock(feedback_id):
            new = change(await self.read(tenant_id, feedback_id))
            await self._write(new)
            return new

    async def delete(self, tenant_id: UUID, feedback_id: UUID) -> None:
        async with self._lock(feedback_id):
            old = await self.read(tenant_id, feedback_id)
            await self._write(replace(old, deleted=True, modified_at=self.now_us()))

    def _lock(self, feedback_id: UUID) -> asyncio.Lock:
        return self.locks[feedback_id.int % _LOCKS]

    async def _write(self, *feedback: Feedback) -> None:
        await self.writer.write(IngestBatch(tenant_id=feedback[0].tenant_id, feedback=feedback))
