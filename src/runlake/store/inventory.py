"""What lies on the engine's disk: parts, rows and bytes by table, and work that has not been done yet."""

from __future__ import annotations

from dataclasses import dataclass

from runlake.store.engine import Engine, Statement


@dataclass(frozen=True, slots=True)
class TableInventory:
    """One table: its active parts, their rows and bytes, and the mutations under way."""

    table: str
    parts: int
    rows: int
    size_bytes: int
    mutations: int


@dataclass(frozen=True, slots=True)
class DetachedPart:
    """A part that the engine has put aside, with its reason; empty when somebody detached it by hand."""

    table: str
    name: str
    reason: str


def read_inventory(engine: Engine) -> list[TableInventory]:
    """Every table of the store, by name."""
    sql = (
        "SELECT name, any(part_count), any(part_rows), any(part_bytes), countIf(mutation != '') FROM"
        " (SELECT name FROM system.tables WHERE database = currentDatabase()) AS known"
        " LEFT JOIN (SELECT table, count() AS part_count, sum(rows) AS part_rows, sum(bytes_on_disk) AS part_bytes"
        " FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table) AS parts"
        " ON parts.table = known.name"
        " LEFT JOIN (SELECT table, mutation_id AS mutation FROM system.mutations"
        " WHERE database = currentDatabase() AND NOT is_done AND NOT is_killed) AS waiting"
        " ON waiting.table = known.name GROUP BY name ORDER BY name"
    )
    return [
        TableInventory(str(name), *(int(str(number)) for number in numbers))
        for name, *numbers in engine.select(Statement(sql)).rows
    ]


def read_detached_parts(engine: Engine) -> list[DetachedPart]:
    """Parts that are on disk and not in use, which the engine never deletes by itself."""
    sql = "SELECT table, name, ifNull(reason, '') FROM system.detached_parts WHERE database = currentDatabase()"
    return [DetachedPart(*map(str, row)) for row in engine.select(Statement(sql)).rows]
