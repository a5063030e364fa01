"""``verify`` against the real engine: windows, changes since the window before, and flattened traces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4, uuid5

import pytest

from runlake.export.content import ExportSelection
from runlake.export.local_directory import LocalDirectory
from runlake.export.pull import PullService
from runlake.export.source import ExportSource
from runlake.export.store_comparison import ServerComparison
from runlake.export.verify import Verification, Verifier
from runlake.ingest.batch import IngestBatch
from runlake.model.export import HOUR_US, SCHEDULE_DELAY_US
from runlake.model.export_destination import LocalPlace
from runlake.model.project import Feedback, Project
from runlake.model.run import RunField, RunWrite, WriteKind
from runlake.server_client import ServerClient
from runlake.wire.export_cursor import PullCursors
from runlake.wire.pull import read_pull
from runlake.wire.times import format_time
from store.export_harness import NOW_US, ExportBench, open_bench, until
from store.harness import OpenStore, open_store, run_id

FIRST_US = NOW_US - 6 * HOUR_US - SCHEDULE_DELAY_US - 1


class LossySource:
    """Reads like another, and forgets one trace while ``lost`` names it."""

    def __init__(self, source: ExportSource) -> None:
        self._source = source
        self.lost: UUID | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def windows(self, selection: ExportSelection, ends_us: Sequence[int]) -> Any:
        if self.lost is not None:
            selection = replace(selection, filter=f'neq(trace_id, "{self.lost}")')
        return self._source.windows(selection, ends_us)


class InProcess:
    """A server's straight pulls without a server."""

    def __init__(self, pulls: PullService, tenant_id: UUID) -> None:
        self._pulls, self._tenant_id = pulls, tenant_id

    @contextmanager
    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[BytesIO]:
        assert path == "/export/stream"
        pull = self._pulls.open(self._tenant_id, read_pull(body))
        try:
            yield BytesIO(b"".join(pull.chunks))
        finally:
            pull.close()


class Compared:
    """A schedule of six hours that follows changes, and ``verify`` for each of its windows."""

    def __init__(self, bench: ExportBench, store: OpenStore) -> None:
        self.bench, self._store = bench, store
        self.project_id = uuid5(bench.tenant_id, "p")
        bench.ledger.create_project(
            Project(tenant_id=bench.tenant_id, id=self.project_id, name="store", start_time=NOW_US)
        )
        source = ExportSource(engine=store.engine, moments=store.moments, live_projects=bench.ledger.live_project_ids)
        self.reader = LossySource(source)
        bench.service = replace(bench.service, reader=cast("Any", self.reader))
        bench.workers(cast("Any", self.reader))
        self._pulls = PullService(
            source=source,
            live_projects=bench.ledger.live_project_ids,
            find_project=lambda *_: None,
            cursors=PullCursors(b"k" * 32),
            max_pulls=2,
        )
        self._windows = 0

    def write(self, number: int, start_us: int | None, *, ended: bool, parent: int | None = None) -> None:
        fields: dict[RunField, Any] = {RunField.NAME: f"run {number}", RunField.RUN_TYPE: "chain"}
        if start_us is not None:
            fields[RunField.START_TIME] = start_us
        if parent is not None:
            fields |= {RunField.PARENT_RUN_ID: run_id(parent), RunField.TRACE_ID: run_id(parent)}
        if ended:
            fields[RunField.END_TIME] = (start_us or FIRST_US) + 1_000_000
        kind = WriteKind.PATCH if start_us is None else WriteKind.CREATE
        run = RunWrite(kind=kind, run_id=run_id(number), fields=fields, session_name="p")
        self._store.write(run, tenant_id=self.bench.tenant_id)

    def judge(self, number: int) -> None:
        feedback = Feedback(
            tenant_id=self.bench.tenant_id,
            id=uuid4(),
            key="good",
            run_id=run_id(number),
            session_id=self.project_id,
            score=1.0,
        )
        asyncio.run(self._store.writer.write(IngestBatch(tenant_id=self.bench.tenant_id, feedback=(feedback,))))

    def schedule(self, content: str) -> None:
        self._schedule_id = self.bench.export(
            session_id=str(self.project_id),
            start_time=format_time(FIRST_US),
            end_time=None,
            interval_hours=6,
            include_changes=True,
            content=content,
        )

    def next_window(self) -> Path:
        self._windows += 1
        if self._windows > 1:
            self.bench.clock.offset_us += 6 * HOUR_US
            for workers in self.bench.started:
                workers.wake()
        return self.bench.folder / f"export_id={until(self._ended).id}"

    def _ended(self) -> Any:
        spawned = self.bench.service.ledger.list_spawned(self.bench.tenant_id, self._schedule_id)
        done = [export for export in spawned if export.status == "Completed"]
        return done[-1] if len(done) == self._windows else None

    def verified(self, folder: Path) -> Verification:
        storage = LocalDirectory(LocalPlace(path=str(folder)), (folder,))
        server = cast("ServerClient", InProcess(self._pulls, self.bench.tenant_id))
        return Verifier(storage=storage, stored_ids=ServerComparison(server)).verify()

    def close(self) -> None:
        self._pulls.close()


@pytest.fixture
def compared(tmp_path: Path) -> Iterator[Compared]:
    with open_bench(tmp_path / "bench") as bench, open_store(tmp_path / "store") as store:
        opened = Compared(bench, store)
        yield opened
        opened.close()


def end(compared: Compared) -> None:
    compared.write(1, None, ended=True)


def judge(compared: Compared) -> None:
    compared.judge(1)


def come_late(compared: Compared) -> None:
    compared.write(1, FIRST_US, ended=True)


def add_child(compared: Compared) -> None:
    compared.write(2, FIRST_US + 5, ended=True, parent=1)


CHANGES = [
    ("runs", end),
    ("runs", judge),
    ("traces", end),
    ("traces", judge),
    ("traces", add_child),
    ("feedback", judge),
    ("flattened", end),
    ("flattened", add_child),
]


@pytest.mark.parametrize(("content", "happen"), CHANGES)
def test_changes_are_proved_whatever_happens_later(
    compared: Compared, content: str, happen: Callable[[Compared], None]
) -> None:
    compared.write(1, FIRST_US, ended=False)
    compared.schedule(content)
    assert compared.verified(compared.next_window()).problems == []
    happen(compared)
    folder = compared.next_window()
    found = compared.verified(folder)
    assert (found.problems, found.newer) == ([], 0)
    assert found.compared >= 1
    # All of this is newer than the export, and no fault of it.
    judge(compared)
    compared.write(3, FIRST_US + 9, ended=True)
    compared.write(4, FIRST_US + 9, ended=True, parent=1)
    later = compared.verified(folder)
    assert later.problems == []


@pytest.mark.parametrize(("content", "happen"), CHANGES)
def test_a_change_that_is_missing_is_found(
    compared: Compared, content: str, happen: Callable[[Compared], None]
) -> None:
    compared.write(1, FIRST_US, ended=False)
    compared.schedule(content)
    compared.next_window()
    happen(compared)
    compared.reader.lost = run_id(1)
    (problem,) = compared.verified(compared.next_window()).problems
    assert "in the store but not in the files" in problem


@pytest.mark.parametrize("content", ["runs", "traces", "flattened"])
def test_a_row_of_a_window_that_is_missing_is_found(compared: Compared, content: str) -> None:
    compared.write(1, FIRST_US, ended=True)
    compared.write(3, FIRST_US + 1, ended=True)
    compared.reader.lost = run_id(3)
    compared.schedule(content)
    (problem,) = compared.verified(compared.next_window()).problems
    assert str(run_id(3)) in problem
