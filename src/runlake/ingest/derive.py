"""Everything the ``runs`` table needs beyond what a run's state holds, computed from the complete state at once.

Pure and total: the same state and prices give the same columns, and no payload, however odd, makes it raise. Each
payload is decoded at most once.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import MalformedError
from runlake.ingest.costs import CallCost, CostBook
from runlake.ingest.flatten import flatten_entries, flatten_pairs
from runlake.ingest.large_payloads import NO_OBJECTS, LargePayloads
from runlake.ingest.model_names import model_of
from runlake.ingest.payloads import Json, decode_payload, member
from runlake.ingest.previews import preview_inputs, preview_outputs
from runlake.ingest.usage import NO_USAGE, Costs, TokenUsage, find_usage
from runlake.model.dotted_order import parse_dotted_order, root_segment
from runlake.model.pairs import INPUT_LETTER, METADATA_LETTER, OUTPUT_LETTER, text_of
from runlake.model.run import NO_ID, RunField, RunState, RunStatus, RunType
from runlake.model.usage import UsageDetails
from runlake.wire.times import LATEST_US, parse_time

THREAD_KEYS: Final = ("session_id", "conversation_id", "thread_id")
"""Metadata keys that name a run's thread, in order of precedence (documented upstream)."""

_UUID7: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedRun:
    """The derived columns of one run, named as in the ``runs`` table.

    Times are microseconds since 1970 UTC, absent ids are ``NO_ID``, absent texts are empty. ``metadata_keys`` and
    ``metadata_values`` run in parallel; the three columns of pairs are as ``flatten.index_items`` makes them, and
    ``more_pairs`` is what they have no room for, each item behind the letter of its side (``model.pairs``).
    ``usage_details`` is JSON, or empty where no side has any detail. Tokens and
    costs are the run's own, not its subtree's.
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
    input_pairs: tuple[str, ...] = ()
    output_pairs: tuple[str, ...] = ()
    more_pairs: tuple[str, ...] = ()
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


class _Extra(msgspec.Struct, gc=False):
    """The parts of ``extra`` that columns come from."""

    metadata: Any = None
    invocation_params: Any = None


class _Event(msgspec.Struct, gc=False):
    name: Any = None
    time: Any = None


@dataclass(frozen=True, slots=True)
class _Lineage:
    trace_id: UUID
    parent_run_id: UUID
    dotted_order: str


@dataclass(frozen=True, slots=True)
class _Charges:
    """Model, tokens and costs."""

    model: str = ""
    provider: str = ""
    usage: TokenUsage = NO_USAGE
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    details: bytes = b""


_EXTRA: Final = msgspec.json.Decoder(_Extra)
_EVENTS: Final = msgspec.json.Decoder(list[_Event])


def derive_run(state: RunState, *, now_us: int, prices: CostBook, payloads: LargePayloads = NO_OBJECTS) -> DerivedRun:
    """The derived columns of ``state``; never raises, whatever the payloads hold.

    The fields that are no payload must be as ``wire.run_writes`` lets them pass. ``now_us`` is used only for a run of
    which no write and no id tells a time.
    """
    inputs = decode_payload(payloads.read(state, RunField.INPUTS))
    outputs = decode_payload(payloads.read(state, RunField.OUTPUTS))
    extra = _read_extra(payloads.read(state, RunField.EXTRA))
    run_type = _text(state, RunField.RUN_TYPE) or RunType.CHAIN.value
    start_time, end_time = _start_time(state, now_us), _time(state, RunField.END_TIME)
    error = _text(state, RunField.ERROR)
    lineage = _lineage(state, start_time)
    charges = _charges(outputs, extra, run_type, start_time, prices)
    metadata = flatten_entries(extra.metadata)
    input_items, output_items = flatten_pairs(inputs), flatten_pairs(outputs)
    tags = state.get(RunField.TAGS)
    return DerivedRun(
        name=_text(state, RunField.NAME),
        run_type=run_type,
        start_time=start_time,
        end_time=end_time,
        duration_us=None if end_time is None else max(0, end_time - start_time),
        status=_status(error, end_time),
        has_error=bool(error),
        error=error,
        trace_id=lineage.trace_id,
        parent_run_id=lineage.parent_run_id,
        dotted_order=lineage.dotted_order,
        is_root=lineage.parent_run_id == NO_ID and lineage.trace_id == state.run_id,
        tags=tags if isinstance(tags, tuple) else (),
        thread_id=thread_of(extra.metadata),
        first_token_time=_first_token_time(payloads.read(state, RunField.EVENTS)),
        metadata_keys=metadata.keys,
        metadata_values=metadata.values,
        metadata_pairs=metadata.items.indexed,
        input_pairs=input_items.indexed,
        output_pairs=output_items.indexed,
        more_pairs=_more(metadata.items.more, input_items.more, output_items.more),
        model=charges.model,
        provider=charges.provider,
        prompt_tokens=charges.usage.prompt_tokens,
        completion_tokens=charges.usage.completion_tokens,
        total_tokens=charges.usage.total_tokens,
        prompt_cost=charges.prompt_cost,
        completion_cost=charges.completion_cost,
        total_cost=charges.total_cost,
        usage_details=charges.details,
        inputs_preview=preview_inputs(inputs),
        outputs_preview=preview_outputs(outputs),
    )


def _more(metadata: tuple[str, ...], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> tuple[str, ...]:
    if not metadata and not inputs and not outputs:
        return ()
    sides = ((METADATA_LETTER, metadata), (INPUT_LETTER, inputs), (OUTPUT_LETTER, outputs))
    return tuple(letter + item for letter, items in sides for item in items)


def thread_of(metadata: Json) -> str:
    """The thread that ``metadata`` names, empty when none; numbers and booleans count as their text."""
    for key in THREAD_KEYS:
        value = member(metadata, key)
        if isinstance(value, str | int | float) and value != "":
            return text_of(value)
    return ""


def _status(error: str, end_time: int | None) -> RunStatus:
    """An error counts at once; an empty one is none."""
    if error:
        return RunStatus.ERROR
    return RunStatus.PENDING if end_time is None else RunStatus.SUCCESS


def known_start(state: RunState) -> int | None:
    """The start as written; else from the dotted order, from a time-ordered id, or the end; None when nothing tells.

    The writer then keeps the time at which the create came, so that a run keeps its place and its latency counts.
    """
    start_time = _time(state, RunField.START_TIME)
    if start_time is not None:
        return start_time
    dotted_order = _text(state, RunField.DOTTED_ORDER)
    if dotted_order:
        return parse_dotted_order(dotted_order)[-1].time_us
    if state.run_id.version == _UUID7 and (id_time := (state.run_id.int >> 80) * 1000) <= LATEST_US:
        return id_time
    return _time(state, RunField.END_TIME)


def _start_time(state: RunState, now_us: int) -> int:
    start_time = known_start(state)
    return now_us if start_time is None else start_time


def _lineage(state: RunState, start_time: int) -> _Lineage:
    """Trace, parent and dotted order; a run that names no trace stands alone until a write says more."""
    trace_id = _id(state, RunField.TRACE_ID)
    parent_id = _id(state, RunField.PARENT_RUN_ID)
    dotted_order = _text(state, RunField.DOTTED_ORDER)
    if trace_id == NO_ID:
        trace_id = state.run_id
    if not dotted_order and parent_id == NO_ID and trace_id == state.run_id:
        dotted_order = root_segment(start_time, state.run_id)
    return _Lineage(trace_id, parent_id, dotted_order)


def _first_token_time(events: object) -> int | None:
    """Time of the first event named ``new_token`` that tells one."""
    if not isinstance(events, bytes) or b"new_token" not in events:
        return None
    try:
        found = _EVENTS.decode(events)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for event in found:
        if event.name == "new_token":
            try:
                return parse_time(event.time)
            except MalformedError:
                continue
    return None


def _read_extra(data: object) -> _Extra:
    if not isinstance(data, bytes):
        return _Extra()
    try:
        return _EXTRA.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = decode_payload(data)
        return _Extra(member(whole, "metadata"), member(whole, "invocation_params"))


def _charges(outputs: Json, extra: _Extra, run_type: str, start_time: int, prices: CostBook) -> _Charges:
    usage = find_usage(outputs, extra.metadata, run_type)
    model, provider = (
        model_of(outputs, extra.metadata, extra.invocation_params, run_type),
        _string(member(extra.metadata, "ls_provider")),
    )
    if usage is None:
        return _Charges(model, provider)
    if usage.has_costs:
        total = usage.total_cost
        if total is None:
            total = (usage.prompt_cost or Decimal(0)) + (usage.completion_cost or Decimal(0))
        details = _details(usage, usage.prompt_cost_details, usage.completion_cost_details)
        return _Charges(model, provider, usage, usage.prompt_cost, usage.completion_cost, total, details)
    cost = prices.cost_of(usage, model=model, provider=provider, time_us=start_time)
    if cost is None:
        return _Charges(model, provider, usage, details=_details(usage, {}, {}))
    return _charged(model, provider, usage, cost)


def _charged(model: str, provider: str, usage: TokenUsage, cost: CallCost) -> _Charges:
    details = _details(usage, cost.prompt_details, cost.completion_details)
    return _Charges(model, provider, usage, cost.prompt_cost, cost.completion_cost, cost.total_cost, details)


def _details(usage: TokenUsage, prompt_costs: Costs, completion_costs: Costs) -> bytes:
    if not (usage.prompt_details or usage.completion_details or prompt_costs or completion_costs):
        return b""
    return msgspec.json.encode(
        UsageDetails(
            dict(usage.prompt_details),
            dict(usage.completion_details),
            {name: format(cost, "f") for name, cost in prompt_costs.items()},
            {name: format(cost, "f") for name, cost in completion_costs.items()},
        )
    )


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _text(state: RunState, name: RunField) -> str:
    value = state.get(name)
    return value if isinstance(value, str) else ""


def _time(state: RunState, name: RunField) -> int | None:
    value = state.get(name)
    return value if isinstance(value, int) else None


def _id(state: RunState, name: RunField) -> UUID:
    value = state.get(name)
    return value if isinstance(value, UUID) else NO_ID
