"""Law: an export holds the runs, columns and values that a query answers with, in every format."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langsmith.schemas import Run

from property.filter_texts import filters
from property.populations import Population, populations
from property.reference import evaluate
from runlake.errors import FilterError
from runlake.export.content import ExportSelection
from runlake.export.formats import COMPRESSIONS, open_writer
from runlake.export.source import ExportSource
from runlake.flatten import flatten
from runlake.ingest.batch import IngestBatch
from runlake.model.export_content import Compression, ContentKind, FileFormat
from runlake.model.run_record import RunSelect
from runlake.model.usage import UsageOf
from runlake.query.feedback_runs import judged_runs
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.feedback import FeedbackFilter, FeedbackReader
from runlake.wire.json_text import without_constants
from runlake.wire.runs import RunEncoder
from store.harness import OpenStore, open_store

JSON_COLUMNS = {"inputs", "outputs", "extra", "events", "serialized", "feedback_stats"} | {
    f"{side}_{kind}_details" for side in ("prompt", "completion") for kind in ("token", "cost")
}
SELECT = frozenset(RunSelect) - {RunSelect.CHILD_RUN_IDS, RunSelect.DIRECT_CHILD_RUN_IDS, RunSelect.MESSAGES}
EXTRA_FIELDS = ("inputs_preview", "outputs_preview")


def quiet(max_examples: int) -> settings:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=max_examples, deadline=None, suppress_health_check=checks)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    with open_store(Path(tmp_path_factory.mktemp("exports")) / "engine") as opened:
        yield opened


def write(store: OpenStore, population: Population) -> None:
    for runs, feedback in zip(population.batches, population.feedback, strict=True):
        batch = IngestBatch(tenant_id=population.tenant_id, runs=runs, feedback=feedback)
        asyncio.run(store.writer.write(batch))


def source_of(store: OpenStore, population: Population) -> ExportSource:
    return ExportSource(engine=store.engine, moments=store.moments, live_projects=lambda _: (population.session_id,))


def selection_of(population: Population, **more: Any) -> ExportSelection:
    return ExportSelection(tenant_id=population.tenant_id, project_ids=(population.session_id,), **more)


def answered(store: OpenStore, population: Population, usage_of: UsageOf = UsageOf.RUN) -> list[dict[str, Any]]:
    """What ``/runs/query`` answers with, as a reader of its JSON sees it."""
    query = RunQuery(
        tenant_id=population.tenant_id,
        sessions=(population.session_id,),
        page_rows=1000,
        select=SELECT,
        usage_of=usage_of,
    )
    page = RunFetcher(store.engine, QueryLimits()).page(query, store.moments.current(population.tenant_id))
    encoder = RunEncoder(population.tenant_id, SELECT)
    bodies = (msgspec.json.encode(encoder.body(run)) for run in page.runs)
    return [json.loads(without_constants(body)) for body in bodies]


def wire_value(name: str, value: Any) -> Any:
    """A cell of a columnar file as the wire spells it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return json.loads(value) if name in JSON_COLUMNS and value is not None else value


def wire_rows(table: pa.Table) -> list[dict[str, Any]]:
    return [{name: wire_value(name, value) for name, value in row.items()} for row in table.to_pylist()]


def read_back(data: bytes, format_: FileFormat, compression: Compression) -> list[dict[str, Any]]:
    if format_ is FileFormat.PARQUET:
        return wire_rows(pq.read_table(io.BytesIO(data)))
    if format_ is FileFormat.ARROW:
        return wire_rows(pa.ipc.open_stream(data).read_all())
    if format_ is FileFormat.ARROW_FILE:
        return wire_rows(pa.ipc.open_file(data).read_all())
    if compression is Compression.ZSTANDARD:
        data = zstd.decompress(data)
    elif compression is Compression.GZIP:
        import gzip  # noqa: PLC0415 -- the one place that needs it

        data = gzip.decompress(data)
    if format_ is FileFormat.JSONL:
        return [json.loads(line, parse_constant=pytest.fail) for line in data.splitlines()]
    return [read_csv_row(row) for row in csv.DictReader(io.StringIO(data.decode()))]


def read_csv_row(row: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in ("id", "name", "run_type", "status", "dotted_order")}


def check_rows(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    by_id = {run["id"]: run for run in expected}
    assert sorted(row["id"] for row in found) == sorted(by_id)
    for row in found:
        for name in row.keys() & by_id[row["id"]].keys():
            assert row[name] == by_id[row["id"]][name], name


FORMS = [(format_, compression) for format_, accepted in COMPRESSIONS.items() for compression in accepted]


@quiet(2)
@given(population=populations())
def test_every_format_holds_the_values_that_a_query_answers_with(store: OpenStore, population: Population) -> None:
    write(store, population)
    expected = answered(store, population)
    source = source_of(store, population)
    names = tuple(source.schema(selection_of(population)).names) + EXTRA_FIELDS
    selection = selection_of(population, fields=names)
    assert source.count(selection) == len(expected)
    for format_, compression in FORMS:
        sink = io.BytesIO()
        writer = open_writer(format_, compression, source.schema(selection), sink)
        with source.batches(selection) as batches:
            for batch in batches:
                writer.write(batch)
        summary = writer.close()
        assert (summary.rows, summary.bytes) == (len(expected), len(sink.getvalue()))
        check_rows(read_back(sink.getvalue(), format_, compression), expected)


@quiet(4)
@given(population=populations(), texts=st.lists(filters, min_size=1, max_size=2))
def test_a_filter_exports_what_the_reference_finds(store: OpenStore, population: Population, texts: list[str]) -> None:
    check_filters(store, population, texts)


@pytest.mark.slow
@pytest.mark.timeout(0)
@quiet(150)
@given(population=populations(), texts=st.lists(filters, min_size=2, max_size=4))
def test_hundreds_of_filters_export_what_the_reference_finds(
    store: OpenStore, population: Population, texts: list[str]
) -> None:
    check_filters(store, population, texts)


def check_filters(store: OpenStore, population: Population, texts: list[str]) -> None:
    write(store, population)
    source, records = source_of(store, population), population.records
    for text in map(population.fill_in, texts):
        try:
            matching = ids_of(source, selection_of(population, filter=text))
        except FilterError as error:
            assume(error.diagnostics[0].code != "ambiguous")
            raise
        met = [run for run in records if evaluate(text, run, records)]
        assert matching == sorted(run.id for run in met), text
        whole = {run.trace_id for run in met}
        traces = ids_of(source, selection_of(population, filter=text, content=ContentKind.TRACES))
        assert traces == sorted(run.id for run in records if run.trace_id in whole), text
        roots = ids_of(source, selection_of(population, filter=text, content=ContentKind.FLATTENED), "trace_id")
        assert roots == sorted(run.id for run in met if run.is_root), text


def ids_of(source: ExportSource, selection: ExportSelection, column: str = "id") -> list[str]:
    with source.batches(replace(selection, fields=(column,))) as batches:
        found = [row for batch in batches for row in batch.column(column).to_pylist()]
    assert source.count(selection) == len(found)
    return sorted(found)


@quiet(3)
@given(population=populations())
def test_feedback_is_a_table_of_its_own(store: OpenStore, population: Population) -> None:
    write(store, population)
    reader = FeedbackReader(store.engine, judged_runs(store.moments))
    listed = reader.list(population.tenant_id, FeedbackFilter(), offset=0, limit=1000)
    with source_of(store, population).batches(selection_of(population, content=ContentKind.FEEDBACK)) as batches:
        rows = [row for batch in batches for row in batch.to_pylist()]
    expected = [(str(f.id), str(f.run_id), f.key, f.score, f.value and f.value.decode(), f.comment) for f in listed]
    found = [(r["id"], r["run_id"], r["key"], r["score"], r["value"], r["comment"]) for r in rows]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {row["session_id"] for row in rows} <= {str(population.session_id)}


@quiet(4)
@given(population=populations())
def test_flattened_traces_are_the_same_in_an_export_and_in_python(store: OpenStore, population: Population) -> None:
    write(store, population)
    selection = selection_of(population, content=ContentKind.FLATTENED)
    with source_of(store, population).batches(selection) as batches:
        exported = [row for batch in batches for row in batch.to_pylist()]
    runs = [Run(**body) for body in answered(store, population, UsageOf.ROOTS_TRACE)]
    in_python = {row.trace_id: asdict(row) for row in flatten(runs)}
    assert sorted(in_python) == sorted(row["trace_id"] for row in exported)
    for row in exported:
        for name in ("runs_by_type", "tool_calls", "feedback"):
            row[name] = json.loads(row[name])
        assert {name: row[name] for name in in_python[row["trace_id"]]} == in_python[row["trace_id"]]


@quiet(3)
@given(population=populations(min_size=10), rows=st.integers(1, 9))
def test_an_export_goes_on_exactly_behind_any_row(store: OpenStore, population: Population, rows: int) -> None:
    write(store, population)
    source = source_of(store, population)
    for content in ContentKind:
        column = "trace_id" if content is ContentKind.FLATTENED else "id"
        selection = selection_of(population, content=content, fields=(column,), as_of=source.watermark())
        whole = in_order(source, selection, column)
        with source.pieces(replace(selection, limit=rows)) as pieces:
            first = list(pieces)
        if first:
            rest = in_order(source, replace(selection, after=first[-1].last), column)
            head = [row for piece in first for row in piece.batch.column(column).to_pylist()]
            assert head + rest == whole


def in_order(source: ExportSource, selection: ExportSelection, column: str) -> list[str]:
    with source.batches(selection) as batches:
        return [row for batch in batches for row in batch.column(column).to_pylist()]


@quiet(2)
@given(population=populations(min_size=10))
def test_windows_side_by_side_hold_each_trace_once(store: OpenStore, population: Population) -> None:
    write(store, population)
    source = source_of(store, population)
    times = sorted(run.start_time for run in population.records)
    middle = times[len(times) // 2]
    for content in (ContentKind.RUNS, ContentKind.TRACES):
        halves = [
            ids_of(source, selection_of(population, content=content, end_us=middle)),
            ids_of(source, selection_of(population, content=content, start_us=middle)),
        ]
        assert sorted(halves[0] + halves[1]) == sorted(run.id for run in population.records)


@quiet(2)
@given(population=populations())
def test_duckdb_reads_parquet_and_json_lines_alike(
    store: OpenStore, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(store, population)
    source, folder = source_of(store, population), tmp_path_factory.mktemp("duckdb")
    selection = selection_of(population)
    for name, form in {"a.parquet": FORMS[0], "a.jsonl.gz": (FileFormat.JSONL, Compression.GZIP)}.items():
        with (folder / name).open("wb") as sink, source.batches(selection) as batches:
            writer = open_writer(*form, source.schema(selection), sink)
            for batch in batches:
                writer.write(batch)
            writer.close()
    columns = "id::VARCHAR, name, total_tokens, CAST(total_cost AS DECIMAL(38, 12))"
    starts = {"a.parquet": "start_time", "a.jsonl.gz": "start_time::TIMESTAMP"}
    with duckdb.connect() as database:
        parquet, lines = (
            database.execute(f"SELECT {columns}, epoch_us({start}) FROM '{folder / name}' ORDER BY 1").fetchall()
            for name, start in starts.items()
        )
    assert lines == parquet
    assert len(parquet) == len(population.records)
