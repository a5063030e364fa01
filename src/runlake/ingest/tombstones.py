"""Keeps late writes from bringing back what was deleted on purpose.

``deleted_ids`` holds the ids of deleted traces and of their runs for 90 days (the table's TTL). A write for one of them
is acknowledged and dropped. Tenants that never deleted a trace pay nothing; others one lookup by key a commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog

from runlake.model.project import Feedback
from runlake.model.run import DERIVED_RANK, RunField, RunState
from runlake.store.engine import Engine, Params, Statement

_LOG: Final = structlog.get_logger("runlake.ingest")


class Tombstones:
    """Part of the writer's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        rows = engine.select(Statement("SELECT DISTINCT tenant_id FROM deleted_ids")).rows
        self._tenants = {UUID(str(row[0])) for row in rows}
        self.dropped = 0
        """Writes dropped since start, of runs and of feedback."""

    def note(self, tenant_id: UUID) -> None:
        """The tenant has tombstones from now on."""
        self._tenants.add(tenant_id)

    def deleted_runs(self, tenant_id: UUID, states: Mapping[UUID, RunState]) -> frozenset[UUID]:
        """Those of the runs, by id, whose trace was deleted."""
        if tenant_id not in self._tenants or not states:
            return frozenset()
        names = {run_id: _names(state) for run_id, state in states.items()}
        deleted = set(self._find(tenant_id, (name for named in names.values() for name in named)))
        found: set[UUID] = set()
        while more := {run for run, named in names.items() if run not in found and not deleted.isdisjoint(named)}:
            # A run may name nothing but its parent, which is among those that are dropped here.
            found |= more
            deleted |= more
        self._remember(tenant_id, found)
        return self._drop(found)

    def living_feedback(self, feedback: Sequence[Feedback]) -> Sequence[Feedback]:
        """The feedback that is not about a deleted trace."""
        judged: dict[UUID, set[UUID]] = {}
        for item in feedback:
            if item.tenant_id in self._tenants and not item.deleted:
                judged.setdefault(item.tenant_id, set()).update(_judged(item))
        deleted = {tenant_id: self._find(tenant_id, ids) for tenant_id, ids in judged.items()}
        dropped = {
            item.id for item in feedback if not deleted.get(item.tenant_id, frozenset()).isdisjoint(_judged(item))
        }
        self._drop(dropped)
        return [item for item in feedback if item.id not in dropped or item.deleted] if dropped else feedback

    def _find(self, tenant_id: UUID, ids: Iterable[UUID]) -> frozenset[UUID]:
        params = Params()
        tenant, wanted = params.add("UUID", tenant_id), params.add("Array(UUID)", tuple(set(ids)))
        sql = f"SELECT id FROM deleted_ids WHERE tenant_id = {tenant} AND id IN {wanted}"
        return frozenset(UUID(str(row[0])) for row in self._engine.select(Statement(sql, params.as_tuple())).rows)

    def _remember(self, tenant_id: UUID, dropped: set[UUID]) -> None:
        """Children of what is dropped are to be known as well."""
        if not dropped:
            return
        params = Params()
        tenant, ids = params.add("UUID", tenant_id), params.add("Array(UUID)", tuple(dropped))
        sql = f"INSERT INTO deleted_ids (tenant_id, id, deleted_at) SELECT {tenant}, arrayJoin({ids}), now()"
        self._engine.command(Statement(sql, params.as_tuple()))

    def _drop(self, found: set[UUID]) -> frozenset[UUID]:
        if found:
            self.dropped += len(found)
            _LOG.info("dropped writes to deleted traces", writes=len(found))
        return frozenset(found)


def _names(state: RunState) -> set[UUID]:
    """What tells the trace of a run: the trace that its sender names, else its parent and the run itself."""
    trace = state.entries.get(RunField.TRACE_ID)
    if trace is not None and trace.rank > DERIVED_RANK and isinstance(trace.value, UUID):
        return {trace.value}
    named = (state.run_id, state.get(RunField.TRACE_ID), state.get(RunField.PARENT_RUN_ID))
    return {name for name in named if isinstance(name, UUID)}


def _judged(feedback: Feedback) -> set[UUID]:
    return {name for name in (feedback.trace_id, feedback.run_id) if name is not None}
