"""Payloads that the engine cannot hand out as they are: too large for a block, kept as objects, or no plain JSON.

NaN and Infinity, which no reader of JSON but Python takes, become null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from runlake.errors import StoreError
from runlake.export.arrow import blocks_to_batches
from runlake.export.columns import ExportColumn
from runlake.model.payload_ref import PayloadRef, decode_refs
from runlake.query.bulk import BulkQuery, one_cell
from runlake.query.request import PageKey
from runlake.query.scope import RunTable
from runlake.store.engine import Engine
from runlake.store.moment import Moment
from runlake.store.objects import ObjectStore
from runlake.wire.json_text import without_constants

LARGE_CELL_BYTES: Final = 1 << 20
"""Rows with a larger payload are read apart, and their payloads one by one: a block is bounded by rows, not bytes."""

START: Final = "k_start"
ID: Final = "k_id"
VERSION: Final = "k_version"
_FLAGS: Final = "k_flags"
_LARGE: Final = "k_large"
_OBJECTS: Final = "k_objects"
_CONSTANT_BITS: Final = 8
"""``k_flags``: from bit 0 on the payload columns to read by themselves, from this bit on those with NaN or Infinity."""


class Payloads:
    """Puts payloads into batches of one ``BulkQuery``; ``cells`` is what their statement has to select for it.

    With ``apart`` those that are objects stay out of their cells; ``objects_apart`` names them.
    """

    def __init__(
        self,
        engine: Engine,
        bulk: BulkQuery,
        moment: Moment,
        columns: Sequence[ExportColumn],
        objects: ObjectStore | None,
        *,
        apart: bool = False,
    ) -> None:
        self._apart = apart
        self._engine = engine
        self._bulk = bulk
        self._moment = moment
        self._objects = objects
        self._columns = {index: column for index, column in enumerate(columns) if column.payload}

    def cells(self, *, large: bool) -> str:
        """SQL of what tells which payloads need care; of ``large`` rows all that are there."""
        names = [column.sql for column in self._columns.values()]
        if not names:
            return f"toUInt32(0) AS {_FLAGS}, toUInt64(0) AS {_LARGE}, '' AS {_OBJECTS}"
        if large:
            flags = [f"bitShiftLeft(toUInt32({n}.size > 0), {bit})" for bit, n in enumerate(names)]
            weight = " + ".join(f"{n}.size" for n in names)
        else:
            flags = [
                f"bitShiftLeft(toUInt32(multiSearchAny({n}, ['NaN', 'Infinity'])), {bit + _CONSTANT_BITS})"
                for bit, n in enumerate(names)
            ]
            weight = "0"
        return f"{' + '.join(flags)} AS {_FLAGS}, toUInt64({weight}) AS {_LARGE}, objects AS {_OBJECTS}"

    def sizes(self) -> tuple[str, str] | None:
        """SQL of what the payloads of a row weigh in a block, and of the largest; None when there are none."""
        names = [f"{column.sql}.size" for column in self._columns.values()]
        if not names:
            return None
        return " + ".join(f"least({name}, {LARGE_CELL_BYTES})" for name in names), f"greatest({', '.join(names)}, 0)"

    def place(self, *, large: bool) -> str | None:
        """SQL of the condition that some payload of a row is too large for a block, or that none is."""
        sizes = self.sizes()
        return None if sizes is None else f"{sizes[1]} {'>' if large else '<='} {LARGE_CELL_BYTES}"

    def objects_apart(self, batch: pa.RecordBatch) -> list[dict[str, PayloadRef]]:
        """Of each row the objects that are left out of its cells, by the name of their column."""
        if not self._apart:
            return [{}] * batch.num_rows
        names = [column.name for column in self._columns.values()]
        found = [decode_refs(text) for text in batch.column(_OBJECTS).to_pylist()]
        return [{name: ref for name in names if isinstance(ref := refs.get(name), PayloadRef)} for refs in found]

    def put_right(self, columns: list[pa.Array], batch: pa.RecordBatch, table: RunTable) -> None:
        """Replace in ``columns`` what needs care."""
        if not pc.max(batch.column(_FLAGS)).as_py() and not pc.max(pc.binary_length(batch.column(_OBJECTS))).as_py():
            return
        flags = batch.column(_FLAGS).to_pylist()
        refs = [decode_refs(text) for text in batch.column(_OBJECTS).to_pylist()]
        for bit, (index, column) in enumerate(self._columns.items()):
            rows = [row for row, flag in enumerate(flags) if flag & (0x101 << bit) or column.name in refs[row]]
            if rows:
                cells: list[bytes | None] = columns[index].cast(pa.binary()).to_pylist()
                for row in rows:
                    kept = refs[row].get(column.name)
                    if kept is not None:
                        cells[row] = self._kept(batch, row, kept)
                    elif flags[row] & (1 << bit):
                        cells[row] = self._large(batch, row, table, column)
                    cells[row] = without_constants(cells[row] or b"") or None
                columns[index] = pa.array(cells, pa.binary()).cast(pa.string())

    def _kept(self, batch: pa.RecordBatch, row: int, kept: PayloadRef | str) -> bytes:
        if isinstance(kept, str):
            return kept.encode()
        if self._apart:
            return b""
        if self._objects is None:
            raise StoreError("a run names an object, and the export was put together without objects")
        run_id = UUID(batch.column(ID)[row].as_py())
        return self._objects.payload(self._bulk.query.tenant_id, run_id, kept)

    def _large(self, batch: pa.RecordBatch, row: int, table: RunTable, column: ExportColumn) -> bytes:
        key = PageKey(start_time=batch.column(START)[row].as_py(), run_id=UUID(batch.column(ID)[row].as_py()))
        version = batch.column(VERSION)[row].as_py()
        statement = one_cell(self._bulk, self._moment, table, f"{column.sql} AS cell", at=key, version=version)
        with self._engine.stream(statement) as blocks:
            return bytes(next(blocks_to_batches(blocks)).column(0)[0].as_buffer())


def payload_cell(column: ExportColumn, *, large: bool) -> str:
    """SQL of a payload; nothing in ``large`` rows, of which each payload is read by itself."""
    return "CAST(NULL AS Nullable(String))" if large else f"nullIf({column.sql}, '')"


def light_parts(batch: pa.RecordBatch, max_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batch in parts whose large payloads, once read, are together no heavier than ``max_bytes`` or one row."""
    sizes = _weights(batch)
    if not any(sizes):
        yield batch
        return
    first = weight = 0
    for row, size in enumerate(sizes):
        if weight and weight + size > max_bytes:
            yield batch.slice(first, row - first)
            first, weight = row, 0
        weight += size
    yield batch.slice(first)


def _weights(batch: pa.RecordBatch) -> list[Any]:
    """What each row will weigh that it does not weigh yet."""
    sizes = list(batch.column(_LARGE).to_pylist())
    if pc.max(pc.binary_length(batch.column(_OBJECTS))).as_py():
        for row, text in enumerate(batch.column(_OBJECTS).to_pylist()):
            sizes[row] += sum(ref.size_bytes for ref in decode_refs(text).values() if isinstance(ref, PayloadRef))
    return sizes
