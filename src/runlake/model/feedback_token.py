"""A feedback token: whoever has it may judge one run under one key until it expires. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackToken:
    """``token`` is random and the whole permission; times are microseconds since 1970 UTC.

    With a ``feedback_id`` every use writes that one feedback, so the last use counts; without one each use adds
    another. ``feedback_config`` is raw JSON or None.
    """

    token: UUID
    tenant_id: UUID
    run_id: UUID
    key: str
    feedback_id: UUID | None = None
    feedback_config: bytes | None = None
    created_at: int
    expires_at: int
