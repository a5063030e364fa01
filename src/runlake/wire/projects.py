"""Projects as clients write and read them; the wire calls a project a session, its object a TracerSession.

Shapes are documented upstream; that the Python SDK sends null for what shall stay unchanged was seen in the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.model.project import Project
from runlake.model.project_stats import ProjectStats
from runlake.wire.json_text import ABSENT, check_json, decode_object, raw_bytes
from runlake.wire.runs import FeedbackStats, feedback_stats
from runlake.wire.scalars import read_id, read_time
from runlake.wire.times import format_time

TRACE_TIERS: Final = ("longlived", "shortlived")
"""Retention classes (documented upstream); kept and handed back, not acted upon yet."""


class ProjectCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /sessions``. Unknown keys are ignored, among them those that only drive progress displays."""

    name: str
    id: UUID | None = None
    description: str | None = None
    extra: dict[str, Any] | None = None
    start_time: str | None = None
    end_time: str | None = None
    reference_dataset_id: UUID | None = None
    default_dataset_id: UUID | None = None
    trace_tier: str | None = None


class ProjectPatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /sessions/{id}``. What is absent or null stays as it is."""

    name: str | None = None
    description: str | None = None
    extra: dict[str, Any] | None = None
    end_time: str | None = None
    reference_dataset_id: UUID | None = None
    default_dataset_id: UUID | None = None
    trace_tier: str | None = None


class _Sent(msgspec.Struct, gc=False):
    """Either body before its members are checked one by one."""

    name: Any = None
    id: Any = None
    description: Any = None
    start_time: Any = None
    end_time: Any = None
    reference_dataset_id: Any = None
    default_dataset_id: Any = None
    trace_tier: Any = None
    extra: msgspec.Raw = ABSENT


_SENT: Final = msgspec.json.Decoder(_Sent)


class ProjectBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A TracerSession. The first group of keys is always there, the second only where statistics were asked for."""

    id: UUID
    tenant_id: UUID
    name: str
    start_time: str
    end_time: str | None
    description: str | None
    extra: msgspec.Raw | None
    reference_dataset_id: UUID | None
    default_dataset_id: UUID | None
    trace_tier: str | None
    last_run_start_time_live: str | None
    test_run_number: int | None

    run_count: int | msgspec.UnsetType = msgspec.UNSET
    latency_p50: float | msgspec.UnsetType | None = msgspec.UNSET
    latency_p99: float | msgspec.UnsetType | None = msgspec.UNSET
    first_token_p50: float | msgspec.UnsetType | None = msgspec.UNSET
    first_token_p99: float | msgspec.UnsetType | None = msgspec.UNSET
    total_tokens: int | msgspec.UnsetType = msgspec.UNSET
    prompt_tokens: int | msgspec.UnsetType = msgspec.UNSET
    completion_tokens: int | msgspec.UnsetType = msgspec.UNSET
    total_cost: str | msgspec.UnsetType | None = msgspec.UNSET
    prompt_cost: str | msgspec.UnsetType | None = msgspec.UNSET
    completion_cost: str | msgspec.UnsetType | None = msgspec.UNSET
    last_run_start_time: str | msgspec.UnsetType | None = msgspec.UNSET
    feedback_stats: Mapping[str, FeedbackStats] | msgspec.UnsetType = msgspec.UNSET
    session_feedback_stats: Mapping[str, FeedbackStats] | msgspec.UnsetType = msgspec.UNSET
    run_facets: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    error_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    streaming_rate: float | msgspec.UnsetType | None = msgspec.UNSET


def read_project_create(body: bytes, *, tenant_id: UUID, now_us: int, new_id: Callable[[], UUID]) -> Project:
    """The project that a ``POST /sessions`` asks for; id and start time are filled in where they are missing."""
    sent = decode_object(body, _SENT)
    if sent.name is None:
        raise InvalidError("name is missing; a project needs a name, a text of at least one character", field="name")
    return Project(
        tenant_id=tenant_id,
        id=read_id(sent.id, "id") or new_id(),
        name=_name(sent.name),
        start_time=now_us if sent.start_time is None else read_time(sent.start_time, "start_time"),
        end_time=None if sent.end_time is None else read_time(sent.end_time, "end_time"),
        description=_text(sent.description, "description"),
        extra=_extra(sent.extra),
        reference_dataset_id=read_id(sent.reference_dataset_id, "reference_dataset_id"),
        default_dataset_id=read_id(sent.default_dataset_id, "default_dataset_id"),
        trace_tier=_trace_tier(sent.trace_tier),
    )


def read_project_changes(body: bytes) -> dict[str, str | int | bytes | UUID]:
    """The fields that a ``PATCH /sessions/{id}`` sets; null and absent ones are not among them."""
    sent = decode_object(body, _SENT)
    found: dict[str, str | int | bytes | UUID | None] = {
        "name": None if sent.name is None else _name(sent.name),
        "description": _text(sent.description, "description"),
        "extra": _extra(sent.extra),
        "end_time": None if sent.end_time is None else read_time(sent.end_time, "end_time"),
        "reference_dataset_id": read_id(sent.reference_dataset_id, "reference_dataset_id"),
        "default_dataset_id": read_id(sent.default_dataset_id, "default_dataset_id"),
        "trace_tier": _trace_tier(sent.trace_tier),
    }
    return {name: value for name, value in found.items() if value is not None}


def project_body(project: Project, stats: ProjectStats | None = None) -> ProjectBody:
    """The wire object, with statistics where they are given."""
    body = ProjectBody(
        id=project.id,
        tenant_id=project.tenant_id,
        name=project.name,
        start_time=format_time(project.start_time),
        end_time=_time(project.end_time),
        description=project.description,
        extra=None if project.extra is None else msgspec.Raw(project.extra),
        reference_dataset_id=project.reference_dataset_id,
        default_dataset_id=project.default_dataset_id,
        trace_tier=project.trace_tier,
        last_run_start_time_live=None,
        test_run_number=None,
    )
    return body if stats is None else _with_stats(body, stats)


def _with_stats(body: ProjectBody, stats: ProjectStats) -> ProjectBody:
    return msgspec.structs.replace(
        body,
        run_count=stats.run_count,
        latency_p50=stats.latency_p50,
        latency_p99=stats.latency_p99,
        first_token_p50=stats.first_token_p50,
        first_token_p99=stats.first_token_p99,
        total_tokens=stats.total_tokens,
        prompt_tokens=stats.prompt_tokens,
        completion_tokens=stats.completion_tokens,
        total_cost=_cost(stats.total_cost),
        prompt_cost=_cost(stats.prompt_cost),
        completion_cost=_cost(stats.completion_cost),
        last_run_start_time=_time(stats.last_run_start_time),
        feedback_stats=feedback_stats(stats.feedback),
        session_feedback_stats=feedback_stats(stats.session_feedback),
        run_facets=(),
        error_rate=stats.error_rate,
        streaming_rate=stats.streaming_rate,
    )


def _time(moment_us: int | None) -> str | None:
    return None if moment_us is None else format_time(moment_us)


def _cost(cost: Decimal | None) -> str | None:
    """Without an exponent and trailing zeros; the SDK reads it as a decimal."""
    return None if cost is None else f"{cost.normalize():f}"


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidError("name must be a text of at least one character that is no blank", field="name")
    return value


def _text(value: object, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidError(f"{field} must be a text or null", field=field)


def _extra(raw: msgspec.Raw) -> bytes | None:
    data = raw_bytes(raw)
    if not data:
        return None
    data = check_json(data)
    try:
        msgspec.json.decode(data, type=_Extra)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidError(
            "extra must be an object, and extra.metadata, where there is one, an object too", field="extra"
        ) from None
    return data


class _Extra(msgspec.Struct, gc=False):
    """What clients rely on: the SDK reads ``extra.metadata`` as a map."""

    metadata: dict[str, Any] | None = None


def project_metadata(project: Project) -> Mapping[str, object]:
    """``extra.metadata``, empty when there is none."""
    if project.extra is None:
        return {}
    return msgspec.json.decode(project.extra, type=_Extra).metadata or {}


def _trace_tier(value: object) -> str | None:
    if value is None or value in TRACE_TIERS:
        return value if value is None else str(value)
    raise InvalidError(f"trace_tier must be one of {', '.join(TRACE_TIERS)} or null", field="trace_tier")
