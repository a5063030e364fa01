"""Rows of runs as Arrow batches: one statement a table, in order; the engine makes the columns.

Python touches only what is unusual: payloads that need care (``export.payloads``), and feedback.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
import pyarrow as pa

from runlake.export.arrow import arrow_schema, blocks_to_batches
from runlake.export.columns import FEEDBACK_STATS, FILES, ExportColumn
from runlake.export.payloads import ID, LARGE_CELL_BYTES, START, VERSION, Payloads, light_parts, payload_cell
from runlake.export.run_files import encode_run_files, run_files
from runlake.model.export_content import ContentKind
from runlake.model.run_record import RunRecord
from runlake.query.bulk import BulkQuery, heaviest, ordered_rows, tables_of
from runlake.query.page_extras import add_feedback, feedback_sql
from runlake.query.request import PageKey
from runlake.query.scope import RunScope, RunTable
from runlake.store.columns import RUN_COLUMNS
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moment
from runlake.store.objects import ObjectStore
from runlake.wire.runs import feedback_stats

BLOCK_BYTES: Final = 8 << 20
"""What a block of the engine, and a batch of an export, should not weigh more than."""

MAX_BLOCK_ROWS: Final = 1_000
MIN_BLOCK_ROWS: Final = 16
MAX_BATCH_ROWS: Final = 8_000
ENOUGH_BYTES: Final = 2 << 20
"""Blocks of the engine that weigh so much are passed on as they are; lighter ones are put together."""

TOGETHER_BYTES: Final = 8 << 20
"""Batches whose feedback is asked for by one statement."""

_WEIGHED_ROWS: Final = 250

_JUDGED: Final = "k_judged"


Place: TypeAlias = "tuple[int, int, int]"


@dataclass(frozen=True)
class Piece:
    """Some rows in order: the columns that were asked for, and the place of each row."""

    batch: pa.RecordBatch
    starts: pa.Array
    ids: pa.Array

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def place(self, row: int) -> Place:
        """The place of a row in the engine's order, which compares the second half of an id first."""
        number = UUID(self.ids[row].as_py()).int
        return self.starts[row].as_py(), number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64

    @cached_property
    def ends(self) -> tuple[Place, Place]:
        """The places of the first and the last row."""
        return self.place(0), self.place(len(self) - 1)

    def key(self, row: int) -> PageKey:
        return PageKey(start_time=self.starts[row].as_py(), run_id=UUID(self.ids[row].as_py()))

    def slice(self, offset: int, length: int | None = None) -> Piece:
        parts = (self.batch, self.starts, self.ids)
        return Piece(*(part.slice(offset, length) for part in parts))


class RunRows:
    """Reads the runs of one ``BulkQuery`` at one moment. Blocks; leaving ``pieces`` ends the engine's work."""

    def __init__(
        self,
        engine: Engine,
        bulk: BulkQuery,
        moment: Moment,
        columns: Sequence[ExportColumn],
        *,
        content: ContentKind = ContentKind.RUNS,
        feedback_until: int,
        objects: ObjectStore | None = None,
        payloads_apart: bool = False,
    ) -> None:
        self._feedback_until = feedback_until
        self._engine = engine
        self._bulk = bulk
        self._moment = moment
        self._columns = columns
        self._schema = arrow_schema(columns, content)
        self._payloads = Payloads(engine, bulk, moment, columns, objects, apart=payloads_apart)
        names = [column.name for column in columns]
        self._feedback_index = names.index(FEEDBACK_STATS) if FEEDBACK_STATS in names else None
        self._files_index = names.index(FILES) if FILES in names else None

    @contextmanager
    def pieces(self) -> Iterator[Iterator[Piece]]:
        """The rows of every table, merged in order."""
        block_rows, has_large = self._weigh()
        with ExitStack() as streams:
            tables = tables_of(self._bulk, self._moment)
            places = [(table, large) for table in tables for large in ((False, True)[: 1 + has_large])]
            found = [streams.enter_context(self._from_place(*place, block_rows)) for place in places]
            yield reduce(merged, found)

    @contextmanager
    def _from_place(self, table: RunTable, large: bool, block_rows: int) -> Iterator[Iterator[Piece]]:
        """The rows of one table that are too large for a block, or those that are not, in order."""
        statement = ordered_rows(
            self._bulk,
            self._moment,
            table,
            ", ".join(self._cells(large=large)),
            block_rows=block_rows,
            only=self._payloads.place(large=large),
            judged_as=_JUDGED if self._feedback_index is not None else None,
            feedback_until=self._feedback_until,
        )
        with self._engine.stream(statement) as blocks:
            groups = _grouped(_gathered(blocks_to_batches(blocks)))
            yield (piece for batches in groups for piece in self._pieces_of(batches, table))

    def _cells(self, *, large: bool) -> Iterator[str]:
        yield f"toUnixTimestamp64Micro(start_time) AS {START}, toString(id) AS {ID}, version AS {VERSION}"
        yield self._payloads.cells(large=large)
        for index, column in enumerate(self._columns):
            yield f"{payload_cell(column, large=large) if column.payload else column.sql} AS c{index}"

    def _weigh(self) -> tuple[int, bool]:
        """So many rows that the heaviest block is small, for blocks are bounded by rows alone; and any too large."""
        sizes = self._payloads.sizes()
        if sizes is None:
            return MAX_BLOCK_ROWS, False
        statement = heaviest(self._bulk, self._moment, size=sizes[0], largest=sizes[1], rows=_WEIGHED_ROWS)
        weight, largest = (int(str(cell or 0)) for cell in self._engine.select(statement).rows[0])
        rows = max(MIN_BLOCK_ROWS, min(MAX_BLOCK_ROWS, BLOCK_BYTES * _WEIGHED_ROWS // max(1, weight)))
        return rows, largest > LARGE_CELL_BYTES

    def _pieces_of(self, batches: list[pa.RecordBatch], table: RunTable) -> Iterator[Piece]:
        feedback = {} if self._feedback_index is None else self._feedback(batches)
        # Let go of each batch as soon as it is passed on.
        while batches:
            yield from self._pieces_of_batch(batches.pop(0), table, feedback)

    def _pieces_of_batch(
        self, batch: pa.RecordBatch, table: RunTable, feedback: Mapping[str, str | None]
    ) -> Iterator[Piece]:
        for part in light_parts(batch, BLOCK_BYTES):
            columns = [part.column(f"c{index}") for index in range(len(self._columns))]
            self._payloads.put_right(columns, part, table)
            if self._feedback_index is not None:
                columns[self._feedback_index] = _feedback_cells(part, feedback)
            if self._files_index is not None:
                columns[self._files_index] = self._files(part, columns[self._files_index])
            made = [
                column if column.type == field.type else column.cast(field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            yield Piece(pa.RecordBatch.from_arrays(made, schema=self._schema), part.column(START), part.column(ID))

    def _files(self, batch: pa.RecordBatch, attachments: pa.Array) -> pa.Array:
        rows = zip(attachments.to_pylist(), self._payloads.objects_apart(batch), strict=True)
        return pa.array([encode_run_files(run_files(text or "", refs)) for text, refs in rows], pa.string())

    def _feedback(self, batches: Sequence[pa.RecordBatch]) -> dict[str, str | None]:
        """``feedback_stats`` of the runs that have feedback, by id, as a page has it now.

        Now, because the engine may drop earlier states of a feedback.
        """
        judged = [run_id for batch in batches for run_id in _judged(batch).to_pylist()]
        records = {
            run_id: RunRecord(id=run_id, session_id="", trace_id="", start_time=0, version=0) for run_id in judged
        }
        if records:
            query = self._bulk.query
            scope = RunScope(
                tenant_id=query.tenant_id,
                sessions=query.sessions,
                moment=replace(self._moment, visible_version=self._feedback_until),
                params=Params(),
                columns=RUN_COLUMNS,
            )
            sql = feedback_sql(scope, [UUID(run_id) for run_id in records])
            add_feedback(records.values(), self._engine.select(Statement(sql, scope.params.as_tuple())).rows)
        return {run_id: _stats_text(record) for run_id, record in records.items()}


def _judged(batch: pa.RecordBatch) -> pa.Array:
    """Ids of the runs in a batch that may have feedback."""
    return batch.column(ID).filter(batch.column(_JUDGED).cast(pa.bool_()))


def _feedback_cells(batch: pa.RecordBatch, feedback: Mapping[str, str | None]) -> pa.Array:
    if not _judged(batch):
        return pa.nulls(batch.num_rows, pa.string())
    return pa.array([feedback.get(run_id) for run_id in batch.column(ID).to_pylist()], pa.string())


def _stats_text(record: RunRecord) -> str | None:
    if not record.feedback:
        return None
    return msgspec.json.encode(feedback_stats(record.feedback)).decode()


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Larger batches: small ones cost more than their copy. The first comes at once, each next is twice as large."""
    wanted_rows = rows = weight = 0
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        weight += batch.nbytes
        if rows >= wanted_rows or weight >= ENOUGH_BYTES:
            yield held[0] if len(held) == 1 else pa.concat_batches(held)
            wanted_rows = min(2 * rows, MAX_BATCH_ROWS)
            held, rows, weight = [], 0, 0
    if held:
        yield pa.concat_batches(held)


def _grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Some batches at a time. The first one comes at once, and each group may weigh twice what the last did."""
    wanted = weight = 0
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        weight += batch.nbytes
        if weight >= wanted:
            wanted = min(2 * weight, TOGETHER_BYTES)
            group, held, weight = held, [], 0
            yield group
    if held:
        yield held


def merged(left: Iterator[Piece], right: Iterator[Piece]) -> Iterator[Piece]:
    """Two runs of pieces as one, in order."""
    a, b = next(left, None), next(right, None)
    while a is not None and b is not None:
        if a.ends[1] < b.ends[0]:
            yield a
            a = next(left, None)
        elif b.ends[1] < a.ends[0]:
            yield b
            b = next(right, None)
        else:
            bound = min(a.ends[1], b.ends[1])
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


def _split(piece: Piece, bound: Place) -> tuple[Piece, Piece | None]:
    """The rows up to the bound, and those behind it."""
    count = bisect_right(range(len(piece)), bound, key=piece.place)
    return piece.slice(0, count), piece.slice(count) if count < len(piece) else None


def _interleaved(a: Piece, b: Piece) -> Piece:
    places = [piece.place(row) for piece in (a, b) for row in range(len(piece))]
    order = pa.array(sorted(range(len(places)), key=places.__getitem__), pa.int64())
    starts, ids = pa.concat_arrays([a.starts, b.starts]), pa.concat_arrays([a.ids, b.ids])
    return Piece(pa.concat_batches([a.batch, b.batch]).take(order), starts.take(order), ids.take(order))
