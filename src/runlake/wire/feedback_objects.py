"""Feedback as it is handed back, and the changes a client may make to it (shapes documented upstream)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.model.project import Feedback
from runlake.wire.feedback import read_score
from runlake.wire.json_text import ABSENT, decode_object, raw_bytes
from runlake.wire.times import format_time


class FeedbackCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /feedback``. The same ``id`` again replaces what was stored under it."""

    key: str
    run_id: UUID | None = None
    session_id: UUID | None = None
    trace_id: UUID | None = None
    feedback_thread_id: str | None = None
    id: UUID | None = None
    score: float | bool | None = None
    value: float | bool | str | dict[str, Any] | None = None
    comment: str | None = None
    correction: str | dict[str, Any] | None = None
    feedback_source: dict[str, Any] | None = None
    feedback_config: dict[str, Any] | None = None
    comparative_experiment_id: UUID | None = None
    feedback_group_id: UUID | None = None
    start_time: str | None = None
    created_at: str | None = None
    modified_at: str | None = None
    error: bool | None = None
    extra: dict[str, Any] | None = None


class FeedbackPatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /feedback/{id}``. Only keys that are there change; null clears."""

    score: float | bool | msgspec.UnsetType | None = msgspec.UNSET
    value: float | bool | str | dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    comment: str | msgspec.UnsetType | None = msgspec.UNSET
    correction: str | dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    feedback_config: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class _Changes(msgspec.Struct, gc=False):
    score: Any = msgspec.UNSET
    comment: Any = msgspec.UNSET
    value: msgspec.Raw = ABSENT
    correction: msgspec.Raw = ABSENT
    feedback_config: msgspec.Raw = ABSENT


_CHANGES: Final = msgspec.json.Decoder(_Changes)


_SOURCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Members stay as sent, because some JSON that was accepted has no Python value, such as 1e999."""


class FeedbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """A feedback object; all keys are always there (the Python SDK requires id, key, run_id and trace_id)."""

    id: UUID
    key: str
    run_id: UUID | None
    trace_id: UUID | None
    session_id: UUID | None
    start_time: str | None
    score: float | None
    value: msgspec.Raw | None
    comment: str | None
    correction: msgspec.Raw | None
    feedback_source: Mapping[str, Any]
    comparative_experiment_id: UUID | None
    feedback_group_id: UUID | None
    error: bool
    extra: msgspec.Raw | None
    feedback_config: msgspec.Raw | None
    created_at: str
    modified_at: str
    feedback_thread_id: str | None
    is_root: bool | None = None


def apply_feedback_patch(feedback: Feedback, body: bytes, *, now_us: int) -> Feedback:
    """``feedback`` with what a ``PATCH`` body changes; absent keys stay, null clears."""
    sent = decode_object(body, _CHANGES)
    changes: dict[str, Any] = {}
    if sent.score is not msgspec.UNSET:
        changes["score"] = read_score(sent.score)
    if sent.comment is not msgspec.UNSET:
        changes["comment"] = _comment(sent.comment)
    for name in ("value", "correction", "feedback_config"):
        raw: msgspec.Raw = getattr(sent, name)
        if raw is not ABSENT and bytes(raw):
            changes[name] = raw_bytes(raw) or None
    return replace(feedback, **changes, modified_at=max(now_us, feedback.modified_at))


def _comment(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidError("comment must be a text or null", field="comment")


def feedback_body(feedback: Feedback) -> FeedbackBody:
    """The wire object."""
    return FeedbackBody(
        id=feedback.id,
        key=feedback.key,
        run_id=feedback.run_id,
        trace_id=feedback.trace_id,
        feedback_thread_id=feedback.thread_id,
        session_id=feedback.session_id,
        start_time=None if feedback.start_time is None else format_time(feedback.start_time),
        score=feedback.score,
        value=_raw(feedback.value),
        comment=feedback.comment,
        correction=_raw(feedback.correction),
        feedback_source=_source(feedback),
        comparative_experiment_id=feedback.comparative_experiment_id,
        feedback_group_id=feedback.feedback_group_id,
        error=feedback.error,
        extra=_raw(feedback.extra),
        feedback_config=_raw(feedback.feedback_config),
        created_at=format_time(feedback.created_at),
        modified_at=format_time(feedback.modified_at),
    )


def _raw(data: bytes | None) -> msgspec.Raw | None:
    return None if data is None else msgspec.Raw(data)


def _source(feedback: Feedback) -> dict[str, Any]:
    """What the sender said of the source, with the type that counts; members it left out are null."""
    sent: dict[str, msgspec.Raw] = {} if feedback.source is None else _SOURCE.decode(feedback.source)
    known = {"metadata": None, "user_id": None, "ls_user_id": None, "user_name": None}
    return {**known, **sent, "type": feedback.source_type}
