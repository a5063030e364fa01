"""The engine of a directory that no server uses: whether it opens, and whether everything in it has its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from runlake.doctor.finding import Finding, error, note, or_well, warning, well
from runlake.doctor.ledger import known_projects
from runlake.errors import RunlakeError
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import ENGINE_FOLDER, Engine, Params, Statement
from runlake.store.inventory import read_detached_parts, read_inventory
from runlake.store.schema import read_migrations

_MANY_PARTS: Final = 1000
_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000
_STATES: Final = (
    "(SELECT tenant_id, id, max(version) AS latest, argMax(status, version) AS state FROM open_runs"
    " GROUP BY tenant_id, id)"
)


def examine_store(data: Path, *, now_us: int, deep: bool) -> list[Finding]:
    """Every check that needs the engine; the caller holds the lock. ``deep`` holds all data against its checksums."""
    try:
        engine = ChdbEngine.open(data / ENGINE_FOLDER)
    except RunlakeError as problem:
        return [_does_not_open(problem)]
    try:
        return [*_examine(engine, data, now_us=now_us), *(_checksums(engine) if deep else ())]
    except RunlakeError as problem:
        return [_does_not_open(problem)]
    finally:
        engine.close()


def _does_not_open(problem: RunlakeError) -> Finding:
    return error(
        "engine",
        f"the engine cannot read its data: {problem.message[:300]}",
        cause="files are missing or damaged, or belong to a newer version of the engine",
        cure="restore a backup with `runlake restore`",
    )


def _examine(engine: Engine, data: Path, *, now_us: int) -> Iterator[Finding]:
    newest = max(migration.number for migration in read_migrations())
    schema = _count(engine, "SELECT max(number) FROM migrations")
    if schema > newest:
        yield error(
            "schema",
            f"the tables have schema {schema}, and this version knows {newest}",
            cause="they were written by a newer version of Runlake",
            cure="start it with that version, or restore a backup made before the upgrade",
        )
        return
    if schema < newest:
        yield note("schema", f"the tables have schema {schema}; the next start makes it {newest}")
        return
    yield well("schema", f"the engine opens, its tables have schema {schema}")
    yield from or_well("parts", _parts(engine), "every part is in use")
    yield from or_well("projects", _orphans(engine, data), "every run belongs to a project")
    yield from _open_runs(engine, now_us)
    yield from or_well("clock", _clock(engine, now_us), "no row is later than the clock")


def _count(engine: Engine, sql: str, params: Params | None = None) -> int:
    rows = engine.select(Statement(sql, params.as_tuple() if params else ())).rows
    return int(str(rows[0][0] or 0))


def _parts(engine: Engine) -> Iterator[Finding]:
    detached = read_detached_parts(engine)
    broken = [part for part in detached if part.reason]
    if broken:
        yield error(
            "parts",
            f"{len(broken)} parts were put aside by the engine, the first is {broken[0].name} of {broken[0].table}: "
            f"{broken[0].reason}",
            cause="their files did not equal their checksums when the engine started: the disk lost or changed them",
            cure="restore a backup; the rows of these parts are missing from every answer",
        )
    for table in read_inventory(engine):
        if table.parts > _MANY_PARTS:
            yield warning(
                "parts",
                f"{table.table} has {table.parts} parts",
                cause="merges do not keep up with inserts, for want of time, disk or memory",
                cure="let the server run with fewer writes for a while; send larger batches",
            )
        if table.mutations:
            yield note("parts", f"{table.mutations} deletes in {table.table} are not done; they go on when it runs")


def _orphans(engine: Engine, data: Path) -> Iterator[Finding]:
    sql = "SELECT tenant_id, session_id, count() FROM runs GROUP BY tenant_id, session_id"
    known = known_projects(data)
    if known is None:
        return
    strange = [
        (row[1], int(str(row[2])))
        for row in engine.select(Statement(sql)).rows
        if (UUID(str(row[0])), UUID(str(row[1]))) not in known
    ]
    if strange:
        yield error(
            "projects",
            f"{sum(count for _, count in strange)} runs belong to {len(strange)} projects that the ledger does not "
            f"have, the first is {strange[0][0]}",
            cause="the ledger is older than the engine: it was replaced, or copied at another time",
            cure="put the ledger back that belongs to this engine, or restore a backup, which has both of one moment",
        )


def _open_runs(engine: Engine, now_us: int) -> Iterator[Finding]:
    params = Params()
    old = params.add("UInt64", max(now_us - _DAY_US, 0))
    sql = (
        f"SELECT countIf(is_open), countIf(latest < {old}), min(latest) FROM"
        f" (SELECT latest, true AS is_open FROM {_STATES} WHERE state != 'settled' UNION ALL"
        f" SELECT version, false FROM runs WHERE status = 'pending' AND version NOT IN (SELECT replaces FROM runs))"
    )
    row = engine.select(Statement(sql, params.as_tuple())).rows[0]
    alive, never_ended, oldest = (int(str(cell or 0)) for cell in row)
    rows = _count(engine, "SELECT count() FROM open_runs")
    yield well("open runs", f"{alive} runs are open, in {rows} rows of which {rows - alive} wait to be swept")
    if never_ended:
        yield note(
            "open runs",
            f"{never_ended} runs never ended and had no write for a day, the oldest for {(now_us - oldest) // _DAY_US}"
            " days",
            cause="their senders ended without ending them",
            cure="nothing has to be done; they are shown as pending, and leave with their traces or by retention",
        )
    both = _count(engine, f"SELECT count() FROM {_STATES} WHERE state != 'settled' AND id IN (SELECT id FROM runs)")
    if both:
        yield note(
            "open runs",
            f"{both} runs are finished and still noted as open",
            cause="the server was killed between two steps of a commit",
            cure="nothing to do, the next start settles them before it answers anything",
        )


def _clock(engine: Engine, now_us: int) -> Iterator[Finding]:
    newest = max(_count(engine, f"SELECT max(version) FROM {table}") for table in ("runs", "open_runs", "feedback"))
    if newest > now_us + _MINUTE_US:
        yield warning(
            "clock",
            f"the newest row was written {(newest - now_us) // 1_000_000} seconds from now",
            cause="the clock is behind, or was ahead when the row was written",
            cure="set the clock; nothing is lost, but settled rows are kept until it has caught up",
        )
    params = Params()
    tomorrow = params.add("Int64", now_us + _DAY_US)
    future = _count(engine, f"SELECT count() FROM runs WHERE start_time > fromUnixTimestamp64Micro({tomorrow})", params)
    if future:
        yield note(
            "clock",
            f"{future} runs say that they start more than a day from now",
            cause="the clocks of their senders are ahead",
            cure="set the clocks of the machines that send them; such runs are first in every listing",
        )


def _checksums(engine: Engine) -> Iterator[Finding]:
    for table in read_inventory(engine):
        rows = engine.select(
            Statement(f"CHECK TABLE `{table.table}` SETTINGS check_query_single_value_result = 0")
        ).rows
        bad = [row for row in rows if str(row[1]) != "1"]
        if bad:
            yield error(
                "checksums",
                f"{len(bad)} parts of {table.table} are damaged, the first is {bad[0][0]}: {bad[0][2]}",
                cause="the disk lost or changed what was written",
                cure="restore a backup, and check the disk",
            )
        else:
            yield well("checksums", f"{len(rows)} parts of {table.table} equal their checksums")
