"""Runs whose end never came say so, and for how long nothing was heard of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid5

from runlake.query.lanes import QueryLanes
from runlake.query.request import QueryLimits
from runlake.query.service import RunQueries
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import DEFAULT_SELECT, RunQuerySpec
from runlake.wire.times import format_time
from store.harness import START_US, TENANT, OpenStore, create, end, open_store, patch, run_id

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


def test_silence_outlasts_a_restart(tmp_path: Path) -> None:
    with open_store(tmp_path / "engine") as store:
        store.write(create(1))
        clock = store.clock
    clock.us += 90 * MINUTE_US
    with open_store(tmp_path / "engine", clock) as store:
        assert silences(queries_of(store)) == {"run-1": 90}
