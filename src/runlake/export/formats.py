"""Files of an export: one writer for each format, each into any sink that can be written to, in bounded memory.

Parquet: row groups of about 100,000 rows or 24 MB in memory, dictionaries only for columns that repeat, statistics for
all that are not payloads. JSONL: one object a line with the keys and the spelling of a run on the wire, payloads as the
JSON that they are. Arrow: the IPC stream or file. CSV: lists as JSON text. All of it our choice; the tests read files
with DuckDB and pyarrow.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, Protocol, assert_never

import pyarrow as pa
import pyarrow.parquet as pq

from runlake.errors import InvalidError
from runlake.export.content import Compression, FileFormat, FileSummary, FileWriter, Sink
from runlake.export.csv_lines import CsvEncoder
from runlake.export.json_lines import LineEncoder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROW_GROUP_BYTES: Final = 24 << 20
ROW_GROUP_ROWS: Final = 100_000

COMPRESSIONS: Final[Mapping[FileFormat, tuple[Compression, ...]]] = {
    FileFormat.PARQUET: (Compression.ZSTANDARD, Compression.SNAPPY, Compression.GZIP, Compression.NONE),
    FileFormat.JSONL: (Compression.ZSTANDARD, Compression.GZIP, Compression.NONE),
    FileFormat.CSV: (Compression.ZSTANDARD, Compression.GZIP, Compression.NONE),
    FileFormat.ARROW: (Compression.ZSTANDARD, Compression.NONE),
    FileFormat.ARROW_FILE: (Compression.ZSTANDARD, Compression.NONE),
}
"""What each format can be compressed with: Parquet and Arrow inside the file, the others as a whole."""

_EXTENSIONS: Final[Mapping[FileFormat, str]] = {
    FileFormat.PARQUET: ".parquet",
    FileFormat.JSONL: ".jsonl",
    FileFormat.CSV: ".csv",
    FileFormat.ARROW: ".arrows",
    FileFormat.ARROW_FILE: ".arrow",
}
_PARQUET_CODECS: Final[Mapping[Compression, str]] = {
    Compression.NONE: "none",
    Compression.GZIP: "gzip",
    Compression.SNAPPY: "snappy",
    Compression.ZSTANDARD: "zstd",
}
_REPEATING: Final = frozenset(
    {
        "tenant_id", "session_id", "trace_id", "parent_run_id", "name", "run_type", "status", "trace_tier", "model",
        "provider", "thread_id", "key", "source_type", "run_id", "export_change", "reference_example_id",
    }
)  # fmt: skip
_GZIP_WINDOW_BITS: Final = 31
_GZIP_LEVEL: Final = 3
_ZSTD_LEVEL: Final = 1


def file_extension(format_: FileFormat, compression: Compression) -> str:
    """What the names of such files end with, for example ``.jsonl.gz``."""
    outer = {Compression.GZIP: ".gz", Compression.ZSTANDARD: ".zst"}
    whole_file = format_ in (FileFormat.JSONL, FileFormat.CSV)
    return _EXTENSIONS[format_] + (outer.get(compression, "") if whole_file else "")


def check_compression(format_: FileFormat, compression: Compression) -> None:
    """InvalidError when the format does not take the compression."""
    if compression not in COMPRESSIONS[format_]:
        accepted = ", ".join(known.value for known in COMPRESSIONS[format_])
        raise InvalidError(
            f"{format_.value} files cannot be compressed with {compression.value}; use one of {accepted}",
            field="compression",
        )


def open_writer(format_: FileFormat, compression: Compression, schema: pa.Schema, sink: Sink) -> FileWriter:
    """A writer of one file into ``sink``; InvalidError when the format does not take the compression."""
    check_compression(format_, compression)
    counted = _CountedSink(sink)
    match format_:
        case FileFormat.PARQUET:
            return _ParquetFile(schema, compression, counted)
        case FileFormat.JSONL:
            return _TextFile(LineEncoder(schema), _compressor(compression), counted)
        case FileFormat.CSV:
            return _TextFile(CsvEncoder(schema), _compressor(compression), counted)
        case FileFormat.ARROW:
            return _ArrowFile(pa.ipc.new_stream, schema, compression, counted)
        case FileFormat.ARROW_FILE:
            return _ArrowFile(pa.ipc.new_file, schema, compression, counted)
        case _:
            assert_never(format_)


class _CountedSink:
    """Passes bytes on, counted and digested; looks like a file to pyarrow."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = sha256()
        self.count = 0

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._sink.write(view)
        self._digest.update(view)
        self.count += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.count

    def flush(self) -> None:
        """Nothing is held back here; the sink is flushed by its owner."""

    def close(self) -> None:
        """The sink belongs to the caller."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class _File:
    """What all writers have in common."""

    def __init__(self, sink: _CountedSink) -> None:
        self._sink = sink
        self._rows = 0

    @property
    def bytes_written(self) -> int:
        """Bytes handed to the sink so far."""
        return self._sink.count

    def _summary(self) -> FileSummary:
        return FileSummary(rows=self._rows, bytes=self._sink.count, sha256=self._sink.sha256)


class _ParquetFile(_File):
    def __init__(self, schema: pa.Schema, compression: Compression, sink: _CountedSink) -> None:
        super().__init__(sink)
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        names = [field.name for field in schema]
        self._writer = pq.ParquetWriter(
            pa.PythonFile(sink, mode="w"),
            schema,
            compression=_PARQUET_CODECS[compression],
            use_dictionary=[name for name in names if name in _REPEATING],
            write_statistics=[field.name for field in schema if not _is_wide(field)],
            write_page_index=True,
            version="2.6",
        )

    def write(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self._pending_bytes += batch.nbytes
        if self._pending_bytes >= ROW_GROUP_BYTES or self._pending_rows >= ROW_GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._pending, self._schema)
        self._pending = []
        rows, self._pending_rows, self._pending_bytes = self._pending_rows, 0, 0
        self._writer.write_table(table, row_group_size=rows)
        del table
        # What the group took is not kept for the next one: there may be a day between them.
        pa.default_memory_pool().release_unused()

    def close(self) -> FileSummary:
        """Finish the file; the sink stays open."""
        if self._pending:
            self._write_group()
        self._writer.close()
        return self._summary()


def _is_wide(field: pa.Field) -> bool:
    """Whether a value may be large or is no scalar: not worth a minimum and a maximum."""
    return bool(field.metadata) or pa.types.is_list(field.type) or field.name == "error"


class _ArrowFile(_File):
    def __init__(
        self, open_: Callable[..., Any], schema: pa.Schema, compression: Compression, sink: _CountedSink
    ) -> None:
        super().__init__(sink)
        codec = "zstd" if compression is Compression.ZSTANDARD else None
        self._writer = open_(pa.PythonFile(sink, mode="w"), schema, options=pa.ipc.IpcWriteOptions(compression=codec))

    def write(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        self._writer.write_batch(batch)

    def close(self) -> FileSummary:
        """Finish the file; the sink stays open."""
        self._writer.close()
        return self._summary()


class _TextEncoder(Protocol):
    def begin(self) -> bytes: ...

    def encode(self, batch: pa.RecordBatch, /) -> bytes: ...


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _TextFile(_File):
    def __init__(self, encoder: _TextEncoder, compressor: _Compressor, sink: _CountedSink) -> None:
        super().__init__(sink)
        self._encoder = encoder
        self._compressor = compressor
        self._put(encoder.begin())

    def write(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        self._put(self._encoder.encode(batch))

    def _put(self, text: bytes) -> None:
        data = self._compressor.compress(text)
        if data:
            self._sink.write(data)

    def close(self) -> FileSummary:
        """Finish the file; the sink stays open."""
        data = self._compressor.flush()
        if data:
            self._sink.write(data)
        return self._summary()


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(compression: Compression) -> _Compressor:
    match compression:
        case Compression.NONE:
            return _Plain()
        case Compression.GZIP:
            return zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW_BITS)
        case Compression.ZSTANDARD:
            return zstd.ZstdCompressor(_ZSTD_LEVEL)
        case Compression.SNAPPY:
            raise InvalidError("snappy has no format for whole files", field="compression")
        case _:
            assert_never(compression)
