"""Batches as lines of JSON: each line one object, with the keys and the spelling that a run has on the wire.

Times are naive UTC text with microseconds, costs are decimal strings, columns of JSON text are the JSON itself. A
payload keeps its bytes, except that line ends between its tokens become blanks.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from runlake.export.arrow import JSON_KEY

_ENCODER: Final = msgspec.json.Encoder()
_LINE_ENDS: Final = bytes.maketrans(b"\n\r", b"  ")

_PART_BYTES: Final = 512 << 10
"""Encoded at a time: the encoder lets no other thread of Python run, and half a megabyte takes half a millisecond."""

_Cells = Callable[[pa.Array], list[Any]]


class LineEncoder:
    """Encodes the batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self._cells = [_cells_of(field) for field in schema]
        self._line = msgspec.defstruct("Line", [(field.name, Any) for field in schema], gc=False)

    def begin(self) -> bytes:
        """What stands before the first line: nothing."""
        return b""

    def encode(self, batch: pa.RecordBatch, /) -> bytes:
        """One line for each row."""
        rows = max(1, batch.num_rows * _PART_BYTES // max(1, batch.nbytes))
        return b"".join(self._lines(batch.slice(first, rows)) for first in range(0, batch.num_rows, rows))

    def _lines(self, batch: pa.RecordBatch) -> bytes:
        columns = [cells(column) for cells, column in zip(self._cells, batch.columns, strict=True)]
        return _ENCODER.encode_lines([self._line(*row) for row in zip(*columns, strict=True)])


def _cells_of(field: pa.Field) -> _Cells:
    if field.metadata and JSON_KEY in field.metadata:
        return _json
    if pa.types.is_timestamp(field.type):
        return _times
    if pa.types.is_decimal(field.type):
        return _costs
    return _plain


def _plain(column: pa.Array) -> list[Any]:
    return list(column.to_pylist())


def _times(column: pa.Array) -> list[Any]:
    return list(pc.strftime(column, format="%Y-%m-%dT%H:%M:%S").to_pylist())


def _costs(column: pa.Array) -> list[Any]:
    if column.null_count == len(column):
        return [None] * len(column)
    return [None if cost is None else decimal_text(cost) for cost in column.to_pylist()]


def _json(column: pa.Array) -> list[Any]:
    return [None if text is None else msgspec.Raw(one_line(text)) for text in column.cast(pa.binary()).to_pylist()]


def one_line(text: bytes) -> bytes:
    """JSON on one line: a line end can only stand between tokens, where a blank means the same."""
    return text.translate(_LINE_ENDS) if b"\n" in text or b"\r" in text else text


def decimal_text(cost: Decimal) -> str:
    """As the wire prints costs: without an exponent and without trailing zeros."""
    return f"{cost.normalize():f}"
