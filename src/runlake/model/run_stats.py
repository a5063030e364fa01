"""What can be said about a set of runs at once. Imports nothing of ours but model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from runlake.model.run_record import FeedbackSummary


class GroupAttribute(StrEnum):
    """What statistics can be grouped by (documented upstream, but for the model and the status, which are ours)."""

    NAME = "name"
    RUN_TYPE = "run_type"
    TAG = "tag"
    METADATA = "metadata"
    MODEL = "model"
    STATUS = "status"


class StatsSelect(StrEnum):
    """What can be asked for (documented upstream); the two ``all_`` values stand for several others."""

    RUN_COUNT = "run_count"
    LATENCY_P50 = "latency_p50"
    LATENCY_P99 = "latency_p99"
    LATENCY_AVG = "latency_avg"
    FIRST_TOKEN_P50 = "first_token_p50"  # noqa: S105 - a token of a model, not a secret
    FIRST_TOKEN_P99 = "first_token_p99"  # noqa: S105 - as above
    TOTAL_TOKENS = "total_tokens"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    MEDIAN_TOKENS = "median_tokens"
    TOKENS_P99 = "tokens_p99"
    PROMPT_TOKENS_P50 = "prompt_tokens_p50"
    PROMPT_TOKENS_P99 = "prompt_tokens_p99"
    COMPLETION_TOKENS_P50 = "completion_tokens_p50"
    COMPLETION_TOKENS_P99 = "completion_tokens_p99"
    TOTAL_COST = "total_cost"
    PROMPT_COST = "prompt_cost"
    COMPLETION_COST = "completion_cost"
    COST_P50 = "cost_p50"
    COST_P99 = "cost_p99"
    LAST_RUN_START_TIME = "last_run_start_time"
    ERROR_RATE = "error_rate"
    STREAMING_RATE = "streaming_rate"
    FEEDBACK_STATS = "feedback_stats"
    THREAD_FEEDBACK_STATS = "thread_feedback_stats"
    SESSION_FEEDBACK_STATS = "session_feedback_stats"
    RUN_FACETS = "run_facets"
    PROMPT_TOKEN_DETAILS = "prompt_token_details"  # noqa: S105 - as above
    COMPLETION_TOKEN_DETAILS = "completion_token_details"  # noqa: S105 - as above
    PROMPT_COST_DETAILS = "prompt_cost_details"
    COMPLETION_COST_DETAILS = "completion_cost_details"
    ALL_RUN_STATS = "all_run_stats"
    ALL_TOKEN_STATS = "all_token_stats"  # noqa: S105 - as above


DETAIL_STATS = frozenset(select for select in StatsSelect if select.endswith("_details"))
TOKEN_STATS = frozenset(select for select in StatsSelect if "tokens" in select or "cost" in select) | DETAIL_STATS
DEFAULT_STATS = frozenset(StatsSelect) - DETAIL_STATS - {StatsSelect.RUN_FACETS}
"""What an answer holds when nothing is chosen: everything that does not cost a further read of wide columns."""


class IntervalUnit(StrEnum):
    """Units of the spans of time that statistics are divided into."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Spans of ``count`` units that begin at multiples of them in a time zone (IANA name); weeks begin on Monday."""

    count: int
    unit: IntervalUnit
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Facet:
    """A value that runs of a set share, and how many they are.

    ``key`` is the field or the metadata key, ``query`` a filter that finds runs with the value.
    """

    key: str
    value: str
    query: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats:
    """Latencies are seconds, rates between 0 and 1, costs US dollars, times microseconds UTC.

    None where no run of the set has the value; counts and sums of tokens are 0 then. What was not asked for has its
    default. ``details`` are sums by category for each of the four detail maps, by the name of the map.
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
    thread_feedback: Mapping[str, FeedbackSummary] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, int | Decimal]] = field(default_factory=dict)
    facets: tuple[Facet, ...] = ()


@dataclass(frozen=True, slots=True)
class StatsBucket:
    """Statistics of the runs that started in one span of time, of one group where there are groups."""

    start_time: int
    group: str | None
    stats: RunStats
