"""The write path against the real embedded engine: one run, once, whatever the order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from uuid import UUID

import pytest

from runlake.errors import OverloadedError, StoreUnavailableError
from runlake.ingest.batch import IngestBatch
from runlake.ingest.open_set import BUCKET_US
from runlake.ingest.sweep import KEPT_US
from runlake.model.project import Feedback
from runlake.model.run import RunField, RunWrite
from runlake.store.engine import Params, Statement
from store.harness import START_US, TENANT, Clock, OpenStore, create, end, open_store, patch, run_id

SUMMARY = "id, name, status, inputs, outputs, duration_us, arraySort(tags)"
WHOLE = [str(run_id(1)), "run-1", "success", '{"question":"q"}', '{"answer": "a"}', 250_000, ["late"]]


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_any_order_of_create_and_patches_gives_one_run(tmp_path: Path, order: tuple[int, ...], together: bool) -> None:
    """Create, ending patch and a patch of tags, in any order, in one batch or in three, and all repeated."""
    writes = [create(1), end(1), patch(1, tags=("late",))]
    arranged = [writes[i] for i in order]
    with open_store(tmp_path) as store:
        if together:
            store.write(*arranged)
        else:
            for write in arranged:
                store.write(write)
        assert store.select(SUMMARY) == [WHOLE]

        for write in arranged:
            store.write(write)
        assert store.select(SUMMARY) == [WHOLE]


def test_a_started_run_is_visible_and_ends_as_one_run(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write(create(1), create(2))
        assert store.select("id, status") == [[str(run_id(1)), "pending"], [str(run_id(2)), "pending"]]

        store.write(end(1))
        assert store.select("id, status") == [[str(run_id(1)), "success"], [str(run_id(2)), "pending"]]


def test_a_retried_create_after_the_end_changes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write(create(1))
        store.write(end(1))
        version = store.select("version")
        store.write(create(1))
        store.write(create(1, name="another name"))

        assert store.select("version") == version


def test_a_patch_of_a_finished_run_replaces_it_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write(create(1), end(1), create(2), end(2))
        store.write(patch(1, tags=("a",)))
        store.write(patch(1, tags=("b",)))

        assert store.select("id, tags") == [[str(run_id(1)), ["b"]], [str(run_id(2)), []]]


@pytest.mark.parametrize("after_restart", [False, True])
def test_states_survive_a_restart_with_their_ranks(tmp_path: Path, after_restart: bool) -> None:
    """What a stored run merges with later must not depend on whether the process was restarted in between."""
    with open_store(tmp_path) as store:
        store.write(end(1, tags=("from the end",)), create(2), end(2))
        if not after_restart:
            _late_writes(store)
    with open_store(tmp_path, Clock(us=store.clock.us)) as store:
        if after_restart:
            _late_writes(store)
        assert store.select("id, name, status, tags, outputs") == [
            [str(run_id(1)), "run-1", "success", ["from the end"], '{"answer": "a"}'],
            [str(run_id(2)), "run-2", "success", ["amended"], '{"answer": "a"}'],
        ]


def _late_writes(store: OpenStore) -> None:
    store.write(patch(1, tags=("progress, must lose",)))
    store.write(create(1, tags=("create, must lose",)))
    store.write(patch(2, tags=("amended",)))


def test_a_run_left_in_both_tables_is_settled_at_start(tmp_path: Path) -> None:
    """A crash between the two inserts of a commit leaves the open row; start-up repairs it."""
    with open_store(tmp_path) as store:
        store.write(create(1))
        columns = "* REPLACE ('success' AS status, version + 1000000 AS version)"
        store.engine.command(Statement(f"INSERT INTO runs SELECT {columns} FROM open_runs"))
    with open_store(tmp_path, Clock(us=store.clock.us + 2_000_000)) as store:
        assert store.select("id, status") == [[str(run_id(1)), "success"]]


def test_children_find_their_place_in_any_order(tmp_path: Path) -> None:
    """A sender that names only parents gets one trace, whether parents come before or after their children."""
    root = create(1)
    child, grandchild = create(2, parent_run_id=run_id(1)), create(3, parent_run_id=run_id(2))
    for number, order in enumerate(permutations([root, child, grandchild])):
        with open_store(tmp_path / str(number)) as store:
            for write in order:
                store.write(write)
            store.write(end(1), end(3))
            rows = store.select("trace_id, length(splitByChar('.', dotted_order)), is_root")
            assert rows == [[str(run_id(1)), 1, True], [str(run_id(1)), 2, False], [str(run_id(1)), 3, False]]


def test_settled_rows_are_swept_and_long_open_runs_stay(tmp_path: Path) -> None:
    """Also after a restart, and at the moment of a cursor that is older than the sweep of other rows."""
    clock = Clock()
    with open_store(tmp_path, clock) as store:
        store.write(*(create(n) for n in range(20)))
        store.write(*(end(n) for n in range(18)))
        cursor = store.moments.current(TENANT).visible_version
        clock.us += BUCKET_US
        store.write(end(18))
        clock.us += KEPT_US + BUCKET_US
        store.sweep()
        assert len(store.select("id")) == 20
        assert store.engine.select(Statement("SELECT count() FROM open_runs")).rows == [[1]]
        assert store.moments.current(TENANT).at(cursor) == store.moments.current(TENANT)
    with open_store(tmp_path, clock) as store:
        store.sweep()
        assert len(store.select("id")) == 20
        store.write(end(19))
        assert store.select("status") == [["success"]] * 20

        clock.us += KEPT_US + 2 * BUCKET_US
        store.sweep()
        assert store.engine.select(Statement("SELECT count() FROM open_runs")).rows == [[0]]
        assert store.select("status") == [["success"]] * 20


def test_a_cursor_of_the_last_minute_finds_what_it_saw(tmp_path: Path) -> None:
    """Rows that a recent moment shows outlive the sweep, whatever became of their runs since."""
    clock = Clock()
    with open_store(tmp_path, clock) as store:
        store.write(*(create(n) for n in range(3)))
        clock.us += KEPT_US + 2 * BUCKET_US
        cursor = store.moments.current(TENANT).visible_version
        store.write(end(0), end(1))
        store.sweep()

        moment = store.moments.current(TENANT).at(cursor)
        params = Params()
        visible = params.add("UInt64", moment.visible_version)
        sql = f"SELECT count() FROM open_runs WHERE version <= {visible} AND status = 'pending'"
        assert moment.visible_version == cursor
        assert store.engine.select(Statement(sql, params.as_tuple())).rows == [[3]]


def test_a_sweep_does_not_hold_up_commits_while_the_engine_is_busy(tmp_path: Path) -> None:
    """Rows beside a needed one go in the background: states first, and marks only when the states are gone."""
    clock = Clock()
    with open_store(tmp_path, clock) as store:
        store.write(create(1), *(create(n) for n in range(2, 20)))
        store.write(*(end(n) for n in range(2, 20)))
        clock.us += KEPT_US + 2 * BUCKET_US
        store.engine.command(Statement("SYSTEM STOP MERGES open_runs"))
        for _ in range(3):
            store.sweep_once()
        marks = Statement("SELECT count() FROM open_runs WHERE status = 'settled'")
        assert store.engine.select(marks).rows == [[18]]
        store.write(create(30))

        store.engine.command(Statement("SYSTEM START MERGES open_runs"))
        store.sweep()
        assert store.select("id") == [[str(run_id(n))] for n in (*range(1, 20), 30)]
        left = Statement("SELECT count() FROM open_runs")
        assert store.engine.select(left).rows == [[2]]
        parts = "SELECT sum(rows) FROM system.parts WHERE active AND table = 'open_runs'"
        assert store.engine.select(Statement(parts)).rows == [[2]], "no row is only marked, for searches to read"


def test_a_commit_that_fails_half_way_leaves_nothing_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second insert fails once: the sender gets the error, nothing shows, and a retry stores each run once."""
    with open_store(tmp_path) as store:
        store.write(create(1))
        insert = store.engine.insert
        failures = [StoreUnavailableError("no space is left on the store's disk")]

        def failing(table: str, columns: tuple[str, ...], rows: list[bytes]) -> None:
            if table == "open_runs" and failures:
                raise failures.pop()
            insert(table, columns, rows)

        monkeypatch.setattr(store.engine, "insert", failing)
        with pytest.raises(StoreUnavailableError):
            store.write(end(1), create(2), create(3), end(3))
        assert store.select("id, status") == [[str(run_id(1)), "pending"]]

        store.write(end(1), create(2), create(3), end(3))
        assert store.select("id, status") == [
            [str(run_id(1)), "success"],
            [str(run_id(2)), "pending"],
            [str(run_id(3)), "success"],
        ]


def test_one_refused_batch_does_not_take_its_neighbours_along(tmp_path: Path) -> None:
    """A value the engine cannot take fails its own request only, though both share a commit."""
    with open_store(tmp_path) as store:

        async def both() -> list[BaseException | None]:
            good, bad = create(1), create(2, start_time=10**18)
            writes = (IngestBatch(tenant_id=UUID(int=0x7E), runs=(run,)) for run in (good, bad))
            return await asyncio.gather(*(store.writer.write(batch) for batch in writes), return_exceptions=True)

        good, bad = asyncio.run(both())
        assert good is None
        assert isinstance(bad, Exception)
        assert store.select("id") == [[str(run_id(1))]]


def test_writes_beyond_the_memory_budget_are_turned_away(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.writer._max_pending_bytes = 10

        async def flood() -> list[BaseException | None]:
            batches = [IngestBatch(tenant_id=UUID(int=0x7E), runs=(_heavy(n),)) for n in range(5)]
            return await asyncio.gather(*(store.writer.write(b) for b in batches), return_exceptions=True)

        outcomes = asyncio.run(flood())
        refused = [o for o in outcomes if isinstance(o, OverloadedError)]
        assert refused
        assert refused[0].retry_after_s == 1
        assert len(store.select("id")) == 5 - len(refused)


def _heavy(number: int) -> RunWrite:
    write = create(number)
    return RunWrite(kind=write.kind, run_id=write.run_id, fields=write.fields, size_bytes=1000)


def test_feedback_is_stored_and_the_latest_version_counts(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for score in (0.0, 1.0):
            feedback = Feedback(tenant_id=UUID(int=0x7E), id=UUID(int=5), key="helpful", run_id=run_id(1), score=score)
            asyncio.run(store.writer.write(IngestBatch(tenant_id=UUID(int=0x7E), feedback=(feedback,))))

        rows = store.engine.select(Statement("SELECT key, run_id, score FROM feedback FINAL")).rows
        assert rows == [["helpful", str(run_id(1)), 1]]


def test_a_batch_may_span_more_months_than_the_engine_likes(tmp_path: Path) -> None:
    """Old traces sent again in one request: 150 months are 150 partitions of one insert."""
    month_us = 31 * 86_400 * 1_000_000
    with open_store(tmp_path) as store:
        runs = [
            write
            for n in range(150)
            for write in (create(n, start_time=START_US - n * month_us), patch(n, end_time=START_US - n * month_us + 1))
        ]
        store.write(*runs)

        assert len(store.select("id")) == 150


def test_a_create_that_tells_no_time_started_when_it_came(tmp_path: Path) -> None:
    """A hand-written POST without a start, with an id that holds no time; its end comes by a later PATCH."""
    write = create(1)
    fields = dict(write.fields)
    del fields[RunField.START_TIME]
    with open_store(tmp_path) as store:
        store.write(replace(write, fields=fields))
        placed = store.select("start_time, dotted_order")
        store.write(patch(1, end_time=START_US + 60_000_000))

        assert store.select("start_time, dotted_order") == placed
        assert store.select("intDiv(duration_us, 1000000), status") == [[59, "success"]]
        assert str(placed[0][1]).endswith(f"Z{run_id(1)}")
