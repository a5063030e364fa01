"""Statistics as answers (documented upstream, but for ``buckets``, which are ours).

Latencies are seconds, rates from 0 to 1, costs numbers, unlike those of runs. Without ``select`` everything is there
but what costs a further read; with it, the number of runs and what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from runlake.model.run_stats import RunStats, StatsBucket
from runlake.model.run_stats import StatsSelect as S
from runlake.wire.runs import FeedbackStats, feedback_stats
from runlake.wire.times import format_time


class FacetBody(msgspec.Struct, frozen=True, kw_only=True):
    """A value that runs share: a filter that finds them, and how many they are."""

    key: str
    value: str
    query: str
    n: int


class StatsBody(msgspec.Struct, kw_only=True):
    """The answer of ``POST /runs/stats``, or one group of it."""

    run_count: int
    latency_p50: float | UnsetType | None = UNSET
    latency_p99: float | UnsetType | None = UNSET
    latency_avg: float | UnsetType | None = UNSET
    first_token_p50: float | UnsetType | None = UNSET
    first_token_p99: float | UnsetType | None = UNSET
    total_tokens: int | UnsetType = UNSET
    prompt_tokens: int | UnsetType = UNSET
    completion_tokens: int | UnsetType = UNSET
    median_tokens: int | UnsetType | None = UNSET
    tokens_p99: int | UnsetType | None = UNSET
    prompt_tokens_p50: int | UnsetType | None = UNSET
    prompt_tokens_p99: int | UnsetType | None = UNSET
    completion_tokens_p50: int | UnsetType | None = UNSET
    completion_tokens_p99: int | UnsetType | None = UNSET
    total_cost: float | UnsetType | None = UNSET
    prompt_cost: float | UnsetType | None = UNSET
    completion_cost: float | UnsetType | None = UNSET
    cost_p50: float | UnsetType | None = UNSET
    cost_p99: float | UnsetType | None = UNSET
    prompt_token_details: dict[str, float] | UnsetType = UNSET
    completion_token_details: dict[str, float] | UnsetType = UNSET
    prompt_cost_details: dict[str, float] | UnsetType = UNSET
    completion_cost_details: dict[str, float] | UnsetType = UNSET
    last_run_start_time: str | UnsetType | None = UNSET
    error_rate: float | UnsetType | None = UNSET
    streaming_rate: float | UnsetType | None = UNSET
    feedback_stats: dict[str, FeedbackStats] | UnsetType = UNSET
    thread_feedback_stats: dict[str, FeedbackStats] | UnsetType = UNSET
    session_feedback_stats: dict[str, FeedbackStats] | UnsetType = UNSET
    run_facets: list[FacetBody] | UnsetType = UNSET


class BucketBody(msgspec.Struct, kw_only=True):
    """The statistics of one span of time, and of one group where there are groups."""

    start_time: str
    group: str | UnsetType = UNSET
    stats: StatsBody


class BucketsBody(msgspec.Struct, frozen=True):
    """The answer of ``POST /runs/stats`` with ``interval``; spans without runs are left out."""

    buckets: list[BucketBody]


_PLAIN: Final[Mapping[S, str]] = {
    S.LATENCY_P50: "latency_p50",
    S.LATENCY_P99: "latency_p99",
    S.LATENCY_AVG: "latency_avg",
    S.FIRST_TOKEN_P50: "first_token_p50",
    S.FIRST_TOKEN_P99: "first_token_p99",
    S.TOTAL_TOKENS: "total_tokens",
    S.PROMPT_TOKENS: "prompt_tokens",
    S.COMPLETION_TOKENS: "completion_tokens",
    S.MEDIAN_TOKENS: "tokens_p50",
    S.TOKENS_P99: "tokens_p99",
    S.PROMPT_TOKENS_P50: "prompt_tokens_p50",
    S.PROMPT_TOKENS_P99: "prompt_tokens_p99",
    S.COMPLETION_TOKENS_P50: "completion_tokens_p50",
    S.COMPLETION_TOKENS_P99: "completion_tokens_p99",
    S.TOTAL_COST: "total_cost",
    S.PROMPT_COST: "prompt_cost",
    S.COMPLETION_COST: "completion_cost",
    S.COST_P50: "cost_p50",
    S.COST_P99: "cost_p99",
    S.ERROR_RATE: "error_rate",
    S.STREAMING_RATE: "streaming_rate",
}
_DETAILS: Final = (
    S.PROMPT_TOKEN_DETAILS,
    S.COMPLETION_TOKEN_DETAILS,
    S.PROMPT_COST_DETAILS,
    S.COMPLETION_COST_DETAILS,
)


def stats_body(stats: RunStats, wanted: frozenset[S]) -> StatsBody:
    """The wire object of statistics: the number of runs and what is wanted."""
    fields: dict[str, Any] = {
        select.value: _plain(getattr(stats, attribute)) for select, attribute in _PLAIN.items() if select in wanted
    }
    for select in wanted.intersection(_DETAILS):
        fields[select.value] = {key: float(amount) for key, amount in stats.details.get(select.value, {}).items()}
    if S.LAST_RUN_START_TIME in wanted:
        last = stats.last_run_start_time
        fields["last_run_start_time"] = None if last is None else format_time(last)
    if S.FEEDBACK_STATS in wanted:
        fields["feedback_stats"] = feedback_stats(stats.feedback)
    if S.THREAD_FEEDBACK_STATS in wanted:
        fields["thread_feedback_stats"] = feedback_stats(stats.thread_feedback)
    if S.SESSION_FEEDBACK_STATS in wanted:  # that of a project is on the project
        fields["session_feedback_stats"] = {}
    if S.RUN_FACETS in wanted:
        fields["run_facets"] = [
            FacetBody(key=facet.key, value=facet.value, query=facet.query, n=facet.count) for facet in stats.facets
        ]
    return StatsBody(run_count=stats.run_count, **fields)


def buckets_body(buckets: Iterable[StatsBucket], wanted: frozenset[S]) -> BucketsBody:
    """The wire object of statistics over time."""
    return BucketsBody(
        [
            BucketBody(
                start_time=format_time(bucket.start_time),
                group=UNSET if bucket.group is None else bucket.group,
                stats=stats_body(bucket.stats, wanted),
            )
            for bucket in buckets
        ]
    )


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
