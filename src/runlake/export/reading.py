"""Columns of exported files again, row by row: what ``verify`` reads of each form."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, Final, cast

import msgspec

from runlake.model.export_content import Compression, FileFormat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_BATCH_ROWS: Final = 50_000
_LONGEST_CELL: Final = 1 << 30

Cells = tuple[str | None, ...]


def read_columns(
    file: BinaryIO, format_: FileFormat, compression: Compression, columns: Sequence[str]
) -> Iterator[Cells]:
    """The cells of each row in the named columns, as text, None where there is none; JSON as its text."""
    match format_:
        case FileFormat.PARQUET:
            yield from _parquet(file, columns)
        case FileFormat.ARROW | FileFormat.ARROW_FILE:
            yield from _arrow(file, columns)
        case FileFormat.JSONL:
            with _decompressed(file, compression) as text:
                yield from _lines(text, columns)
        case FileFormat.CSV:
            with _decompressed(file, compression) as text:
                yield from _csv(text, columns)


def _parquet(file: BinaryIO, columns: Sequence[str]) -> Iterator[Cells]:
    import pyarrow.parquet as pq  # noqa: PLC0415 -- slow to import; a JSONL export needs none of it

    with pq.ParquetFile(file) as source:
        for batch in source.iter_batches(_BATCH_ROWS, columns=list(columns)):
            yield from _rows(batch, columns)


def _arrow(file: BinaryIO, columns: Sequence[str]) -> Iterator[Cells]:
    import pyarrow as pa  # noqa: PLC0415 -- as above

    with pa.ipc.open_file(file) as source:
        for index in range(source.num_record_batches):
            yield from _rows(source.get_batch(index), columns)


def _rows(batch: Any, columns: Sequence[str]) -> Iterator[Cells]:
    if not columns:
        return iter([()] * batch.num_rows)
    return zip(*(batch.column(column).to_pylist() for column in columns), strict=True)


def _lines(source: IO[bytes], columns: Sequence[str]) -> Iterator[Cells]:
    absent = msgspec.Raw(b"null")
    cells = [
        (f"c{number}", msgspec.Raw, msgspec.field(name=name, default=absent)) for number, name in enumerate(columns)
    ]
    decoder = msgspec.json.Decoder(msgspec.defstruct("Row", cells))
    for line in source:
        try:
            yield tuple(_text(cell) for cell in msgspec.structs.astuple(decoder.decode(line)))
        except msgspec.DecodeError:
            # Payloads are as they came, and what senders call JSON is sometimes more than JSON.
            row = json.loads(line)
            yield tuple(_text(msgspec.json.encode(row.get(column))) for column in columns)


def _text(cell: Any) -> str | None:
    value = bytes(cell)
    if value[:1] == b'"':
        return msgspec.json.decode(value, type=str)
    return None if value == b"null" else value.decode()


def _csv(source: IO[bytes], columns: Sequence[str]) -> Iterator[Cells]:
    csv.field_size_limit(_LONGEST_CELL)
    with io.TextIOWrapper(source, encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield tuple(row[column] or None for column in columns)


@contextmanager
def _decompressed(file: BinaryIO, compression: Compression) -> Iterator[IO[bytes]]:
    match compression:
        case Compression.GZIP:
            with gzip.open(file) as source:
                yield cast("IO[bytes]", source)
        case Compression.ZSTANDARD:
            with zstd.open(file) as source:
                yield cast("IO[bytes]", source)
        case _:
            yield file
