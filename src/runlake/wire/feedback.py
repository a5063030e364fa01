"""Feedback as clients write it: one JSON object in, one ``Feedback`` out.

The same object comes as the body of ``POST /feedback`` and as a ``feedback.<id>`` part of a multipart body (documented
upstream); the Python SDK sends every key with nulls for what it does not know (seen in the SDK).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.project import Feedback
from runlake.wire.json_text import ABSENT, decode_object, raw_bytes
from runlake.wire.scalars import read_id, read_text, read_time

MAX_KEY_CHARS: Final = 180
"""Longest feedback key (documented upstream)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the server adds to what it reads: the key's tenant, the time in microseconds UTC, a source of new ids."""

    tenant_id: UUID
    now_us: int
    new_id: Callable[[], UUID]


class _FeedbackBody(msgspec.Struct, gc=False):
    id: Any = None
    key: Any = None
    run_id: Any = None
    session_id: Any = None
    trace_id: Any = None
    feedback_thread_id: Any = None
    start_time: Any = None
    score: Any = None
    comment: Any = None
    comparative_experiment_id: Any = None
    feedback_group_id: Any = None
    error: Any = None
    created_at: Any = None
    modified_at: Any = None
    value: msgspec.Raw = ABSENT
    correction: msgspec.Raw = ABSENT
    feedback_source: msgspec.Raw = ABSENT
    extra: msgspec.Raw = ABSENT
    feedback_config: msgspec.Raw = ABSENT
    camel_config: msgspec.Raw = msgspec.field(default=ABSENT, name="feedbackConfig")


class _SourceBody(msgspec.Struct, gc=False):
    type: str | None = None


_FEEDBACK: Final = msgspec.json.Decoder(_FeedbackBody)
_SOURCE: Final = msgspec.json.Decoder(_SourceBody)


def read_feedback(
    body: bytes, receipt: Receipt, *, feedback_id: UUID | None = None, part_id: UUID | None = None
) -> Feedback:
    """One feedback object. ``feedback_id`` overrules the body's id; ``part_id`` stands in where the body has none.

    A ``part_id`` equal to the feedback's run is not used, because some senders name the part after the run (documented
    upstream). Raises ``MalformedError`` or ``InvalidError``.
    """
    sent = decode_object(body, _FEEDBACK)
    run_id = read_id(sent.run_id, "run_id")
    own_id = feedback_id or read_id(sent.id, "id") or (part_id if part_id != run_id else None) or receipt.new_id()
    source = _raw(sent.feedback_source)
    created_at = _time(sent.created_at, "created_at", receipt.now_us)
    session_id = read_id(sent.session_id, "session_id")
    return Feedback(
        tenant_id=receipt.tenant_id,
        id=own_id,
        key=read_key(sent.key),
        run_id=run_id,
        session_id=session_id,
        trace_id=read_id(sent.trace_id, "trace_id"),
        thread_id=_thread(sent.feedback_thread_id, is_placed=run_id is not None or session_id is not None),
        start_time=None if sent.start_time is None else read_time(sent.start_time, "start_time"),
        score=read_score(sent.score),
        value=_raw(sent.value),
        comment=None if sent.comment is None else read_text(sent.comment, "comment"),
        correction=_raw(sent.correction),
        source_type=_source_type(source),
        source=source,
        comparative_experiment_id=read_id(sent.comparative_experiment_id, "comparative_experiment_id"),
        feedback_group_id=read_id(sent.feedback_group_id, "feedback_group_id"),
        error=_flag(sent.error, "error"),
        extra=_raw(sent.extra),
        feedback_config=_raw(sent.feedback_config) or _raw(sent.camel_config),
        created_at=created_at,
        modified_at=_time(sent.modified_at, "modified_at", receipt.now_us),
    )


def read_score(value: object) -> float | None:
    """A score as a float, booleans as 1 and 0; ``InvalidError`` for anything but a number, a boolean or null."""
    if value is None:
        return None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    shown = f"the text {value[:60]!r}" if isinstance(value, str) else f"a value of type {type(value).__name__}"
    raise InvalidError(
        f"score is {shown}; a number, true, false or null is accepted, and words belong into value", field="score"
    )


def read_key(value: object, field: str = "key") -> str:
    """The name under which a judgement is given; ``InvalidError`` when it is missing or too long."""
    if not isinstance(value, str) or not value:
        raise InvalidError(f"{field} is missing; a feedback needs a key, a text of 1 to 180 characters", field=field)
    if len(value) > MAX_KEY_CHARS:
        raise InvalidError(f"{field} has {len(value)} characters; at most {MAX_KEY_CHARS} are accepted", field=field)
    return value


def _source_type(source: bytes | None) -> str:
    """``api`` unless the source says otherwise."""
    if source is None:
        return "api"
    try:
        return _SOURCE.decode(source).type or "api"
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = 'feedback_source is not an object with a type; send {"type": "api"} or leave it out'
        raise InvalidError(message, field="feedback_source") from None


def _thread(value: object, *, is_placed: bool) -> str | None:
    """The thread that is judged (seen in a client: without a run, and with the project)."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidError("feedback_thread_id must be a text, the id of a thread", field="feedback_thread_id")
    if not is_placed:
        raise InvalidError("session_id is missing; feedback on a thread names its project", field="session_id")
    return value


def _flag(value: object, field: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise MalformedError(f"{field} must be true, false or null", field=field)


def _time(value: object, field: str, default_us: int) -> int:
    return default_us if value is None else read_time(value, field)


def _raw(raw: msgspec.Raw) -> bytes | None:
    return raw_bytes(raw) or None
