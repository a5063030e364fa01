"""The seam over the ledger's annotation queues: what services need, without the database library behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

from runlake.model.annotation_queue import AnnotationQueue, QueuedRun

MAX_QUEUED_RUNS: Final = 10_000
"""Most runs in one queue, because a page has to know which of all of them still exist."""

QueueField: TypeAlias = Literal["name", "description", "rubric_instructions", "rubric_items"]
"""What of a queue can be changed."""

QueueChanges: TypeAlias = Mapping[QueueField, str | bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which queues a listing wants; every given condition must hold.

    ``name`` is exact and case-sensitive, ``name_contains`` ignores the case of ASCII letters.
    """

    ids: tuple[UUID, ...] | None = None
    name: str | None = None
    name_contains: str | None = None


class AnnotationStore(Protocol):
    """Annotation queues; ``store.annotation_ledger.AnnotationLedger`` documents each method."""

    def create(self, queue: AnnotationQueue) -> None: ...

    def read(self, tenant_id: UUID, queue_id: UUID) -> AnnotationQueue: ...

    def list(self, tenant_id: UUID, wanted: QueueFilter, *, offset: int, limit: int) -> Sequence[AnnotationQueue]: ...

    def update(self, tenant_id: UUID, queue_id: UUID, changes: QueueChanges, *, now_us: int) -> AnnotationQueue: ...

    def delete(self, tenant_id: UUID, queue_id: UUID) -> None: ...

    def add(self, tenant_id: UUID, queue_id: UUID, runs: Sequence[QueuedRun]) -> Sequence[QueuedRun]: ...

    def runs(self, tenant_id: UUID, queue_id: UUID) -> Sequence[QueuedRun]: ...

    def remove(self, tenant_id: UUID, queue_id: UUID, ids: Sequence[UUID]) -> int: ...
