"""Payloads of a state wherever they are: in the state itself, or in an object that it names."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from runlake.errors import StoreError
from runlake.model.payload_ref import PayloadRef
from runlake.model.run import RunField, RunState
from runlake.store.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class LargePayloads:
    """Reads the payloads of one tenant's runs; without objects only such as lie in the state."""

    objects: ObjectStore | None
    tenant_id: UUID

    def read(self, state: RunState, name: RunField) -> bytes | None:
        """The JSON bytes; None where the run has none."""
        value = state.get(name)
        if isinstance(value, PayloadRef):
            return self._store().payload(self.tenant_id, state.run_id, value)
        return value if isinstance(value, bytes) else None

    def chunks(self, run_id: UUID, ref: PayloadRef) -> Iterator[bytes]:
        """The JSON bytes of an object, a chunk at a time."""
        return self._store().payload_chunks(self.tenant_id, run_id, ref)

    def _store(self) -> ObjectStore:
        if self.objects is None:
            raise StoreError("a run names an object, and the server was put together without objects")
        return self.objects


NO_OBJECTS: Final = LargePayloads(None, UUID(int=0))
"""For states that name none."""


@dataclass(frozen=True, slots=True)
class LongTail:
    """The end of a row with texts that are too large to be held: they are read while the row is being written."""

    pieces: tuple[bytes | PayloadRef, ...]
    run_id: UUID
    payloads: LargePayloads
    head: bytes = b""

    def __len__(self) -> int:
        """Bytes of the row, but for the escapes in its large texts."""
        sizes = (piece.size_bytes if isinstance(piece, PayloadRef) else len(piece) for piece in self.pieces)
        return len(self.head) + sum(sizes)

    def __radd__(self, head: bytes) -> LongTail:
        """The whole row."""
        return LongTail(self.pieces, self.run_id, self.payloads, head)

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        for piece in self.pieces:
            if isinstance(piece, PayloadRef):
                yield from _json_string(self.payloads.chunks(self.run_id, piece))
            else:
                yield piece


def _json_string(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """UTF-8 text as a JSON string; a character may lie across two chunks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    yield b'"'
    for chunk in chunks:
        yield msgspec.json.encode(decoder.decode(chunk))[1:-1]
    yield b'"'
