"""A run as a read gives it back, and the names of what a read may ask for. No SQL.

Ids are their canonical text, as the store returns them, so that a trace of 10,000 runs costs no parsing. Times are
microseconds since 1970 UTC. Payloads are the JSON bytes as received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from runlake.model.attachments import StoredAttachment
from runlake.model.payload_ref import PayloadRef


class RunSelect(StrEnum):
    """Every value of ``select`` (documented upstream); the member's value is its wire name."""

    ID = "id"
    NAME = "name"
    RUN_TYPE = "run_type"
    SESSION_ID = "session_id"
    TRACE_ID = "trace_id"
    DOTTED_ORDER = "dotted_order"
    PARENT_RUN_ID = "parent_run_id"
    PARENT_RUN_IDS = "parent_run_ids"
    CHILD_RUN_IDS = "child_run_ids"
    DIRECT_CHILD_RUN_IDS = "direct_child_run_ids"
    APP_PATH = "app_path"
    THREAD_ID = "thread_id"
    START_TIME = "start_time"
    END_TIME = "end_time"
    STATUS = "status"
    ERROR = "error"
    FIRST_TOKEN_TIME = "first_token_time"  # noqa: S105 - a token of a model, not a secret
    LAST_QUEUED_AT = "last_queued_at"
    EXECUTION_ORDER = "execution_order"
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    EXTRA = "extra"
    EVENTS = "events"
    SERIALIZED = "serialized"
    TAGS = "tags"
    INPUTS_PREVIEW = "inputs_preview"
    OUTPUTS_PREVIEW = "outputs_preview"
    S3_URLS = "s3_urls"
    INPUTS_S3_URLS = "inputs_s3_urls"
    OUTPUTS_S3_URLS = "outputs_s3_urls"
    INPUTS_OR_SIGNED_URL = "inputs_or_signed_url"
    OUTPUTS_OR_SIGNED_URL = "outputs_or_signed_url"
    ERROR_OR_SIGNED_URL = "error_or_signed_url"
    EVENTS_OR_SIGNED_URL = "events_or_signed_url"
    EXTRA_OR_SIGNED_URL = "extra_or_signed_url"
    SERIALIZED_OR_SIGNED_URL = "serialized_or_signed_url"
    MANIFEST_ID = "manifest_id"
    MANIFEST_S3_ID = "manifest_s3_id"
    MANIFEST = "manifest"
    TOTAL_TOKENS = "total_tokens"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    PROMPT_TOKEN_DETAILS = "prompt_token_details"  # noqa: S105 - as above
    COMPLETION_TOKEN_DETAILS = "completion_token_details"  # noqa: S105 - as above
    TOTAL_COST = "total_cost"
    PROMPT_COST = "prompt_cost"
    COMPLETION_COST = "completion_cost"
    PROMPT_COST_DETAILS = "prompt_cost_details"
    COMPLETION_COST_DETAILS = "completion_cost_details"
    PRICE_MODEL_ID = "price_model_id"
    REFERENCE_EXAMPLE_ID = "reference_example_id"
    REFERENCE_DATASET_ID = "reference_dataset_id"
    FEEDBACK_STATS = "feedback_stats"
    IN_DATASET = "in_dataset"
    SHARE_TOKEN = "share_token"  # noqa: S105 - the name of a field
    TRACE_TIER = "trace_tier"
    TRACE_FIRST_RECEIVED_AT = "trace_first_received_at"
    TTL_SECONDS = "ttl_seconds"
    TRACE_UPGRADE = "trace_upgrade"
    MESSAGES = "messages"
    INSERTED_AT = "inserted_at"
    TRACE_MIN_MAX_START_TIME = "trace_min_max_start_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSummary:
    """All feedback of one key on one run or one set of runs.

    ``n`` counts rows; ``avg``, ``min``, ``max`` and ``stdev`` are over those with a score and None without any;
    ``values`` counts categories; ``comments`` and ``sources`` are distinct, at most some dozens each. ``on_thread``
    says that some of it is about a thread and not about one of its runs.
    """

    n: int
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    stdev: float | None = None
    errors: int = 0
    values: Mapping[str, int] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    on_thread: bool = False


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """One run of a page. What was not asked for, and what the run does not have, is None or its default.

    ``children`` and ``direct_children`` are ids in order of start; ``usage_details`` is JSON with the four detail maps;
    ``silent_us`` is how long nothing was heard of a run without an end, once that is worth telling.
    The one record that is filled in steps (the row, then feedback, relatives, silence), so it is not frozen;
    nothing changes it once ``query.service`` has handed it out.
    """

    id: str
    session_id: str
    trace_id: str
    start_time: int
    version: int
    name: str = ""
    run_type: str = ""
    status: str = ""
    dotted_order: str = ""
    parent_run_id: str | None = None
    end_time: int | None = None
    first_token_time: int | None = None
    error: str | None = None
    thread_id: str | None = None
    reference_example_id: str | None = None
    tags: list[str] | None = None
    inputs: bytes | None = None
    outputs: bytes | None = None
    extra: bytes | None = None
    events: bytes | None = None
    serialized: bytes | None = None
    attachments: tuple[StoredAttachment, ...] = ()
    objects: Mapping[str, PayloadRef] = field(default_factory=dict)
    inputs_preview: str | None = None
    outputs_preview: str | None = None
    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    usage_details: bytes | None = None
    feedback: dict[str, FeedbackSummary] | None = None
    children: list[str] | None = None
    direct_children: list[str] | None = None
    silent_us: int | None = None
    silent_since: int | None = None
