"""Puts together what has to do with objects: where they lie, who writes, serves and removes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runlake.api.attachments import AttachmentService
from runlake.config import Settings
from runlake.ingest.batch import BatchWriter
from runlake.ingest.object_sweep import ObjectSweeper
from runlake.ingest.offload import ObjectsInUse, OffloadingWriter
from runlake.query.service import RunQueries
from runlake.store.buckets import Bucket, LocalBucket
from runlake.store.engine import Engine
from runlake.store.ledger import Ledger
from runlake.store.object_ledger import LedgerObjectNotes
from runlake.store.object_notes import ObjectNotes
from runlake.store.objects import ObjectStore
from runlake.wire.attachment_links import EXAMPLE_LINK_KEY, LINK_KEY, AttachmentLinks

OBJECTS_FOLDER = "objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectParts:
    """What the rest of the server is given."""

    objects: ObjectStore
    notes: ObjectNotes
    in_use: ObjectsInUse
    links: AttachmentLinks
    example_links: AttachmentLinks
    threshold_bytes: int

    def in_front_of(self, writer: BatchWriter) -> OffloadingWriter:
        """The writer that requests go to."""
        return OffloadingWriter(
            writer, objects=self.objects, notes=self.notes, in_use=self.in_use, threshold_bytes=self.threshold_bytes
        )

    def sweeper(self, engine: Engine) -> ObjectSweeper:
        """Not started."""
        return ObjectSweeper(engine=engine, objects=self.objects, notes=self.notes, in_use=self.in_use)

    def services(self, runs: RunQueries) -> dict[str, object]:
        """What handlers ask for, by the name of their parameter."""
        return {
            "attachment_links": self.links,
            "attachments": AttachmentService(links=self.links, runs=runs, objects=self.objects),
        }


def open_objects(settings: Settings, ledger: Ledger, *, now_us: Callable[[], int]) -> ObjectParts:
    """Objects below the data directory, or where the settings say; SettingsError for a place that cannot be used."""
    return ObjectParts(
        objects=ObjectStore(_open_bucket(settings)),
        notes=LedgerObjectNotes(ledger, now_us=now_us),
        in_use=ObjectsInUse(),
        links=_links(settings, ledger, LINK_KEY, "attachments", now_us),
        example_links=_links(settings, ledger, EXAMPLE_LINK_KEY, "example-attachments", now_us),
        threshold_bytes=settings.payload_threshold_bytes,
    )


def _links(settings: Settings, ledger: Ledger, key: str, folder: str, now_us: Callable[[], int]) -> AttachmentLinks:
    return AttachmentLinks(
        ledger.secret(key),
        now_us=now_us,
        valid_s=settings.attachment_link_seconds,
        public_url=settings.public_url,
        folder=folder,
    )


def _open_bucket(settings: Settings) -> Bucket:
    if settings.objects_url is None:
        return LocalBucket(settings.data / OBJECTS_FOLDER)
    # Brings in the client library of object stores, which costs start-up time that the default need not pay.
    from runlake.store.remote_bucket import RemoteBucket  # noqa: PLC0415 - see above

    return RemoteBucket(settings.objects_url)
