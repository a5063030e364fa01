"""Deletes open runs, which live in the writer's memory as well as in the store."""

from __future__ import annotations

from uuid import UUID

from runlake.ingest.open_set import OpenSet
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moments
from runlake.store.mutations import start_mutation


def erase_open_runs(engine: Engine, moments: Moments, open_set: OpenSet, tenant_id: UUID, doomed: Statement) -> None:
    """Erase the open runs of a tenant whose ids ``doomed`` selects.

    Runs in the writer's thread, so that no write can bring a run back in between. Every row of such a run goes, also
    its settled mark and rows it had in another project before.
    """
    keys = [(tenant_id, UUID(str(row[0]))) for row in engine.select(doomed).rows]
    alive = tuple(run_id for _, run_id in keys if (tenant_id, run_id) in open_set)
    if not alive:
        return
    params = Params()
    tenant, ids = params.add("UUID", tenant_id), params.add("Array(UUID)", alive)
    # Not waited for: the rows are hidden until a deletion is masked, and that waits.
    sql = f"DELETE FROM open_runs WHERE tenant_id = {tenant} AND has({ids}, id)"
    start_mutation(engine, Statement(sql, params.as_tuple()))
    for run_id in alive:
        open_set.remove((tenant_id, run_id))
    moments.publish(0, opened={tenant_id: open_set.rows_of(tenant_id)})
