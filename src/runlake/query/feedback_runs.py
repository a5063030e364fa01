"""Where judged runs lie, for listings of feedback by project."""

from __future__ import annotations

from uuid import UUID

from runlake.query.scope import RunScope
from runlake.store.columns import RUN_COLUMNS
from runlake.store.engine import Params
from runlake.store.feedback import RunsOf
from runlake.store.moment import Moments


def judged_runs(moments: Moments) -> RunsOf:
    """SQL of the ids of the runs that lie in some projects now and have feedback."""

    def runs_of(params: Params, tenant_id: UUID, sessions: tuple[UUID, ...]) -> str:
        moment = moments.current(tenant_id)
        scope = RunScope(tenant_id=tenant_id, sessions=sessions, moment=moment, params=params, columns=RUN_COLUMNS)
        return scope.select("id", [f"id IN (SELECT run_id FROM feedback WHERE tenant_id = {scope.tenant})"])

    return runs_of
