"""A deletion: what was ordered, how far it is, what it holds. Plain data; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class DeletionKind(StrEnum):
    """Why rows go. Only ``TRACES`` leaves tombstones, because only those ids were deleted on purpose."""

    TRACES = "traces"
    PROJECT = "project"
    RETENTION = "retention"


class DeletionState(StrEnum):
    """How far a deletion is; it never goes back."""

    HIDDEN = "hidden"
    """No answer shows it."""
    MASKED = "masked"
    """The engine skips its rows; files still hold them."""
    DONE = "done"
    """No file of the store holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How much a deletion means. ``disk_bytes`` is the rows' share of the files they lie in, so it is about right."""

    traces: int = 0
    runs: int = 0
    feedback: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """One order to delete. Times are microseconds since 1970 UTC; ``project_id`` is set where the order names one."""

    tenant_id: UUID
    id: UUID
    kind: DeletionKind
    state: DeletionState
    project_id: UUID | None
    contents: Contents
    created_at: int
    masked_at: int | None = None
    done_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What of a deletion the disk still holds: rows of runs, and their share of the files."""

    runs: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """Keep the traces of a project for ``days``; None is for ever. Without a project it is the tenant's default."""

    tenant_id: UUID
    project_id: UUID | None
    days: int | None
    updated_at: int
