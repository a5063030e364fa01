"""Objects of runs: attachments and large payloads, outside the rows that name them.

An object is addressed by tenant, run and the SHA-256 of its content, so that a retry writes what is there already, all
of a run lies under one prefix, and tenants share nothing. ``docs/decisions/0005-blobs.md`` says why.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Final
from uuid import UUID

from runlake.errors import MissingObjectError
from runlake.model.attachments import FileBytes
from runlake.model.payload_ref import PayloadRef
from runlake.store.buckets import Bucket

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_BYTES: Final = 1 << 20
"""Bytes handled at a time, whatever the size of an object."""

_ZSTD_LEVEL: Final = 1
_PAYLOAD_SUFFIX: Final = ".json.zst"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """Address of an object; ``digest`` is the SHA-256 of the plain content in hex."""

    tenant_id: UUID
    run_id: UUID
    digest: str

    @property
    def path(self) -> str:
        """Path without the suffix that payloads have."""
        return f"{run_prefix(self.tenant_id, self.run_id)}{self.digest}"


def run_prefix(tenant_id: UUID, run_id: UUID) -> str:
    """Where everything of a run lies. The folder between is from the random end of the id, not from its time."""
    return f"{tenant_id}/{run_id.hex[-2:]}/{run_id}/"


def digest_of(data: FileBytes) -> str:
    """SHA-256 in hex."""
    digest = sha256()
    for piece in _slices(data):
        digest.update(piece)
    return digest.hexdigest()


class ObjectStore:
    """Reads and writes objects in one bucket. Thread-safe; every method blocks."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put_payload(self, key: ObjectKey, data: bytes) -> None:
        """Store JSON compressed; durable on return."""
        self._bucket.write(key.path + _PAYLOAD_SUFFIX, _compressed(data))

    def put_attachment(self, key: ObjectKey, data: FileBytes) -> None:
        """Store a file as it is; durable on return."""
        self._bucket.write(key.path, _slices(data))

    def payload(self, tenant_id: UUID, run_id: UUID, ref: PayloadRef) -> bytes:
        """The JSON bytes as received; MissingObjectError when they are gone or damaged."""
        whole = BytesIO()
        for chunk in self.payload_chunks(tenant_id, run_id, ref):
            whole.write(chunk)
        return whole.getvalue()

    def payload_chunks(self, tenant_id: UUID, run_id: UUID, ref: PayloadRef) -> Iterator[bytes]:
        """As ``payload``, a chunk at a time; a damaged object fails before its last chunk is given out."""
        path = ObjectKey(tenant_id, run_id, ref.digest).path + _PAYLOAD_SUFFIX
        decoder = zstd.ZstdDecompressor()
        size = 0
        for stored in self._stored_chunks(path):
            try:
                chunk = decoder.decompress(stored)
            except (zstd.ZstdError, EOFError) as error:
                raise MissingObjectError(f"the object {path} is damaged: {error}") from error
            size += len(chunk)
            yield chunk
        if size != ref.size_bytes or not decoder.eof:
            raise MissingObjectError(f"the object {path} is damaged: {size} of {ref.size_bytes} bytes are left")

    def attachment_chunks(self, key: ObjectKey, start: int, end: int) -> Iterator[bytes]:
        """Bytes ``start`` to ``end``, the last not included, of a file."""
        while start < end:
            chunk = self._bucket.read(key.path, start, min(CHUNK_BYTES, end - start))
            if not chunk:
                raise MissingObjectError(f"the object {key.path} is damaged: it ends at byte {start}")
            start += len(chunk)
            yield chunk

    def exists(self, key: ObjectKey) -> bool:
        """Whether the object is there, be it a file or a payload."""
        return self._bucket.exists(key.path) or self._bucket.exists(key.path + _PAYLOAD_SUFFIX)

    def delete(self, key: ObjectKey) -> None:
        """Remove one object; no matter if it is there."""
        self._bucket.delete(key.path)
        self._bucket.delete(key.path + _PAYLOAD_SUFFIX)

    def delete_runs(self, tenant_id: UUID, run_ids: Iterable[UUID]) -> None:
        """Remove every object of the runs; may be repeated, runs without objects cost little."""
        for run_id in run_ids:
            self._bucket.delete_below(run_prefix(tenant_id, run_id))

    def _stored_chunks(self, path: str) -> Iterator[bytes]:
        start = 0
        while chunk := self._bucket.read(path, start, CHUNK_BYTES):
            start += len(chunk)
            yield chunk


def _slices(data: FileBytes) -> Iterator[bytes | memoryview]:
    view = memoryview(data) if isinstance(data, bytes) else data
    for start in range(0, len(view), CHUNK_BYTES):
        yield view[start : start + CHUNK_BYTES]


def _compressed(data: bytes) -> Iterator[bytes]:
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    for piece in _slices(data):
        yield compressor.compress(piece)
    yield compressor.flush()
