"""What an export reads from the real engine: payloads of every size and oddness, open runs, moments, changes."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
import pytest

from runlake.errors import FilterError, InvalidError
from runlake.export import payloads
from runlake.export.content import ExportSelection
from runlake.export.source import ExportSource
from runlake.ingest.batch import IngestBatch
from runlake.model.export_content import ContentKind
from runlake.model.project import Feedback
from runlake.model.run import RunWrite
from store.harness import OTHER_TENANT, START_US, TENANT, OpenStore, create, end, open_store, patch, run_id

PROJECT = uuid5(TENANT, "p")
SECOND_US = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OpenStore]:
    with open_store(tmp_path / "engine") as opened:
        yield opened


def source_of(store: OpenStore, *projects: UUID) -> ExportSource:
    return ExportSource(engine=store.engine, moments=store.moments, live_projects=lambda _: projects or (PROJECT,))


def rows_of(store: OpenStore, *, tenant_id: UUID = TENANT, **more: Any) -> list[dict[str, Any]]:
    selection = ExportSelection(tenant_id=tenant_id, project_ids=more.pop("project_ids", (PROJECT,)), **more)
    with source_of(store).batches(selection) as batches:
        return [row for batch in batches for row in batch.to_pylist()]


def ids_of(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def numbered(*numbers: int) -> list[str]:
    return [str(run_id(number)) for number in numbers]


def done(number: int, **fields: Any) -> tuple[RunWrite, RunWrite]:
    return create(number, **fields), end(number)


def judge(store: OpenStore, number: int, score: float) -> None:
    feedback = Feedback(
        tenant_id=TENANT, id=uuid5(run_id(number), "mark"), key="ok", run_id=run_id(number), score=score
    )
    asyncio.run(store.writer.write(IngestBatch(tenant_id=TENANT, runs=(), feedback=(feedback,))))


def test_open_and_finished_runs_come_in_one_order_each_once(store: OpenStore) -> None:
    store.write(*done(1), create(2), *done(3), create(4), *done(5))
    rows = rows_of(store)
    assert ids_of(rows) == numbered(1, 2, 3, 4, 5)
    assert [row["status"] for row in rows] == ["success", "pending", "success", "pending", "success"]


def test_a_batch_of_nothing_but_nulls_and_no_rows_have_the_same_schema(store: OpenStore) -> None:
    store.write(create(1, inputs=b"{}"))
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,))
    source = source_of(store)
    with source.batches(selection) as batches:
        assert [batch.schema for batch in batches] == [source.schema(selection)]
    assert rows_of(store, filter='eq(name, "nobody")') == []


@pytest.mark.parametrize("content", [ContentKind.RUNS, ContentKind.FLATTENED])
@pytest.mark.parametrize("filter_", [None, 'neq(name, "run-5")'])
def test_windows_read_together_hold_what_each_holds_read_alone(
    store: OpenStore, content: ContentKind, filter_: str | None
) -> None:
    """Windows end where a run starts, where none does, and one is empty; finished and open runs on both sides."""
    store.write(*done(1), create(2), *done(3), *done(4), *done(5), create(9), *done(10), *done(12))
    ends_us = [START_US + seconds * SECOND_US for seconds in (3, 4, 6, 9, 11)]
    whole = ExportSelection(
        tenant_id=TENANT, project_ids=(PROJECT,), start_us=START_US, end_us=ends_us[-1], content=content, filter=filter_
    )
    source = source_of(store)
    alone: list[list[dict[str, Any]]] = []
    for start_us, end_us in pairwise([START_US, *ends_us]):
        with source.batches(replace(whole, start_us=start_us, end_us=end_us)) as batches:
            alone.append([row for batch in batches for row in batch.to_pylist()])
    together: list[list[dict[str, Any]]] = [[] for _ in ends_us]
    with source.windows(whole, ends_us) as parts:
        for number, batch in parts:
            together[number] += batch.to_pylist()
    assert together == alone
    assert source.counts(whole, ends_us) == [len(rows) for rows in alone] == [2, 1, 1 + (filter_ is None), 0, 2]


@pytest.mark.parametrize("size", [10, payloads.LARGE_CELL_BYTES - 20, payloads.LARGE_CELL_BYTES + 1, 10_000_000])
def test_a_payload_of_any_size_comes_back_byte_for_byte(store: OpenStore, size: int) -> None:
    text = json.dumps({"a": "é" + "x" * size, "b": 1}, ensure_ascii=False, indent=1)
    store.write(*done(1, inputs=text.encode()), create(2, inputs=text.encode()), *done(3))
    assert [row["inputs"] for row in rows_of(store)] == [text, text, '{"question":"q"}']


def test_many_large_payloads_come_in_batches_of_bounded_size(store: OpenStore) -> None:
    text = json.dumps({"a": "x" * 3_000_000})
    store.write(*(write for number in range(1, 9) for write in done(number, inputs=text.encode())))
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,))
    with source_of(store).batches(selection) as batches:
        sizes = [(batch.num_rows, batch.nbytes) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 8
    assert max(weight for _, weight in sizes) < 13_000_000


def test_constants_that_are_no_json_become_null(store: OpenStore) -> None:
    store.write(*done(1, inputs=b'{"a": NaN, "b": [-Infinity, "NaN"]}'))
    assert rows_of(store)[0]["inputs"] == '{"a": null, "b": [null, "NaN"]}'


def test_other_tenants_and_deleted_projects_are_nowhere(store: OpenStore) -> None:
    store.write(*done(1))
    store.write(*done(2), tenant_id=OTHER_TENANT)
    other = uuid5(OTHER_TENANT, "p")
    assert rows_of(store, project_ids=(PROJECT, other)) != []
    assert rows_of(store, tenant_id=OTHER_TENANT, project_ids=(PROJECT,)) == []
    gone = ExportSource(engine=store.engine, moments=store.moments, live_projects=lambda _: ())
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,))
    assert gone.count(selection) == 0
    with gone.batches(selection) as batches:
        assert list(batches) == []


def test_a_window_is_half_open_on_the_start(store: OpenStore) -> None:
    store.write(*done(1), *done(2), *done(3))
    start, end_ = START_US + SECOND_US, START_US + 3 * SECOND_US
    assert ids_of(rows_of(store, start_us=start, end_us=end_)) == numbered(1, 2)


def test_an_earlier_moment_shows_what_was_there_then(store: OpenStore) -> None:
    store.write(*done(1), create(2))
    before = source_of(store).watermark()
    store.write(patch(1, tags=("late",)), end(2), *done(3))
    judge(store, 1, 1.0)
    rows = rows_of(store, as_of=before)
    assert [(row["id"], row["status"], row["tags"]) for row in rows] == [
        (str(run_id(1)), "success", []),
        (str(run_id(2)), "pending", []),
    ]
    assert json.loads(rows[0]["feedback_stats"])["ok"]["n"] == 1, "feedback is as it stands: earlier states may be gone"


def test_a_moment_is_held_while_an_export_reads_it_and_no_longer_than_a_quarter_of_an_hour(store: OpenStore) -> None:
    store.write(*done(1), create(2))
    version = source_of(store).watermark()
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,))
    with source_of(store).batches(selection):
        assert store.moments.oldest_needed(version + 10, at_most=0) == version
        assert store.moments.oldest_needed(version + 10, at_most=version + 5) == version + 5
    assert store.moments.oldest_needed(version + 10, at_most=0) == version + 10


def test_changes_since_a_version_are_runs_written_or_judged_after_it(store: OpenStore) -> None:
    store.write(*done(1), *done(2), *done(3), create(4))
    before = source_of(store).watermark()
    store.write(end(4), patch(2, tags=("late",)))
    judge(store, 1, 0.5)
    rows = rows_of(store, changed_since=before, fields=("id", "export_change"))
    assert ids_of(rows) == numbered(1, 2, 4)
    assert {row["export_change"] for row in rows} == {"changed"}
    assert {row["export_change"] for row in rows_of(store, fields=("export_change",))} == {"new"}


def test_a_whole_trace_changes_with_any_of_its_runs(store: OpenStore) -> None:
    store.write(*done(1), create(2, parent_run_id=run_id(1), trace_id=run_id(1)), *done(3))
    before = source_of(store).watermark()
    store.write(end(2))
    whole = rows_of(store, changed_since=before, content=ContentKind.TRACES, filter="eq(is_root, true)")
    assert ids_of(whole) == numbered(1, 2)
    flat = rows_of(store, changed_since=before, content=ContentKind.FLATTENED)
    assert [row["trace_id"] for row in flat] == numbered(1)


def test_fields_are_a_projection_in_the_order_of_the_schema(store: OpenStore) -> None:
    store.write(*done(1))
    assert rows_of(store, fields=("name", "id")) == [{"id": str(run_id(1)), "name": "run-1"}]


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"fields": ("nmae",)}, InvalidError, "did you mean name"),
        ({"fields": ()}, InvalidError, "name at least one"),
        ({"fields": ("inputs",), "content": ContentKind.FEEDBACK}, InvalidError, "feedback have no column"),
        ({"filter": "eq(nam, 1)"}, FilterError, "unknown field"),
        ({"tree_filter": "eq("}, FilterError, "expected"),
    ],
)
def test_what_cannot_be_read_is_told_before_any_row(
    store: OpenStore, more: dict[str, Any], error: type[Exception], words: str
) -> None:
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,), **more)
    with pytest.raises(error, match=words):
        source_of(store).check(selection)


def test_leaving_early_frees_the_engine(store: OpenStore) -> None:
    store.write(*(write for number in range(1, 40) for write in done(number)))
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,))
    for _ in range(20):
        with source_of(store).batches(selection) as batches:
            next(batches)
    assert len(rows_of(store)) == 39


@pytest.mark.slow
def test_what_an_export_holds_does_not_grow_with_the_number_of_large_payloads(store: OpenStore) -> None:
    """What is alive in Python and in Arrow, which unlike the size of the process depends on nothing but the export."""
    text = json.dumps({"a": "x y z " * 3_500_000}).encode()
    for number in range(1, 13):
        store.write(*done(number, inputs=text))
    rows_of(store, fields=("id",))
    few, many = _held_bytes(store, 4), _held_bytes(store, 12)
    assert many < few + 2 * len(text)
    assert many < 8 * len(text)


def _held_bytes(store: OpenStore, rows: int) -> int:
    """Most bytes alive at once while so many rows are exported."""
    pool, usual = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    selection = ExportSelection(tenant_id=TENANT, project_ids=(PROJECT,), limit=rows)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        with source_of(store).batches(selection) as batches:
            assert sum(batch.num_rows for batch in batches) == rows
        return tracemalloc.get_traced_memory()[1] + int(pool.max_memory())
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
