"""Which rows a deletion means, as SQL. The tenant is part of every condition made here.

A run belongs to a deletion by the trace, or the project, of its current row. Rows that it has left behind (another
version, a former trace) are found by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from runlake.model.deletion import Deletion, DeletionKind
from runlake.model.run import NO_ID
from runlake.store.engine import Params, Statement


@dataclass(frozen=True, slots=True)
class Target:
    """The rows of some deletions of one tenant: those of ``project_id``, or those of staged traces."""

    tenant_id: UUID
    deletions: tuple[UUID, ...]
    project_id: UUID | None

    @classmethod
    def of(cls, deletions: Sequence[Deletion]) -> Target:
        """Of one deletion of a project, or of any number of others of one tenant."""
        first = deletions[0]
        project_id = first.project_id if first.kind is DeletionKind.PROJECT else None
        return cls(first.tenant_id, tuple(deletion.id for deletion in deletions), project_id)


class TargetSql:
    """Conditions of one statement on the rows of a target; ``params`` collects its values."""

    def __init__(self, target: Target) -> None:
        self.params = Params()
        self.tenant = self.params.add("UUID", target.tenant_id)
        self._is_project = target.project_id is not None
        if target.project_id is not None:
            self._doomed = f"session_id = {self.params.add('UUID', target.project_id)}"
        else:
            self._doomed = f"trace_id IN ({self._traces(target)})"

    def _traces(self, target: Target) -> str:
        named = self.params.add("Array(UUID)", target.deletions)
        return f"SELECT trace_id FROM hidden_traces WHERE tenant_id = {self.tenant} AND deletion_id IN {named}"

    @property
    def rows(self) -> str:
        """Rows of ``runs`` or ``open_runs`` that lie in a doomed trace or project."""
        return f"tenant_id = {self.tenant} AND {self._doomed}"

    @property
    def current(self) -> str:
        """Rows of ``runs`` that are the latest of their run."""
        return f"{self.rows} AND version NOT IN ({self._replaced})"

    @property
    def current_open(self) -> str:
        """Rows of ``open_runs`` that are the latest of a run that is open."""
        latest = f"SELECT max(version) FROM open_runs WHERE tenant_id = {self.tenant} GROUP BY id"
        return f"{self.rows} AND version IN ({latest}) AND status != 'settled'"

    @property
    def feedback(self) -> str:
        """Rows of ``feedback`` on the runs, traces or project."""
        judged = f"SELECT run_id FROM feedback WHERE tenant_id = {self.tenant}"
        none = self.params.add("UUID", NO_ID)
        runs = (
            f"SELECT id FROM runs WHERE {self.current} AND id IN ({judged})"
            f" UNION ALL SELECT id FROM open_runs WHERE {self.current_open}"
        )
        about = self._doomed if not self._is_project else f"{self._doomed} AND run_id = {none}"
        return f"tenant_id = {self.tenant} AND (({about}) OR run_id IN ({runs}))"

    @property
    def left_behind(self) -> str:
        """Rows of ``runs`` outside the target that a run of the target has replaced."""
        ids = f"SELECT id FROM runs WHERE {self.rows}"
        return f"tenant_id = {self.tenant} AND NOT ({self._doomed}) AND id IN ({ids}) AND version IN ({self._replaced})"

    @property
    def _replaced(self) -> str:
        return f"SELECT replaces FROM runs WHERE tenant_id = {self.tenant} AND replaces > 0"

    def statement(self, sql: str, **settings: int) -> Statement:
        """The finished statement."""
        return Statement(sql, self.params.as_tuple(), settings)
