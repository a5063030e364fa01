"""Flattened traces of an export: roots in order, some at a time, each with what its whole trace adds up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa

from runlake.export.arrow import blocks_to_batches
from runlake.export.columns import EXPORT_RUN_COLUMNS, FEEDBACK_STATS, ExportColumn
from runlake.export.rows import Piece, RunRows
from runlake.model.flat_trace import FlatTrace, Spent, TraceRoot, TraceRun, flatten_trace
from runlake.model.run import NO_ID
from runlake.query.bulk import BulkQuery, runs_of_roots
from runlake.store.engine import Engine
from runlake.store.moment import Moment

ROOTS_AT_ONCE: Final = 2_000
"""How many traces are held in memory, as small records of their runs."""

_ROOT_FIELDS: Final = (
    "id",
    "session_id",
    "name",
    "run_type",
    "status",
    "error",
    "thread_id",
    "tags",
    "inputs_preview",
    "outputs_preview",
)
_RUN_CELLS: Final = (
    "toString(id) AS c0, toString(trace_id) AS c1, toString(parent_run_id) AS c2, toString(name) AS c3,"
    " toString(run_type) AS c4, toString(status) AS c5, toUnixTimestamp64Micro(start_time) AS c6,"
    " toString(model) AS c7, total_tokens AS c8, prompt_tokens AS c9, completion_tokens AS c10,"
    " total_cost AS c11, prompt_cost AS c12, completion_cost AS c13, version AS c14"
)
_NO_PARENT: Final = str(NO_ID)


class FlatRows:
    """Reads the flattened traces of one ``BulkQuery``, which finds roots, at one moment."""

    def __init__(
        self,
        engine: Engine,
        bulk: BulkQuery,
        moment: Moment,
        columns: Sequence[ExportColumn],
        schema: pa.Schema,
        *,
        feedback_until: int,
    ) -> None:
        self._feedback_until = feedback_until
        self._engine = engine
        self._bulk = bulk
        self._moment = moment
        self._names = [column.name for column in columns]
        self._schema = schema

    @contextmanager
    def pieces(self) -> Iterator[Iterator[Piece]]:
        """The rows, in order of their roots."""
        wanted = {*_ROOT_FIELDS, "start_time", "end_time", FEEDBACK_STATS}
        columns = tuple(column for column in EXPORT_RUN_COLUMNS if column.name in wanted)
        rows = RunRows(self._engine, self._bulk, self._moment, columns, feedback_until=self._feedback_until)
        with rows.pieces() as roots:
            yield (self._flattened(part) for piece in roots for part in _some_at_a_time(piece))

    def _flattened(self, roots: Piece) -> Piece:
        found = [_root(cells) for cells in roots.batch.to_pylist()]
        runs = self._runs({root.id for root in found}, roots)
        traces = [flatten_trace(root, runs[root.id]) for root in found]
        rows = [_cells(trace) for trace in traces]
        arrays = [
            pa.array([row[name] for row in rows], field.type)
            for name, field in zip(self._names, self._schema, strict=True)
        ]
        return Piece(pa.RecordBatch.from_arrays(arrays, schema=self._schema), roots.starts, roots.ids)

    def _runs(self, trace_ids: set[str], roots: Piece) -> dict[str, list[TraceRun]]:
        runs: dict[str, list[TraceRun]] = {trace_id: [] for trace_id in trace_ids}
        first, last = roots.key(0), roots.key(len(roots) - 1)
        with self._engine.stream(runs_of_roots(self._bulk, self._moment, _RUN_CELLS, first=first, last=last)) as blocks:
            for batch in blocks_to_batches(blocks):
                columns = [batch.column(f"c{index}").to_pylist() for index in range(batch.num_columns)]
                for cells in zip(*columns, strict=True):
                    if cells[1] in trace_ids:
                        runs[cells[1]].append(_run(cells))
        return runs


def _some_at_a_time(piece: Piece) -> Iterator[Piece]:
    for offset in range(0, len(piece), ROOTS_AT_ONCE):
        yield piece.slice(offset, ROOTS_AT_ONCE)


def _root(cells: dict[str, Any]) -> TraceRoot:
    stats = msgspec.json.decode(cells[FEEDBACK_STATS]) if cells[FEEDBACK_STATS] else {}
    named = {name: cells[name] for name in _ROOT_FIELDS if name != "tags"}
    end_time = cells["end_time"]
    return TraceRoot(
        **named,
        tags=tuple(cells["tags"]),
        start_us=_microseconds(cells["start_time"]),
        end_us=None if end_time is None else _microseconds(end_time),
        feedback={key: stat["avg"] for key, stat in stats.items()},
    )


def _microseconds(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=time.tzinfo)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _run(cells: Sequence[Any]) -> TraceRun:
    return TraceRun(
        id=cells[0],
        trace_id=cells[1],
        parent_run_id=None if cells[2] == _NO_PARENT else cells[2],
        name=cells[3],
        run_type=cells[4],
        status=cells[5],
        start_us=cells[6],
        model=cells[7] or None,
        spent=Spent(
            total_tokens=cells[8],
            prompt_tokens=cells[9],
            completion_tokens=cells[10],
            total_cost=cells[11],
            prompt_cost=cells[12],
            completion_cost=cells[13],
        ),
        version=cells[14],
    )


def _cells(trace: FlatTrace) -> dict[str, Any]:
    """The cells of a row by the name of their column."""
    cells: dict[str, Any] = {name: getattr(trace, name) for name in FlatTrace.__slots__ if name != "spent"}
    cells |= {name: getattr(trace.spent, name) for name in Spent.__slots__}
    cells["start_time"], cells["end_time"] = cells.pop("start_us"), cells.pop("end_us")
    for name in ("runs_by_type", "tool_calls", "feedback"):
        cells[name] = msgspec.json.encode(cells[name]).decode()
    return cells
