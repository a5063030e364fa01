"""What a target holds, and what of it the disk still holds after it was hidden."""

from __future__ import annotations

from typing import Final

from runlake.deletes.target import Target, TargetSql
from runlake.model.deletion import Contents, Left
from runlake.store.engine import Engine, Statement
from runlake.store.mutations import EVERYTHING

TABLES: Final = ("runs", "open_runs", "feedback")
"""Tables with rows of deleted traces."""


def read_contents(engine: Engine, target: Target) -> Contents:
    """Counts of what every query shows of the target at this moment."""
    sql = TargetSql(target)
    runs = (
        f"SELECT trace_id, id FROM runs WHERE {sql.current}"
        f" UNION ALL SELECT trace_id, id FROM open_runs WHERE {sql.current_open}"
    )
    row = engine.select(sql.statement(f"SELECT uniqExact(trace_id), uniqExact(id) FROM ({runs})")).rows[0]
    judged = TargetSql(target)
    feedback = engine.select(judged.statement(f"SELECT count() FROM feedback FINAL WHERE {judged.feedback}")).rows[0]
    return Contents(
        traces=_whole(row[0]),
        runs=_whole(row[1]),
        feedback=_whole(feedback[0]),
        disk_bytes=_read_left(engine, target)[1],
    )


def read_left(engine: Engine, target: Target) -> Left:
    """Rows of runs that files still hold, whether or not the engine skips them."""
    runs, disk_bytes = _read_left(engine, target)
    return Left(runs=runs, disk_bytes=disk_bytes)


def _read_left(engine: Engine, target: Target) -> tuple[int, int]:
    runs, disk_bytes = 0, 0
    for table in ("runs", "open_runs"):
        sql = TargetSql(target)
        by_part = f"SELECT _part AS part, count() AS found FROM {table} WHERE {sql.rows} GROUP BY part"
        rows = engine.select(
            sql.statement(
                "SELECT sum(found), toUInt64(sum(found * p.bytes_on_disk / p.rows))"
                f" FROM ({by_part}) AS d INNER JOIN system.parts AS p ON p.name = d.part"
                f" WHERE p.database = currentDatabase() AND p.table = '{table}' AND p.active",
                **EVERYTHING,
            )
        ).rows
        runs += _whole(rows[0][0])
        disk_bytes += _whole(rows[0][1])
    return runs, disk_bytes


def count_replaced_files(engine: Engine, until_s: int) -> int:
    """Parts that were replaced at that time (seconds of the engine's clock) or before, and are not erased yet."""
    names = ", ".join(f"'{table}'" for table in TABLES)
    rows = engine.select(
        Statement(
            f"SELECT countIf(toUnixTimestamp(remove_time) <= {int(until_s)}) FROM system.parts"
            f" WHERE database = currentDatabase() AND table IN ({names}) AND NOT active"
        )
    ).rows
    return _whole(rows[0][0])


def _whole(cell: object) -> int:
    return int(str(cell))
