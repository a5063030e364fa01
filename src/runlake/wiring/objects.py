"""Puts together what has to do with objects: where they lie, who writes, serves and removes them."""

from __future__ import annotations

from dataclasses import dataclass

from runlake.api.attachments import AttachmentService
from runlake.config import Settings
from runlake.ingest.batch import BatchWriter
from runlake.ingest.object_sweep import ObjectSweeper
from runlake.ingest.offload import ObjectsInUse, OffloadingWriter
from runlake.query.service import RunQueries
from runlake.store.buckets import OBJECTS_FOLDER, Bucket, LocalBucket
from runlake.store.engine import Engine
from runlake.store.object_ledger import LedgerObjectNotes
from runlake.store.object_notes import ObjectNotes
from runlake.store.objects import ObjectStore
from runlake.wire.attachment_links import EXAMPLE_LINK_KEY, LINK_KEY, AttachmentLinks
from runlake.wiring.foundation import Foundation


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

    def start_sweeper(self, engine: Engine) -> ObjectSweeper:
        """What removes objects that no row names; to be closed."""
        sweeper = ObjectSweeper(engine=engine, objects=self.objects, notes=self.notes, in_use=self.in_use)
        sweeper.start()
        return sweeper

    def services(self, runs: RunQueries) -> dict[str, object]:
        """What handlers ask for, by the name of their parameter."""
        return {
            "attachments": AttachmentService(links=self.links, runs=runs, objects=self.objects),
        }


def open_objects(foundation: Foundation) -> ObjectParts:
    """Objects below the data directory, or where the settings say; SettingsError for a place that cannot be used."""
    settings = foundation.settings
    return ObjectParts(
        objects=ObjectStore(_open_bucket(settings)),
        notes=LedgerObjectNotes(foundation.ledger, now_us=foundation.now_us),
        in_use=ObjectsInUse(),
        links=_links(foundation, LINK_KEY, "attachments"),
        example_links=_links(foundation, EXAMPLE_LINK_KEY, "example-attachments"),
        threshold_bytes=settings.payload_threshold_bytes,
    )


def _links(foundation: Foundation, key: str, folder: str) -> AttachmentLinks:
    return AttachmentLinks(
        foundation.ledger.secret(key),
        now_us=foundation.now_us,
        valid_s=foundation.settings.attachment_link_seconds,
        public_url=foundation.settings.public_url,
        folder=folder,
    )


def _open_bucket(settings: Settings) -> Bucket:
    if settings.objects_url is None:
        return LocalBucket(settings.data / OBJECTS_FOLDER)
    # Brings in the client library of object stores, which costs start-up time that the default need not pay.
    from runlake.store.remote_bucket import RemoteBucket  # noqa: PLC0415 - see above

    return RemoteBucket(settings.objects_url)
