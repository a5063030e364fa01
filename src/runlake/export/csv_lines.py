"""Batches as CSV: a header once, then a line for each row. Null is nothing, an empty text is ``""``; lists are JSON."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from runlake.export.json_lines import decimal_text


class CsvEncoder:
    """Encodes the batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = pa.schema([pa.field(field.name, _flat_type(field.type)) for field in schema])

    def begin(self) -> bytes:
        """The header."""
        return self._text([], header=True)

    def encode(self, batch: pa.RecordBatch, /) -> bytes:
        """One record for each row."""
        columns = [_flat(column).cast(field.type) for column, field in zip(batch.columns, self._schema, strict=True)]
        return self._text([pa.RecordBatch.from_arrays(columns, schema=self._schema)], header=False)

    def _text(self, batches: list[pa.RecordBatch], *, header: bool) -> bytes:
        sink = pa.BufferOutputStream()
        options = pa_csv.WriteOptions(include_header=header, quoting_style="needed")
        pa_csv.write_csv(pa.Table.from_batches(batches, self._schema), sink, options)
        return bytes(sink.getvalue())


def _flat_type(type_: pa.DataType) -> pa.DataType:
    is_flat = pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_floating(type_)
    return type_ if is_flat else pa.string()


def _flat(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        texts = [None if cell is None else msgspec.json.encode(cell).decode() for cell in column.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_decimal(column.type):
        # A cast would print small costs with an exponent.
        return pa.array([None if cost is None else decimal_text(cost) for cost in column.to_pylist()], pa.string())
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    return column
