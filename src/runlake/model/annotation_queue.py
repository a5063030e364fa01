"""Annotation queues: lists of runs that people are to judge. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationQueue:
    """A named list of runs and what of them is to be judged.

    ``rubric_items`` is raw JSON of a list. Times are microseconds UTC.
    """

    tenant_id: UUID
    id: UUID
    name: str
    created_at: int
    updated_at: int
    description: str | None = None
    rubric_instructions: str | None = None
    rubric_items: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """A run in a queue, where it is once. ``id`` is that of its place there."""

    id: UUID
    queue_id: UUID
    run_id: UUID
    added_at: int
