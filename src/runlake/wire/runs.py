"""Runs as answers: ``RunRecord`` to the run object of the v1 API (documented upstream).

Payloads go out as the bytes they came in as. Fields that were not asked for are left out, those that a run does not
have are null. Times are naive UTC with microseconds, costs are decimal strings, as the hosted service prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from runlake.model.run_record import FeedbackSummary, RunRecord, RunSelect
from runlake.model.snippet import RunSnippets
from runlake.wire.messages import messages_of
from runlake.wire.times import format_time

_SEGMENT_ID_CHARS: Final = 36

AttachmentUrl = Callable[[str, str], str]
"""A link from the id of a run and the name of one of its files."""


class FeedbackStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One key of ``feedback_stats`` (keys n, avg and values documented upstream, the rest optional there)."""

    n: int
    avg: float | None
    values: Mapping[str, int]
    min: float | None
    max: float | None
    stdev: float | None
    errors: int
    comments: tuple[str, ...]
    sources: tuple[str, ...]


class AttachmentBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One member of ``s3_urls``. ``presigned_url`` is absolute, works without a key and expires."""

    presigned_url: str
    s3_url: str
    mime_type: str
    size_bytes: int


class RunBody(msgspec.Struct, kw_only=True, gc=False):
    """One run. The first ten fields are always there; ``silent_seconds`` is ours, on pending runs nobody hears of."""

    id: str
    name: str
    run_type: str
    trace_id: str
    dotted_order: str
    status: str
    session_id: str
    app_path: str
    start_time: str
    execution_order: int = 1
    silent_seconds: int | UnsetType = UNSET
    end_time: str | UnsetType | None = UNSET
    inputs: msgspec.Raw | UnsetType | None = UNSET
    outputs: msgspec.Raw | UnsetType | None = UNSET
    extra: msgspec.Raw | UnsetType | None = UNSET
    events: msgspec.Raw | UnsetType | None = UNSET
    serialized: msgspec.Raw | UnsetType | None = UNSET
    error: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET
    inputs_preview: str | UnsetType | None = UNSET
    outputs_preview: str | UnsetType | None = UNSET
    parent_run_id: str | UnsetType | None = UNSET
    parent_run_ids: list[str] | UnsetType = UNSET
    child_run_ids: list[str] | UnsetType | None = UNSET
    direct_child_run_ids: list[str] | UnsetType | None = UNSET
    first_token_time: str | UnsetType | None = UNSET
    last_queued_at: str | UnsetType | None = UNSET
    thread_id: str | UnsetType | None = UNSET
    reference_example_id: str | UnsetType | None = UNSET
    reference_dataset_id: str | UnsetType | None = UNSET
    feedback_stats: dict[str, FeedbackStats] | UnsetType | None = UNSET
    total_tokens: int | UnsetType = UNSET
    prompt_tokens: int | UnsetType = UNSET
    completion_tokens: int | UnsetType = UNSET
    prompt_token_details: msgspec.Raw | UnsetType | None = UNSET
    completion_token_details: msgspec.Raw | UnsetType | None = UNSET
    total_cost: str | UnsetType | None = UNSET
    prompt_cost: str | UnsetType | None = UNSET
    completion_cost: str | UnsetType | None = UNSET
    prompt_cost_details: msgspec.Raw | UnsetType | None = UNSET
    completion_cost_details: msgspec.Raw | UnsetType | None = UNSET
    price_model_id: UnsetType | None = UNSET
    manifest_id: UnsetType | None = UNSET
    manifest_s3_id: UnsetType | None = UNSET
    s3_urls: dict[str, AttachmentBody] | UnsetType | None = UNSET
    inputs_s3_urls: UnsetType | None = UNSET
    outputs_s3_urls: UnsetType | None = UNSET
    in_dataset: bool | UnsetType = UNSET
    share_token: str | UnsetType | None = UNSET
    trace_tier: UnsetType | None = UNSET
    trace_first_received_at: UnsetType | None = UNSET
    ttl_seconds: UnsetType | None = UNSET
    trace_upgrade: bool | UnsetType = UNSET
    messages: list[msgspec.Raw] | UnsetType | None = UNSET
    inserted_at: UnsetType | None = UNSET


class Cursors(msgspec.Struct, frozen=True):
    """``cursors`` of an answer; going back is not offered, so ``prev`` is always null."""

    next: str | None
    prev: None = None


class RunsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``POST /runs/query``. ``explanation`` and ``search_snippets`` are ours, there when asked for."""

    runs: list[RunBody]
    cursors: Cursors
    search_cursors: None = None
    parsed_query: None = None
    explanation: str | UnsetType = UNSET
    search_snippets: dict[str, RunSnippets] | UnsetType = UNSET


class FieldProblem(msgspec.Struct, frozen=True):
    """One member of ``errors`` of ``POST /runs/query/validate``."""

    field: str
    message: str


class Validation(msgspec.Struct, frozen=True):
    """The answer of ``POST /runs/query/validate``."""

    valid: bool
    errors: list[FieldProblem]


_NULL: Final = msgspec.Raw(b"null")


class _UsageDetails(msgspec.Struct, gc=False):
    """Content of the stored details; a union of Raw and None would refuse objects."""

    prompt_token_details: msgspec.Raw = _NULL
    completion_token_details: msgspec.Raw = _NULL
    prompt_cost_details: msgspec.Raw = _NULL
    completion_cost_details: msgspec.Raw = _NULL


_DETAILS: Final = msgspec.json.Decoder(_UsageDetails)
_NO_DETAILS: Final = _UsageDetails()

_DETAILS_OF: Final = {
    RunSelect.PROMPT_TOKENS: RunSelect.PROMPT_TOKEN_DETAILS,
    RunSelect.COMPLETION_TOKENS: RunSelect.COMPLETION_TOKEN_DETAILS,
    RunSelect.PROMPT_COST: RunSelect.PROMPT_COST_DETAILS,
    RunSelect.COMPLETION_COST: RunSelect.COMPLETION_COST_DETAILS,
}
"""What comes along with a number where a run has it: the SDK selects the numbers alone and reads their details."""

_NULL_WHEN_SELECTED: Final = (
    "last_queued_at",
    "price_model_id",
    "manifest_id",
    "manifest_s3_id",
    "inputs_s3_urls",
    "outputs_s3_urls",
    "trace_tier",
    "trace_first_received_at",
    "ttl_seconds",
    "inserted_at",
)
"""Fields that this server has nothing to say about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDatasets:
    """Runs that examples were made from, and the dataset of each example that runs answer."""

    sources: frozenset[str] = frozenset()
    of_examples: Mapping[str, str] = field(default_factory=dict)


_NO_DATASETS: Final = RunDatasets()


class RunEncoder:
    """Makes bodies for one answer: one tenant, one choice of fields.

    Without ``attachment_url`` no files are shown; ``share_tokens`` are by trace id.
    """

    def __init__(
        self,
        tenant_id: UUID,
        select: frozenset[RunSelect],
        attachment_url: AttachmentUrl | None = None,
        share_tokens: Mapping[str, str] | None = None,
        datasets: RunDatasets = _NO_DATASETS,
    ) -> None:
        self._datasets = datasets
        self._attachment_url = attachment_url
        self._share_tokens = share_tokens or {}
        self._tenant_id = tenant_id
        self._select = select
        names = {name.value for name in select}
        self._constants: dict[str, Any] = dict.fromkeys(sorted(names & set(_NULL_WHEN_SELECTED)))
        self._constants |= dict.fromkeys(sorted(names & {"trace_upgrade"}), False)
        self._makers = [(name.value, maker) for name, maker in _MAKERS.items() if name in select]
        self._details_along = [details for number, details in _DETAILS_OF.items() if number in select]
        self._wants_details = not select.isdisjoint(_DETAILS_OF.values())

    def body(self, run: RunRecord) -> RunBody:
        """The wire object of a run."""
        fields = {name: make(run) for name, make in self._makers}
        if self._wants_details or (self._details_along and run.usage_details):
            fields |= self._details(run)
        if RunSelect.S3_URLS in self._select:
            fields["s3_urls"] = self._attachments(run)
        if RunSelect.SHARE_TOKEN in self._select:
            fields["share_token"] = self._share_tokens.get(run.trace_id)
        if RunSelect.IN_DATASET in self._select:
            fields["in_dataset"] = run.id in self._datasets.sources
        if RunSelect.REFERENCE_DATASET_ID in self._select:
            fields["reference_dataset_id"] = self._datasets.of_examples.get(run.reference_example_id or "")
        return RunBody(
            id=run.id,
            name=run.name,
            run_type=run.run_type,
            trace_id=run.trace_id,
            dotted_order=run.dotted_order,
            status=run.status,
            session_id=run.session_id,
            app_path=app_path(self._tenant_id, run),
            start_time=format_time(run.start_time),
            silent_seconds=silent_seconds(run),
            **self._constants,
            **fields,
        )

    def _attachments(self, run: RunRecord) -> dict[str, AttachmentBody] | None:
        if not run.attachments or self._attachment_url is None:
            return None
        return {
            f"attachment.{file.name}": AttachmentBody(
                presigned_url=self._attachment_url(run.id, file.name),
                s3_url=f"{self._tenant_id}/{run.id}/{file.digest}",
                mime_type=file.mime_type,
                size_bytes=file.size_bytes,
            )
            for file in run.attachments
        }

    def _details(self, run: RunRecord) -> dict[str, Any]:
        details = _DETAILS.decode(run.usage_details) if run.usage_details else _NO_DETAILS
        found = {name: _full_or_none(getattr(details, name.value)) for name in _DETAILS_OF.values()}
        return {
            name.value: value
            for name, value in found.items()
            if name in self._select or (value is not None and name in self._details_along)
        }


def _full_or_none(details: msgspec.Raw) -> msgspec.Raw | None:
    return None if bytes(details) in (b"{}", b"null") else details


def silent_seconds(run: RunRecord) -> int | UnsetType:
    """For how long nothing was heard of an open run; only there where its end may never come (our choice)."""
    return UNSET if run.silent_us is None else run.silent_us // 1_000_000


def _raw(payload: bytes | None) -> msgspec.Raw | None:
    return None if payload is None else msgspec.Raw(payload)


def _time(moment_us: int | None) -> str | None:
    return None if moment_us is None else format_time(moment_us)


def _cost(cost: Decimal | None) -> str | None:
    """Without an exponent and trailing zeros."""
    return None if cost is None else f"{cost.normalize():f}"


def app_path(tenant_id: UUID, run: RunRecord) -> str:
    """Where a user interface shows the run (documented upstream)."""
    return f"/o/{tenant_id}/projects/p/{run.session_id}/r/{run.id}"


def parent_ids(run: RunRecord) -> list[str]:
    """From the root down: every segment of the dotted order but the last ends with the id of a run above."""
    return [segment[-_SEGMENT_ID_CHARS:] for segment in run.dotted_order.split(".")[:-1]]


def _messages(run: RunRecord) -> list[msgspec.Raw] | None:
    """The messages of both sides in one shape; null where a run has none (clients then look into its outputs)."""
    return [msgspec.Raw(message) for message in messages_of(run.inputs, run.outputs)] or None


def _feedback(run: RunRecord) -> dict[str, FeedbackStats] | None:
    return feedback_stats(run.feedback) if run.feedback else None


def feedback_stats(found: Mapping[str, FeedbackSummary]) -> dict[str, FeedbackStats]:
    """``feedback_stats`` on the wire."""
    return {
        key: FeedbackStats(
            n=item.n,
            avg=item.avg,
            values=item.values,
            min=item.min,
            max=item.max,
            stdev=item.stdev,
            errors=item.errors,
            comments=item.comments,
            sources=item.sources,
        )
        for key, item in found.items()
    }


_MAKERS: Final = {
    RunSelect.END_TIME: lambda run: _time(run.end_time),
    RunSelect.INPUTS: lambda run: _raw(run.inputs),
    RunSelect.OUTPUTS: lambda run: _raw(run.outputs),
    RunSelect.EXTRA: lambda run: _raw(run.extra),
    RunSelect.EVENTS: lambda run: _raw(run.events),
    RunSelect.SERIALIZED: lambda run: _raw(run.serialized),
    RunSelect.ERROR: lambda run: run.error,
    RunSelect.TAGS: lambda run: run.tags,
    RunSelect.INPUTS_PREVIEW: lambda run: run.inputs_preview,
    RunSelect.OUTPUTS_PREVIEW: lambda run: run.outputs_preview,
    RunSelect.PARENT_RUN_ID: lambda run: run.parent_run_id,
    RunSelect.PARENT_RUN_IDS: parent_ids,
    RunSelect.CHILD_RUN_IDS: lambda run: run.children,
    RunSelect.DIRECT_CHILD_RUN_IDS: lambda run: run.direct_children,
    RunSelect.FIRST_TOKEN_TIME: lambda run: _time(run.first_token_time),
    RunSelect.THREAD_ID: lambda run: run.thread_id,
    RunSelect.REFERENCE_EXAMPLE_ID: lambda run: run.reference_example_id,
    RunSelect.FEEDBACK_STATS: _feedback,
    RunSelect.TOTAL_TOKENS: lambda run: run.total_tokens,
    RunSelect.PROMPT_TOKENS: lambda run: run.prompt_tokens,
    RunSelect.COMPLETION_TOKENS: lambda run: run.completion_tokens,
    RunSelect.TOTAL_COST: lambda run: _cost(run.total_cost),
    RunSelect.PROMPT_COST: lambda run: _cost(run.prompt_cost),
    RunSelect.COMPLETION_COST: lambda run: _cost(run.completion_cost),
    RunSelect.MESSAGES: _messages,
}
