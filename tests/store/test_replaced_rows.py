"""Rows that a later row of their run replaced leave the store, and no reader ever notices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid5

import pytest

from runlake.errors import StoreUnavailableError
from runlake.ingest.replaced_sweep import ReplacedSweeper, SweepPace
from runlake.query.lanes import QueryLanes
from runlake.query.request import QueryLimits
from runlake.query.service import ListedRuns, RunQueries
from runlake.store import moment
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import Statement
from runlake.store.mutations import EVERYTHING
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import RunQuerySpec
from store.harness import (
    OTHER_TENANT,
    START_US,
    TENANT,
    Clock,
    OpenStore,
    create,
    end,
    open_engine,
    open_on,
    patch,
    run_id,
)

MINUTE_US = 60_000_000
MONTH_US = 31 * 86_400_000_000
AT_ONCE = SweepPace(rows=1, rest=0)
RUNS = 6


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ChdbEngine]:
    with open_engine(tmp_path / "engine") as opened:
        yield opened


def sweeper_of(store: OpenStore, pace: SweepPace = AT_ONCE) -> ReplacedSweeper:
    return ReplacedSweeper(engine=store.engine, moments=store.moments, now_us=store.clock.now_us, pace=pace)


def sweep(store: OpenStore, pace: SweepPace = AT_ONCE) -> int:
    """A round: moments are given up, then rows removed."""
    sweeper = sweeper_of(store, pace)
    assert sweeper.step() == 0
    return sweeper.step()


def amended(store: OpenStore) -> None:
    """Six finished runs: the first replaced three times, the second once and moved to another month, the third once."""
    store.write(*map(create, range(RUNS)), *map(end, range(RUNS)))
    for word in ("alpha", "beta", "gamma"):
        store.write(patch(0, end_time=START_US + 9_000_000, outputs=f'{{"word":"{word}"}}'.encode()))
    store.write(patch(1, start_time=START_US - MONTH_US, end_time=START_US + 9_000_000))
    store.write(patch(2, end_time=START_US + 9_000_000, tags=("late",)))
    store.write(create(7), end(7), tenant_id=OTHER_TENANT)
    store.write(patch(7, end_time=START_US + 9_000_000, name="other"), tenant_id=OTHER_TENANT)


REPLACED = 6


def read(store: OpenStore, **spec: object) -> ListedRuns:
    queries = RunQueries(
        engine=store.engine,
        moments=store.moments,
        live_projects=lambda tenant_id: (uuid5(tenant_id, "p"),),
        cursors=CursorSigner(b"key"),
        limits=QueryLimits(),
        lanes=QueryLanes(search_threads=1, max_waiting=10),
        now_us=store.clock.now_us,
    )
    return asyncio.run(queries.page(RunQuerySpec(**spec), tenant_id=TENANT))  # type: ignore[arg-type]


def answers(store: OpenStore) -> list[object]:
    """What readers see: all runs, and what filters find of texts that were replaced and of those that count."""
    filters = ('search("alpha")', 'search("gamma")', 'has(tags, "late")', 'lt(start_time, "2026-09-01")')
    return [read(store, limit=50).runs, *([run.id for run in read(store, filter=text).runs] for text in filters)]


def rows_of(engine: ChdbEngine, **settings: int) -> int:
    return int(str(engine.select(Statement("SELECT count() FROM runs", settings=settings)).rows[0][0]))


def test_replaced_rows_go_and_every_answer_stays(engine: ChdbEngine) -> None:
    """From the disk too where they are many, after a restart as before it, and further changes count as ever."""
    clock = Clock()
    with open_on(engine, clock) as store:
        amended(store)
        before = answers(store)
        assert [len(ids) for ids in before[1:]] == [0, 1, 1, 1]  # type: ignore[arg-type]
        assert rows_of(engine) == RUNS + 1 + REPLACED
        assert store.writer.stats().replaced_rows == REPLACED
        clock.us += 2 * MINUTE_US
        assert sweep(store) == REPLACED
        assert rows_of(engine, **EVERYTHING) == rows_of(engine) == RUNS + 1
        assert store.moments.current(TENANT).replaced_rows == store.moments.current(OTHER_TENANT).replaced_rows == ()
        assert store.writer.stats().replaced_rows == 0
        assert answers(store) == before
    with open_on(engine, clock) as store:
        assert store.moments.current(TENANT).replaced_rows == ()
        assert answers(store) == before
        store.write(patch(0, end_time=START_US + 9_000_000, outputs=b'{"word":"delta"}'))
        assert store.writer.stats().replaced_rows == 1
        assert [run.id for run in read(store, filter='search("delta")').runs] == [str(run_id(0))]
        assert read(store, filter='search("gamma")').runs == []


def test_rows_that_a_moment_still_shows_stay(engine: ChdbEngine) -> None:
    """A cursor's moment is exact for a minute, that of a long read while it lasts; later it is the current one."""
    with open_on(engine) as store:
        store.write(*map(create, range(RUNS)), *map(end, range(RUNS)))
        first = read(store, limit=2)
        held = store.moments.current(TENANT).visible_version
        store.write(*(patch(number, end_time=START_US + 9_000_000, name="later") for number in range(RUNS)))
        store.clock.us += MINUTE_US // 2
        assert sweep(store) == 0
        second = read(store, limit=2, cursor=first.next_cursor)
        assert [run.name for run in second.runs] == ["run-3", "run-2"]
        store.clock.us += MINUTE_US
        with store.moments.holding(held):
            assert sweep(store) == 0
            assert [run.name for run in read(store, limit=9, cursor=first.next_cursor).runs] == [
                f"run-{number}" for number in (3, 2, 1, 0)
            ]
        assert sweep(store) == RUNS
        rest = read(store, limit=9, cursor=first.next_cursor)
        assert [(run.id, run.name) for run in rest.runs] == [(str(run_id(n)), "later") for n in (3, 2, 1, 0)]


def test_more_replaced_rows_than_can_be_named_are_removed_and_named_again(
    engine: ChdbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moment, "REPLACED_NAMED_AT_MOST", 2)
    with open_on(engine) as store:
        amended(store)
        before = answers(store)
        assert store.moments.current(TENANT).replaced_rows is None
        store.clock.us += 2 * MINUTE_US
        sweeper = sweeper_of(store)
        sweeper.step()
        store.write(patch(5, end_time=START_US + 9_000_000, name="late"))
        assert sweeper.step() == REPLACED
        assert len(store.moments.current(TENANT).replaced_rows or ()) == 1
        assert answers(store)[1:] == before[1:]
        store.write(*(patch(number, end_time=START_US + 9_000_000, name="late") for number in (2, 3)))
        assert store.moments.current(TENANT).replaced_rows is None
        assert answers(store)[1:] == before[1:]
        assert [run.name for run in read(store, limit=9).runs] == ["late", "run-4", "late", "late", "run-0", "run-1"]


@pytest.mark.parametrize("done", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_round_that_breaks_off_shows_nothing_again_that_was_replaced(
    engine: ChdbEngine, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """A run that was replaced three times takes three deletes; whatever comes between, then and after a restart."""
    clock = Clock()
    command, deletes = engine.command, iter(range(done))

    def failing(statement: Statement) -> None:
        if statement.sql.startswith("DELETE FROM runs") and next(deletes, None) is None:
            raise StoreUnavailableError("the test says no")
        command(statement)

    with open_on(engine, clock) as store:
        amended(store)
        before = answers(store)
        clock.us += 2 * MINUTE_US
        monkeypatch.setattr(engine, "command", failing)
        with pytest.raises(StoreUnavailableError):
            sweep(store)
        monkeypatch.undo()
        assert RUNS + 1 < rows_of(engine) <= RUNS + 1 + REPLACED
        assert answers(store) == before
    with open_on(engine, clock) as store:
        assert answers(store) == before
        named = store.writer.stats().replaced_rows
        assert named == rows_of(engine) - RUNS - 1
        assert sweep(store) == named
        assert rows_of(engine) == RUNS + 1
        assert answers(store) == before


def test_few_rows_wait_and_little_is_won_by_rewriting(engine: ChdbEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delete touches every part, so it waits for more rows or an hour; a month is written again for a share of it."""
    seconds = [1_000.0]
    monkeypatch.setattr("runlake.ingest.replaced_sweep.time.monotonic", lambda: seconds[0])
    with open_on(engine) as store:
        store.write(*map(create, range(RUNS)), *map(end, range(RUNS)))
        store.write(patch(0, end_time=START_US + 9_000_000, name="later"))
        store.clock.us += 2 * MINUTE_US
        sweeper = sweeper_of(store, replace(SweepPace(), share=0.5))
        assert [sweeper.step(), sweeper.step()] == [0, 0]
        seconds[0] += 3_601
        assert [sweeper.step(), sweeper.step()] == [0, 1]
        assert (rows_of(engine), rows_of(engine, **EVERYTHING)) == (RUNS, RUNS + 1)
        sweeper_of(store, replace(SweepPace(), share=0.1)).step()
        assert rows_of(engine, **EVERYTHING) == RUNS
        store.write(*(patch(number, end_time=START_US + 9_000_000, name="later") for number in range(1, RUNS)))
        store.clock.us += 2 * MINUTE_US
        assert sweep(store, SweepPace(rows=RUNS - 1, share=0.2)) == RUNS - 1
        assert rows_of(engine, **EVERYTHING) == RUNS


def test_an_idle_store_is_not_asked(engine: ChdbEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_on(engine) as store:
        store.write(create(0), end(0))
        store.clock.us += 2 * MINUTE_US
        sweeper = sweeper_of(store)
        sweeper.step()
        monkeypatch.setattr(engine, "select", lambda _statement: pytest.fail("asked"))
        assert [sweeper.step() for _ in range(3)] == [0, 0, 0]
        monkeypatch.undo()
