"""Deletions and retention rules in the ledger. Every method blocks; one that returns has been fsynced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from runlake.errors import NotFoundError
from runlake.model.deletion import Contents, Deletion, DeletionKind, DeletionState, RetentionRule
from runlake.model.run import NO_ID
from runlake.store.deletion_schema import DELETIONS, RETENTION_RULES
from runlake.store.ledger import Ledger

_STAMPS: Final = {DeletionState.MASKED: DELETIONS.c.masked_at, DeletionState.DONE: DELETIONS.c.done_at}


class DeletionLedger:
    """What outlives a process. ``unfinished`` is for the worker, which serves all tenants."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, deletion: Deletion) -> None:
        """Record an order: from here on it will be carried out, whatever happens to this process."""
        with self._ledger.writing() as connection:
            connection.execute(sa.insert(DELETIONS).values(**_to_row(deletion)))

    def advance(self, deletions: Iterable[Deletion], state: DeletionState, at_us: int) -> None:
        """Note that the deletions have reached a state."""
        with self._ledger.writing() as connection:
            for deletion in deletions:
                connection.execute(
                    sa.update(DELETIONS)
                    .where(DELETIONS.c.tenant_id == deletion.tenant_id, DELETIONS.c.id == deletion.id)
                    .values({DELETIONS.c.state: state.value, _STAMPS[state]: at_us})
                )

    def read(self, tenant_id: UUID, deletion_id: UUID) -> Deletion:
        """NotFoundError when the tenant has ordered none of that id."""
        query = sa.select(DELETIONS).where(DELETIONS.c.tenant_id == tenant_id, DELETIONS.c.id == deletion_id)
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError(f"no deletion has the id {deletion_id}", field="deletion_id")
        return _from_row(row)

    def newest(self, tenant_id: UUID, *, limit: int) -> list[Deletion]:
        """The newest deletions of a tenant."""
        query = sa.select(DELETIONS).where(DELETIONS.c.tenant_id == tenant_id)
        return self._many(query.order_by(DELETIONS.c.created_at.desc(), DELETIONS.c.id).limit(limit))

    def unfinished(self) -> list[Deletion]:
        """Of all tenants, oldest first."""
        query = sa.select(DELETIONS).where(DELETIONS.c.state != DeletionState.DONE.value)
        return self._many(query.order_by(DELETIONS.c.created_at, DELETIONS.c.id))

    def set_rule(self, rule: RetentionRule) -> None:
        """Set the rule of a project, or the tenant's default; it replaces the one before."""
        key = (
            RETENTION_RULES.c.tenant_id == rule.tenant_id,
            RETENTION_RULES.c.project_id == (rule.project_id or NO_ID),
        )
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(RETENTION_RULES).where(*key))
            connection.execute(
                sa.insert(RETENTION_RULES).values(
                    tenant_id=rule.tenant_id,
                    project_id=rule.project_id or NO_ID,
                    days=rule.days,
                    updated_at=rule.updated_at,
                )
            )

    def drop_rule(self, tenant_id: UUID, project_id: UUID) -> None:
        """Let a project follow the tenant's default again; harmless when it does."""
        with self._ledger.writing() as connection:
            connection.execute(
                sa.delete(RETENTION_RULES).where(
                    RETENTION_RULES.c.tenant_id == tenant_id, RETENTION_RULES.c.project_id == project_id
                )
            )

    def rules(self, tenant_id: UUID) -> dict[UUID | None, RetentionRule]:
        """The rules of a tenant by project; its default under None."""
        query = sa.select(RETENTION_RULES).where(RETENTION_RULES.c.tenant_id == tenant_id)
        with self._ledger.reading() as connection:
            rules = [_rule(row) for row in connection.execute(query).mappings()]
        return {rule.project_id: rule for rule in rules}

    def tenants_with_rules(self) -> list[UUID]:
        """Tenants for whom a retention pass has something to look at."""
        query = sa.select(RETENTION_RULES.c.tenant_id).where(RETENTION_RULES.c.days.is_not(None)).distinct()
        with self._ledger.reading() as connection:
            return list(connection.execute(query).scalars())

    def _many(self, query: sa.Select[Any]) -> list[Deletion]:
        with self._ledger.reading() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]


def _to_row(deletion: Deletion) -> dict[str, Any]:
    return {
        "tenant_id": deletion.tenant_id,
        "id": deletion.id,
        "kind": deletion.kind.value,
        "state": deletion.state.value,
        "project_id": deletion.project_id,
        "traces": deletion.contents.traces,
        "runs": deletion.contents.runs,
        "feedback": deletion.contents.feedback,
        "disk_bytes": deletion.contents.disk_bytes,
        "created_at": deletion.created_at,
        "masked_at": deletion.masked_at,
        "done_at": deletion.done_at,
    }


def _from_row(row: Any) -> Deletion:
    return Deletion(
        tenant_id=row["tenant_id"],
        id=row["id"],
        kind=DeletionKind(row["kind"]),
        state=DeletionState(row["state"]),
        project_id=row["project_id"],
        contents=Contents(
            traces=row["traces"], runs=row["runs"], feedback=row["feedback"], disk_bytes=row["disk_bytes"]
        ),
        created_at=row["created_at"],
        masked_at=row["masked_at"],
        done_at=row["done_at"],
    )


def _rule(row: Any) -> RetentionRule:
    project_id = None if row["project_id"] == NO_ID else row["project_id"]
    return RetentionRule(
        tenant_id=row["tenant_id"], project_id=project_id, days=row["days"], updated_at=row["updated_at"]
    )
