"""Retention: which traces have expired, what a rule would take, and the pass that orders their deletion.

A trace has expired when none of its runs is open and each of them started before the limit of the project it lies in;
so a trace is whole until it is gone, and one that spans projects is kept as long as any of them wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog

from runlake.deletes.service import Deletions, Selection
from runlake.model.deletion import Contents, DeletionKind, RetentionRule
from runlake.store.engine import Engine, Params, Statement

_LOG: Final = structlog.get_logger("runlake.deletes")
_DAY_US: Final = 86_400_000_000
MAX_DAYS: Final = 36_500
"""Longest that a rule may keep; a hundred years."""
TRACES_AT_ONCE: Final = 100_000
"""Most traces of one deletion of a pass; the next follows at once, so that no step holds the writer for long."""


class RetentionStore(Protocol):
    """Where rules are kept (``store.deletion_ledger.DeletionLedger`` outside tests)."""

    def set_rule(self, rule: RetentionRule) -> None: ...

    def drop_rule(self, tenant_id: UUID, project_id: UUID) -> None: ...

    def rules(self, tenant_id: UUID) -> dict[UUID | None, RetentionRule]: ...

    def tenants_with_rules(self) -> list[UUID]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Rules of all tenants. Blocks."""

    deletions: Deletions
    store: RetentionStore
    live_projects: Callable[[UUID], tuple[UUID, ...]]
    now_us: Callable[[], int]

    def rule(self, tenant_id: UUID, project_id: UUID | None) -> tuple[int | None, bool]:
        """For how many days (None is for ever) traces are kept, and whether that is the tenant's default."""
        rules = self.store.rules(tenant_id)
        return _days(rules, project_id), project_id not in rules

    def set_rule(self, tenant_id: UUID, project_id: UUID | None, days: int | None) -> None:
        """Keep traces of the project, or of all without a rule of their own, for so many days; None is for ever."""
        self.store.set_rule(
            RetentionRule(tenant_id=tenant_id, project_id=project_id, days=days, updated_at=self.now_us())
        )

    def drop_rule(self, tenant_id: UUID, project_id: UUID) -> None:
        """Let the project follow the tenant's default."""
        self.store.drop_rule(tenant_id, project_id)

    def preview(self, tenant_id: UUID, project_id: UUID, days: int | None) -> Contents:
        """What the next pass would delete from the project if it kept traces for ``days``."""
        if days is None:
            return Contents()
        limits = {**self._limits(tenant_id), project_id: self.now_us() - days * _DAY_US}
        return self.deletions.preview(tenant_id, _expired(self.deletions, tenant_id, project_id, limits, at_most=None))

    def expire(self) -> int:
        """Order the deletion of everything that has expired; the number of deletions."""
        ordered = 0
        for tenant_id in self.store.tenants_with_rules():
            limits = self._limits(tenant_id)
            for project_id in [project for project, limit in limits.items() if limit]:
                ordered += self._expire(tenant_id, project_id, limits)
        return ordered

    def _expire(self, tenant_id: UUID, project_id: UUID, limits: Mapping[UUID, int]) -> int:
        ordered = 0
        selection = _expired(self.deletions, tenant_id, project_id, limits, at_most=TRACES_AT_ONCE)
        while _finds(self.deletions.engine, selection):
            deletion = self.deletions.order(tenant_id, selection, DeletionKind.RETENTION, project_id)
            _LOG.info("expired", project_id=str(project_id), traces=deletion.contents.traces)
            ordered += 1
            if deletion.contents.traces < TRACES_AT_ONCE:
                break
        return ordered

    def _limits(self, tenant_id: UUID) -> dict[UUID, int]:
        """The time before which each project's traces have expired; 0 where they never do."""
        rules, now_us = self.store.rules(tenant_id), self.now_us()
        days = {project_id: _days(rules, project_id) for project_id in self.live_projects(tenant_id)}
        return {project_id: 0 if kept is None else now_us - kept * _DAY_US for project_id, kept in days.items()}


def _days(rules: Mapping[UUID | None, RetentionRule], project_id: UUID | None) -> int | None:
    rule = rules.get(project_id) or rules.get(None)
    return None if rule is None else rule.days


def _finds(engine: Engine, selection: Selection) -> bool:
    statement = selection(UUID(int=0))
    sql = f"SELECT count() FROM (SELECT 1 FROM ({statement.sql}) LIMIT 1)"
    return int(str(engine.select(Statement(sql, statement.params)).rows[0][0])) > 0


def _expired(
    deletions: Deletions, tenant_id: UUID, project_id: UUID, limits: Mapping[UUID, int], *, at_most: int | None
) -> Selection:
    def select(deletion_id: UUID) -> Statement:
        params = Params()
        tenant, project = params.add("UUID", tenant_id), params.add("UUID", project_id)
        limit = params.add("Int64", limits[project_id])
        projects = params.add("Array(UUID)", tuple(limits))
        starts = params.add("Array(Int64)", tuple(limits.values()))
        named = params.add("Array(UUID)", deletions.moments.current(tenant_id).hidden_deletions)
        hidden = f"SELECT trace_id FROM hidden_traces WHERE tenant_id = {tenant} AND deletion_id IN {named}"
        old = (
            f"SELECT trace_id FROM runs WHERE tenant_id = {tenant} AND session_id = {project}"
            f" AND start_time < fromUnixTimestamp64Micro({limit}) AND trace_id NOT IN ({hidden})"
        )
        # A project that is gone, and so not in the list, keeps no trace.
        own_limit = f"arrayElement({starts}, indexOf({projects}, session_id))"
        young = (
            f"SELECT trace_id FROM runs WHERE tenant_id = {tenant} AND has({projects}, session_id)"
            f" AND start_time >= fromUnixTimestamp64Micro({own_limit}) AND trace_id IN ({old})"
        )
        latest = f"SELECT max(version) FROM open_runs WHERE tenant_id = {tenant} GROUP BY id"
        is_open = f"version IN ({latest}) AND status != 'settled'"
        unended = f"SELECT trace_id FROM open_runs WHERE tenant_id = {tenant} AND {is_open}"
        tail = "" if at_most is None else f" LIMIT {int(at_most)}"
        deletion = params.add("UUID", deletion_id)
        return Statement(
            f"SELECT DISTINCT {deletion} AS deletion_id, {tenant} AS tenant_id, trace_id FROM ({old})"
            f" WHERE trace_id NOT IN ({young}) AND trace_id NOT IN ({unended}){tail}",
            params.as_tuple(),
        )

    return select
