"""Which objects a state or a write names, and which a commit lets go of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

from runlake.model.attachments import decode_attachments
from runlake.model.payload_ref import PayloadRef
from runlake.model.run import PAYLOAD_FIELDS, FieldValue, RunField, RunState, RunWrite
from runlake.store.objects import ObjectKey

NoteDropped = Callable[[Sequence[ObjectKey]], None]
"""Told of objects that the commit at hand will leave without a run, before anything of it is on disk."""


def objects_bytes(state: RunState) -> int:
    """How large the payloads of the run are that are objects; 0 when none is."""
    return sum(ref.size_bytes for name in PAYLOAD_FIELDS if isinstance(ref := state.get(name), PayloadRef))


def dropped_objects(tenant_id: UUID, before: RunState, writes: Iterable[RunWrite], after: RunState) -> list[ObjectKey]:
    """Objects that the run had or the writes brought, and that its new state does not name."""
    had = set(_named_by(before.get))
    for write in writes:
        had.update(_named_by(write.fields.get))
    dropped = had.difference(_named_by(after.get)) if had else had
    return [ObjectKey(tenant_id, after.run_id, digest) for digest in sorted(dropped)]


def named_objects(tenant_id: UUID, state: RunState) -> list[ObjectKey]:
    """Every object of the run."""
    return [ObjectKey(tenant_id, state.run_id, digest) for digest in sorted(set(_named_by(state.get)))]


def _named_by(get: Callable[[RunField], FieldValue | None]) -> Iterator[str]:
    for name in PAYLOAD_FIELDS:
        value = get(name)
        if isinstance(value, PayloadRef):
            yield value.digest
    files = get(RunField.ATTACHMENTS)
    if isinstance(files, bytes):
        yield from (file.digest for file in decode_attachments(files))
