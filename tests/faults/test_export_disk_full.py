"""A destination in a directory runs full in the middle of an export: nothing half written counts, and space ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from faults.small_disk import SmallDisk, small_disk
from store.export_harness import ExportBench, open_bench, until

DAYS = 4
ROWS_A_DAY = 48_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ExportBench]:
    with open_bench(tmp_path / "data") as bench:
        bench.reader.rows_per_day, bench.reader.rows_per_batch = ROWS_A_DAY, 5_000
        yield bench


@pytest.fixture
def disk(bench: ExportBench) -> Iterator[SmallDisk]:
    """Where the destination lies: with room for one day or two, of four."""
    with small_disk(bench.folder, mib=2) as disk:
        yield disk


def test_days_that_found_no_space_are_exported_when_there_is_some(bench: ExportBench, disk: SmallDisk) -> None:
    export_id = bench.export(days=DAYS)
    bench.workers()
    errors = until(
        lambda: [error for run in bench.service.list_runs(bench.tenant_id, export_id) for error in run.errors.values()],
        timeout_s=20,
    )
    assert all("space" in error for error in errors)
    assert all(pq.read_metadata(path).num_rows for path in bench.paths())  # each is whole
    disk.resize(64)
    if bench.wait(export_id) == "Failed":
        bench.service.retry(bench.tenant_id, export_id)
    assert bench.wait(export_id) == "Completed"
    assert sorted(bench.rows()) == sorted(bench.expected_rows(DAYS))
    assert [path.name for path in bench.folder.rglob(".*") if path.is_file()] == []
