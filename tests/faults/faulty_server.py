"""The server with faults built in: the same program, started by this script instead, told by variables what to do.

``FAULT_KILL_AT=point:n`` kills the process at the n-th passage of a point of ``POINTS``. ``FAULT_CLOCK=path`` adds the
seconds that the file holds to the clock, whenever it is read. ``FAULT_SLOW=text:seconds`` has every select wait that
has the text among its parameters. ``FAULT_HURRY`` has replaced rows removed at once and a few at a time. Production
code has no hook for any of this.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import runlake.app
from runlake import cli
from runlake.ingest import replaced_sweep
from runlake.ingest.rows import SETTLED_COLUMNS
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import Rows, Statement
from runlake.store.ledger import Ledger
from runlake.store.moment import Moments

KILL_VARIABLE: Final = "FAULT_KILL_AT"
CLOCK_VARIABLE: Final = "FAULT_CLOCK"
SLOW_VARIABLE: Final = "FAULT_SLOW"
HURRY_VARIABLE: Final = "FAULT_HURRY"

POINTS: Final = (
    "before project",
    "after project",
    "before runs",
    "after runs",
    "before open_runs",
    "after open_runs",
    "before settled",
    "after settled",
    "before feedback",
    "after feedback",
    "before visible",
    "after visible",
)
"""What a commit does, in the order in which it may happen."""

REMOVAL_POINTS: Final = (
    "before removal",
    "after removal",
    "before forgetting",
    "after forgetting",
    "before rewriting",
    "after rewriting",
)
"""What the removal of replaced rows does; the engine goes on with what was begun after "removal" and "rewriting"."""


class KillAt:
    """Ends the process without a chance to write anything, at one passage of one point."""

    def __init__(self, point: str, passage: int) -> None:
        if point not in POINTS + REMOVAL_POINTS:
            raise ValueError(f"no point {point!r}")
        self._point = point
        self._left = itertools.count(1)
        self._passage = passage

    def __call__(self, point: str) -> None:
        if point == self._point and next(self._left) == self._passage:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_around(reach: KillAt) -> None:
    """Have every step of a commit report when it begins and ends."""
    insert, publish, create = ChdbEngine.insert, Moments.publish, Ledger.create_project

    def reporting_insert(engine: ChdbEngine, table: str, columns: Sequence[str], rows: Any, /) -> None:
        name = "settled" if tuple(columns) == tuple(SETTLED_COLUMNS) else table
        reach(f"before {name}")
        insert(engine, table, columns, rows)
        reach(f"after {name}")

    def reporting_publish(moments: Moments, *args: Any, **kwargs: Any) -> None:
        reach("before visible")
        publish(moments, *args, **kwargs)
        reach("after visible")

    def reporting_create(ledger: Ledger, *args: Any, **kwargs: Any) -> Any:
        reach("before project")
        made = create(ledger, *args, **kwargs)
        reach("after project")
        return made

    ChdbEngine.insert = reporting_insert  # type: ignore[method-assign]
    Moments.publish = reporting_publish  # type: ignore[method-assign, assignment]
    Ledger.create_project = reporting_create  # type: ignore[method-assign, assignment]


def kill_around_removal(reach: KillAt) -> None:
    """Have every step of the removal of replaced rows report when it begins and ends."""
    command, removed = ChdbEngine.command, Moments.removed
    names = {"DELETE FROM runs": "removal", "ALTER TABLE runs APPLY DELETED MASK": "rewriting"}

    def reporting_command(engine: ChdbEngine, statement: Statement, /) -> None:
        name = next((name for start, name in names.items() if statement.sql.startswith(start)), None)
        reach(f"before {name}")
        command(engine, statement)
        reach(f"after {name}")

    def reporting_removed(moments: Moments, until: int) -> None:
        reach("before forgetting")
        removed(moments, until)
        reach("after forgetting")

    ChdbEngine.command = reporting_command  # type: ignore[method-assign]
    Moments.removed = reporting_removed  # type: ignore[method-assign, assignment]


def hurry_removal() -> None:
    """Have replaced rows removed as soon as they may be in a store that nobody reads."""
    pace = replaced_sweep.SweepPace(every_s=0.2, rows=1, rest=0.0, kept_us=0)
    replaced_sweep.SweepPace = lambda: pace  # type: ignore[assignment, misc]


def shifted(clock: Callable[[], int], offset: Path) -> Callable[[], int]:
    """``clock`` with the seconds added that the file ``offset`` holds at that moment."""
    return lambda: clock() + int(offset.read_text()) * 1_000_000


def slow_selects(text: str, seconds: float) -> None:
    """Have selects with ``text`` among their parameters keep the engine busy for ``seconds`` before."""
    sql = f"SELECT count(sleepEachRow(0.05)) FROM numbers({int(seconds * 20)})"
    pause = Statement(sql, settings={"max_block_size": 1})
    select = ChdbEngine.select

    def slow_select(engine: ChdbEngine, statement: Statement, /) -> Rows:
        if any(text in str(param.value) for param in statement.params):
            select(engine, pause)
        return select(engine, statement)

    ChdbEngine.select = slow_select  # type: ignore[method-assign]


def main() -> None:
    if spec := os.environ.get(KILL_VARIABLE):
        point, _, passage = spec.partition(":")
        reach = KillAt(point, int(passage))
        kill_around(reach)
        kill_around_removal(reach)
    if os.environ.get(HURRY_VARIABLE):
        hurry_removal()
    if path := os.environ.get(CLOCK_VARIABLE):
        runlake.app.now_us = shifted(runlake.app.now_us, Path(path))
    if spec := os.environ.get(SLOW_VARIABLE):
        text, _, seconds = spec.rpartition(":")
        slow_selects(text, float(seconds))
    cli.main()


if __name__ == "__main__":
    main()
