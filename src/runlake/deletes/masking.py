"""From hidden to masked to gone: what the engine is told, bounded by the months that hold rows of the target.

Order matters wherever one row keeps another out of sight: feedback before its delete marks, rows that a run has left
behind before the row that replaced them, oldest first. Every step may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from runlake.deletes.contents import TABLES
from runlake.deletes.run_objects import RunObjects, remove_objects
from runlake.deletes.target import Target, TargetSql
from runlake.model.deletion import DeletionKind
from runlake.store.engine import Engine, Params, Row, Statement
from runlake.store.mutations import EVERYTHING, start_mutation, wait_for_mutations

_WAIT_S: Final = 15.0
"""Longest that a step waits for the engine; what takes longer goes on by itself and is met again at the next try."""


def stamp_ids(engine: Engine, target: Target) -> None:
    """Remember the runs of traces that were deleted on purpose."""
    for table in ("runs", "open_runs"):
        sql = TargetSql(target)
        current = sql.current if table == "runs" else sql.current_open
        engine.command(
            sql.statement(
                "INSERT INTO deleted_ids (tenant_id, id, deleted_at)"
                f" SELECT DISTINCT tenant_id, id, now() FROM {table} WHERE {current}"
            )
        )


def mark_feedback(engine: Engine, target: Target, version: int) -> None:
    """Write a delete mark over all feedback on the target; it counts from ``version`` on."""
    sql = TargetSql(target)
    at = sql.params.add("UInt64", version)
    kept = "session_id, trace_id, created_at, modified_at"
    engine.command(
        sql.statement(
            f"INSERT INTO feedback (tenant_id, key, run_id, id, version, deleted, {kept})"
            f" SELECT tenant_id, key, run_id, id, {at}, 1, {kept} FROM feedback FINAL WHERE {sql.feedback}"
        )
    )


def mask(engine: Engine, target: Target, kind: DeletionKind, objects: RunObjects | None = None) -> None:
    """Have the engine skip all rows of the target; nothing outside it comes to light on the way."""
    remove_objects(engine, objects, target, "runs")
    if kind is DeletionKind.TRACES:
        stamp_ids(engine, target)
    for is_mark in (0, 1):
        sql = TargetSql(target)
        _delete(engine, sql, "feedback", f"{sql.feedback} AND deleted = {is_mark}")
    _mask_left_behind(engine, target)
    sql = TargetSql(target)
    ids = f"SELECT id FROM runs WHERE {sql.rows}"
    _delete(
        engine,
        sql,
        "open_runs",
        f"tenant_id = {sql.tenant} AND status != 'settled' AND (({sql.rows}) OR id IN ({ids}))",
    )
    for month in months(engine, target):
        sql = TargetSql(target)
        _change(engine, "runs", sql.statement(f"DELETE FROM runs IN PARTITION {month} WHERE {sql.rows}"))


def _change(engine: Engine, table: str, statement: Statement) -> None:
    """Have the engine change rows, after whatever it is changing already; StoreUnavailableError while that takes."""
    wait_for_mutations(engine, (table,), wait_s=_WAIT_S)
    start_mutation(engine, statement)
    wait_for_mutations(engine, (table,), wait_s=_WAIT_S)


def _delete(engine: Engine, sql: TargetSql, table: str, condition: str) -> None:
    """Mask rows, if there are any: a mutation that finds none still visits every part."""
    if engine.select(sql.statement(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1")).rows:
        _change(engine, table, sql.statement(f"DELETE FROM {table} WHERE {condition}"))


def _mask_left_behind(engine: Engine, target: Target) -> None:
    while True:
        sql = TargetSql(target)
        found = engine.select(
            sql.statement(f"SELECT min(version) FROM runs WHERE {sql.left_behind} GROUP BY tenant_id, id")
        ).rows
        if not found:
            return
        params = Params()
        tenant = params.add("UUID", target.tenant_id)
        versions = params.add("Array(UInt64)", tuple(int(str(row[0])) for row in found))
        sql_text = f"DELETE FROM runs WHERE tenant_id = {tenant} AND has({versions}, version)"
        _change(engine, "runs", Statement(sql_text, params.as_tuple()))


def months(engine: Engine, target: Target, **settings: int) -> list[int]:
    """Partitions of ``runs`` with rows of the target."""
    sql = TargetSql(target)
    rows = engine.select(
        sql.statement(
            f"SELECT DISTINCT toYYYYMM(start_time) AS month FROM runs WHERE {sql.rows} ORDER BY month", **settings
        )
    ).rows
    return [int(str(row[0])) for row in rows]


def rewrite(engine: Engine, targets: Sequence[Target], between_commits: Callable[[Callable[[], None]], None]) -> None:
    """Write the parts that hold masked rows of the targets anew, without them.

    A month with nothing else in it is dropped, which costs nothing; between two commits, so that no run comes in then.
    """
    for month in sorted({month for target in targets for month in months(engine, target, **EVERYTHING)}):
        if _is_empty(engine, month):
            between_commits(lambda month=month: _drop_if_empty(engine, month))  # type: ignore[misc]
        else:
            _change(engine, "runs", Statement(f"ALTER TABLE runs APPLY DELETED MASK IN PARTITION {month}"))
    for table in TABLES[1:]:
        _change(engine, table, Statement(f"ALTER TABLE {table} APPLY DELETED MASK"))


def _is_empty(engine: Engine, month: int) -> bool:
    found: list[Row] = engine.select(Statement(f"SELECT 1 FROM runs WHERE toYYYYMM(start_time) = {month} LIMIT 1")).rows
    return not found


def _drop_if_empty(engine: Engine, month: int) -> None:
    if _is_empty(engine, month):
        engine.command(Statement(f"ALTER TABLE runs DROP PARTITION {month}"))
