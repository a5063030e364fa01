"""Annotation queues as clients write and read them (seen in the SDK)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.annotation_queue import AnnotationQueue, QueuedRun
from runlake.wire.json_text import ABSENT, check_json, decode_object, decode_value, raw_bytes
from runlake.wire.members import ids_member
from runlake.wire.runs import RunBody
from runlake.wire.scalars import read_id, read_time
from runlake.wire.times import format_time


class QueueCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /annotation-queues``. Unknown keys are ignored."""

    name: str
    id: UUID | None = None
    description: str | None = None
    rubric_instructions: str | None = None
    rubric_items: list[dict[str, Any]] | None = None
    created_at: str | None = None


class QueuePatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /annotation-queues/{id}``. What is absent stays; null clears all but the name."""

    name: str | None = None
    description: str | None = None
    rubric_instructions: str | None = None
    rubric_items: list[dict[str, Any]] | None = None


class QueueBody(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as answers show it."""

    id: UUID
    tenant_id: UUID
    name: str
    description: str | None
    created_at: str
    updated_at: str
    rubric_instructions: str | None
    rubric_items: msgspec.Raw | None


class QueuedRunBody(msgspec.Struct, frozen=True):
    """A place in a queue."""

    id: UUID
    queue_id: UUID
    run_id: UUID
    added_at: str


class RunInQueue(RunBody, kw_only=True, gc=False):
    """A run with its place in a queue. Nobody reviews here, so ``last_reviewed_time`` is null."""

    queue_run_id: UUID
    added_at: str
    last_reviewed_time: None = None


class QueueSize(msgspec.Struct, frozen=True):
    """The answer of ``GET /annotation-queues/{id}/size``."""

    size: int


class _Sent(msgspec.Struct, gc=False):
    name: Any = msgspec.UNSET
    id: Any = None
    description: Any = msgspec.UNSET
    rubric_instructions: Any = msgspec.UNSET
    created_at: Any = None
    rubric_items: msgspec.Raw = ABSENT


class _Removal(msgspec.Struct, gc=False):
    run_ids: Any = None


_SENT: Final = msgspec.json.Decoder(_Sent)
_REMOVAL: Final = msgspec.json.Decoder(_Removal)
_TEXTS: Final = ("description", "rubric_instructions")


def read_queue(body: bytes, *, tenant_id: UUID, now_us: int, new_id: Callable[[], UUID]) -> AnnotationQueue:
    """The queue that a ``POST`` asks for."""
    sent = decode_object(body, _SENT)
    return AnnotationQueue(
        tenant_id=tenant_id,
        id=read_id(sent.id, "id") or new_id(),
        name=_name(sent.name),
        created_at=now_us if sent.created_at is None else read_time(sent.created_at, "created_at"),
        updated_at=now_us,
        description=_text(sent.description, "description"),
        rubric_instructions=_text(sent.rubric_instructions, "rubric_instructions"),
        rubric_items=_items(sent.rubric_items),
    )


def read_queue_changes(body: bytes) -> dict[str, str | bytes | None]:
    """The fields that a ``PATCH`` sets."""
    sent = decode_object(body, _SENT)
    found: dict[str, str | bytes | None] = {
        name: _text(value, name) for name in _TEXTS if (value := getattr(sent, name)) is not msgspec.UNSET
    }
    if sent.name is not msgspec.UNSET and sent.name is not None:
        found["name"] = _name(sent.name)
    if bytes(sent.rubric_items):
        found["rubric_items"] = _items(sent.rubric_items)
    return found


def read_runs_to_add(body: bytes) -> tuple[UUID, ...]:
    """The runs in a list of ids, or of objects with ``run_id`` beside what else helps other servers to find them."""
    sent = decode_value(body)
    if not isinstance(sent, list) or not sent:
        raise MalformedError("the body must be a list of ids of runs, or of objects with run_id", field="run_ids")
    found = [item.get("run_id") if isinstance(item, dict) else item for item in sent]
    if any(item is None for item in found):
        raise InvalidError("run_id is missing; every object names a run", field="run_id")
    return ids_member(found, "run_ids")


def read_runs_to_remove(body: bytes) -> tuple[UUID, ...]:
    """The runs that a ``POST .../runs/delete`` names."""
    sent = decode_object(body, _REMOVAL)
    found = () if sent.run_ids is None else ids_member(sent.run_ids, "run_ids")
    if not found:
        raise InvalidError("run_ids is missing; name the runs to take out of the queue", field="run_ids")
    return found


def queue_body(queue: AnnotationQueue) -> QueueBody:
    """The wire object."""
    return QueueBody(
        id=queue.id,
        tenant_id=queue.tenant_id,
        name=queue.name,
        description=queue.description,
        created_at=f"{format_time(queue.created_at)}Z",
        updated_at=f"{format_time(queue.updated_at)}Z",
        rubric_instructions=queue.rubric_instructions,
        rubric_items=None if queue.rubric_items is None else msgspec.Raw(queue.rubric_items),
    )


def queued_run_body(run: QueuedRun) -> QueuedRunBody:
    """The wire object."""
    return QueuedRunBody(run.id, run.queue_id, run.run_id, f"{format_time(run.added_at)}Z")


def run_in_queue(run: RunBody, place: QueuedRun) -> RunInQueue:
    """The wire object."""
    added_at = f"{format_time(place.added_at)}Z"
    return RunInQueue(**msgspec.structs.asdict(run), queue_run_id=place.id, added_at=added_at)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidError("name is missing; a queue needs a text that is not blank", field="name")
    return value


def _text(value: object, field: str) -> str | None:
    if value is None or value is msgspec.UNSET:
        return None
    if isinstance(value, str):
        return value
    raise InvalidError(f"{field} must be a text or null", field=field)


def _items(raw: msgspec.Raw) -> bytes | None:
    data = raw_bytes(raw)
    if data and not data.startswith(b"["):
        raise InvalidError("rubric_items must be a list of objects or null", field="rubric_items")
    return check_json(data) if data else None
