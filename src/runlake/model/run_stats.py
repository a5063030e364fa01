"""What can be said about a set of runs at once. Imports nothing of ours but model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from runlake.model.run_record import FeedbackSummary


class GroupAttribute(StrEnum):
    """What statistics can be grouped by (documented upstream)."""

    NAME = "name"
    RUN_TYPE = "run_type"
    TAG = "tag"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats:
    """Latencies are seconds, rates between 0 and 1, costs US dollars, times microseconds UTC.

    None where no run of the set has the value; counts and sums of tokens are 0 then.
    """

    run_count: int = 0
    latency_p50: float | None = None
    latency_p99: float | None = None
    latency_avg: float | None = None
    first_token_p50: float | None = None
    first_token_p99: float | None = None
    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_p50: int | None = None
    tokens_p99: int | None = None
    prompt_tokens_p50: int | None = None
    prompt_tokens_p99: int | None = None
    completion_tokens_p50: int | None = None
    completion_tokens_p99: int | None = None
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    cost_p50: Decimal | None = None
    cost_p99: Decimal | None = None
    last_run_start_time: int | None = None
    error_rate: float | None = None
    streaming_rate: float | None = None
    feedback: Mapping[str, FeedbackSummary] = field(default_factory=dict)
