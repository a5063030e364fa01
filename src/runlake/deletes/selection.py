"""Which traces an order names by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from runlake.deletes.service import Selection
from runlake.store.engine import Params, Statement


def named_traces(tenant_id: UUID, trace_ids: Sequence[UUID], project_id: UUID | None = None) -> Selection:
    """Traces by id, also such that have not arrived yet: a trace deleted on purpose stays deleted.

    With ``project_id``, those that have a run in the project, and those that nobody has seen.
    """

    def select(deletion_id: UUID) -> Statement:
        params = Params()
        deletion, tenant = params.add("UUID", deletion_id), params.add("UUID", tenant_id)
        named = params.add("Array(UUID)", tuple(trace_ids))
        sql = f"SELECT {deletion} AS deletion_id, {tenant} AS tenant_id, arrayJoin({named}) AS trace_id"
        if project_id is not None:
            runs = f"WHERE tenant_id = {tenant} AND trace_id IN {named}"
            known = f"SELECT trace_id FROM runs {runs} UNION ALL SELECT trace_id FROM open_runs {runs}"
            inside = f"{runs} AND session_id = {params.add('UUID', project_id)}"
            own = f"SELECT trace_id FROM runs {inside} UNION ALL SELECT trace_id FROM open_runs {inside}"
            sql = f"SELECT * FROM ({sql}) WHERE trace_id IN ({own}) OR trace_id NOT IN ({known})"
        return Statement(sql, params.as_tuple())

    return select
