"""Ordering a deletion: stage what it means, count it, commit it, hide it. Blocks.

The steps and their order are those of ``docs/decisions/0006-deletes.md``. The ledger's row is the commit point; all
that ``carry_into_writer`` does can be repeated, and is, at every start, for deletions that are still hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from runlake.deletes.contents import read_contents, read_left
from runlake.deletes.masking import mark_feedback
from runlake.deletes.run_objects import RunObjects, remove_objects
from runlake.deletes.target import Target, TargetSql
from runlake.ingest.erase import erase_open_runs
from runlake.ingest.writer import DeletingWriter, Writer
from runlake.model.deletion import Contents, Deletion, DeletionKind, DeletionState, Left
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moments

Selection = Callable[[UUID], Statement]
"""From the id of a deletion to a select of its rows of ``hidden_traces``: deletion id, tenant id, trace id."""


class DeletionStore(Protocol):
    """Where orders are kept (``store.deletion_ledger.DeletionLedger`` outside tests)."""

    def add(self, deletion: Deletion) -> None: ...

    def read(self, tenant_id: UUID, deletion_id: UUID) -> Deletion: ...

    def newest(self, tenant_id: UUID, *, limit: int) -> list[Deletion]: ...

    def unfinished(self) -> list[Deletion]: ...

    def advance(self, deletions: Sequence[Deletion], state: DeletionState, at_us: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """Orders deletions. ``wake`` tells the worker that there is something to do."""

    engine: Engine
    moments: Moments
    writer: Writer
    store: DeletionStore
    wake: Callable[[], None]
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]
    objects: RunObjects | None = None

    def order(
        self,
        tenant_id: UUID,
        selection: Selection,
        kind: DeletionKind = DeletionKind.TRACES,
        project_id: UUID | None = None,
    ) -> Deletion:
        """Delete the selected traces; on return they are gone from every answer."""
        deletion_id = self.new_id()
        target = Target(tenant_id, (deletion_id,), None)
        self._stage(selection(deletion_id))
        try:
            return self._commit(self._deletion(target, kind, project_id))
        except BaseException:
            self._forget_uncommitted(deletion_id)
            raise

    def preview(self, tenant_id: UUID, selection: Selection) -> Contents:
        """What ``order`` would delete; changes nothing."""
        deletion_id = self.new_id()
        self._stage(selection(deletion_id))
        try:
            return read_contents(self.engine, Target(tenant_id, (deletion_id,), None))
        finally:
            unstage(self.engine, deletion_id)

    def order_project(self, tenant_id: UUID, project_id: UUID) -> Deletion:
        """Remove the rows of a project that the ledger calls deleted."""
        target = Target(tenant_id, (self.new_id(),), project_id)
        return self._commit(self._deletion(target, DeletionKind.PROJECT, project_id))

    def read(self, tenant_id: UUID, deletion_id: UUID) -> tuple[Deletion, Left]:
        """How far a deletion is, and what the disk still holds of it."""
        deletion = self.store.read(tenant_id, deletion_id)
        if deletion.state is DeletionState.DONE:
            return deletion, Left()
        return deletion, read_left(self.engine, Target.of([deletion]))

    def newest(self, tenant_id: UUID, *, limit: int) -> list[Deletion]:
        """The newest deletions of the tenant."""
        return self.store.newest(tenant_id, limit=limit)

    def resume(self) -> list[Deletion]:
        """At start: hide again what was hidden, drop what nobody committed; the deletions that are not done."""
        unfinished = self.store.unfinished()
        known = {deletion.id for deletion in unfinished}
        for row in self.engine.select(Statement("SELECT DISTINCT deletion_id FROM hidden_traces")).rows:
            if UUID(str(row[0])) not in known:
                unstage(self.engine, UUID(str(row[0])))
        for deletion in unfinished:
            if deletion.state is DeletionState.HIDDEN:
                self._hide(deletion)
                self.writer.delete_between_commits(self._carrying(deletion)).result()
        return unfinished

    def end_hiding(self, masked: Sequence[Deletion]) -> None:
        """The engine skips the rows of these deletions of one tenant now."""
        self.moments.end_hiding(masked[0].tenant_id, {deletion.id for deletion in masked})

    def between_commits(self, work: Callable[[], None]) -> None:
        """Run ``work`` while nothing is written, and wait for it."""
        self.writer.run_exclusively(work).result()

    def _deletion(self, target: Target, kind: DeletionKind, project_id: UUID | None) -> Deletion:
        return Deletion(
            tenant_id=target.tenant_id,
            id=target.deletions[0],
            kind=kind,
            state=DeletionState.HIDDEN,
            project_id=project_id,
            contents=read_contents(self.engine, target),
            created_at=self.now_us(),
        )

    def _commit(self, deletion: Deletion) -> Deletion:
        carry = self._carrying(deletion)

        def commit(writer: DeletingWriter) -> None:
            self.store.add(deletion)
            self._hide(deletion)
            carry(writer)

        try:
            self.writer.delete_between_commits(commit).result()
        finally:
            self.wake()
        return deletion

    def _hide(self, deletion: Deletion) -> None:
        """A deleted project is hidden by the ledger, which no longer lists it."""
        if deletion.kind is not DeletionKind.PROJECT:
            self.moments.hide(deletion.tenant_id, deletion.id)

    def _carrying(self, deletion: Deletion) -> Callable[[DeletingWriter], None]:
        return lambda writer: carry_into_writer(self, deletion, writer)

    def _stage(self, statement: Statement) -> None:
        sql = f"INSERT INTO hidden_traces (deletion_id, tenant_id, trace_id) {statement.sql}"
        self.engine.command(Statement(sql, statement.params, statement.settings))

    def _forget_uncommitted(self, deletion_id: UUID) -> None:
        """Drop a selection unless the ledger knows it: then it is carried out whatever went wrong after."""
        if all(deletion.id != deletion_id for deletion in self.store.unfinished()):
            unstage(self.engine, deletion_id)


def carry_into_writer(service: Deletions, deletion: Deletion, writer: DeletingWriter) -> None:
    """What no write may come between: tombstones, delete marks for feedback, open runs. May be repeated."""
    engine, moments, target = service.engine, service.moments, Target.of([deletion])
    if deletion.kind is DeletionKind.TRACES:
        _stamp_traces(engine, target)
        writer.tombstones.note(deletion.tenant_id)
    version = writer.next_version()
    mark_feedback(engine, target, version)
    remove_objects(engine, service.objects, target, "open_runs")
    sql = TargetSql(target)
    doomed = sql.statement(f"SELECT DISTINCT id FROM open_runs WHERE {sql.current_open}")
    erase_open_runs(engine, moments, writer.open_set, deletion.tenant_id, doomed)
    moments.publish(version)


def _stamp_traces(engine: Engine, target: Target) -> None:
    params = Params()
    tenant, named = params.add("UUID", target.tenant_id), params.add("Array(UUID)", target.deletions)
    traces = (
        f"SELECT tenant_id, trace_id, now() FROM hidden_traces WHERE tenant_id = {tenant} AND deletion_id IN {named}"
    )
    engine.command(Statement(f"INSERT INTO deleted_ids (tenant_id, id, deleted_at) {traces}", params.as_tuple()))
    sql = TargetSql(target)
    runs = f"SELECT DISTINCT tenant_id, id, now() FROM open_runs WHERE {sql.current_open}"
    engine.command(sql.statement(f"INSERT INTO deleted_ids (tenant_id, id, deleted_at) {runs}"))


def unstage(engine: Engine, deletion_id: UUID) -> None:
    """Drop the staged traces of a deletion; harmless when there are none."""
    engine.command(Statement(f"ALTER TABLE hidden_traces DROP PARTITION '{deletion_id}'"))
