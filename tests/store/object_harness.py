"""A store whose attachments and large payloads are objects in a directory, with the notes about them in a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from runlake.ingest.batch import IngestBatch
from runlake.ingest.object_sweep import ObjectSweeper
from runlake.ingest.offload import ObjectsInUse, OffloadingWriter
from runlake.model.run import RunWrite
from runlake.model.run_record import RunRecord, RunSelect
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.buckets import Bucket, LocalBucket
from runlake.store.ledger import Ledger
from runlake.store.object_ledger import LedgerObjectNotes
from runlake.store.object_notes import ObjectNotes
from runlake.store.objects import ObjectStore
from store.harness import TENANT, Clock, NamedProjects, OpenStore, open_store

PAYLOADS = frozenset(
    {RunSelect.INPUTS, RunSelect.OUTPUTS, RunSelect.EXTRA, RunSelect.EVENTS, RunSelect.SERIALIZED, RunSelect.S3_URLS}
)


@dataclass
class ObjectHarness:
    """``folder`` is where the objects lie, when they lie in one."""

    store: OpenStore
    objects: ObjectStore
    notes: ObjectNotes
    in_use: ObjectsInUse
    writer: OffloadingWriter
    sweeper: ObjectSweeper
    folder: Path

    def write(self, *runs: RunWrite, tenant_id: UUID = TENANT) -> None:
        asyncio.run(self.writer.write(IngestBatch(tenant_id=tenant_id, runs=runs)))

    def page(
        self, select: frozenset[RunSelect] = PAYLOADS, limits: QueryLimits | None = None, *, rows: int = 100
    ) -> list[RunRecord]:
        """One page of the project that the writes of the harness go to."""
        session = NamedProjects().resolve(TENANT, session_id=None, session_name="p")
        fetcher = RunFetcher(self.store.engine, limits or QueryLimits(), self.objects)
        query = RunQuery(tenant_id=TENANT, sessions=(session,), select=select, page_rows=rows)
        return fetcher.page(query, self.store.moments.current(TENANT)).runs

    def files(self) -> list[str]:
        """Names of the objects on disk, without folders and suffixes."""
        return sorted(path.name.partition(".")[0] for path in self.folder.rglob("*") if path.is_file())

    def pass_time(self, minutes: int) -> None:
        self.store.clock.us += minutes * 60_000_000


@contextmanager
def open_object_store(
    path: Path, clock: Clock | None = None, *, threshold_bytes: int = 100, bucket: Bucket | None = None
) -> Iterator[ObjectHarness]:
    """Open (or reopen) everything below ``path``; payloads of ``threshold_bytes`` and more become objects."""
    clock = clock or Clock()
    path.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(path / "ledger", now=clock.now_us, new_id=uuid4)
    folder = path / "objects"
    objects, notes, in_use = (
        ObjectStore(bucket or LocalBucket(folder)),
        LedgerObjectNotes(ledger, now_us=clock.now_us),
        ObjectsInUse(),
    )
    try:
        with open_store(path / "engine", clock, objects=objects, note_dropped=notes.note_dropped) as store:
            writer = OffloadingWriter(
                store.writer, objects=objects, notes=notes, in_use=in_use, threshold_bytes=threshold_bytes
            )
            sweeper = ObjectSweeper(engine=store.engine, objects=objects, notes=notes, in_use=in_use)
            yield ObjectHarness(store, objects, notes, in_use, writer, sweeper, folder)
    finally:
        ledger.close()
