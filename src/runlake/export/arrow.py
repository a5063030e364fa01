"""Arrow types of the export's columns, and blocks of the engine as record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from runlake.export.columns import SCHEMA_VERSION, ColumnType, ExportColumn
from runlake.model.export_content import ContentKind

ARROW_TYPES: Final[Mapping[ColumnType, Any]] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.JSON: pa.string(),
    ColumnType.TEXTS: pa.list_(pa.string()),
    ColumnType.TIME: pa.timestamp("us", "UTC"),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.COST: pa.decimal128(38, 12),
}

JSON_KEY: Final = b"runlake.json"
"""Metadata of a field that holds JSON text."""


def arrow_schema(columns: Sequence[ExportColumn], content: ContentKind) -> pa.Schema:
    """The schema of the columns, with what a reader of a file must know of it in its metadata."""
    fields = [
        pa.field(
            column.name,
            ARROW_TYPES[column.type],
            metadata={JSON_KEY: b"true"} if column.type is ColumnType.JSON else None,
        )
        for column in columns
    ]
    return pa.schema(
        fields,
        metadata={b"runlake.content": content.value.encode(), b"runlake.schema_version": str(SCHEMA_VERSION).encode()},
    )


def blocks_to_batches(blocks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
    """The batches in blocks of ``Engine.stream``, without copying them."""
    for block in blocks:
        with pa.ipc.open_stream(block) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield batch
