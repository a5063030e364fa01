"""Choosing columns, and files of rows that are made up."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runlake.errors import InvalidError
from runlake.export.arrow import arrow_schema
from runlake.export.columns import choose_columns, columns_of
from runlake.export.content import Compression, ContentKind, FileFormat
from runlake.export.formats import COMPRESSIONS, ROW_GROUP_ROWS, file_extension, open_writer

FIELDS = ("id", "start_time", "inputs", "tags", "total_cost", "error", "version")


def schema(*fields: str) -> pa.Schema:
    return arrow_schema(choose_columns(ContentKind.RUNS, fields or FIELDS), ContentKind.RUNS)


def row(**more: object) -> dict[str, object]:
    cells = {
        "id": "a",
        "start_time": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        "inputs": '{\n "q": "ü\\n"}',
        "tags": ["x", 'y"z'],
        "total_cost": Decimal("0.000000000100"),
        "error": None,
        "version": 7,
    }
    return {**cells, **more}


def written(format_: FileFormat, *rows: dict[str, object], compression: Compression = Compression.NONE) -> bytes:
    sink = io.BytesIO()
    writer = open_writer(format_, compression, schema(), sink)
    for cells in rows:
        writer.write(pa.RecordBatch.from_pylist([cells], schema=schema()))
    summary = writer.close()
    data = sink.getvalue()
    assert (summary.rows, summary.bytes, summary.sha256) == (len(rows), len(data), hashlib.sha256(data).hexdigest())
    assert writer.bytes_written == len(data)
    return data


def test_a_json_line_holds_payloads_as_json_on_one_line() -> None:
    (line,) = written(FileFormat.JSONL, row()).splitlines()
    assert line == (
        b'{"id":"a","start_time":"2026-01-02T03:04:05.000006","error":null,"inputs":{  "q": "\xc3\xbc\\n"},'
        b'"tags":["x","y\\"z"],"total_cost":"0.0000000001","version":7}'
    )


def test_csv_tells_null_from_empty_and_prints_lists_as_json() -> None:
    head, first, second = written(FileFormat.CSV, row(inputs="{}"), row(inputs=None, error="")).decode().splitlines()
    assert head == '"id","start_time","error","inputs","tags","total_cost","version"'
    assert first == '"a","2026-01-02T03:04:05.000006Z",,"{}","[""x"",""y\\""z""]","0.0000000001",7'
    assert second.split(",")[2:4] == ['""', ""]


@pytest.mark.parametrize("format_", FileFormat)
def test_a_file_without_rows_is_a_file_with_a_schema(format_: FileFormat) -> None:
    data = written(format_)
    if format_ is FileFormat.PARQUET:
        assert pq.read_table(io.BytesIO(data)).schema.equals(schema(), check_metadata=False)
    else:
        assert (data == b"") is (format_ is FileFormat.JSONL)


def test_the_schema_and_its_version_are_in_the_file() -> None:
    metadata = pq.read_schema(io.BytesIO(written(FileFormat.PARQUET, row()))).metadata
    assert (metadata[b"runlake.content"], metadata[b"runlake.schema_version"]) == (b"runs", b"1")


def test_parquet_gathers_small_batches_into_row_groups() -> None:
    sink, narrow = io.BytesIO(), schema("id")
    writer = open_writer(FileFormat.PARQUET, Compression.ZSTANDARD, narrow, sink)
    batch = pa.RecordBatch.from_pylist([{"id": "a"}] * 30_000, schema=narrow)
    for _ in range(5):
        writer.write(batch)
    writer.close()
    file = pq.ParquetFile(io.BytesIO(sink.getvalue()))
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [120_000, 30_000]
    assert ROW_GROUP_ROWS == 100_000


@pytest.mark.parametrize("format_", FileFormat)
@pytest.mark.parametrize("compression", Compression)
def test_a_format_takes_its_compressions_and_refuses_others(format_: FileFormat, compression: Compression) -> None:
    if compression in COMPRESSIONS[format_]:
        assert written(format_, row(), compression=compression)
    else:
        with pytest.raises(InvalidError, match="use one of"):
            open_writer(format_, compression, schema(), io.BytesIO())


@pytest.mark.parametrize(
    ("format_", "compression", "ending"),
    [
        (FileFormat.PARQUET, Compression.ZSTANDARD, ".parquet"),
        (FileFormat.JSONL, Compression.GZIP, ".jsonl.gz"),
        (FileFormat.CSV, Compression.ZSTANDARD, ".csv.zst"),
        (FileFormat.ARROW_FILE, Compression.ZSTANDARD, ".arrow"),
    ],
)
def test_names_of_files_end_as_their_readers_expect(format_: FileFormat, compression: Compression, ending: str) -> None:
    assert file_extension(format_, compression) == ending


@pytest.mark.parametrize("content", ContentKind)
def test_columns_of_a_kind_have_names_of_their_own(content: ContentKind) -> None:
    names = [column.name for column in columns_of(content)]
    assert len(set(names)) == len(names)
    assert [column.name for column in choose_columns(content, None)] == [
        column.name for column in columns_of(content) if column.default
    ]


def test_a_line_can_be_read_by_any_reader_of_json() -> None:
    line = written(FileFormat.JSONL, row(inputs='{"a":"\\ud800"}', tags=[], total_cost=None))
    assert json.loads(line)["tags"] == []
