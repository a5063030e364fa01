"""Runs, traces and turns as v2 answers (shapes seen in the generated client of the Python SDK).

The fields of a run are those of v1 under other names; times are RFC 3339 in UTC, costs numbers, choices upper case.
Payloads go out as the bytes they came in as. A field that was not asked for is left out, one that a run lacks is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from runlake.model.run_record import FeedbackSummary, RunRecord
from runlake.wire.runs import app_path, parent_ids, silent_seconds
from runlake.wire.times import format_time
from runlake.wire.v2_selects import ThreadSelect, V2Select

PREVIEW_CHARS: Final = 250
"""Longest preview of an error."""

Raw = msgspec.Raw


class Breakdown(msgspec.Struct, frozen=True):
    """Tokens or costs by category."""

    raw: dict[str, float]


class FeedbackStatsV2(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One key of ``feedback_stats``."""

    n: int
    avg: float | None
    min: float | None
    max: float | None
    stdev: float | None
    errors: int
    values: Mapping[str, int]
    comments: tuple[str, ...]
    sources: tuple[str, ...]
    contains_thread_feedback: bool = False


class RunBodyV2(msgspec.Struct, kw_only=True, gc=False):
    """One run; ``query_metadata`` is always there and says nothing, because there is no semantic search."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    run_type: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    silent_seconds: int | UnsetType = UNSET
    start_time: str | UnsetType = UNSET
    end_time: str | UnsetType | None = UNSET
    latency_seconds: float | UnsetType | None = UNSET
    first_token_time: str | UnsetType | None = UNSET
    error: str | UnsetType | None = UNSET
    error_preview: str | UnsetType | None = UNSET
    extra: Raw | UnsetType | None = UNSET
    metadata: Raw | UnsetType | None = UNSET
    events: list[dict[str, Any]] | UnsetType | None = UNSET
    inputs: Raw | UnsetType | None = UNSET
    inputs_preview: str | UnsetType | None = UNSET
    outputs: Raw | UnsetType | None = UNSET
    outputs_preview: str | UnsetType | None = UNSET
    manifest: Raw | UnsetType | None = UNSET
    parent_run_id: str | UnsetType | None = UNSET
    parent_run_ids: list[str] | UnsetType = UNSET
    project_id: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    thread_id: str | UnsetType | None = UNSET
    dotted_order: str | UnsetType = UNSET
    is_root: bool | UnsetType = UNSET
    reference_example_id: str | UnsetType | None = UNSET
    reference_dataset_id: str | UnsetType | None = UNSET
    total_tokens: int | UnsetType = UNSET
    prompt_tokens: int | UnsetType = UNSET
    completion_tokens: int | UnsetType = UNSET
    total_cost: float | UnsetType | None = UNSET
    prompt_cost: float | UnsetType | None = UNSET
    completion_cost: float | UnsetType | None = UNSET
    prompt_token_details: Breakdown | UnsetType | None = UNSET
    completion_token_details: Breakdown | UnsetType | None = UNSET
    prompt_cost_details: Breakdown | UnsetType | None = UNSET
    completion_cost_details: Breakdown | UnsetType | None = UNSET
    price_model_id: UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET
    app_path: str | UnsetType = UNSET
    attachments: dict[str, str] | UnsetType | None = UNSET
    thread_evaluation_time: UnsetType | None = UNSET
    is_in_dataset: bool | UnsetType = UNSET
    last_queued_at: UnsetType | None = UNSET
    share_url: str | UnsetType | None = UNSET
    feedback_stats: dict[str, FeedbackStatsV2] | UnsetType | None = UNSET
    ls_user_id: UnsetType | None = UNSET
    query_metadata: None = None


class RunsPageV2(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``POST /v2/runs/query``."""

    items: list[RunBodyV2]
    next_cursor: str | None


class TraceRunsV2(msgspec.Struct, frozen=True):
    """All runs of one trace, by start."""

    items: list[RunBodyV2]


class TraceAggregates(msgspec.Struct, kw_only=True):
    """Sums over every run of the trace, and its first token."""

    total_tokens: int | UnsetType = UNSET
    total_cost: float | UnsetType | None = UNSET
    first_token_time: str | UnsetType | None = UNSET


class TraceBody(msgspec.Struct, kw_only=True):
    """One trace: its root, and what was asked for of the whole."""

    root_run: RunBodyV2
    trace_aggregates: TraceAggregates | UnsetType = UNSET
    query_metadata: None = None


class TracesPage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``POST /v2/traces/query``."""

    items: list[TraceBody]
    next_cursor: str | None


class TurnBody(msgspec.Struct, kw_only=True, gc=False):
    """One trace of a thread. Tokens and costs are those of the whole trace, the rest is its root's."""

    trace_id: str
    thread_id: str | UnsetType | None = UNSET
    op: int | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    start_time: str | UnsetType = UNSET
    end_time: str | UnsetType | None = UNSET
    latency: float | UnsetType | None = UNSET
    first_token_time: str | UnsetType | None = UNSET
    inputs: Raw | UnsetType | None = UNSET
    inputs_preview: str | UnsetType | None = UNSET
    outputs: Raw | UnsetType | None = UNSET
    outputs_preview: str | UnsetType | None = UNSET
    error: str | UnsetType | None = UNSET
    error_preview: str | UnsetType | None = UNSET
    total_tokens: int | UnsetType = UNSET
    prompt_tokens: int | UnsetType = UNSET
    completion_tokens: int | UnsetType = UNSET
    total_cost: float | UnsetType | None = UNSET
    prompt_cost: float | UnsetType | None = UNSET
    completion_cost: float | UnsetType | None = UNSET
    prompt_token_details: Breakdown | UnsetType | None = UNSET
    completion_token_details: Breakdown | UnsetType | None = UNSET
    prompt_cost_details: Breakdown | UnsetType | None = UNSET
    completion_cost_details: Breakdown | UnsetType | None = UNSET
    turn_number: int | UnsetType = UNSET


class TurnsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``GET /v2/threads/{id}/traces``."""

    items: list[TurnBody]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses in an answer: ``share_urls`` by trace id; ``attachments`` tells name and URL of each file of a run."""

    tenant_id: UUID
    share_urls: Mapping[str, str]
    attachments: Callable[[RunRecord], dict[str, str] | None]


class _Metadata(msgspec.Struct, gc=False):
    metadata: Raw = Raw(b"null")


_METADATA: Final = msgspec.json.Decoder(_Metadata)
_DETAILS: Final = msgspec.json.Decoder(dict[str, dict[str, Any]])
_OPS: Final = ("tool", "chain", "llm", "retriever", "embedding", "prompt", "parser")
_OF_TRACE: Final = (V2Select.TOTAL_TOKENS, V2Select.TOTAL_COST, V2Select.FIRST_TOKEN_TIME)


class RunEncoderV2:
    """Makes bodies for one answer: one choice of fields."""

    def __init__(self, selects: frozenset[V2Select], links: Links) -> None:
        self._links = links
        self._makers = [(name.value.lower(), _MAKERS[name]) for name in sorted(selects)]
        if V2Select.STATUS in selects:
            self._makers.append(("silent_seconds", lambda run, _: silent_seconds(run)))

    def body(self, run: RunRecord) -> RunBodyV2:
        """The wire object of a run."""
        return RunBodyV2(**{name: make(run, self._links) for name, make in self._makers})


class TraceEncoder:
    """Makes the bodies of traces: sums and the first token go beside the root, all else into it (seen in the SDK)."""

    def __init__(self, selects: frozenset[V2Select], links: Links) -> None:
        aggregated = selects & set(_OF_TRACE)
        self._names = [(name.value.lower(), _MAKERS[name]) for name in sorted(aggregated)]
        self._links = links
        self._roots = RunEncoderV2((selects - aggregated) or frozenset({V2Select.ID}), links)

    def body(self, run: RunRecord) -> TraceBody:
        """The wire object of the trace that ``run`` is the root of."""
        sums = TraceAggregates(**{name: make(run, self._links) for name, make in self._names}) if self._names else UNSET
        return TraceBody(root_run=self._roots.body(run), trace_aggregates=sums)


def turn_body(run: RunRecord, selects: frozenset[ThreadSelect], links: Links, turn_number: int | None) -> TurnBody:
    """The wire object of a turn; the trace id is always there."""
    fields: dict[str, Any] = {}
    for name in selects - {ThreadSelect.TRACE_ID, ThreadSelect.OP, ThreadSelect.LATENCY, ThreadSelect.TURN_NUMBER}:
        fields[name.value.lower()] = _MAKERS[V2Select(name.value)](run, links)
    if ThreadSelect.OP in selects:
        fields["op"] = _OPS.index(run.run_type) + 1 if run.run_type in _OPS else 0
    if ThreadSelect.LATENCY in selects:
        fields["latency"] = _latency(run)
    if turn_number is not None:
        fields["turn_number"] = turn_number
    return TurnBody(trace_id=run.trace_id, **fields)


def feedback_stats_v2(found: Mapping[str, FeedbackSummary]) -> dict[str, FeedbackStatsV2]:
    """``feedback_stats`` on the wire."""
    return {
        key: FeedbackStatsV2(
            n=item.n,
            avg=item.avg,
            min=item.min,
            max=item.max,
            stdev=item.stdev,
            errors=item.errors,
            values=item.values,
            comments=item.comments,
            sources=item.sources,
            contains_thread_feedback=item.on_thread,
        )
        for key, item in found.items()
    }


def instant(moment_us: int | None) -> str | None:
    """``2026-01-02T03:04:05.000006Z``."""
    return None if moment_us is None else f"{format_time(moment_us)}Z"


def number(cost: Decimal | None) -> float | None:
    """A cost in US dollars as a JSON number."""
    return None if cost is None else float(cost)


def _raw(payload: bytes | None) -> Raw | None:
    return None if payload is None else Raw(payload)


def _latency(run: RunRecord) -> float | None:
    return None if run.end_time is None else max(0, run.end_time - run.start_time) / 1e6


def _preview(error: str | None) -> str | None:
    return None if error is None else error[:PREVIEW_CHARS]


def _metadata(extra: bytes | None) -> Raw | None:
    try:
        found = bytes(_METADATA.decode(extra).metadata) if extra else b"null"
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return Raw(found) if found.startswith(b"{") else None


def _events(events: bytes | None) -> list[dict[str, Any]] | None:
    """``name``, ``time`` and all else as ``kwargs``, which is how this API divides an event."""
    try:
        found = msgspec.json.decode(events) if events else None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if not isinstance(found, list):
        return None
    return [_event(event) for event in found if isinstance(event, dict)]


def _event(event: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in event.items() if key not in {"name", "time"}}
    kwargs = rest.pop("kwargs") if isinstance(rest.get("kwargs"), dict) and len(rest) == 1 else rest
    return {"name": event.get("name"), "time": event.get("time"), "kwargs": kwargs or None}


def _details(run: RunRecord, name: str) -> Breakdown | None:
    if not run.usage_details:
        return None
    found = _DETAILS.decode(run.usage_details).get(name)
    return Breakdown({key: _amount(value) for key, value in found.items()}) if found else None


def _amount(value: Any) -> float:
    """Tokens are numbers, costs decimal text."""
    return value if isinstance(value, int | float) else float(value)


def _breakdown(name: str) -> Callable[[RunRecord, Links], Breakdown | None]:
    return lambda run, _: _details(run, name)


_Maker = Callable[[RunRecord, Links], Any]
_NOTHING: Final[_Maker] = lambda run, links: None  # noqa: E731, ARG005 - one of a table of functions

_MAKERS: Final[Mapping[V2Select, _Maker]] = {
    V2Select.ID: lambda run, _: run.id,
    V2Select.NAME: lambda run, _: run.name,
    V2Select.RUN_TYPE: lambda run, _: run.run_type.upper(),
    V2Select.STATUS: lambda run, _: run.status.upper(),
    V2Select.START_TIME: lambda run, _: instant(run.start_time),
    V2Select.END_TIME: lambda run, _: instant(run.end_time),
    V2Select.LATENCY_SECONDS: lambda run, _: _latency(run),
    V2Select.FIRST_TOKEN_TIME: lambda run, _: instant(run.first_token_time),
    V2Select.ERROR: lambda run, _: run.error,
    V2Select.ERROR_PREVIEW: lambda run, _: _preview(run.error),
    V2Select.EXTRA: lambda run, _: _raw(run.extra),
    V2Select.METADATA: lambda run, _: _metadata(run.extra),
    V2Select.EVENTS: lambda run, _: _events(run.events),
    V2Select.INPUTS: lambda run, _: _raw(run.inputs),
    V2Select.INPUTS_PREVIEW: lambda run, _: run.inputs_preview,
    V2Select.OUTPUTS: lambda run, _: _raw(run.outputs),
    V2Select.OUTPUTS_PREVIEW: lambda run, _: run.outputs_preview,
    V2Select.MANIFEST: lambda run, _: _raw(run.serialized),
    V2Select.PARENT_RUN_ID: lambda run, _: run.parent_run_id,
    V2Select.PARENT_RUN_IDS: lambda run, _: parent_ids(run),
    V2Select.PROJECT_ID: lambda run, _: run.session_id,
    V2Select.TRACE_ID: lambda run, _: run.trace_id,
    V2Select.THREAD_ID: lambda run, _: run.thread_id,
    V2Select.DOTTED_ORDER: lambda run, _: run.dotted_order,
    V2Select.IS_ROOT: lambda run, _: run.trace_id == run.id and run.parent_run_id is None,
    V2Select.REFERENCE_EXAMPLE_ID: lambda run, _: run.reference_example_id,
    V2Select.REFERENCE_DATASET_ID: _NOTHING,
    V2Select.TOTAL_TOKENS: lambda run, _: run.total_tokens,
    V2Select.PROMPT_TOKENS: lambda run, _: run.prompt_tokens,
    V2Select.COMPLETION_TOKENS: lambda run, _: run.completion_tokens,
    V2Select.TOTAL_COST: lambda run, _: number(run.total_cost),
    V2Select.PROMPT_COST: lambda run, _: number(run.prompt_cost),
    V2Select.COMPLETION_COST: lambda run, _: number(run.completion_cost),
    V2Select.PROMPT_TOKEN_DETAILS: _breakdown("prompt_token_details"),
    V2Select.COMPLETION_TOKEN_DETAILS: _breakdown("completion_token_details"),
    V2Select.PROMPT_COST_DETAILS: _breakdown("prompt_cost_details"),
    V2Select.COMPLETION_COST_DETAILS: _breakdown("completion_cost_details"),
    V2Select.PRICE_MODEL_ID: _NOTHING,
    V2Select.TAGS: lambda run, _: run.tags,
    V2Select.APP_PATH: lambda run, links: app_path(links.tenant_id, run),
    V2Select.ATTACHMENTS: lambda run, links: links.attachments(run),
    V2Select.THREAD_EVALUATION_TIME: _NOTHING,
    V2Select.IS_IN_DATASET: lambda run, _: run.reference_example_id is not None,
    V2Select.LAST_QUEUED_AT: _NOTHING,
    V2Select.SHARE_URL: lambda run, links: links.share_urls.get(run.trace_id),
    V2Select.FEEDBACK_STATS: lambda run, _: feedback_stats_v2(run.feedback) if run.feedback else None,
    V2Select.LS_USER_ID: _NOTHING,
}
