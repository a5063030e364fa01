"""A share: whoever has its token may read one trace, or one thread, and nothing else. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a token opens: the trace of ``run_id``, which is shown first, or the thread.

    Exactly one of ``trace_id`` and ``thread_id`` is there; ``run_id`` goes with the former. ``created_at`` is in
    microseconds since 1970 UTC.
    """

    token: UUID
    tenant_id: UUID
    project_id: UUID
    trace_id: UUID | None = None
    run_id: UUID | None = None
    thread_id: str | None = None
    created_at: int
