"""Puts the parts of deletions together and starts their worker."""

from __future__ import annotations

from dataclasses import dataclass

from runlake.api.deletes import DeletionService
from runlake.deletes.retention import Retention
from runlake.deletes.service import Deletions
from runlake.deletes.worker import DeletionWorker
from runlake.ingest.writer import Writer
from runlake.query.matching_traces import MatchingTraces
from runlake.query.request import QueryLimits
from runlake.store.deletion_ledger import DeletionLedger
from runlake.wiring.foundation import Foundation
from runlake.wiring.objects import ObjectParts


@dataclass(frozen=True, slots=True)
class StartedDeletions:
    """The services, and the worker to close."""

    deletions: Deletions
    retention: Retention
    worker: DeletionWorker

    def services(self, foundation: Foundation, limits: QueryLimits) -> dict[str, object]:
        """What handlers ask for, by the name of their parameter."""
        ledger = foundation.ledger
        matching = MatchingTraces(moments=foundation.moments, live_projects=ledger.live_project_ids, limits=limits)
        return {
            "deletes": DeletionService(
                deletions=self.deletions, retention=self.retention, matching=matching, projects=ledger
            )
        }


def start_deletions(foundation: Foundation, writer: Writer, parts: ObjectParts) -> StartedDeletions:
    """On return everything that was deleted is hidden again, and the worker goes on with it."""
    ledger = foundation.ledger
    records = DeletionLedger(ledger)
    worker = DeletionWorker(engine=foundation.engine, projects=ledger, now_us=foundation.now_us)
    deletions = Deletions(
        engine=foundation.engine,
        moments=foundation.moments,
        writer=writer,
        store=records,
        wake=worker.wake,
        now_us=foundation.now_us,
        new_id=foundation.new_id,
        objects=parts.objects,
    )
    retention = Retention(
        deletions=deletions, store=records, live_projects=ledger.live_project_ids, now_us=foundation.now_us
    )
    worker.start(deletions, retention)
    return StartedDeletions(deletions, retention, worker)
