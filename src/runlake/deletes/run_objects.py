"""Attachments and large payloads of deleted runs: removed while their rows are hidden, because only rows name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol
from uuid import UUID

from runlake.deletes.target import Target, TargetSql
from runlake.store.engine import Engine

_AT_ONCE: Final = 10_000


class RunObjects(Protocol):
    """Where objects lie (``store.objects.ObjectStore`` outside tests)."""

    def delete_runs(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> None:
        """Remove every object of the runs; may be repeated."""
        ...


def remove_objects(
    engine: Engine, objects: RunObjects | None, target: Target, table: Literal["runs", "open_runs"]
) -> None:
    """Remove the objects of those runs of a target that lie in one table; a run that has left it keeps its own."""
    if objects is None:
        return
    sql = TargetSql(target)
    current = sql.current if table == "runs" else sql.current_open
    has_objects = "(objects != '' OR attachments != '')"
    found = sql.statement(f"SELECT DISTINCT id FROM {table} WHERE {current} AND {has_objects}")
    ids = [UUID(str(row[0])) for row in engine.select(found).rows]
    for start in range(0, len(ids), _AT_ONCE):
        objects.delete_runs(target.tenant_id, ids[start : start + _AT_ONCE])
