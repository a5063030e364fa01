"""Everything the ``runs`` table needs beyond what a run's state holds, computed from the complete state at once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from runlake.ingest.costs import CostBook
from runlake.model.run import NO_ID, RunField, RunState, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedRun:
    """The derived columns of one run, named as in the ``runs`` table.

    Times are microseconds since 1970 UTC, absent ids are ``NO_ID``, absent texts are empty. ``metadata_keys``,
    ``metadata_values`` and ``metadata_pairs`` run in parallel; ``input_keys`` and ``output_keys`` are distinct paths.
    ``usage_details`` is JSON, or empty where no side has any detail.
    """

    name: str = ""
    run_type: str = "chain"
    start_time: int
    end_time: int | None = None
    duration_us: int | None = None
    status: RunStatus = RunStatus.PENDING
    has_error: bool = False
    error: str = ""
    trace_id: UUID
    parent_run_id: UUID = NO_ID
    dotted_order: str = ""
    is_root: bool = True
    tags: tuple[str, ...] = ()
    thread_id: str = ""
    first_token_time: int | None = None
    metadata_keys: tuple[str, ...] = ()
    metadata_values: tuple[str, ...] = ()
    metadata_pairs: tuple[str, ...] = ()
    input_keys: tuple[str, ...] = ()
    input_pairs: tuple[str, ...] = ()
    output_keys: tuple[str, ...] = ()
    output_pairs: tuple[str, ...] = ()
    model: str = ""
    provider: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    usage_details: bytes = b""
    inputs_preview: str = ""
    outputs_preview: str = ""


def derive_run(state: RunState, *, now_us: int, prices: CostBook) -> DerivedRun:
    """The derived columns of ``state``; never raises, whatever the payloads hold."""
    del prices
    start_time = state.get(RunField.START_TIME)
    return DerivedRun(start_time=start_time if isinstance(start_time, int) else now_us, trace_id=state.run_id)
