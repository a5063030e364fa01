"""Takes attachments and large payloads out of writes, before they queue up for a commit.

Runs in the request's own thread. When a write joins the queue its objects are on disk, so a commit never names what is
not there, and what waits in the queue are names instead of megabytes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from runlake.ingest.batch import BatchWriter, IngestBatch
from runlake.model.attachments import Attachment, StoredAttachment, encode_attachments
from runlake.model.payload_ref import PayloadRef
from runlake.model.run import PAYLOAD_FIELDS, FieldValue, RunField, RunWrite
from runlake.store.object_notes import ObjectNotes
from runlake.store.objects import ObjectKey, ObjectStore, digest_of

PAYLOAD_THRESHOLD_BYTES: Final = 1 << 20
"""Payloads of this size and more are objects, unless a setting says otherwise."""


HELPER_THREADS: Final = 8
"""Threads that write objects beside each other, all requests together."""


class ObjectsInUse:
    """Which objects requests are writing or committing right now, so that no sweep takes them for orphans."""

    def __init__(self) -> None:
        self._pins: Counter[ObjectKey] = Counter()
        self._arrived: set[ObjectKey] = set()
        self._lock = threading.Lock()

    def pin(self, keys: Iterable[ObjectKey]) -> None:
        """These are about to be written; waits while a sweep decides."""
        with self._lock:
            self._pins.update(keys)

    def unpin(self, keys: Iterable[ObjectKey], *, committed: bool) -> None:
        """Their request is over."""
        with self._lock:
            for key in keys:
                self._pins[key] -= 1
                if not self._pins[key]:
                    del self._pins[key]
                if committed:
                    self._arrived.add(key)

    def take_arrived(self) -> list[ObjectKey]:
        """What commits have taken up since the last call."""
        with self._lock:
            arrived, self._arrived = self._arrived, set()
            return list(arrived)

    @contextmanager
    def unused(self, keys: Iterable[ObjectKey]) -> Iterator[list[ObjectKey]]:
        """Those of ``keys`` that no request uses; none begins to use one while the context lasts."""
        with self._lock:
            yield [key for key in keys if key not in self._pins]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A batch without its objects, and their keys."""

    batch: IngestBatch
    keys: tuple[ObjectKey, ...]


class OffloadingWriter:
    """``BatchWriter`` in front of another one, which gets names where files and large payloads were."""

    def __init__(
        self,
        writer: BatchWriter,
        *,
        objects: ObjectStore,
        notes: ObjectNotes,
        in_use: ObjectsInUse,
        threshold_bytes: int = PAYLOAD_THRESHOLD_BYTES,
    ) -> None:
        self._writer = writer
        self._objects = objects
        self._notes = notes
        self._in_use = in_use
        self._threshold_bytes = threshold_bytes
        self._helpers = ThreadPoolExecutor(HELPER_THREADS, thread_name_prefix="runlake-offload")

    async def write(self, batch: IngestBatch) -> None:
        """As the writer behind; what cannot be stored as an object is not written at all."""
        if not any(self._has_objects(write) for write in batch.runs):
            await self._writer.write(batch)
            return
        # The caller's frames hold no other reference: from here on the payloads are free.
        batch, keys = await self._offload(batch)
        committed = False
        try:
            await self._writer.write(batch)
            committed = True
        finally:
            self._in_use.unpin(keys, committed=committed)

    def _put_all(self, puts: Sequence[Callable[[], None]]) -> None:
        """Side by side, because each waits for the disk several times; on return all are done, or one has failed."""
        if len(puts) == 1:
            puts[0]()
            return
        running = [self._helpers.submit(put) for put in puts]
        # Also after a failure: what still runs must not outlive the pins of this request.
        wait(running)
        for done in running:
            done.result()

    async def _offload(self, batch: IngestBatch) -> tuple[IngestBatch, Sequence[ObjectKey]]:
        stored = await asyncio.to_thread(self._store, batch)
        return stored.batch, stored.keys

    def _has_objects(self, write: RunWrite) -> bool:
        return bool(write.attachments) or any(True for _ in self._large(write))

    def _large(self, write: RunWrite) -> Iterator[tuple[RunField, bytes]]:
        for name in PAYLOAD_FIELDS:
            value = write.fields.get(name)
            if isinstance(value, bytes) and len(value) >= self._threshold_bytes:
                yield name, value

    def _store(self, batch: IngestBatch) -> _Stored:
        stored = [_StoredWrite(batch, write, dict(self._large(write))) for write in batch.runs]
        keys = tuple(key for item in stored for key in item.keys)
        self._in_use.pin(keys)
        try:
            self._notes.note_arriving(keys)
            self._put_all([put for item in stored for put in item.puts(self._objects)])
        except BaseException:
            self._in_use.unpin(keys, committed=False)
            raise
        return _Stored(replace(batch, runs=tuple(item.result for item in stored)), keys)


class _StoredWrite:
    """One write, the objects in it, and what is left of it without them."""

    def __init__(self, batch: IngestBatch, write: RunWrite, large: dict[RunField, bytes]) -> None:
        refs = {name: PayloadRef(digest_of(data), len(data)) for name, data in large.items()}
        files = [_named(attachment) for attachment in write.attachments]

        def key(digest: str) -> ObjectKey:
            return ObjectKey(batch.tenant_id, write.run_id, digest)

        self._payloads = [(key(refs[name].digest), data) for name, data in large.items()]
        self._files = [(key(file.digest), sent.data) for file, sent in zip(files, write.attachments, strict=True)]
        self.keys = tuple(item for item, _ in (*self._payloads, *self._files))
        self.result = _without_objects(write, refs, files)

    def puts(self, objects: ObjectStore) -> list[Callable[[], None]]:
        """What has to be done before the write may be committed, each by itself."""
        payloads = [partial(objects.put_payload, key, data) for key, data in self._payloads]
        return [*payloads, *(partial(objects.put_attachment, key, data) for key, data in self._files)]


def _named(sent: Attachment) -> StoredAttachment:
    return StoredAttachment(sent.name, sent.mime_type, digest_of(sent.data), len(sent.data))


def _without_objects(
    write: RunWrite, refs: Mapping[RunField, PayloadRef], files: Sequence[StoredAttachment]
) -> RunWrite:
    fields: dict[RunField, FieldValue] = {**write.fields, **refs}
    if files:
        fields[RunField.ATTACHMENTS] = encode_attachments(files)
    return replace(write, fields=fields, attachments=())
