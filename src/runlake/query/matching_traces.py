"""The traces of the runs that a query finds: what a deletion by filter means, from the plan of every other query."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from runlake.query.plan import scoped, statement_settings
from runlake.query.read_request import LiveProjects, read_run_query
from runlake.query.request import QueryLimits
from runlake.store.engine import Statement
from runlake.store.moment import Moments
from runlake.wire.run_queries import RunQuerySpec


class MatchingTraces:
    """Makes selects of traces; each sees the moment at which it is made."""

    def __init__(self, *, moments: Moments, live_projects: LiveProjects, limits: QueryLimits) -> None:
        self._moments = moments
        self._live_projects = live_projects
        self._settings = statement_settings(limits)

    def selection(self, spec: RunQuerySpec, *, tenant_id: UUID) -> Callable[[UUID], Statement]:
        """From the id of a deletion to a select of deletion id, tenant id, trace id; FilterError for a bad filter."""
        query = read_run_query(spec, tenant_id=tenant_id, live_projects=self._live_projects)

        def select(deletion_id: UUID) -> Statement:
            scope, conditions = scoped(query, self._moments.current(tenant_id))
            deletion = scope.params.add("UUID", deletion_id)
            runs = scope.select("tenant_id, trace_id", conditions)
            sql = f"SELECT DISTINCT {deletion} AS deletion_id, tenant_id, trace_id FROM ({runs})"
            return scope.statement(sql, self._settings)

        return select
