"""What the scores and values of a feedback key mean. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID


class FeedbackType(Enum):
    """How a judgement is expressed."""

    CONTINUOUS = "continuous"
    """A score between bounds."""
    CATEGORICAL = "categorical"
    """A score that stands for one of some categories."""
    FREEFORM = "freeform"
    """Text."""


@dataclass(frozen=True, slots=True)
class Category:
    """A score and what it is called."""

    value: float
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackScale:
    """Bounds belong to continuous feedback (None is open), categories to categorical feedback."""

    type: FeedbackType
    min: float | None = None
    max: float | None = None
    categories: tuple[Category, ...] | None = None
    allows_multiple_categories: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackConfig:
    """The scale of a key. Times are microseconds since 1970 UTC; a deleted one stays in the history of its key."""

    tenant_id: UUID
    id: UUID
    key: str
    scale: FeedbackScale
    is_lower_score_better: bool = False
    created_at: int
    modified_at: int
    deleted_at: int | None = None
    is_first: bool = True
    """Whether it is the oldest of its key."""
