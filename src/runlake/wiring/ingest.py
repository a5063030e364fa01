"""Puts together what takes runs in: the writer, and what stands between requests and it."""

from __future__ import annotations

from runlake.api.body_budget import BodyBudget
from runlake.api.feedback import Stamps
from runlake.api.ingest import IngestService
from runlake.ingest.batch import BatchWriter
from runlake.ingest.costs import CostBook
from runlake.ingest.replaced_sweep import ReplacedSweeper
from runlake.ingest.writer import Writer
from runlake.wiring.foundation import Foundation
from runlake.wiring.objects import ObjectParts
from runlake.wiring.operations import Operations


def start_writer(foundation: Foundation, operations: Operations, parts: ObjectParts) -> Writer:
    """On return it knows every run that may still change, and takes batches."""
    writer = Writer(
        engine=foundation.engine,
        moments=foundation.moments,
        projects=foundation.ledger,
        prices=CostBook(),
        now_us=foundation.now_us,
        observe_commit=operations.metrics.observe_commit,
        check_space=operations.reserve.check,
        max_pending_bytes=foundation.settings.max_pending_bytes,
        commit_window_ms=foundation.settings.commit_window_ms,
        objects=parts.objects,
        note_dropped=parts.notes.note_dropped,
    )
    writer.start()
    return writer


def start_replaced_sweeper(foundation: Foundation, operations: Operations) -> ReplacedSweeper:
    """What removes rows of runs that were replaced; to be closed."""
    sweeper = ReplacedSweeper(
        engine=foundation.engine,
        moments=foundation.moments,
        now_us=foundation.now_us,
        check_space=operations.reserve.check,
    )
    sweeper.start()
    return sweeper


def ingest_services(foundation: Foundation, operations: Operations, writer: BatchWriter) -> dict[str, object]:
    """What handlers ask for, by the name of their parameter; their batches go to ``writer``."""
    settings = foundation.settings
    return {
        "ingest": IngestService(
            writer=writer,
            bodies=BodyBudget(settings.max_pending_bytes),
            max_decoded_body_bytes=settings.max_decoded_body_bytes,
            now_us=foundation.now_us,
            new_id=foundation.new_id,
            count_refused=operations.metrics.count_refused,
            spool_directory=settings.data,
        ),
        "stamps": Stamps(now_us=foundation.now_us, new_id=foundation.new_id),
    }
