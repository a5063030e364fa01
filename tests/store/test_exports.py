"""Exports to a directory, with a real ledger and real workers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runlake.errors import ConflictError, DestinationError, InvalidError, NotFoundError, StoreError
from runlake.export import partition
from runlake.export.content import ExportSelection
from runlake.export.manifest import Manifest
from runlake.model.export import DAY_US, HOUR_US, SCHEDULE_DELAY_US, SECOND_US
from runlake.wire.times import format_time
from store.export_harness import NOW_US, ExportBench, FakeReader, encoded, open_bench, until


def waiting(gate: threading.Event, *, after: int = 0) -> Callable[[int], None]:
    """Something to do before each batch: wait for the gate, once ``after`` batches were read."""

    def wait(batches: int) -> None:
        if batches >= after:
            gate.wait(20)

    return wait


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ExportBench]:
    with open_bench(tmp_path / "data") as opened:
        yield opened


def test_every_row_is_in_exactly_one_file_and_the_manifest_tells_which(bench: ExportBench) -> None:
    bench.workers()
    export_id = bench.export()
    assert bench.wait(export_id) == "Completed"
    assert bench.rows() == bench.expected_rows()
    folder = bench.folder / f"export_id={export_id}"
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    assert manifest.rows == 72
    assert manifest.watermark == bench.reader.version
    listed = {file.path: file for part in manifest.parts for file in part.files}
    assert set(listed) == {path.relative_to(folder).as_posix() for path in bench.paths()}
    for path in bench.paths():
        entry = listed[path.relative_to(folder).as_posix()]
        assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry.bytes == path.stat().st_size


def test_files_lie_in_hive_folders_by_day(bench: ExportBench) -> None:
    bench.workers()
    export_id = bench.export(days=1)
    bench.wait(export_id)
    (path,) = bench.paths()
    assert path.relative_to(bench.folder).as_posix() == (
        f"export_id={export_id}/tenant_id={bench.tenant_id}/session_id={bench.project_id}"
        "/runs/year=2026/month=9/day=3/part-00000.parquet"
    )


def test_a_day_without_rows_is_complete_and_has_no_file(bench: ExportBench) -> None:
    bench.reader.starts = lambda selection: []  # type: ignore[method-assign]  # noqa: ARG005 -- the name is part of the method
    bench.workers()
    export_id = bench.export(days=2)
    assert bench.wait(export_id) == "Completed"
    assert bench.paths() == []
    assert bench.service.read_export(bench.tenant_id, export_id).progress.estimated_rows == 0
    assert len(bench.paths("manifest.json")) == 1


def test_a_large_day_has_files_of_bounded_size(tmp_path: Path) -> None:
    with open_bench(tmp_path, file_rows=20) as bench:
        bench.reader.rows_per_day = 96
        bench.workers()
        export_id = bench.export(days=1)
        assert bench.wait(export_id) == "Completed"
        assert [path.name for path in bench.paths()] == [f"part-0000{number}.parquet" for number in range(5)]
        assert bench.rows() == bench.expected_rows(1)
        progress = bench.service.read_export(bench.tenant_id, export_id).progress
        assert (progress.rows_written, progress.exported_files, progress.estimated_rows) == (96, 5, 96)


def test_a_failed_day_spoils_no_other_and_alone_is_retried(bench: ExportBench) -> None:
    broken = threading.Event()
    broken.set()
    second_day = NOW_US // DAY_US * DAY_US - 2 * DAY_US

    def count(selection: ExportSelection, /) -> int:
        if broken.is_set() and selection.start_us == second_day:
            raise InvalidError("this day cannot be read")
        return 24

    bench.reader.count = count  # type: ignore[method-assign]
    bench.workers()
    export_id = bench.export()
    assert bench.wait(export_id) == "Failed"
    assert bench.run_statuses(export_id) == ["Completed", "Failed", "Completed"]
    assert bench.service.list_runs(bench.tenant_id, export_id)[1].errors == {"retry_0": "this day cannot be read"}
    assert bench.paths("manifest.json") == []
    kept = {path: path.stat().st_mtime_ns for path in bench.paths()}
    broken.clear()
    bench.service.retry(bench.tenant_id, export_id)
    assert bench.wait(export_id) == "Completed"
    assert bench.rows() == bench.expected_rows()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    with pytest.raises(ConflictError):
        bench.service.retry(bench.tenant_id, export_id)


def test_what_fails_while_days_are_read_together_fails_only_the_day_that_fails_alone(bench: ExportBench) -> None:
    """The rows of the last day cannot be read; the days before it are complete by the same read, or by one alone."""

    def fail_on_the_third_day(selection: ExportSelection) -> list[int]:
        if selection.start_us == NOW_US // DAY_US * DAY_US - DAY_US:
            raise InvalidError("this day cannot be read")
        return starts(selection)

    starts = bench.reader.starts
    bench.reader.starts = fail_on_the_third_day  # type: ignore[method-assign]
    bench.reader.count = lambda _: 24  # type: ignore[method-assign]
    bench.workers()
    export_id = bench.export()
    assert bench.wait(export_id) == "Failed"
    runs = bench.service.list_runs(bench.tenant_id, export_id)
    assert [(run.status, run.retry_number, run.errors) for run in runs] == [
        ("Completed", 0, {}),
        ("Completed", 0, {}),
        ("Failed", 0, {"retry_0": "this day cannot be read"}),
    ]
    assert bench.rows() == bench.expected_rows()[:48]


def test_small_days_are_read_together_and_large_ones_apart(bench: ExportBench, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    windows = bench.reader.windows

    def watched(selection: ExportSelection, ends_us: Sequence[int], /) -> Any:
        reads.append(len(ends_us))
        return windows(selection, ends_us)

    monkeypatch.setattr(bench.reader, "windows", watched)
    bench.workers()
    assert bench.wait(bench.export(days=5)) == "Completed"
    assert sorted(reads) == [1, 4], "two free places share the days out"
    monkeypatch.setattr(partition, "STRETCH_ROWS", 30)
    reads.clear()
    assert bench.wait(bench.export(days=5)) == "Completed"
    assert reads == [1] * 5
    assert sorted(bench.rows()) == sorted(2 * bench.expected_rows(5))


def test_a_transient_fault_is_retried_and_leftovers_of_the_attempt_are_removed(tmp_path: Path) -> None:
    with open_bench(tmp_path, file_rows=10) as bench:

        def fail_late(batches: int) -> None:
            if batches == 2 and bench.reader.rows_per_day == 24:
                bench.reader.rows_per_day = 12
                raise StoreError("the engine stumbled")

        bench.reader.before_batch = fail_late
        bench.workers()
        export_id = bench.export(days=1)
        assert bench.wait(export_id) == "Completed"
        (run,) = bench.service.list_runs(bench.tenant_id, export_id)
        assert (run.retry_number, run.errors) == (1, {"retry_0": "the engine stumbled"})
        assert bench.rows() == bench.expected_rows(1)
        assert [path.name for path in bench.paths()] == ["part-00000.parquet", "part-00001.parquet"]


def test_cancel_stops_within_seconds_and_resume_finishes_the_rest(tmp_path: Path) -> None:
    with open_bench(tmp_path, runs=1) as bench:
        gate = threading.Event()
        bench.reader.before_batch = waiting(gate, after=4)
        bench.workers()
        export_id = bench.export()
        until(lambda: "Completed" in bench.run_statuses(export_id))
        until(lambda: bench.reader.batches_read == 4)
        assert bench.service.set_status(bench.tenant_id, export_id, b'{"status":"Cancelled"}').status == "Cancelled"
        assert bench.run_statuses(export_id) == ["Completed", "Cancelled", "Cancelled"]
        gate.set()
        until(lambda: not bench.started[0]._active)
        assert len(bench.paths()) == 1
        assert not list(bench.folder.rglob("*.part"))
        again = bench.service.set_status(bench.tenant_id, export_id, b'{"status":"Cancelled"}')
        assert again.status == "Cancelled"
        bench.service.resume(bench.tenant_id, export_id)
        assert bench.wait(export_id) == "Completed"
        assert bench.rows() == bench.expected_rows()
        with pytest.raises(ConflictError):
            bench.service.resume(bench.tenant_id, export_id)


def test_two_workers_on_one_ledger_share_the_days_and_export_none_twice(bench: ExportBench) -> None:
    bench.reader.before_batch = lambda _: time.sleep(0.01)
    bench.workers()
    bench.workers()
    export_id = bench.export(days=12)
    assert bench.wait(export_id) == "Completed"
    assert bench.rows() == bench.expected_rows(12)
    days = [selection.start_us for selection in bench.reader.selections]
    assert len(days) == len(set(days)) == 12


def test_the_limit_of_runs_per_export_holds_over_all_workers(tmp_path: Path) -> None:
    with open_bench(tmp_path, runs=4, runs_per_export=2) as bench:
        running: list[int] = []
        bench.reader.before_batch = lambda _: running.append(bench.run_statuses(export_id).count("Running"))
        bench.workers(start=False)
        bench.workers(start=False)
        export_id = bench.export(days=8)
        for workers in bench.started:
            workers.start()
        assert bench.wait(export_id) == "Completed"
        assert 1 < max(running) <= 2


def test_a_long_export_does_not_hold_up_a_short_one(tmp_path: Path) -> None:
    with open_bench(tmp_path, runs=1) as bench:
        workers = bench.workers(start=False)
        destination_id = bench.destination()
        long_id, short_id = bench.export(destination_id, days=60), bench.export(destination_id, days=1)
        workers.start()
        assert bench.wait(short_id) == bench.wait(long_id) == "Completed"
        short, long = (bench.service.read_export(bench.tenant_id, each) for each in (short_id, long_id))
        assert str(short.finished_at) < str(long.finished_at)


def test_a_worker_that_lost_its_lease_changes_nothing(bench: ExportBench) -> None:
    """A frozen worker wakes up when another one has done its day: its file never gets its place."""
    frozen, go_on = threading.Event(), threading.Event()

    class Frozen(FakeReader):
        def count(self, selection: object, /) -> int:  # noqa: ARG002 -- as in the reader
            frozen.set()
            go_on.wait(10)
            return 0

    slow = Frozen()
    first = bench.workers(slow)
    export_id = bench.export(days=1)
    frozen.wait(5)
    first.tick = lambda: None  # type: ignore[method-assign]
    bench.clock.offset_us += 120 * SECOND_US
    bench.reader.version = 2
    bench.workers()
    assert bench.wait(export_id) == "Completed"
    before = [(path, path.stat().st_mtime_ns) for path in bench.paths()]
    go_on.set()
    until(lambda: not first._active)
    assert [(path, path.stat().st_mtime_ns) for path in bench.paths()] == before
    (run,) = bench.service.list_runs(bench.tenant_id, export_id)
    assert (run.status, run.errors) == ("Completed", {"retry_0": "the worker stopped without a word"})


def test_a_file_that_changed_behind_our_back_is_exported_again_before_the_manifest(bench: ExportBench) -> None:
    workers = bench.workers(start=False)
    export_id = bench.export(days=2)
    workers.tick()
    until(lambda: bench.run_statuses(export_id) == ["Completed", "Completed"])
    path = bench.paths()[0]
    until(lambda: not workers._active)
    path.write_bytes(b"half of it")
    workers.start()
    assert bench.wait(export_id) == "Completed"
    assert bench.rows() == bench.expected_rows(2)


def test_closing_gives_back_what_is_at_work_without_counting_an_attempt(bench: ExportBench) -> None:
    gate = threading.Event()
    bench.reader.before_batch = waiting(gate)
    workers = bench.workers()
    export_id = bench.export(days=1)
    until(lambda: bench.run_statuses(export_id) == ["Running"])
    threading.Timer(0.1, gate.set).start()
    workers.close()
    (run,) = bench.service.list_runs(bench.tenant_id, export_id)
    assert (run.status, run.retry_number, run.errors) == ("Created", 0, {})
    bench.workers()
    assert bench.wait(export_id) == "Completed"


def test_an_export_that_takes_too_long_times_out_and_can_be_retried(bench: ExportBench) -> None:
    gate = threading.Event()
    bench.reader.before_batch = waiting(gate)
    bench.workers()
    export_id = bench.export(days=1)
    until(lambda: bench.run_statuses(export_id) == ["Running"])
    bench.clock.offset_us += 73 * HOUR_US
    assert bench.wait(export_id) == "TimedOut"
    gate.set()
    bench.service.retry(bench.tenant_id, export_id)
    assert bench.wait(export_id) == "Completed"


def schedule_body(**body: object) -> dict[str, Any]:
    return {"start_time": format_time(NOW_US - 12 * HOUR_US), "end_time": None, "interval_hours": 6} | body


def test_a_schedule_catches_up_in_order_without_gap_or_overlap(bench: ExportBench) -> None:
    """Two windows are over at the start; then the server sleeps through sixteen more."""
    bench.workers()
    schedule_id = bench.export(**schedule_body())
    ledger = bench.service.ledger

    def windows(count: int) -> list[tuple[int, int | None]] | None:
        spawned = ledger.list_spawned(bench.tenant_id, schedule_id)
        done = [export for export in spawned if export.status == "Completed"]
        return [(export.spec.start_us, export.spec.end_us) for export in done] if len(done) == count else None

    # The second window ended at this moment, so its ten minutes are not over.
    until(lambda: windows(1))
    bench.clock.offset_us += SCHEDULE_DELAY_US + 16 * 6 * HOUR_US
    bench.service.wake()
    found = until(lambda: windows(18), timeout_s=30)
    first = NOW_US - 12 * HOUR_US
    assert found == [(first + number * 6 * HOUR_US, first + (number + 1) * 6 * HOUR_US) for number in range(18)]
    created = [export.created_at for export in ledger.list_spawned(bench.tenant_id, schedule_id)]
    assert created == sorted(created)
    assert sorted(bench.rows()) == sorted(set(bench.rows()))
    runs = bench.service.list_spawned_runs(bench.tenant_id, schedule_id)
    assert {run.status for run in runs} == {"Completed"}
    assert bench.status(schedule_id) == "IntervalScheduled"


def test_workers_rest_until_a_window_is_due(bench: ExportBench) -> None:
    workers = bench.workers(start=False)
    workers.tick()
    assert workers._rest_s() > 10
    schedule_id = bench.export(**schedule_body(start_time=format_time(NOW_US - 6 * HOUR_US)))
    bench.clock.offset_us += SCHEDULE_DELAY_US - 3 * SECOND_US
    workers.tick()
    assert 0 < workers._rest_s() <= 3
    bench.clock.offset_us += 3 * SECOND_US
    workers.tick()
    (child,) = bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)
    assert workers._rest_s() <= 2

    def is_completed() -> bool:
        workers.tick()
        return bench.status(child.id) == "Completed"

    until(is_completed)
    until(lambda: not workers._active)
    workers.tick()
    assert workers._rest_s() > 10


def test_two_workers_spawn_each_window_once(bench: ExportBench) -> None:
    for _ in range(3):
        bench.workers()
    schedule_id = bench.export(**schedule_body(start_time=format_time(NOW_US - 5 * DAY_US)))
    until(lambda: len(bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)) == 19, timeout_s=30)
    starts = [export.spec.start_us for export in bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)]
    assert starts == sorted(set(starts))


def test_a_cancelled_schedule_leaves_its_exports_alone_and_goes_on_where_it_was(bench: ExportBench) -> None:
    bench.workers()
    schedule_id = bench.export(**schedule_body())
    until(lambda: bench.service.ledger.list_spawned(bench.tenant_id, schedule_id))
    bench.service.set_status(bench.tenant_id, schedule_id, b'{"status":"Cancelled"}')
    (child,) = bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)
    assert bench.wait(child.id) == "Completed"
    bench.clock.offset_us += DAY_US
    bench.service.resume(bench.tenant_id, schedule_id)
    starts = until(lambda: len(found := bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)) == 5 and found)
    assert [export.spec.start_us - starts[0].spec.start_us for export in starts] == [
        number * 6 * HOUR_US for number in range(5)
    ]


def test_a_schedule_that_follows_changes_reads_what_changed_since_the_window_before(bench: ExportBench) -> None:
    bench.reader.version = 41
    bench.workers()
    schedule_id = bench.export(**schedule_body(include_changes=True))
    until(lambda: len(bench.reader.selections) == 1)
    bench.reader.version = 55
    bench.clock.offset_us += SCHEDULE_DELAY_US
    bench.service.wake()
    until(lambda: len(bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)) == 2)
    (_, second) = bench.service.ledger.list_spawned(bench.tenant_id, schedule_id)
    assert bench.wait(second.id) == "Completed"
    first_us, second_us = NOW_US - 12 * HOUR_US, NOW_US - 6 * HOUR_US
    asked = {(item.start_us, item.end_us, item.changed_since, item.as_of) for item in bench.reader.selections}
    assert asked >= {(first_us, second_us, 41, 55)}
    assert (first_us, NOW_US // DAY_US * DAY_US, None, 41) in asked or (first_us, second_us, None, 41) in asked


def test_credentials_are_sealed_and_open_only_for_their_destination(bench: ExportBench, tmp_path: Path) -> None:
    sealer = bench.opener.sealer
    secrets = {"access_key_id": "AKIA-visible", "secret_access_key": "top secret"}
    sealed = sealer.seal(secrets, bench.tenant_id, bench.project_id)
    assert sealed is not None
    assert b"AKIA-visible" not in sealed
    assert b"top secret" not in sealed
    assert sealer.open(sealed, bench.tenant_id, bench.project_id) == secrets
    with pytest.raises(StoreError, match="another key"):
        sealer.open(sealed, bench.tenant_id, bench.tenant_id)
    assert (bench.path / "credentials.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["..", "a/../../b", "/etc", "/"])
def test_a_directory_outside_the_roots_is_refused(bench: ExportBench, path: str) -> None:
    with pytest.raises(InvalidError) as caught:
        bench.destination(config={"path": path})
    assert caught.value.field == "config.path"


def test_a_link_that_leads_out_of_the_root_is_not_followed(bench: ExportBench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    bench.folder.mkdir(exist_ok=True)
    (bench.folder / "door").symlink_to(outside)
    with pytest.raises(InvalidError):
        bench.destination(config={"path": "door"})
    with pytest.raises(DestinationError, match="leads out"):
        bench.destination(config={"path": ".", "prefix": "door"})
    assert list(outside.iterdir()) == []


def test_a_destination_that_cannot_be_written_is_not_stored(bench: ExportBench) -> None:
    bench.folder.mkdir(exist_ok=True)
    (bench.folder / "file").write_text("no directory")
    with pytest.raises(DestinationError, match="not a directory"):
        bench.destination(config={"path": "file/below"})
    assert bench.service.list_destinations(bench.tenant_id) == []


def test_ids_of_another_tenant_are_not_there(bench: ExportBench) -> None:
    bench.workers()
    export_id = bench.export(days=1)
    bench.wait(export_id)
    other = bench.project_id
    (run, *_) = bench.service.list_runs(bench.tenant_id, export_id)
    (destination,) = bench.service.list_destinations(bench.tenant_id)
    assert bench.service.list_exports(other) == []
    assert bench.service.list_destinations(other) == []
    for ask in (
        lambda: bench.service.read_export(other, export_id),
        lambda: bench.service.list_runs(other, export_id),
        lambda: bench.service.read_run(other, export_id, run.id),
        lambda: bench.service.retry(other, export_id),
        lambda: bench.service.resume(other, export_id),
        lambda: bench.service.set_status(other, export_id, b'{"status":"Cancelled"}'),
        lambda: bench.service.read_destination(other, destination.id),
        lambda: bench.service.list_spawned_runs(other, export_id),
        lambda: bench.service.create_export(
            other,
            encoded(
                {
                    "bulk_export_destination_id": str(destination.id),
                    "session_id": str(bench.project_id),
                    "start_time": format_time(NOW_US - DAY_US),
                    "end_time": format_time(NOW_US),
                }
            ),
        ),
    ):
        with pytest.raises(NotFoundError):
            ask()


def test_a_deleted_project_fails_its_days_at_once(bench: ExportBench) -> None:
    workers = bench.workers(start=False)
    export_id = bench.export(days=1)
    bench.ledger.delete_projects(bench.tenant_id, [bench.project_id])
    workers.start()
    assert bench.wait(export_id) == "Failed"
