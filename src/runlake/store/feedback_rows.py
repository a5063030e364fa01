"""Rows of ``feedback``: how a judgement is written, and read back. The one place that lists its columns."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from runlake.model.project import Feedback
from runlake.model.run import NO_ID
from runlake.store.engine import Cell, Row, time_text

FEEDBACK_COLUMNS: Final = (
    "tenant_id",
    "key",
    "run_id",
    "id",
    "version",
    "deleted",
    "session_id",
    "trace_id",
    "thread_id",
    "start_time",
    "score",
    "value",
    "comment",
    "correction",
    "source_type",
    "source",
    "comparative_experiment_id",
    "feedback_group_id",
    "error",
    "extra",
    "feedback_config",
    "created_at",
    "modified_at",
)

_TIMES: Final = frozenset({"start_time", "created_at", "modified_at"})
_UNREAD: Final = frozenset({"tenant_id", "deleted"})
"""A reader knows the tenant, and sees no deleted rows."""
_READ: Final = tuple(name for name in FEEDBACK_COLUMNS if name not in _UNREAD)

FEEDBACK_CELLS: Final = ", ".join(f"toUnixTimestamp64Micro({name})" if name in _TIMES else name for name in _READ)
"""What to select for ``decode_feedback``."""


def encode_feedback(feedback: Feedback, version: int) -> bytes:
    """One JSON array in ``FEEDBACK_COLUMNS`` order."""
    return msgspec.json.encode(
        (
            feedback.tenant_id,
            feedback.key,
            feedback.run_id or NO_ID,
            feedback.id,
            version,
            int(feedback.deleted),
            feedback.session_id or NO_ID,
            feedback.trace_id or NO_ID,
            feedback.thread_id or "",
            None if feedback.start_time is None else time_text(feedback.start_time),
            feedback.score,
            _text(feedback.value),
            feedback.comment or "",
            _text(feedback.correction),
            feedback.source_type,
            _text(feedback.source),
            feedback.comparative_experiment_id or NO_ID,
            feedback.feedback_group_id or NO_ID,
            feedback.error,
            _text(feedback.extra),
            _text(feedback.feedback_config),
            time_text(feedback.created_at),
            time_text(feedback.modified_at),
        )
    )


def decode_feedback(tenant_id: UUID, row: Row) -> Feedback:
    """The judgement in a row of ``FEEDBACK_CELLS``."""
    cells = dict(zip(_READ, row, strict=True))
    return Feedback(
        tenant_id=tenant_id,
        id=UUID(str(cells["id"])),
        key=str(cells["key"]),
        run_id=_id(cells["run_id"]),
        session_id=_id(cells["session_id"]),
        trace_id=_id(cells["trace_id"]),
        thread_id=str(cells["thread_id"]) or None,
        start_time=_integer(cells["start_time"]),
        score=_number(cells["score"]),
        value=_raw(cells["value"]),
        comment=str(cells["comment"]) or None,
        correction=_raw(cells["correction"]),
        source_type=str(cells["source_type"]),
        source=_raw(cells["source"]),
        comparative_experiment_id=_id(cells["comparative_experiment_id"]),
        feedback_group_id=_id(cells["feedback_group_id"]),
        error=bool(cells["error"]),
        extra=_raw(cells["extra"]),
        feedback_config=_raw(cells["feedback_config"]),
        created_at=_integer(cells["created_at"]) or 0,
        modified_at=_integer(cells["modified_at"]) or 0,
        version=_integer(cells["version"]) or 0,
    )


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode()


def _id(cell: Cell) -> UUID | None:
    found = UUID(str(cell))
    return None if found == NO_ID else found


def _integer(cell: Cell) -> int | None:
    return None if cell is None else int(str(cell))


def _number(cell: Cell) -> float | None:
    return None if cell is None else float(str(cell))


def _raw(cell: Cell) -> bytes | None:
    return str(cell).encode() or None
