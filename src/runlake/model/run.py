"""The run: what one write says about it, and how writes combine.

A run's state is a map from field to (rank, value). Combining two states keeps, field by field, the entry of the higher
rank, so order, splitting and repetition of writes cannot change the result: the state is a last-writer-wins map. Ranks
say who wins: a create loses to any patch, a patch without an end loses to one with an end, a later end wins. Between
equal ranks the first create stays and the last patch wins. Attachments are the one exception: they unite. Imports
nothing of ours beyond this package; no SQL, no wire spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final
from uuid import UUID

from runlake.model.attachments import Attachment, merge_attachments
from runlake.model.payload_ref import PayloadRef

NO_ID: Final = UUID(int=0)
"""Stored where an id is absent, because a Nullable key column costs reads."""


class RunType(StrEnum):
    TOOL = "tool"
    CHAIN = "chain"
    LLM = "llm"
    RETRIEVER = "retriever"
    EMBEDDING = "embedding"
    PROMPT = "prompt"
    PARSER = "parser"


class RunStatus(StrEnum):
    SUCCESS = "success"
    ERROR = "error"
    PENDING = "pending"


class RunField(StrEnum):
    """Every field a write can set, in wire spelling where the wire has one."""

    TRACE_ID = "trace_id"
    DOTTED_ORDER = "dotted_order"
    PARENT_RUN_ID = "parent_run_id"
    SESSION_ID = "session_id"
    NAME = "name"
    RUN_TYPE = "run_type"
    START_TIME = "start_time"
    END_TIME = "end_time"
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    ERROR = "error"
    EXTRA = "extra"
    EVENTS = "events"
    SERIALIZED = "serialized"
    TAGS = "tags"
    REFERENCE_EXAMPLE_ID = "reference_example_id"
    ATTACHMENTS = "attachments"

    # States are dictionaries over these; the hash that Enum brings is a Python call at every access.
    __hash__ = str.__hash__


FieldValue = UUID | str | int | bytes | tuple[str, ...] | PayloadRef
"""By field: ids are UUID, times are int microseconds since 1970 UTC, payload JSON is bytes or names an object,
attachments (see ``model.attachments``) are bytes, tags are a tuple, the rest str."""

PAYLOAD_FIELDS: Final = (
    RunField.INPUTS,
    RunField.OUTPUTS,
    RunField.EXTRA,
    RunField.EVENTS,
    RunField.SERIALIZED,
)
"""Fields whose value is raw JSON, kept byte for byte."""


class WriteKind(Enum):
    CREATE = "create"
    PATCH = "patch"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWrite:
    """One create or patch as received and validated; absent and null fields are simply not in ``fields``.

    ``session_name`` is resolved to ``SESSION_ID`` before merging; ``size_bytes`` is what the write weighs in memory.
    ``attachments`` are files as received; they become objects, and the field that names them, before merging.
    """

    kind: WriteKind
    run_id: UUID
    fields: Mapping[RunField, FieldValue]
    session_name: str | None = None
    size_bytes: int = 0
    attachments: tuple[Attachment, ...] = ()


Rank = int
DERIVED_RANK: Final[Rank] = -1
"""Of what the server worked out because nobody said it; anything that a sender says replaces it."""

CREATE_RANK: Final[Rank] = 0
PATCH_RANK: Final[Rank] = 1
"""A patch that carries an end time ranks as that end time in microseconds, far above both."""


@dataclass(frozen=True, slots=True)
class Entry:
    rank: Rank
    value: FieldValue


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything known of one run. ``created`` is whether a create has arrived."""

    run_id: UUID
    created: bool = False
    entries: Mapping[RunField, Entry] = field(default_factory=dict)

    def get(self, name: RunField) -> FieldValue | None:
        entry = self.entries.get(name)
        return None if entry is None else entry.value

    @property
    def complete(self) -> bool:
        """Created and ended: nothing more is expected."""
        return self.created and RunField.END_TIME in self.entries

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the payload."""
        return 400 + sum(len(e.value) for e in self.entries.values() if isinstance(e.value, (bytes, str)))


def rank_of(write: RunWrite) -> Rank:
    """The rank of every entry a write brings."""
    if write.kind is WriteKind.CREATE:
        return CREATE_RANK
    end_time = write.fields.get(RunField.END_TIME)
    return max(PATCH_RANK, end_time) if isinstance(end_time, int) else PATCH_RANK


def _unite_attachments(old: Entry | None, new: Entry) -> Entry:
    """All files of both; a patch adds to the files of the create (seen in the SDK's tests), whichever comes first."""
    if old is None or not isinstance(old.value, bytes) or not isinstance(new.value, bytes):
        return Entry(CREATE_RANK, new.value)
    return Entry(CREATE_RANK, merge_attachments(old.value, new.value))


def merge_write(state: RunState, write: RunWrite) -> RunState:
    """``state`` with ``write`` applied; returns ``state`` itself when the write changes nothing."""
    if write.attachments:
        raise ValueError("attachments must have become objects before their write is merged")
    rank = rank_of(write)
    keeps_equal = write.kind is WriteKind.CREATE
    changed: dict[RunField, Entry] = {}
    for name, value in write.fields.items():
        old = state.entries.get(name)
        if name is RunField.ATTACHMENTS:
            united = _unite_attachments(old, Entry(rank, value))
            if united != old:
                changed[name] = united
        elif old is None or rank > old.rank or (rank == old.rank and not keeps_equal and value != old.value):
            changed[name] = Entry(rank, value)
    created = state.created or write.kind is WriteKind.CREATE
    if not changed and created == state.created:
        return state
    return RunState(state.run_id, created, {**state.entries, **changed})


def with_derived(state: RunState, name: RunField, value: FieldValue) -> RunState:
    """``state`` with a value that the server worked out; what a sender said stays."""
    old = state.entries.get(name)
    if old is not None and old.rank > DERIVED_RANK:
        return state
    return RunState(state.run_id, state.created, {**state.entries, name: Entry(DERIVED_RANK, value)})


def merge_states(left: RunState, right: RunState) -> RunState:
    """The state that holds what both know; equal ranks keep ``left``."""
    entries = dict(left.entries)
    for name, entry in right.entries.items():
        old = entries.get(name)
        if name is RunField.ATTACHMENTS:
            entries[name] = _unite_attachments(old, entry)
        elif old is None or entry.rank > old.rank:
            entries[name] = entry
    return RunState(left.run_id, left.created or right.created, entries)


def fold_writes(run_id: UUID, writes: Iterable[RunWrite]) -> RunState:
    """The state after ``writes`` alone, in the order given."""
    state = RunState(run_id)
    for write in writes:
        state = merge_write(state, write)
    return state
