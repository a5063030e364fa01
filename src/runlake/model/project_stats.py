"""What can be said about all runs of a project at once. Imports nothing of ours but model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from runlake.model.run_record import FeedbackSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStats:
    """Latencies are seconds, rates between 0 and 1, costs US dollars, times microseconds UTC; None where no run says.

    ``feedback`` is about runs of the project, ``session_feedback`` about the project itself.
    """

    run_count: int = 0
    latency_p50: float | None = None
    latency_p99: float | None = None
    first_token_p50: float | None = None
    first_token_p99: float | None = None
    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    last_run_start_time: int | None = None
    error_rate: float | None = None
    streaming_rate: float | None = None
    feedback: Mapping[str, FeedbackSummary] = field(default_factory=dict)
    session_feedback: Mapping[str, FeedbackSummary] = field(default_factory=dict)
