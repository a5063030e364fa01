"""A schedule that follows changes, over the real engine: whatever happens after a window is in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow.parquet as pq
import pytest

from runlake.export.source import ExportSource
from runlake.ingest.batch import IngestBatch
from runlake.model.export import HOUR_US, SCHEDULE_DELAY_US
from runlake.model.project import Feedback, Project
from runlake.model.run import RunField, RunWrite, WriteKind
from runlake.wire.times import format_time
from store.export_harness import NOW_US, ExportBench, open_bench, until
from store.harness import OpenStore, open_store, run_id

FIRST_US = NOW_US - 6 * HOUR_US - SCHEDULE_DELAY_US - 1
"""Start of the first window, so that it is due at the start of the test."""


class Scheduled:
    """A store with a project, and a schedule of six hours that follows changes."""

    def __init__(self, bench: ExportBench, store: OpenStore) -> None:
        self._bench, self._store = bench, store
        self._project_id = uuid5(bench.tenant_id, "p")
        bench.ledger.create_project(
            Project(tenant_id=bench.tenant_id, id=self._project_id, name="store", start_time=NOW_US)
        )
        self._windows = 0

    def schedule(self) -> None:
        self._schedule_id = self._bench.export(
            session_id=str(self._project_id),
            start_time=format_time(FIRST_US),
            end_time=None,
            interval_hours=6,
            include_changes=True,
        )

    def write(self, number: int, kind: WriteKind, start_us: int | None, *, ended: bool) -> None:
        fields: dict[RunField, Any] = {RunField.NAME: f"run {number}", RunField.RUN_TYPE: "chain"}
        if start_us is not None:
            fields[RunField.START_TIME] = start_us
        if ended:
            fields[RunField.END_TIME] = (start_us or FIRST_US) + 1_000_000
        run = RunWrite(kind=kind, run_id=run_id(number), fields=fields, session_name="p")
        self._store.write(run, tenant_id=self._bench.tenant_id)

    def judge(self, number: int) -> None:
        feedback = Feedback(
            tenant_id=self._bench.tenant_id,
            id=UUID(int=number),
            key="good",
            run_id=run_id(number),
            session_id=self._project_id,
            score=1.0,
        )
        batch = IngestBatch(tenant_id=self._bench.tenant_id, feedback=(feedback,))
        asyncio.run(self._store.writer.write(batch))

    def next_window(self) -> dict[str, tuple[str, str]]:
        """Name -> (export_change, status) of the rows of the next window, when it is exported."""
        self._windows += 1
        if self._windows > 1:
            self._bench.clock.offset_us += 6 * HOUR_US
            for workers in self._bench.started:
                workers.wake()
        export = until(self._ended)
        folder = self._bench.folder / f"export_id={export.id}"
        found: dict[str, tuple[str, str]] = {}
        for path in folder.rglob("*.parquet"):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                assert row["name"] not in found, "a run is there twice"
                assert path.name.startswith("changes-" if row["export_change"] == "changed" else "part-")
                found[row["name"]] = (row["export_change"], row["status"])
        return found

    def _ended(self) -> Any:
        spawned = self._bench.service.ledger.list_spawned(self._bench.tenant_id, self._schedule_id)
        done = [export for export in spawned if export.status == "Completed"]
        return done[-1] if len(done) == self._windows else None


@pytest.fixture
def scheduled(tmp_path: Path) -> Iterator[Scheduled]:
    with open_bench(tmp_path / "bench") as bench, open_store(tmp_path / "store") as store:
        opened = Scheduled(bench, store)
        source = ExportSource(engine=store.engine, moments=store.moments, live_projects=bench.ledger.live_project_ids)
        bench.service = replace(bench.service, reader=source)
        bench.workers(source)  # type: ignore[arg-type]  # the real reader
        yield opened


def late(run: Scheduled) -> None:
    run.write(2, WriteKind.CREATE, FIRST_US + 5, ended=True)


def ends(run: Scheduled) -> None:
    run.write(1, WriteKind.PATCH, None, ended=True)


def judged(run: Scheduled) -> None:
    run.judge(1)


@pytest.mark.parametrize(
    ("happen", "found"),
    [
        (late, {"run 2": ("changed", "success")}),
        (ends, {"run 1": ("changed", "success")}),
        (judged, {"run 1": ("changed", "pending")}),
    ],
)
def test_what_happens_after_a_window_is_in_the_next_one_and_in_no_other(
    scheduled: Scheduled, happen: Callable[[Scheduled], None], found: dict[str, tuple[str, str]]
) -> None:
    scheduled.write(1, WriteKind.CREATE, FIRST_US, ended=False)
    scheduled.write(9, WriteKind.CREATE, FIRST_US + 6 * HOUR_US, ended=True)
    scheduled.schedule()
    assert scheduled.next_window() == {"run 1": ("new", "pending")}
    happen(scheduled)
    assert scheduled.next_window() == {"run 9": ("new", "success"), **found}
    assert scheduled.next_window() == {}
