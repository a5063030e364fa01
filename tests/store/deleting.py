"""Deletions over a harness store: the services as the server wires them, and a worker that the test steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from runlake.deletes.contents import read_left
from runlake.deletes.masking import mask, rewrite
from runlake.deletes.retention import Retention
from runlake.deletes.run_objects import RunObjects
from runlake.deletes.selection import named_traces
from runlake.deletes.service import Deletions
from runlake.deletes.target import Target
from runlake.model.deletion import Deletion, DeletionState, Left
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.deletion_ledger import DeletionLedger
from runlake.store.ledger import Ledger
from store.harness import TENANT, Clock, OpenStore, open_store

PROJECT = uuid5(TENANT, "p")


@dataclass
class Deleting:
    """One open store with its ledger. Nothing is masked or rewritten unless the test says so."""

    store: OpenStore
    records: DeletionLedger
    deletions: Deletions
    retention: Retention

    def delete(self, *trace_ids: UUID, tenant_id: UUID = TENANT) -> Deletion:
        return self.deletions.order(tenant_id, named_traces(tenant_id, trace_ids))

    def mask(self, deletion: Deletion) -> None:
        mask(self.store.engine, Target.of([deletion]), deletion.kind, self.deletions.objects)
        self.records.advance([deletion], DeletionState.MASKED, 1)
        self.deletions.end_hiding([deletion])

    def rewrite(self, *deletions: Deletion) -> None:
        rewrite(self.store.engine, [Target.of([each]) for each in deletions], self.deletions.between_commits)

    def steps(self, deletion: Deletion) -> Iterator[DeletionState]:
        """Every state of a hidden deletion, one after the other."""
        yield DeletionState.HIDDEN
        self.mask(deletion)
        yield DeletionState.MASKED
        self.rewrite(deletion)
        yield DeletionState.DONE

    def left(self, deletion: Deletion) -> Left:
        return read_left(self.store.engine, Target.of([deletion]))

    def ids(self, tenant_id: UUID = TENANT, *sessions: UUID) -> list[str]:
        """Ids of every run that a query shows, as often as it shows them."""
        query = RunQuery(tenant_id=tenant_id, sessions=sessions or (uuid5(tenant_id, "p"),), page_rows=10_000)
        page = RunFetcher(self.store.engine, QueryLimits()).page(query, self.store.moments.current(tenant_id))
        return sorted(run.id for run in page.runs)


@contextmanager
def open_deleting(
    folder: Path,
    *,
    clock: Clock | None = None,
    objects: RunObjects | None = None,
    live_projects: Callable[[UUID], tuple[UUID, ...]] = lambda tenant_id: (uuid5(tenant_id, "p"),),
) -> Iterator[Deleting]:
    """Open (or reopen) engine and ledger below ``folder`` and take up what is under way, as a start does."""
    with open_store(folder / "engine", clock) as store:
        ledger = Ledger.open(folder / "ledger.sqlite3", now=store.clock.now_us, new_id=uuid4)
        try:
            records = DeletionLedger(ledger)
            deletions = Deletions(
                engine=store.engine,
                moments=store.moments,
                writer=store.writer,
                store=records,
                wake=lambda: None,
                now_us=store.clock.now_us,
                new_id=uuid4,
                objects=objects,
            )
            deletions.resume()
            retention = Retention(
                deletions=deletions, store=records, live_projects=live_projects, now_us=store.clock.now_us
            )
            yield Deleting(store, records, deletions, retention)
        finally:
            ledger.close()
