"""What the writer has to know when it opens a store, read from the store itself.

A process may have died between two inserts of one commit. Rows it left are whole runs of writes that were never
acknowledged; they stay. The one repair: a run that reached ``runs`` but is still open in ``open_runs`` is settled.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from runlake.ingest.existing import FinishedRuns
from runlake.ingest.open_set import OpenSet
from runlake.ingest.placement import Orphans
from runlake.ingest.rows import SETTLED, SETTLED_COLUMNS, encode_settled
from runlake.model.run import NO_ID
from runlake.store.engine import Engine, Params, Row, Statement
from runlake.store.moment import OBJECTS_NAMED_AT_MOST, REPLACED_NAMED_AT_MOST, Moments, NamedRow, ReplacedRow

_STATE_BUDGET_BYTES: Final = 256 << 20
_ORPHAN_AGE_DAYS: Final = 7
_LOG: Final = structlog.get_logger("runlake.ingest")
_RECENT_RUNS: Final = 50_000
"""Finished runs whose ids are remembered from before the start, for senders that give such a run a new start."""

_NAMED: Final = (
    "tenant_id, id, version, status, trace_id, session_id, toUnixTimestamp64Micro(start_time), is_root, has_error,"
    " run_type, thread_id, arraySum(payload -> JSONExtractUInt(payload.2, 2), JSONExtractKeysAndValuesRaw(objects))"
)
"""The cells of ``_named_row``. Where a payload is an object, its size is the second item of what names it."""
_LATEST_START: Final = "SELECT toUnixTimestamp64Micro(max(start_time)) FROM runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The writer's memory of a store."""

    open_set: OpenSet
    finished: FinishedRuns
    orphans: Orphans
    last_version: int


def recover(engine: Engine, moments: Moments) -> Recovered:
    """Rebuild the writer's memory, repair what a crash left, and publish what is visible."""
    started = time.perf_counter()
    open_set, moved, last_version = _read_open(engine)
    marks = [(key, last_version + number) for number, key in enumerate(moved, start=1)]
    if marks:
        engine.insert("open_runs", SETTLED_COLUMNS, [encode_settled(*key, version) for key, version in marks])
        last_version = marks[-1][1]
    for key, version in marks:
        open_set.settle(key, version)
    moments.publish(
        last_version,
        replaced=_read_replaced(engine),
        with_objects=_read_with_objects(engine),
        opened={tenant: open_set.rows_of(tenant) for tenant in open_set.tenants()},
    )
    recovered = Recovered(
        open_set=open_set,
        finished=_read_finished(engine),
        orphans=_read_orphans(engine),
        last_version=last_version,
    )
    elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
    _LOG.info("recovered", open_runs=len(open_set), settled=len(marks), elapsed_ms=elapsed_ms)
    return recovered


def _read_open(engine: Engine) -> tuple[OpenSet, list[tuple[UUID, UUID]], int]:
    open_set = OpenSet(state_budget_bytes=_STATE_BUDGET_BYTES)
    latest: dict[tuple[UUID, UUID], NamedRow | None] = {}
    last_version = max(
        _number(engine, f"SELECT max(version) FROM {table}") for table in ("runs", "open_runs", "feedback")
    )
    for cells in engine.select(Statement(f"SELECT {_NAMED} FROM open_runs ORDER BY version")).rows:
        row, is_settled = _named_row(cells), cells[3] == SETTLED
        open_set.note_bucket(row.version)
        latest[UUID(str(cells[0])), row.run_id] = None if is_settled else row
    alive = [key for key, row in latest.items() if row is not None]
    for (tenant_id, _), last in latest.items():
        if last is not None:
            open_set.put(tenant_id, last, None)
    return open_set, _also_finished(engine, alive), last_version


def _named_row(cells: Row) -> NamedRow:
    """The row of ``_NAMED`` without its tenant and status."""
    _, run_id, version, _, trace_id, session_id, start_time, is_root, has_error, run_type, thread_id, size = cells
    return NamedRow(
        version=int(str(version)),
        run_id=UUID(str(run_id)),
        trace_id=UUID(str(trace_id)),
        session_id=UUID(str(session_id)),
        start_time=int(str(start_time)),
        is_root=bool(is_root),
        has_error=bool(has_error),
        run_type=str(run_type),
        thread_id=str(thread_id),
        objects_bytes=int(str(size)),
    )


def _also_finished(engine: Engine, alive: Sequence[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
    if not alive:
        return []
    params = Params()
    ids = params.add("Array(UUID)", tuple(run_id for _, run_id in alive))
    rows = engine.select(Statement(f"SELECT tenant_id, id FROM runs WHERE id IN {ids}", params.as_tuple())).rows
    finished = {(UUID(str(row[0])), UUID(str(row[1]))) for row in rows}
    return [key for key in alive if key in finished]


def _read_replaced(engine: Engine) -> dict[UUID, list[ReplacedRow]]:
    """Of each tenant the rows that others replace and that are still there, or more than can be named."""
    still_there = "SELECT version FROM runs WHERE version IN (SELECT replaces FROM runs WHERE replaces > 0)"
    sql = (
        f"SELECT tenant_id, replaces, version FROM runs WHERE replaces > 0 AND replaces IN ({still_there})"
        f" LIMIT {REPLACED_NAMED_AT_MOST + 1} BY tenant_id"
    )
    rows: dict[UUID, list[ReplacedRow]] = {}
    for tenant_id, old, new in engine.select(Statement(sql)).rows:
        rows.setdefault(UUID(str(tenant_id)), []).append(ReplacedRow(int(str(old)), int(str(new))))
    return rows


def _read_with_objects(engine: Engine) -> dict[UUID, list[NamedRow]]:
    """Of each tenant the rows whose payloads are objects, or more than can be named, whatever became of them since."""
    rows: dict[UUID, list[NamedRow]] = {}
    for table in ("runs", "open_runs"):
        sql = f"SELECT {_NAMED} FROM {table} WHERE objects != '' LIMIT {OBJECTS_NAMED_AT_MOST + 1} BY tenant_id"
        for cells in engine.select(Statement(sql)).rows:
            rows.setdefault(UUID(str(cells[0])), []).append(_named_row(cells))
    return rows


def _read_finished(engine: Engine) -> FinishedRuns:
    """The newest runs of the last day that there was anything, by start."""
    sql = (
        "SELECT tenant_id, id, toUnixTimestamp64Micro(start_time) AS start_us FROM runs"
        " WHERE start_time > (SELECT max(start_time) FROM runs) - toIntervalDay(1)"
        f" ORDER BY start_time DESC LIMIT {_RECENT_RUNS}"
    )
    newest = [(UUID(str(row[0])), UUID(str(row[1])), int(str(row[2]))) for row in engine.select(Statement(sql)).rows]
    recent = [((tenant_id, run_id), start_us) for tenant_id, run_id, start_us in reversed(newest)]
    return FinishedRuns(known_since_us=_number(engine, _LATEST_START), recent=recent)


def _read_orphans(engine: Engine) -> Orphans:
    """Recent children that are traces of their own: their parent had not come."""
    orphans = Orphans()
    params = Params()
    none, days = params.add("UUID", NO_ID), params.add("UInt32", _ORPHAN_AGE_DAYS)
    for table in ("runs", "open_runs"):
        sql = (
            f"SELECT tenant_id, parent_run_id, id FROM {table} WHERE parent_run_id != {none} AND trace_id = id "
            f"AND start_time > now64(6) - toIntervalDay({days})"
        )
        for row in engine.select(Statement(sql, params.as_tuple())).rows:
            orphans.add(UUID(str(row[0])), UUID(str(row[1])), UUID(str(row[2])))
    return orphans


def _number(engine: Engine, sql: str) -> int:
    return int(str(engine.select(Statement(sql)).rows[0][0]))
