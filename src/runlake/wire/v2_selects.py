"""The fields that v2 answers are chosen from, and what of a run each of them needs (names seen in the SDK)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from runlake.model.run_record import RunSelect


class V2Select(StrEnum):
    """Every value of ``selects``; the name of the field in the answer is the same in lower case."""

    ID = "ID"
    NAME = "NAME"
    RUN_TYPE = "RUN_TYPE"
    STATUS = "STATUS"
    START_TIME = "START_TIME"
    END_TIME = "END_TIME"
    LATENCY_SECONDS = "LATENCY_SECONDS"
    FIRST_TOKEN_TIME = "FIRST_TOKEN_TIME"  # noqa: S105 - a token of a model, not a secret
    ERROR = "ERROR"
    ERROR_PREVIEW = "ERROR_PREVIEW"
    EXTRA = "EXTRA"
    METADATA = "METADATA"
    EVENTS = "EVENTS"
    INPUTS = "INPUTS"
    INPUTS_PREVIEW = "INPUTS_PREVIEW"
    OUTPUTS = "OUTPUTS"
    OUTPUTS_PREVIEW = "OUTPUTS_PREVIEW"
    MANIFEST = "MANIFEST"
    PARENT_RUN_ID = "PARENT_RUN_ID"
    PARENT_RUN_IDS = "PARENT_RUN_IDS"
    PROJECT_ID = "PROJECT_ID"
    TRACE_ID = "TRACE_ID"
    THREAD_ID = "THREAD_ID"
    DOTTED_ORDER = "DOTTED_ORDER"
    IS_ROOT = "IS_ROOT"
    REFERENCE_EXAMPLE_ID = "REFERENCE_EXAMPLE_ID"
    REFERENCE_DATASET_ID = "REFERENCE_DATASET_ID"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    PROMPT_TOKENS = "PROMPT_TOKENS"
    COMPLETION_TOKENS = "COMPLETION_TOKENS"
    TOTAL_COST = "TOTAL_COST"
    PROMPT_COST = "PROMPT_COST"
    COMPLETION_COST = "COMPLETION_COST"
    PROMPT_TOKEN_DETAILS = "PROMPT_TOKEN_DETAILS"  # noqa: S105 - as above
    COMPLETION_TOKEN_DETAILS = "COMPLETION_TOKEN_DETAILS"  # noqa: S105 - as above
    PROMPT_COST_DETAILS = "PROMPT_COST_DETAILS"
    COMPLETION_COST_DETAILS = "COMPLETION_COST_DETAILS"
    PRICE_MODEL_ID = "PRICE_MODEL_ID"
    TAGS = "TAGS"
    APP_PATH = "APP_PATH"
    ATTACHMENTS = "ATTACHMENTS"
    THREAD_EVALUATION_TIME = "THREAD_EVALUATION_TIME"
    IS_IN_DATASET = "IS_IN_DATASET"
    LAST_QUEUED_AT = "LAST_QUEUED_AT"
    SHARE_URL = "SHARE_URL"
    FEEDBACK_STATS = "FEEDBACK_STATS"
    LS_USER_ID = "LS_USER_ID"


class ThreadSelect(StrEnum):
    """Every value of ``selects`` for the traces of a thread."""

    THREAD_ID = "THREAD_ID"
    TRACE_ID = "TRACE_ID"
    OP = "OP"
    PROMPT_TOKENS = "PROMPT_TOKENS"
    COMPLETION_TOKENS = "COMPLETION_TOKENS"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    START_TIME = "START_TIME"
    END_TIME = "END_TIME"
    LATENCY = "LATENCY"
    FIRST_TOKEN_TIME = "FIRST_TOKEN_TIME"  # noqa: S105 - as above
    INPUTS_PREVIEW = "INPUTS_PREVIEW"
    OUTPUTS_PREVIEW = "OUTPUTS_PREVIEW"
    INPUTS = "INPUTS"
    OUTPUTS = "OUTPUTS"
    ERROR = "ERROR"
    PROMPT_COST = "PROMPT_COST"
    COMPLETION_COST = "COMPLETION_COST"
    TOTAL_COST = "TOTAL_COST"
    PROMPT_TOKEN_DETAILS = "PROMPT_TOKEN_DETAILS"  # noqa: S105 - as above
    COMPLETION_TOKEN_DETAILS = "COMPLETION_TOKEN_DETAILS"  # noqa: S105 - as above
    PROMPT_COST_DETAILS = "PROMPT_COST_DETAILS"
    COMPLETION_COST_DETAILS = "COMPLETION_COST_DETAILS"
    NAME = "NAME"
    ERROR_PREVIEW = "ERROR_PREVIEW"
    TURN_NUMBER = "TURN_NUMBER"


_NEEDS: Final[Mapping[str, RunSelect]] = {
    "ERROR_PREVIEW": RunSelect.ERROR,
    "METADATA": RunSelect.EXTRA,
    "MANIFEST": RunSelect.SERIALIZED,
    "LATENCY_SECONDS": RunSelect.END_TIME,
    "LATENCY": RunSelect.END_TIME,
    "ATTACHMENTS": RunSelect.S3_URLS,
    "PROJECT_ID": RunSelect.SESSION_ID,
    "IS_IN_DATASET": RunSelect.IN_DATASET,
    "SHARE_URL": RunSelect.SHARE_TOKEN,
}
_ALWAYS_THERE: Final = frozenset(
    {"IS_ROOT", "LS_USER_ID", "THREAD_EVALUATION_TIME", "OP", "TURN_NUMBER", "PARENT_RUN_ID"}
)


def run_selects(selects: Iterable[V2Select]) -> frozenset[RunSelect]:
    """What has to be read of each run for these fields."""
    return _needed(selects)


def thread_run_selects(selects: Iterable[ThreadSelect]) -> frozenset[RunSelect]:
    """As ``run_selects``, for the traces of a thread."""
    return _needed(selects)


def _needed(selects: Iterable[V2Select | ThreadSelect]) -> frozenset[RunSelect]:
    chosen = (name for name in selects if name not in _ALWAYS_THERE)
    return frozenset(_NEEDS.get(name) or RunSelect(name.lower()) for name in chosen)
