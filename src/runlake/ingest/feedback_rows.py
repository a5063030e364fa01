"""Rows of ``feedback``: how a judgement is written."""

from __future__ import annotations

from typing import Final

import msgspec

from runlake.ingest.rows import time_text
from runlake.model.project import Feedback
from runlake.model.run import NO_ID

FEEDBACK_COLUMNS: Final = (
    "tenant_id",
    "key",
    "run_id",
    "id",
    "version",
    "deleted",
    "session_id",
    "trace_id",
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


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode()
