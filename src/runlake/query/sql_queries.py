"""SQL of callers over their own runs and feedback: guarded, bound to projects, limited, and told by columns.

A caller's tables are selects of ours, made by the same scope as every other read: one tenant, the projects that were
named, one moment, nothing deleted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, NotFoundError, StoreError, TooMuchWorkError
from runlake.query.lanes import QueryLanes, QueryShape
from runlake.query.pair_sql import latest_feedback
from runlake.query.plan import run_scope, statement_settings
from runlake.query.read_request import LiveProjects
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.scope import RunScope
from runlake.query.sql_guard import PREFIX, GuardedSql, guard_sql
from runlake.store.engine import Engine, Row
from runlake.store.moment import Moments

MAX_ROWS: Final = 1_000
MAX_BYTES: Final = 10_000_000
"""Most rows and bytes of one answer (documented upstream)."""

_BLOCK_ROWS: Final = 8192
"""Rows between two looks of the engine at its clock; a join may make many more of them."""

_GROWING_BLOCK_ROWS: Final = 64
"""The same for a query that makes large texts of small ones: a look at the clock every few megabytes."""

RUN_COLUMNS_SQL: Final = (
    "id, trace_id, parent_run_id, session_id AS project_id, toString(name) AS name, toString(run_type) AS run_type,"
    " toString(status) AS status, is_root, start_time, end_time, duration_us / 1e6 AS latency_seconds,"
    " first_token_time,"
    " thread_id, dotted_order, has_error, error, tags, CAST((arrayMap(key -> toString(key), metadata_keys),"
    " metadata_values), 'Map(String, String)') AS metadata, toString(model) AS model, toString(provider) AS provider,"
    " total_tokens, prompt_tokens, completion_tokens, total_cost, prompt_cost, completion_cost, reference_example_id,"
    " inputs_preview, outputs_preview, inputs, outputs, extra"
)
_TABLES: Final = {"runs": f"{PREFIX}runs", "feedback": f"{PREFIX}feedback"}
_SENDERS_FAULT: Final = frozenset(
    (
        *(6, 8, 20, 27, 32, 36, 38, 41, 42, 43, 44, 46, 47, 48, 50, 53, 60, 62, 63, 69, 70, 72, 119, 131, 153, 170),
        *(179, 184, 190, 207, 215, 219, 258, 352, 386, 395, 403, 407, 427, 452),
    )
)
"""Codes of the engine that speak of the query: unknown names, types that do not fit, arguments, aggregation."""


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column and its type on the wire."""

    name: str
    data_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlResult:
    """Rows in order of the columns. ``cut_by`` says what left rows out: ``row_limit``, ``size_limit`` or nothing."""

    columns: tuple[SqlColumn, ...]
    rows: list[list[Any]]
    cut_by: str | None
    elapsed_ms: float


class _Starter:
    """Called in the thread of a query when its turn has come: sets its deadline, which the wait does not count to."""

    def __init__(self, deadline: asyncio.Timeout, seconds: float) -> None:
        self._deadline = deadline
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> None:
        self._loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        # A caller that has gone away has left its context, which can have no deadline any more.
        with suppress(RuntimeError):
            self._deadline.reschedule(self._loop.time() + self._seconds)


class SqlQueries:
    """Runs guarded SQL. Thread-safe."""

    def __init__(
        self, *, engine: Engine, moments: Moments, live_projects: LiveProjects, limits: QueryLimits, lanes: QueryLanes
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._live_projects = live_projects
        self._limits = limits
        self._lanes = lanes

    async def query(self, text: str, projects: tuple[UUID, ...], *, tenant_id: UUID) -> SqlResult:
        """The result of one select over the projects; TooMuchWorkError at its deadline, whatever the engine is at.

        The engine looks at the clock between blocks only, and not at all while it works out constants. So the caller is
        answered by a clock of ours, and what the engine still does is stopped behind its back.
        """
        try:
            async with asyncio.timeout(None) as deadline:
                begun = _Starter(deadline, self._limits.max_seconds)
                return await self._lanes.run(QueryShape.STATS, self._query, text, projects, tenant_id, begun)
        except TimeoutError:
            limit = f"{self._limits.max_seconds:g} s (query_max_seconds)"
            raise TooMuchWorkError(
                f"the query passed its time limit of {limit}; narrow it by time or project"
            ) from None

    def _query(self, text: str, projects: tuple[UUID, ...], tenant_id: UUID, begun: Callable[[], None]) -> SqlResult:
        begun()
        live = set(self._live_projects(tenant_id))
        foreign = next((project for project in projects if project not in live), None)
        if foreign is not None:
            raise NotFoundError(f"no project has the id {foreign}", field="project_ids")
        scope = run_scope(RunQuery(tenant_id=tenant_id, sessions=projects), self._moments.current(tenant_id))
        guarded = guard_sql(text, scope.params, _TABLES)
        prelude = _prelude(guarded, scope)
        block_rows = _GROWING_BLOCK_ROWS if guarded.grows_texts else _BLOCK_ROWS
        columns = self._columns(prelude, guarded, scope)
        found = self._run(f"{prelude}SELECT * FROM ({guarded.sql}) LIMIT {MAX_ROWS + 1}", scope, block_rows)
        rows, cut_by = _within_limits(found[0])
        return SqlResult(columns=columns, rows=_respelt(rows, columns), cut_by=cut_by, elapsed_ms=found[1])

    def _columns(self, prelude: str, guarded: GuardedSql, scope: RunScope) -> tuple[SqlColumn, ...]:
        rows, _ = self._run(f"DESCRIBE ({prelude}SELECT * FROM ({guarded.sql}))", scope)
        return tuple(SqlColumn(str(row[0]), wire_type(str(row[1]))) for row in rows)

    def _run(self, sql: str, scope: RunScope, block_rows: int = _BLOCK_ROWS) -> tuple[list[Row], float]:
        settings = {
            **statement_settings(self._limits),
            "readonly": 1,
            "max_block_size": block_rows,
            "timeout_before_checking_execution_speed": 0,
            "max_result_rows": MAX_ROWS + 1,
            "max_result_bytes": 8 * MAX_BYTES,
            "result_overflow_mode": "break",
            "max_subquery_depth": 50,
        }
        try:
            found = self._engine.select(replace(scope.statement(sql, {}), settings=settings))
        except StoreError as error:
            if error.engine_code in _SENDERS_FAULT:
                raise InvalidError(f"the query cannot be run: {_told(error.message)}", field="query") from error
            raise
        return found.rows, found.stats.elapsed_ms


def _prelude(guarded: GuardedSql, scope: RunScope) -> str:
    tables = []
    if guarded.tables:
        tables.append(f"{_TABLES['runs']} AS ({scope.select(RUN_COLUMNS_SQL, [])})")
    if "feedback" in guarded.tables:
        columns = (
            "run_id, id, toString(key) AS key, score, value, comment, toString(source_type) AS source, modified_at"
        )
        within = f"run_id IN (SELECT id FROM ({scope.select('id', [])}))"
        tables.append(
            f"{_TABLES['feedback']} AS (SELECT {columns} FROM {latest_feedback(scope.context)} WHERE {within})"
        )
    return f"WITH {', '.join(tables)} " if tables else ""


def _within_limits(rows: list[Row]) -> tuple[list[Row], str | None]:
    size = 0
    for index, row in enumerate(rows[:MAX_ROWS]):
        size += len(msgspec.json.encode(row))
        if size > MAX_BYTES:
            return rows[:index], "size_limit"
    return rows[:MAX_ROWS], "row_limit" if len(rows) > MAX_ROWS else None


_WRAPPED: Final = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")
_WIRE_TYPES: Final = (
    ("UUID", "uuid"),
    ("Bool", "boolean"),
    ("UInt", "integer"),
    ("Int", "integer"),
    ("Float", "float"),
    ("Decimal", "float"),
    ("DateTime", "timestamp"),
    ("Date", "date"),
    ("Array", "list"),
    ("Tuple", "list"),
    ("Map", "object"),
    ("Nothing", "null"),
)


def wire_type(engine_type: str) -> str:
    """The name on the wire of a type of the engine (seen in the generated client)."""
    while wrapped := _WRAPPED.fullmatch(engine_type):
        engine_type = wrapped[1]
    return next((wire for start, wire in _WIRE_TYPES if engine_type.startswith(start)), "string")


def _respelt(rows: Sequence[Row], columns: Sequence[SqlColumn]) -> list[list[Any]]:
    readers = [_READERS.get(column.data_type) for column in columns]
    return [
        [cell if read is None or cell is None else read(cell) for read, cell in zip(readers, row, strict=True)]
        for row in rows
    ]


def _timestamp(cell: Any) -> Any:
    return f"{str(cell).replace(' ', 'T')}Z"


def _float(cell: Any) -> Any:
    """Decimals come as text; what no JSON number can say stays text."""
    if not isinstance(cell, str):
        return cell
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(cell.lower()) or float(cell)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {"timestamp": _timestamp, "float": _float}


def _told(message: str) -> str:
    """What the engine says of the query, without the statement that it quotes."""
    told = _QUOTED.split(message, maxsplit=1)[0]
    return re.sub(rf"{PREFIX}(with_)?", "", told)[:300].rstrip(".,: ")


_QUOTED: Final = re.compile(r"[.,:]? in (?:scope|query)\b|[.,:] while ", re.IGNORECASE)
