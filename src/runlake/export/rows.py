"""Rows of runs as Arrow batches: one statement a table, in order; what does not fit into a block is put in afterwards.

The engine makes the columns; Python touches only rows with something unusual: a payload too large for a block, NaN or
Infinity in a payload (no reader of JSON but Python takes them, so they become null), and feedback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from runlake.export.arrow import blocks_to_batches
from runlake.export.columns import FEEDBACK_STATS, ExportColumn
from runlake.model.run_record import RunRecord
from runlake.query.bulk import BulkQuery, heaviest, one_cell, ordered_rows
from runlake.query.related import add_feedback, feedback_sql
from runlake.query.request import PageKey
from runlake.query.scope import RunScope, RunTable, tables_at
from runlake.store.columns import RUN_COLUMNS
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moment
from runlake.wire.json_text import without_constants
from runlake.wire.runs import feedback_stats

LARGE_CELL_BYTES: Final = 1 << 20
"""A larger payload is read by itself: blocks are bounded by rows, so their rows must be of like size."""

BLOCK_BYTES: Final = 16 << 20
"""What a block of the engine, and a batch of an export, should not weigh more than."""

MAX_BLOCK_ROWS: Final = 1_000
MIN_BLOCK_ROWS: Final = 16
MAX_BATCH_ROWS: Final = 8_000
_WEIGHED_ROWS: Final = 250

_START: Final = "k_start"
_ID: Final = "k_id"
_VERSION: Final = "k_version"
_FLAGS: Final = "k_flags"
_LARGE: Final = "k_large"
_JUDGED: Final = "k_judged"
_CONSTANT_BITS: Final = 8
"""``k_flags``: from bit 0 on the payload columns that are too large, from this bit on those with NaN or Infinity."""


@dataclass(frozen=True)
class Piece:
    """Some rows in order: the columns that were asked for, and the place of each row."""

    batch: pa.RecordBatch
    starts: pa.Array
    ids: pa.Array

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @cached_property
    def places(self) -> list[tuple[int, int, int]]:
        """The place of each row in the engine's order, which compares the second half of an id first."""
        numbers = [UUID(text).int for text in self.ids.to_pylist()]
        return [
            (start, number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64)
            for start, number in zip(self.starts.to_pylist(), numbers, strict=True)
        ]

    def key(self, row: int) -> PageKey:
        return PageKey(start_time=self.starts[row].as_py(), run_id=UUID(self.ids[row].as_py()))

    def slice(self, offset: int, length: int | None = None) -> Piece:
        parts = (self.batch, self.starts, self.ids)
        return Piece(*(part.slice(offset, length) for part in parts))


class RunRows:
    """Reads the runs of one ``BulkQuery`` at one moment. Blocks; leaving ``pieces`` ends the engine's work."""

    def __init__(
        self, engine: Engine, bulk: BulkQuery, moment: Moment, columns: Sequence[ExportColumn], schema: pa.Schema
    ) -> None:
        self._engine = engine
        self._bulk = bulk
        self._moment = moment
        self._columns = columns
        self._schema = schema
        self._payloads = [index for index, column in enumerate(columns) if column.payload]
        self._feedback_index = next((i for i, column in enumerate(columns) if column.name == FEEDBACK_STATS), None)

    @contextmanager
    def pieces(self, table: RunTable) -> Iterator[Iterator[Piece]]:
        """The rows of one table, in order."""
        statement = ordered_rows(
            self._bulk,
            self._moment,
            table,
            ", ".join(self._cells()),
            block_rows=self._block_rows(),
            judged_as=_JUDGED if self._feedback_index is not None else None,
        )
        with self._engine.stream(statement) as blocks:
            yield (piece for batch in _gathered(blocks_to_batches(blocks)) for piece in self._pieces_of(batch, table))

    def _cells(self) -> Iterator[str]:
        yield f"toUnixTimestamp64Micro(start_time) AS {_START}, toString(id) AS {_ID}, version AS {_VERSION}"
        names = [self._columns[index].sql for index in self._payloads]
        too_large = [
            f"bitShiftLeft(toUInt32({name}.size > {LARGE_CELL_BYTES}), {bit})" for bit, name in enumerate(names)
        ]
        constants = [
            f"bitShiftLeft(toUInt32(multiSearchAny({name}, ['NaN', 'Infinity'])), {bit + _CONSTANT_BITS})"
            for bit, name in enumerate(names)
        ]
        weights = [f"if({name}.size > {LARGE_CELL_BYTES}, {name}.size, 0)" for name in names]
        yield f"{' + '.join(too_large + constants) or 'toUInt32(0)'} AS {_FLAGS}"
        yield f"toUInt64({' + '.join(weights) or '0'}) AS {_LARGE}"
        for index, column in enumerate(self._columns):
            yield f"{_cell(column)} AS c{index}"

    def _block_rows(self) -> int:
        """So many rows that the heaviest block is small; blocks are bounded by rows alone."""
        if not self._payloads:
            return MAX_BLOCK_ROWS
        sizes = (f"least({self._columns[i].sql}.size, {LARGE_CELL_BYTES})" for i in self._payloads)
        statement = heaviest(self._bulk, self._moment, " + ".join(sizes), rows=_WEIGHED_ROWS)
        weight = int(str(self._engine.select(statement).rows[0][0] or 0))
        return max(MIN_BLOCK_ROWS, min(MAX_BLOCK_ROWS, BLOCK_BYTES * _WEIGHED_ROWS // max(1, weight)))

    def _pieces_of(self, batch: pa.RecordBatch, table: RunTable) -> Iterator[Piece]:
        for part in _light_parts(batch):
            columns = [part.column(f"c{index}") for index in range(len(self._columns))]
            self._put_right(columns, part, table)
            if self._feedback_index is not None:
                columns[self._feedback_index] = self._feedback(part)
            made = [
                column if column.type == field.type else column.cast(field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            yield Piece(pa.RecordBatch.from_arrays(made, schema=self._schema), part.column(_START), part.column(_ID))

    def _put_right(self, columns: list[pa.Array], batch: pa.RecordBatch, table: RunTable) -> None:
        """Read payloads that were left out, and take constants that are no JSON out of payloads."""
        flags = batch.column(_FLAGS)
        if not pc.max(flags).as_py():
            return
        for bit, index in enumerate(self._payloads):
            rows = [row for row, flag in enumerate(flags.to_pylist()) if flag & (0x101 << bit)]
            if rows:
                cells = columns[index].to_pylist()
                for row in rows:
                    if flags[row].as_py() & (1 << bit):
                        cells[row] = self._large_cell(batch, row, table, self._columns[index])
                    cells[row] = without_constants(cells[row].encode()).decode() if cells[row] else cells[row]
                columns[index] = pa.array(cells, pa.string())

    def _large_cell(self, batch: pa.RecordBatch, row: int, table: RunTable, column: ExportColumn) -> str:
        key = PageKey(start_time=batch.column(_START)[row].as_py(), run_id=UUID(batch.column(_ID)[row].as_py()))
        version = batch.column(_VERSION)[row].as_py()
        statement = one_cell(self._bulk, self._moment, table, f"{column.sql} AS cell", at=key, version=version)
        with self._engine.stream(statement) as blocks:
            return str(next(blocks_to_batches(blocks)).column(0)[0].as_py())

    def _feedback(self, batch: pa.RecordBatch) -> pa.Array:
        """``feedback_stats`` of each row, as a page has it."""
        ids = [run_id if judged else None for run_id, judged in _pairs(batch)]
        records = {run_id: _record(run_id) for run_id in ids if run_id is not None}
        if records:
            query = self._bulk.query
            scope = RunScope(
                tenant_id=query.tenant_id,
                sessions=query.sessions,
                moment=self._moment,
                params=Params(),
                columns=RUN_COLUMNS,
            )
            sql = feedback_sql(scope, [UUID(run_id) for run_id in records])
            add_feedback(records.values(), self._engine.select(Statement(sql, scope.params.as_tuple())).rows)
        return pa.array([_stats_text(records.get(run_id or "")) for run_id in ids], pa.string())


def _pairs(batch: pa.RecordBatch) -> Iterator[tuple[str, bool]]:
    return zip(batch.column(_ID).to_pylist(), batch.column(_JUDGED).to_pylist(), strict=True)


def _record(run_id: str) -> RunRecord:
    return RunRecord(id=run_id, session_id="", trace_id="", start_time=0, version=0)


def _stats_text(record: RunRecord | None) -> str | None:
    if record is None or not record.feedback:
        return None
    return msgspec.json.encode(feedback_stats(record.feedback)).decode()


def _cell(column: ExportColumn) -> str:
    if not column.payload:
        return column.sql
    return f"if({column.sql}.size = 0 OR {column.sql}.size > {LARGE_CELL_BYTES}, NULL, {column.sql})"


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Larger batches: small ones cost more than their copy. The first comes at once, each next is twice as large."""
    wanted_rows = rows = weight = 0
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        weight += batch.nbytes
        if rows >= wanted_rows or weight >= BLOCK_BYTES:
            yield pa.concat_batches(held)
            wanted_rows = min(2 * rows, MAX_BATCH_ROWS)
            held, rows, weight = [], 0, 0
    if held:
        yield pa.concat_batches(held)


def _light_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts whose large payloads, once read, are together no heavier than one block or one row."""
    if not pc.max(batch.column(_LARGE)).as_py():
        yield batch
        return
    first = weight = 0
    for row, size in enumerate(batch.column(_LARGE).to_pylist()):
        if weight and weight + size > BLOCK_BYTES:
            yield batch.slice(first, row - first)
            first, weight = row, 0
        weight += size
    yield batch.slice(first)


@contextmanager
def all_pieces(rows: RunRows, moment: Moment) -> Iterator[Iterator[Piece]]:
    """The rows of every table, merged in order."""
    first, *others = tables_at(moment)
    if not others:
        with rows.pieces(first) as pieces:
            yield pieces
        return
    with rows.pieces(first) as left, rows.pieces(others[0]) as right:
        yield merged(left, right)


def merged(left: Iterator[Piece], right: Iterator[Piece]) -> Iterator[Piece]:
    """Two runs of pieces as one, in order."""
    a, b = next(left, None), next(right, None)
    while a is not None and b is not None:
        if a.places[-1] < b.places[0]:
            yield a
            a = next(left, None)
        elif b.places[-1] < a.places[0]:
            yield b
            b = next(right, None)
        else:
            bound = min(a.places[-1], b.places[-1])
            head_a, a = _split(a, bound)
            head_b, b = _split(b, bound)
            yield _interleaved(head_a, head_b)
            a, b = a or next(left, None), b or next(right, None)
    if a is not None:
        yield a
        yield from left
    if b is not None:
        yield b
        yield from right


def _split(piece: Piece, bound: tuple[int, int, int]) -> tuple[Piece, Piece | None]:
    """The rows up to the bound, and those behind it."""
    count = sum(1 for place in piece.places if place <= bound)
    return piece.slice(0, count), piece.slice(count) if count < len(piece) else None


def _interleaved(a: Piece, b: Piece) -> Piece:
    places = a.places + b.places
    order = pa.array(sorted(range(len(places)), key=places.__getitem__), pa.int64())
    starts, ids = pa.concat_arrays([a.starts, b.starts]), pa.concat_arrays([a.ids, b.ids])
    return Piece(pa.concat_batches([a.batch, b.batch]).take(order), starts.take(order), ids.take(order))
