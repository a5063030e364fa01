"""Rows of ``runs`` and ``open_runs``: how a run's state is written, and read back.

The one place of the write path that knows columns. ``origin`` keeps the rank of every field a write has set, so that a
stored row turns back into exactly the state it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from runlake.ingest.derive import DerivedRun
from runlake.ingest.large_payloads import NO_OBJECTS, LargePayloads, LongTail
from runlake.model.attachments import StoredAttachment, decode_attachments
from runlake.model.payload_ref import PayloadRef, decode_refs, encode_refs
from runlake.model.run import NO_ID, PAYLOAD_FIELDS, Entry, FieldValue, RunField, RunState
from runlake.model.run_card import RunCard, encode_card
from runlake.store.engine import Row, time_text

SETTLED: Final = "settled"
"""Status of the row that takes a run out of ``open_runs``."""

RUN_ROW_COLUMNS: Final = (
    "tenant_id",
    "session_id",
    "version",
    "replaces",
    "start_time",
    "id",
    "trace_id",
    "parent_run_id",
    "is_root",
    "dotted_order",
    "name",
    "run_type",
    "status",
    "end_time",
    "duration_us",
    "first_token_time",
    "thread_id",
    "reference_example_id",
    "has_error",
    "error",
    "tags",
    "metadata_keys",
    "metadata_values",
    "metadata_pairs",
    "input_pairs",
    "output_pairs",
    "more_pairs",
    "model",
    "provider",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cost",
    "completion_cost",
    "total_cost",
    "card",
    "inputs_preview",
    "outputs_preview",
    "inputs",
    "outputs",
    "extra",
    "events",
    "serialized",
    "attachments",
    "objects",
    "origin",
)


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Content of the column ``origin``: whether a create has come, and the rank of each field that was set."""

    created: bool
    ranks: dict[RunField, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A state as it lies in the store: where, and under which version."""

    tenant_id: UUID
    session_id: UUID
    start_time: int
    version: int
    state: RunState


def _card(session_id: UUID, state: RunState, derived: DerivedRun, silent_since: int | None) -> str:
    example_id = state.get(RunField.REFERENCE_EXAMPLE_ID)
    return encode_card(
        RunCard(
            session_id=str(session_id),
            trace_id=str(derived.trace_id),
            name=derived.name,
            run_type=derived.run_type,
            status=derived.status,
            parent_run_id=None if derived.parent_run_id == NO_ID else str(derived.parent_run_id),
            end_time=derived.end_time,
            first_token_time=derived.first_token_time,
            thread_id=derived.thread_id or None,
            reference_example_id=None if example_id is None else str(example_id),
            tags=list(derived.tags),
            total_tokens=derived.total_tokens,
            prompt_tokens=derived.prompt_tokens,
            completion_tokens=derived.completion_tokens,
            total_cost=_cost(derived.total_cost),
            prompt_cost=_cost(derived.prompt_cost),
            completion_cost=_cost(derived.completion_cost),
            usage_details=derived.usage_details.decode() or None,
            attachments=_files(state) or None,
            silent_since=silent_since,
        )
    )


_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
_SEARCHED: Final = (RunField.INPUTS, RunField.OUTPUTS)
"""Payloads whose text is in the row also when they are objects, in the order of their columns."""
_TEXT_MARK: Final = b"\0"
"""Never in JSON, which escapes it."""


def encode_head(tenant_id: UUID, session_id: UUID, *, version: int, replaces: int = 0) -> bytes:
    """The part of a row that its commit decides; a row is head and tail, a JSON array in ``RUN_ROW_COLUMNS`` order."""
    return b'["%s","%s",%d,%d,' % (str(tenant_id).encode(), str(session_id).encode(), version, replaces)


def encode_tail(
    session_id: UUID,
    state: RunState,
    derived: DerivedRun,
    payloads: LargePayloads = NO_OBJECTS,
    *,
    silent_since: int | None = None,
) -> bytes | LongTail:
    """The part of a row that the run's state decides, its project included; ``silent_since`` as on the card."""
    tail = _encode_tail(session_id, state, derived, silent_since)
    texts = [value for name in _SEARCHED if isinstance(value := state.get(name), PayloadRef)]
    if not texts:
        return tail
    between = tail.split(_TEXT_MARK)
    pieces = [piece for pair in zip(between, texts, strict=False) for piece in pair]
    return LongTail((*pieces, between[-1]), state.run_id, payloads)


def _encode_tail(session_id: UUID, state: RunState, derived: DerivedRun, silent_since: int | None) -> bytes:
    return _ENCODER.encode(
        (
            time_text(derived.start_time),
            state.run_id,
            derived.trace_id,
            derived.parent_run_id,
            derived.is_root,
            derived.dotted_order,
            derived.name,
            derived.run_type,
            derived.status,
            _time_or_none(derived.end_time),
            derived.duration_us,
            _time_or_none(derived.first_token_time),
            derived.thread_id,
            state.get(RunField.REFERENCE_EXAMPLE_ID) or NO_ID,
            derived.has_error,
            derived.error,
            derived.tags,
            derived.metadata_keys,
            derived.metadata_values,
            derived.metadata_pairs,
            derived.input_pairs,
            derived.output_pairs,
            derived.more_pairs,
            derived.model,
            derived.provider,
            derived.prompt_tokens,
            derived.completion_tokens,
            derived.total_tokens,
            _cost(derived.prompt_cost),
            _cost(derived.completion_cost),
            _cost(derived.total_cost),
            _card(session_id, state, derived, silent_since),
            derived.inputs_preview,
            derived.outputs_preview,
            *(_payload(state, name) for name in PAYLOAD_FIELDS),
            _payload(state, RunField.ATTACHMENTS),
            encode_refs(_refs(state)),
            encode_origin(state),
        )
    )[1:]


SETTLED_COLUMNS: Final = ("tenant_id", "id", "version", "status")


def encode_settled(tenant_id: UUID, run_id: UUID, version: int) -> bytes:
    """One JSON array in ``SETTLED_COLUMNS`` order: from ``version`` on, look for the run in ``runs``."""
    return _ENCODER.encode((tenant_id, run_id, version, SETTLED))


def encode_origin(state: RunState) -> str:
    origin = Origin(state.created, {name: entry.rank for name, entry in state.entries.items()})
    return msgspec.json.encode(origin).decode()


_ORIGIN_DECODER: Final = msgspec.json.Decoder(Origin)

STATE_SELECT: Final = (
    "tenant_id, session_id, toUnixTimestamp64Micro(start_time), id, version, trace_id, parent_run_id, dotted_order, "
    "name, run_type, toUnixTimestamp64Micro(end_time), reference_example_id, error, tags, "
    "if(objects = '', inputs, ''), if(objects = '', outputs, ''), "
    "extra, events, serialized, attachments, objects, origin"
)
"""What to select to get rows for ``decode_stored``."""

_STATE_FIELDS: Final = (
    (RunField.SESSION_ID, 1),
    (RunField.START_TIME, 2),
    (RunField.TRACE_ID, 5),
    (RunField.PARENT_RUN_ID, 6),
    (RunField.DOTTED_ORDER, 7),
    (RunField.NAME, 8),
    (RunField.RUN_TYPE, 9),
    (RunField.END_TIME, 10),
    (RunField.REFERENCE_EXAMPLE_ID, 11),
    (RunField.ERROR, 12),
    (RunField.TAGS, 13),
    (RunField.INPUTS, 14),
    (RunField.OUTPUTS, 15),
    (RunField.EXTRA, 16),
    (RunField.EVENTS, 17),
    (RunField.SERIALIZED, 18),
    (RunField.ATTACHMENTS, 19),
)
_UUID_FIELDS: Final = frozenset(
    {RunField.SESSION_ID, RunField.TRACE_ID, RunField.PARENT_RUN_ID, RunField.REFERENCE_EXAMPLE_ID}
)
_BYTES_FIELDS: Final = frozenset({*PAYLOAD_FIELDS, RunField.ATTACHMENTS})


def decode_stored(row: Row) -> StoredRun:
    """The stored run of one row of ``STATE_SELECT``."""
    refs, origin = decode_refs(str(row[20])), _ORIGIN_DECODER.decode(str(row[21]))
    entries = {
        name: Entry(origin.ranks[name], _field_value(name, refs.get(name, row[index])))
        for name, index in _STATE_FIELDS
        if name in origin.ranks
    }
    return StoredRun(
        tenant_id=UUID(str(row[0])),
        session_id=UUID(str(row[1])),
        start_time=int(str(row[2])),
        version=int(str(row[4])),
        state=RunState(UUID(str(row[3])), origin.created, entries),
    )


def _field_value(name: RunField, cell: object) -> FieldValue:
    if name in _UUID_FIELDS:
        return UUID(str(cell))
    if isinstance(cell, PayloadRef):
        return cell
    if name in _BYTES_FIELDS:
        return str(cell).encode()
    if isinstance(cell, list):
        return tuple(str(item) for item in cell)
    return cell if isinstance(cell, int) else str(cell)


def _payload(state: RunState, name: RunField) -> str | msgspec.Raw:
    """The cell of a payload: its text, or where that is in an object and searched, the mark that it is put at."""
    value = state.get(name)
    if isinstance(value, PayloadRef) and name in _SEARCHED:
        return msgspec.Raw(_TEXT_MARK)
    return value.decode() if isinstance(value, bytes) else ""


def _files(state: RunState) -> list[StoredAttachment]:
    value = state.get(RunField.ATTACHMENTS)
    return decode_attachments(value) if isinstance(value, bytes) else []


def _refs(state: RunState) -> dict[str, PayloadRef | str]:
    """The payloads that are objects; with them the inputs and outputs that are not, so that no read needs the texts."""
    refs = {name.value: value for name in PAYLOAD_FIELDS if isinstance(value := state.get(name), PayloadRef)}
    if not refs:
        return {}
    inline = {name.value: value.decode() for name in _SEARCHED if isinstance(value := state.get(name), bytes)}
    return {**refs, **inline}


def _time_or_none(us: int | None) -> str | None:
    return None if us is None else time_text(us)


def _cost(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
