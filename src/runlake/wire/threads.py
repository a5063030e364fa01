"""Threads as answers: v2 items and statistics (seen in the generated client), v1 groups (seen in the JS SDK)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from runlake.model.run_stats import RunStats, StatsSelect
from runlake.model.thread import ThreadSummary
from runlake.wire.members import choice_member, names_member
from runlake.wire.runs import FeedbackStats, feedback_stats
from runlake.wire.times import format_time
from runlake.wire.v2_runs import Breakdown, FeedbackStatsV2, feedback_stats_v2, instant, number


class ThreadBody(msgspec.Struct, kw_only=True, gc=False):
    """One thread of ``POST /v2/threads/query``. Traces are named by the ids of their roots."""

    thread_id: str
    count: int
    num_errored_turns: int
    first_trace_id: str
    last_trace_id: str
    trace_id: str
    start_time: str | None
    min_start_time: str | None
    max_start_time: str | None
    latency_p50: float | None
    latency_p99: float | None
    total_tokens: int
    total_cost: float | None
    total_token_details: dict[str, int]
    total_cost_details: dict[str, float]
    first_inputs: str | None
    last_outputs: str | None
    last_error: str | None
    feedback_stats: dict[str, FeedbackStatsV2]
    query_metadata: None = None


class ThreadsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``POST /v2/threads/query``."""

    items: list[ThreadBody]
    next_cursor: str | None


class ThreadStatsSelect(StrEnum):
    """Every value of ``selects`` for the statistics of one thread."""

    TURNS = "TURNS"
    FIRST_START_TIME = "FIRST_START_TIME"
    LAST_START_TIME = "LAST_START_TIME"
    LAST_END_TIME = "LAST_END_TIME"
    LATENCY_P50 = "LATENCY_P50"
    LATENCY_P99 = "LATENCY_P99"
    PROMPT_TOKENS = "PROMPT_TOKENS"
    PROMPT_COST = "PROMPT_COST"
    COMPLETION_TOKENS = "COMPLETION_TOKENS"
    COMPLETION_COST = "COMPLETION_COST"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    TOTAL_COST = "TOTAL_COST"
    PROMPT_TOKEN_DETAILS = "PROMPT_TOKEN_DETAILS"  # noqa: S105 - a token of a model, not a secret
    COMPLETION_TOKEN_DETAILS = "COMPLETION_TOKEN_DETAILS"  # noqa: S105 - as above
    PROMPT_COST_DETAILS = "PROMPT_COST_DETAILS"
    COMPLETION_COST_DETAILS = "COMPLETION_COST_DETAILS"
    FEEDBACK_STATS = "FEEDBACK_STATS"


class ThreadStatsBody(msgspec.Struct, kw_only=True):
    """The answer of ``GET /v2/threads/{id}/stats``: what was selected."""

    turns: int | UnsetType = UNSET
    first_start_time: str | UnsetType | None = UNSET
    last_start_time: str | UnsetType | None = UNSET
    last_end_time: str | UnsetType | None = UNSET
    latency_p50_seconds: float | UnsetType | None = UNSET
    latency_p99_seconds: float | UnsetType | None = UNSET
    prompt_tokens: int | UnsetType = UNSET
    prompt_cost: float | UnsetType | None = UNSET
    completion_tokens: int | UnsetType = UNSET
    completion_cost: float | UnsetType | None = UNSET
    total_tokens: int | UnsetType = UNSET
    total_cost: float | UnsetType | None = UNSET
    prompt_token_details: Breakdown | UnsetType = UNSET
    completion_token_details: Breakdown | UnsetType = UNSET
    prompt_cost_details: Breakdown | UnsetType = UNSET
    completion_cost_details: Breakdown | UnsetType = UNSET
    feedback_stats: dict[str, FeedbackStatsV2] | UnsetType = UNSET


class AggregateSelect(StrEnum):
    """Every value of ``select`` for statistics over all threads of a project."""

    THREAD_COUNT = "THREAD_COUNT"
    TRACE_COUNT = "TRACE_COUNT"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    TOTAL_COST = "TOTAL_COST"
    ERROR_RATE = "ERROR_RATE"
    STREAMING_RATE = "STREAMING_RATE"
    LATENCY_P50 = "LATENCY_P50"
    LATENCY_P99 = "LATENCY_P99"
    MEDIAN_TOKENS = "MEDIAN_TOKENS"
    FIRST_TOKEN_P50 = "FIRST_TOKEN_P50"  # noqa: S105 - as above
    FIRST_TOKEN_P99 = "FIRST_TOKEN_P99"  # noqa: S105 - as above
    PROMPT_TOKENS = "PROMPT_TOKENS"
    COMPLETION_TOKENS = "COMPLETION_TOKENS"
    PROMPT_COST = "PROMPT_COST"
    COMPLETION_COST = "COMPLETION_COST"
    PROMPT_TOKEN_DETAILS = "PROMPT_TOKEN_DETAILS"  # noqa: S105 - as above
    COMPLETION_TOKEN_DETAILS = "COMPLETION_TOKEN_DETAILS"  # noqa: S105 - as above
    PROMPT_COST_DETAILS = "PROMPT_COST_DETAILS"
    COMPLETION_COST_DETAILS = "COMPLETION_COST_DETAILS"
    THREAD_FEEDBACK_STATS = "THREAD_FEEDBACK_STATS"


class ThreadAggregates(msgspec.Struct, kw_only=True):
    """The answer of ``POST /v2/threads/stats``: what was selected, over the traces of matching threads."""

    thread_count: int | UnsetType = UNSET
    trace_count: int | UnsetType = UNSET
    total_tokens: int | UnsetType = UNSET
    prompt_tokens: int | UnsetType = UNSET
    completion_tokens: int | UnsetType = UNSET
    median_tokens: int | UnsetType | None = UNSET
    total_cost: float | UnsetType | None = UNSET
    prompt_cost: float | UnsetType | None = UNSET
    completion_cost: float | UnsetType | None = UNSET
    error_rate: float | UnsetType | None = UNSET
    streaming_rate: float | UnsetType | None = UNSET
    latency_p50_seconds: float | UnsetType | None = UNSET
    latency_p99_seconds: float | UnsetType | None = UNSET
    first_token_p50_seconds: float | UnsetType | None = UNSET
    first_token_p99_seconds: float | UnsetType | None = UNSET
    prompt_token_details: dict[str, float] | UnsetType = UNSET
    completion_token_details: dict[str, float] | UnsetType = UNSET
    prompt_cost_details: dict[str, float] | UnsetType = UNSET
    completion_cost_details: dict[str, float] | UnsetType = UNSET
    thread_feedback_stats: dict[str, FeedbackStatsV2] | UnsetType = UNSET


class ThreadGroup(msgspec.Struct, kw_only=True, gc=False):
    """One group of ``POST /runs/group``; ``filter`` finds its runs."""

    filter: str
    count: int
    total_tokens: int
    total_cost: float | None
    min_start_time: str
    max_start_time: str
    latency_p50: float | None
    latency_p99: float | None
    feedback_stats: dict[str, FeedbackStats] | None
    thread_id: str
    group_key: str
    first_inputs: str
    last_outputs: str
    last_error: str | None


class ThreadGroups(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``POST /runs/group``."""

    groups: list[ThreadGroup]
    total: int


class ThreadPreviews(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``GET /runs/threads/{id}``; messages are JSON objects with a blank line between."""

    thread_id: str
    previews: dict[str, str]


_STATS: Final[Mapping[AggregateSelect, StatsSelect]] = {
    select: StatsSelect(select.value.lower())
    for select in AggregateSelect
    if select not in {AggregateSelect.THREAD_COUNT, AggregateSelect.TRACE_COUNT}
}
_ATTRIBUTES: Final[Mapping[AggregateSelect, str]] = {AggregateSelect.MEDIAN_TOKENS: "tokens_p50"}
_IN_SECONDS: Final = ("LATENCY_P50", "LATENCY_P99", "FIRST_TOKEN_P50", "FIRST_TOKEN_P99")


def thread_body(thread: ThreadSummary) -> ThreadBody:
    """The wire object of a thread."""
    usage = thread.usage
    return ThreadBody(
        thread_id=thread.thread_id,
        count=thread.turns,
        num_errored_turns=thread.errored_turns,
        first_trace_id=thread.first_trace_id,
        last_trace_id=thread.last_trace_id,
        trace_id=thread.last_trace_id,
        start_time=instant(thread.max_start_time),
        min_start_time=instant(thread.min_start_time),
        max_start_time=instant(thread.max_start_time),
        latency_p50=thread.latency_p50,
        latency_p99=thread.latency_p99,
        total_tokens=usage.total_tokens,
        total_cost=number(usage.total_cost),
        total_token_details=_both(usage.prompt_token_details, usage.completion_token_details),
        total_cost_details={
            name: float(cost) for name, cost in _both(usage.prompt_cost_details, usage.completion_cost_details).items()
        },
        first_inputs=thread.first_inputs,
        last_outputs=thread.last_outputs,
        last_error=thread.last_error,
        feedback_stats=feedback_stats_v2(thread.feedback),
    )


def thread_group(thread: ThreadSummary, filter_text: str) -> ThreadGroup:
    """The wire object of a thread as v1 has it."""
    return ThreadGroup(
        filter=filter_text,
        count=thread.turns,
        total_tokens=thread.usage.total_tokens,
        total_cost=number(thread.usage.total_cost),
        min_start_time=format_time(thread.min_start_time),
        max_start_time=format_time(thread.max_start_time),
        latency_p50=thread.latency_p50,
        latency_p99=thread.latency_p99,
        feedback_stats=feedback_stats(thread.feedback) or None,
        thread_id=thread.thread_id,
        group_key=thread.thread_id,
        first_inputs=thread.first_inputs or "",
        last_outputs=thread.last_outputs or "",
        last_error=thread.last_error,
    )


def thread_stats_body(thread: ThreadSummary | None, selects: frozenset[ThreadStatsSelect]) -> ThreadStatsBody:
    """The wire object of the statistics of a thread; of none where nothing of it is left."""
    if thread is None:
        nothing: dict[str, Any] = {_stats_name(name): _nothing(name) for name in selects}
        return ThreadStatsBody(**nothing)
    usage = thread.usage
    known: dict[ThreadStatsSelect, Any] = {
        ThreadStatsSelect.TURNS: thread.turns,
        ThreadStatsSelect.FIRST_START_TIME: instant(thread.min_start_time),
        ThreadStatsSelect.LAST_START_TIME: instant(thread.max_start_time),
        ThreadStatsSelect.LAST_END_TIME: instant(thread.max_end_time),
        ThreadStatsSelect.LATENCY_P50: thread.latency_p50,
        ThreadStatsSelect.LATENCY_P99: thread.latency_p99,
        ThreadStatsSelect.FEEDBACK_STATS: feedback_stats_v2(thread.feedback),
    }
    for name in selects - set(known):
        known[name] = _wire(getattr(usage, name.value.lower()))
    return ThreadStatsBody(**{_stats_name(name): known[name] for name in selects})


def aggregates_body(threads: int, stats: RunStats, selects: frozenset[AggregateSelect]) -> ThreadAggregates:
    """The wire object of statistics over threads."""
    fields: dict[str, Any] = {}
    for name in selects:
        key = name.value.lower() + ("_seconds" if name in _IN_SECONDS else "")
        match name:
            case AggregateSelect.THREAD_COUNT:
                fields[key] = threads
            case AggregateSelect.TRACE_COUNT:
                fields[key] = stats.run_count
            case AggregateSelect.THREAD_FEEDBACK_STATS:
                fields[key] = feedback_stats_v2(stats.thread_feedback)
            case _ if name.value.endswith("_DETAILS"):
                fields[key] = {part: float(amount) for part, amount in stats.details.get(key, {}).items()}
            case _:
                value = getattr(stats, _ATTRIBUTES.get(name, name.value.lower()))
                fields[key] = float(value) if isinstance(value, Decimal) else value
    return ThreadAggregates(**fields)


def stats_selects(selects: frozenset[AggregateSelect]) -> frozenset[StatsSelect]:
    """What has to be computed for these fields."""
    return frozenset(_STATS[name] for name in selects if name in _STATS)


def read_thread_selects(value: Any) -> frozenset[ThreadStatsSelect]:
    """The fields in ``selects`` of the statistics of a thread."""
    names = names_member(value, "selects")
    return frozenset(ThreadStatsSelect(choice_member(name, "selects", tuple(ThreadStatsSelect))) for name in names)


def read_aggregate_selects(value: Any) -> frozenset[AggregateSelect]:
    """The fields in ``select`` of the statistics over threads."""
    names = names_member(value, "select")
    return frozenset(AggregateSelect(choice_member(name, "select", tuple(AggregateSelect))) for name in names)


def previews(texts: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Messages by the name of the preview, a blank line between two."""
    return {name: "\n\n".join(message.decode() for message in messages) for name, messages in texts.items()}


def _both(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in sorted({*first, *second})}


def _stats_name(name: ThreadStatsSelect) -> str:
    return name.value.lower() + ("_seconds" if name in _IN_SECONDS else "")


def _nothing(name: ThreadStatsSelect) -> Any:
    if name.value.endswith("_DETAILS"):
        return Breakdown({})
    if name is ThreadStatsSelect.FEEDBACK_STATS:
        return {}
    return 0 if name is ThreadStatsSelect.TURNS or name.value.endswith("_TOKENS") else None


def _wire(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Breakdown({name: float(amount) for name, amount in value.items()})
    return float(value) if isinstance(value, Decimal) else value
