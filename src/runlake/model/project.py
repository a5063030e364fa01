"""Projects (wire name: session) and feedback, as plain frozen data. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A container of traces. ``extra`` is raw JSON of an object or None; times are microseconds UTC."""

    tenant_id: UUID
    id: UUID
    name: str
    start_time: int
    end_time: int | None = None
    description: str | None = None
    extra: bytes | None = None
    reference_dataset_id: UUID | None = None
    default_dataset_id: UUID | None = None
    trace_tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A judgement of a run; when ``run_id`` is None of a thread, or without that too of a project.

    ``value``, ``correction``, ``source``, ``extra`` and ``feedback_config`` are raw JSON or None; ``score`` is a
    number, booleans having become 1 and 0. Times are microseconds UTC. Of several rows with one ``id`` the highest
    ``version`` counts.
    """

    tenant_id: UUID
    id: UUID
    key: str
    run_id: UUID | None = None
    session_id: UUID | None = None
    trace_id: UUID | None = None
    thread_id: str | None = None
    start_time: int | None = None
    score: float | None = None
    value: bytes | None = None
    comment: str | None = None
    correction: bytes | None = None
    source_type: str = "api"
    source: bytes | None = None
    comparative_experiment_id: UUID | None = None
    feedback_group_id: UUID | None = None
    error: bool = False
    extra: bytes | None = None
    feedback_config: bytes | None = None
    created_at: int = 0
    modified_at: int = 0
    version: int = 0
    deleted: bool = False
