"""Exports without a server: a real ledger and destinations, workers that the test drives, rows it makes up."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from runlake.export.content import ExportSelection
from runlake.export.opening import DestinationOpener
from runlake.export.partition import FileLimits
from runlake.export.run_files import RunFile
from runlake.export.sealing import Sealer
from runlake.export.service import ExportService
from runlake.export.worker import ExportWorkers, WorkerLimits
from runlake.model.export import DAY_US
from runlake.model.project import Project
from runlake.store.export_ledger import ExportLedger
from runlake.store.ledger import Ledger
from runlake.wire.times import format_time

NOW_US = 20_700 * DAY_US + DAY_US // 2
SCHEMA = pa.schema(
    [("id", pa.string()), ("session_id", pa.string()), ("start_us", pa.int64()), ("version", pa.int64())]
)
ENDED = {"Completed", "Failed", "Cancelled", "TimedOut"}


@dataclass
class FakeReader:
    """Rows at even distances in every window; ``before_batch`` is called with the number of batches read so far."""

    rows_per_day: int = 24
    rows_per_batch: int = 10
    version: int = 1
    before_batch: Callable[[int], None] = lambda _: None
    selections: list[ExportSelection] = field(default_factory=list)
    batches_read: int = 0
    contents: dict[str, list[bytes]] = field(default_factory=dict)

    def watermark(self) -> int:
        return self.version

    def schema(self, selection: ExportSelection, /) -> pa.Schema:  # noqa: ARG002 -- as in the protocol
        return SCHEMA

    def starts(self, selection: ExportSelection) -> list[int]:
        step_us = DAY_US // self.rows_per_day
        first = -(-(selection.start_us or 0) // step_us) * step_us
        return list(range(first, selection.end_us or 0, step_us))

    def count(self, selection: ExportSelection, /) -> int:
        return len(self.starts(selection))

    @contextmanager
    def batches(self, selection: ExportSelection, /) -> Iterator[Iterator[pa.RecordBatch]]:
        self.selections.append(selection)
        yield self._batches(selection)

    def counts(self, selection: ExportSelection, ends_us: Sequence[int], /) -> list[int]:
        return [self.count(window) for window in _windows(selection, ends_us)]

    @contextmanager
    def windows(
        self, selection: ExportSelection, ends_us: Sequence[int], /
    ) -> Iterator[Iterator[tuple[int, pa.RecordBatch]]]:
        self.selections += _windows(selection, ends_us)
        yield (
            (number, batch)
            for number, window in enumerate(_windows(selection, ends_us))
            for batch in self._batches(window)
        )

    def file_chunks(self, tenant_id: UUID, run_id: UUID, file: RunFile, /) -> Iterator[bytes]:  # noqa: ARG002 -- as above
        return iter(self.contents[file.name])

    def _batches(self, selection: ExportSelection) -> Iterator[pa.RecordBatch]:
        starts = self.starts(selection)
        for begin in range(0, len(starts), self.rows_per_batch):
            self.before_batch(self.batches_read)
            self.batches_read += 1
            part = starts[begin : begin + self.rows_per_batch]
            columns = [
                [row_id(selection.project_ids[0], start_us) for start_us in part],
                [str(selection.project_ids[0])] * len(part),
                part,
                [self.version] * len(part),
            ]
            yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=SCHEMA)


def _windows(selection: ExportSelection, ends_us: Sequence[int]) -> list[ExportSelection]:
    starts_us = [selection.start_us, *ends_us[:-1]]
    pairs = zip(starts_us, ends_us, strict=True)
    return [replace(selection, start_us=start_us, end_us=end_us) for start_us, end_us in pairs]


def row_id(project_id: UUID, start_us: int) -> str:
    return str(uuid.uuid5(project_id, str(start_us)))


@dataclass
class Clock:
    """The time of the test plus what really passes, so that leases and waits behave."""

    offset_us: int = NOW_US - time.time_ns() // 1000

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.offset_us


@dataclass
class ExportBench:
    """One ledger, one service, and as many workers as the test starts."""

    path: Path
    clock: Clock
    ledger: Ledger
    reader: FakeReader
    opener: DestinationOpener
    service: ExportService
    project_id: UUID
    limits: WorkerLimits
    started: list[ExportWorkers] = field(default_factory=list)

    @property
    def tenant_id(self) -> UUID:
        return self.ledger.default_tenant_id

    @property
    def folder(self) -> Path:
        return self.path / "exports"

    def workers(self, reader: FakeReader | None = None, *, start: bool = True) -> ExportWorkers:
        workers = ExportWorkers(
            ledger=ExportLedger(self.ledger),
            projects=self.ledger,
            reader=reader or self.reader,
            opener=self.opener,
            limits=self.limits,
            now_us=self.clock.now_us,
            new_id=uuid.uuid4,
            jitter=lambda: 0.0,
        )
        self.started.append(workers)
        if start:
            workers.start()
        return workers

    def destination(self, **body: Any) -> UUID:
        given = {"destination_type": "local", "display_name": "here", "config": {"path": "."}} | body
        return self.service.create_destination(self.tenant_id, encoded(given)).id

    def export(self, destination_id: UUID | None = None, *, days: int = 3, **body: Any) -> UUID:
        given = {
            "bulk_export_destination_id": str(destination_id or self.destination()),
            "session_id": str(self.project_id),
            "start_time": format_time(NOW_US // DAY_US * DAY_US - days * DAY_US),
            "end_time": format_time(NOW_US // DAY_US * DAY_US),
        } | body
        given = {name: value for name, value in given.items() if value is not None}
        return self.service.create_export(self.tenant_id, encoded(given)).id

    def wait(self, export_id: UUID, *, timeout_s: float = 20) -> str:
        """The status in which it ended."""
        ended = until(lambda: (found := self.status(export_id)) in ENDED and found, timeout_s=timeout_s)
        return str(ended)

    def status(self, export_id: UUID) -> str:
        return self.service.read_export(self.tenant_id, export_id).status

    def run_statuses(self, export_id: UUID) -> list[str]:
        return [run.status for run in self.service.list_runs(self.tenant_id, export_id)]

    def paths(self, suffix: str = ".parquet") -> list[Path]:
        return sorted(path for path in self.folder.rglob(f"*{suffix}") if path.is_file())

    def rows(self) -> list[str]:
        """The ids in all files, in the order of the files."""
        import pyarrow.parquet as pq  # noqa: PLC0415 -- slow to import, needed by few

        tables = [pq.read_table(path, columns=["id"], partitioning=None) for path in self.paths()]
        return [str(value) for table in tables for value in table.column("id").to_pylist()]

    def expected_rows(self, days: int = 3) -> list[str]:
        end_us = NOW_US // DAY_US * DAY_US
        step_us = DAY_US // self.reader.rows_per_day
        return [row_id(self.project_id, start_us) for start_us in range(end_us - days * DAY_US, end_us, step_us)]


@contextmanager
def open_bench(path: Path, *, runs: int = 2, file_rows: int = 1000, runs_per_export: int = 45) -> Iterator[ExportBench]:
    """A bench in a directory; its workers end with it."""
    clock, reader = Clock(), FakeReader()
    path.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(path / "ledger.sqlite3", now=clock.now_us, new_id=uuid.uuid4)
    project = ledger.create_project(
        Project(tenant_id=ledger.default_tenant_id, id=UUID(int=77), name="p", start_time=NOW_US), upsert=True
    )
    opener = DestinationOpener(
        sealer=Sealer(path / "credentials.key"),
        roots=(path / "exports",),
        spool=path / "spool",
        private_endpoints=True,
    )
    service = ExportService(
        ledger=ExportLedger(ledger),
        projects=ledger,
        opener=opener,
        reader=reader,
        wake=lambda: _wake_all(bench),
        now_us=clock.now_us,
        new_id=uuid.uuid4,
    )
    limits = WorkerLimits(runs=runs, runs_per_export=runs_per_export, file=FileLimits(rows=file_rows, bytes=1 << 30))
    bench = ExportBench(path, clock, ledger, reader, opener, service, project.id, limits)
    try:
        yield bench
    finally:
        for workers in bench.started:
            workers.close()
        ledger.close()


def _wake_all(bench: ExportBench) -> None:
    for workers in bench.started:
        workers.wake()


def encoded(body: dict[str, Any]) -> bytes:
    import msgspec  # noqa: PLC0415 -- one use

    return msgspec.json.encode(body)


def until(condition: Callable[[], Any], *, timeout_s: float = 10) -> Any:
    """What the condition gives when it is first true."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s")
