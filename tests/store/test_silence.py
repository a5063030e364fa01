"""Runs whose end never came say so, and for how long nothing was heard of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid5

from runlake.ingest.silent_runs import CROWD
from runlake.query.fetch import RunFetcher
from runlake.query.lanes import QueryLanes
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.service import RunQueries
from runlake.store.engine import Statement
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import DEFAULT_SELECT, RunQuerySpec
from runlake.wire.times import format_time
from store.harness import OTHER_TENANT, START_US, TENANT, OpenStore, create, end, open_store, patch, run_id

MINUTE_US = 60_000_000
PENDING_FOR_LONG = f'and(eq(status, "pending"), lt(start_time, "{format_time(START_US + MINUTE_US)}"))'


def queries_of(store: OpenStore, **settings: Any) -> RunQueries:
    return RunQueries(
        engine=store.engine,
        moments=store.moments,
        live_projects=lambda tenant_id: (uuid5(tenant_id, "p"),),
        cursors=CursorSigner(b"key"),
        limits=QueryLimits(),
        lanes=QueryLanes(search_threads=1, max_waiting=10),
        now_us=store.clock.now_us,
        **settings,
    )


def silences(queries: RunQueries, **spec: Any) -> dict[str, int | None]:
    """Minutes of silence by the name of the run."""
    runs = asyncio.run(queries.page(RunQuerySpec(**spec), tenant_id=TENANT)).runs
    return {run.name: None if run.silent_us is None else run.silent_us // MINUTE_US for run in runs}


def test_only_open_runs_that_nobody_hears_of_are_marked(tmp_path: Path) -> None:
    with open_store(tmp_path / "engine") as store:
        queries = queries_of(store)
        store.write(create(1), create(2), create(3), create(4, error="boom"))
        store.write(end(2))
        store.clock.us += 59 * MINUTE_US
        assert set(silences(queries).values()) == {None}
        store.write(patch(3, tags=("alive",)))
        store.clock.us += 61 * MINUTE_US
        assert silences(queries) == {"run-1": 120, "run-2": None, "run-3": 61, "run-4": None}
        assert silences(queries, filter=PENDING_FOR_LONG) == {"run-1": 120, "run-3": 61}
        alone = asyncio.run(queries.run(run_id(1), tenant_id=TENANT, select=DEFAULT_SELECT))
        assert (alone.status, (alone.silent_us or 0) // MINUTE_US) == ("pending", 120)
        assert silences(queries_of(store, silent_after_us=0))["run-1"] is None
        store.write(end(1))
        assert silences(queries) == {"run-1": None, "run-2": None, "run-3": 61, "run-4": None}


def move_silent_runs(store: OpenStore) -> int:
    moved = 0
    for _ in range(20):
        moved += (now := store.between_commits(store.writer._silent_runs.move))
        if not now:
            break
    return moved


def places(store: OpenStore) -> list[int]:
    """Runs that are open, and rows of ``runs``."""
    rows = store.engine.select(Statement("SELECT count() FROM runs")).rows
    return [store.writer.stats().open_runs, int(str(rows[0][0]))]


def test_runs_silent_for_an_hour_leave_the_open_ones_and_nothing_else_changes(tmp_path: Path) -> None:
    with open_store(tmp_path / "engine") as store:
        queries = queries_of(store)
        store.write(create(1, tags=("a",)), create(2))
        store.clock.us += 59 * MINUTE_US
        store.write(patch(2, tags=("b",)))
        assert (move_silent_runs(store), places(store)) == (0, [2, 0])
        store.clock.us += 2 * MINUTE_US
        before = store.select("* EXCEPT (version, card, origin)")
        assert (move_silent_runs(store), places(store)) == (1, [1, 1])
        assert store.select("* EXCEPT (version, card, origin)") == before
        assert silences(queries) == {"run-1": 61, "run-2": None}
        clock = store.clock
    with open_store(tmp_path / "engine", clock) as store:
        queries = queries_of(store)
        assert places(store) == [1, 1]
        assert silences(queries, filter=PENDING_FOR_LONG) == {"run-1": 61, "run-2": None}
        store.write(end(1))
        assert silences(queries) == {"run-1": None, "run-2": None}
        assert store.select("name, status, tags") == [["run-1", "success", ["a"]], ["run-2", "pending", ["b"]]]


def test_of_a_crowd_of_silent_runs_all_move_after_ten_minutes(tmp_path: Path) -> None:
    with open_store(tmp_path / "engine") as store:
        store.write(*(create(number) for number in range(CROWD + 1)))
        store.write(create(1), tenant_id=OTHER_TENANT)
        store.clock.us += 9 * MINUTE_US
        assert move_silent_runs(store) == 0
        store.clock.us += 2 * MINUTE_US
        store.write(patch(7, tags=("alive",)))
        assert move_silent_runs(store) == 0
        store.write(create(CROWD + 1))
        store.clock.us += 11 * MINUTE_US
        store.write(patch(9, tags=("alive",)))
        assert (move_silent_runs(store), places(store)) == (CROWD + 1, [2, CROWD + 1])
        assert store.select("status") == [["pending"]] * (CROWD + 2)


def test_an_earlier_moment_shows_a_moved_run_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "engine") as store:
        store.write(create(1), create(2))
        before = store.moments.current(TENANT)
        store.clock.us += 61 * MINUTE_US
        move_silent_runs(store)
        now = store.moments.current(TENANT)
        for moment in (before, now.at(before.visible_version), now):
            fetcher = RunFetcher(store.engine, QueryLimits())
            runs = fetcher.page(RunQuery(tenant_id=TENANT, sessions=(uuid5(TENANT, "p"),)), moment).runs
            assert [run.id for run in runs] == [str(run_id(2)), str(run_id(1))]


def test_silence_outlasts_a_restart(tmp_path: Path) -> None:
    with open_store(tmp_path / "engine") as store:
        store.write(create(1))
        clock = store.clock
    clock.us += 90 * MINUTE_US
    with open_store(tmp_path / "engine", clock) as store:
        assert silences(queries_of(store)) == {"run-1": 90}
