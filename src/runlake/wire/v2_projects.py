"""Projects as v2 answers and requests (shapes seen in the generated client): v1 ones with other spellings."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from runlake.errors import CursorError, InvalidError, NotOfferedError
from runlake.wire.json_text import decode_object
from runlake.wire.members import choice_member
from runlake.wire.projects import ProjectBody

_TIERS: Final = {"LONG_LIVED": "longlived", "SHORT_LIVED": "shortlived"}
_TYPES: Final = ("PROJECT", "AGENT", "EXPERIMENT")


class SessionFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback of one key. The median is not computed."""

    n: int
    avg: float | None
    min: float | None
    max: float | None
    stdev: float | None
    errors: int
    values: dict[str, int]
    median: float | None = None
    type: str = "PRIMARY"
    contains_thread_feedback: bool = False


class ProjectBodyV2(msgspec.Struct, frozen=True, kw_only=True):
    """A project or, with a reference dataset, an experiment. Statistics are there where they were asked for."""

    id: UUID
    tenant_id: UUID
    name: str
    type: str
    start_time: str
    end_time: str | None
    description: str | None
    extra: msgspec.Raw | None
    reference_dataset_id: UUID | None
    default_dataset_id: UUID | None
    trace_tier: str | None
    last_run_start_time_live: str | None
    test_run_number: int | None
    run_count: int | UnsetType = UNSET
    latency_p50: float | UnsetType | None = UNSET
    latency_p99: float | UnsetType | None = UNSET
    first_token_p50: float | UnsetType | None = UNSET
    first_token_p99: float | UnsetType | None = UNSET
    total_tokens: int | UnsetType = UNSET
    prompt_tokens: int | UnsetType = UNSET
    completion_tokens: int | UnsetType = UNSET
    total_cost: float | UnsetType | None = UNSET
    prompt_cost: float | UnsetType | None = UNSET
    completion_cost: float | UnsetType | None = UNSET
    last_run_start_time: str | UnsetType | None = UNSET
    feedback_stats: dict[str, SessionFeedback] | UnsetType = UNSET
    session_feedback_stats: dict[str, SessionFeedback] | UnsetType = UNSET
    run_facets: tuple[()] | UnsetType = UNSET
    error_rate: float | UnsetType | None = UNSET
    streaming_rate: float | UnsetType | None = UNSET


class ProjectsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``GET /v2/sessions``."""

    items: list[ProjectBodyV2]
    next_cursor: str | None


_SAME: Final = tuple(
    name
    for name in ProjectBody.__struct_fields__
    if name not in {"trace_tier", "feedback_stats", "session_feedback_stats", "run_facets"}
)
_TIMES: Final = frozenset({"start_time", "end_time", "last_run_start_time", "last_run_start_time_live"})
_COSTS: Final = frozenset({"total_cost", "prompt_cost", "completion_cost"})


def project_body_v2(project: ProjectBody) -> ProjectBodyV2:
    """The v2 object of a project."""
    fields: dict[str, Any] = {name: _respelt(name, getattr(project, name)) for name in _SAME}
    for name in ("feedback_stats", "session_feedback_stats"):
        found = getattr(project, name)
        fields[name] = UNSET if found is UNSET else {key: _feedback(stats) for key, stats in found.items()}
    tiers = {old: new for new, old in _TIERS.items()}
    return ProjectBodyV2(
        **fields,
        type="PROJECT" if project.reference_dataset_id is None else "EXPERIMENT",
        trace_tier=None if project.trace_tier is None else tiers.get(project.trace_tier),
        run_facets=UNSET if project.run_count is UNSET else (),
    )


def v1_body(body: bytes, *, needs_type: bool) -> bytes:
    """The same request as v1 has it; members that both share stay byte-exact."""
    members = _members(body)
    kind, tier = _text(members.pop("type", None)), _text(members.get("trace_tier"))
    if needs_type and kind is None:
        raise InvalidError("type is missing; it is PROJECT or EXPERIMENT", field="type", suggestion="PROJECT")
    named = None if kind is None else choice_member(kind, "type", _TYPES)
    if named == "AGENT":
        raise NotOfferedError("type AGENT is not offered here; use PROJECT", field="type")
    if named == "EXPERIMENT" and _text(members.get("reference_dataset_id")) is None:
        raise InvalidError("an experiment needs reference_dataset_id", field="reference_dataset_id")
    if tier is not None:
        chosen = _TIERS[choice_member(tier, "trace_tier", tuple(_TIERS))]
        members["trace_tier"] = msgspec.Raw(msgspec.json.encode(chosen))
    return msgspec.json.encode(members)


def read_offset(token: str | None) -> int:
    """How many projects the pages before hold; CursorError for what is no token of ours."""
    if token is None or not token:
        return 0
    try:
        found = int(urlsafe_b64decode(token + "=" * (-len(token) % 4)).removeprefix(b"offset:"))
    except ValueError:
        raise CursorError("cursor is not one that this server made; start again without", field="cursor") from None
    if not 0 <= found < 2**53:
        raise CursorError("cursor is not one that this server made; start again without", field="cursor")
    return found


def write_offset(offset: int) -> str:
    """The token of the page that starts there."""
    return urlsafe_b64encode(f"offset:{offset}".encode()).rstrip(b"=").decode()


class _Any(msgspec.Struct):
    """Checks that a body is an object."""


_OBJECT: Final = msgspec.json.Decoder(_Any)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    decode_object(body, _OBJECT)
    try:
        return _MEMBERS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidError("the body must be a JSON object") from None


def _text(raw: msgspec.Raw | None) -> str | None:
    found = None if raw is None else msgspec.json.decode(raw)
    return found if isinstance(found, str) and found else None


def _respelt(name: str, value: Any) -> Any:
    if value is None or value is UNSET:
        return value
    if name in _TIMES:
        return f"{value}Z"
    return float(value) if name in _COSTS else value


def _feedback(stats: Any) -> SessionFeedback:
    return SessionFeedback(
        n=stats.n,
        avg=stats.avg,
        min=stats.min,
        max=stats.max,
        stdev=stats.stdev,
        errors=stats.errors,
        values=dict(stats.values),
    )
