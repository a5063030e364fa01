"""Deletes inside the engine, with an end to the waiting.

The engine can be told to wait for a mutation, but then it waits for as long as the mutation fails, for instance while
the disk is full (seen on chDB 26.9), and the caller's thread is lost. So a mutation is only started, and looked after.
"""

from __future__ import annotations

import time
from typing import Final

from runlake.errors import StoreUnavailableError
from runlake.store.engine import Engine, Params, Statement

_FIRST_LOOK_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.1
EVERYTHING: Final = {"apply_deleted_mask": 0}
"""Setting of a statement that also sees rows that a quick delete has marked and that are still on disk."""
_UNWAITED: Final = {"mutations_sync": 0, "lightweight_deletes_sync": 0}


def start_mutation(engine: Engine, statement: Statement) -> None:
    """Have the engine begin a ``DELETE`` or ``ALTER TABLE ... DELETE``, and return."""
    engine.command(Statement(statement.sql, statement.params, {**statement.settings, **_UNWAITED}))


def unfinished_mutations(engine: Engine, tables: tuple[str, ...]) -> int:
    """How many mutations of these tables are still under way."""
    params = Params()
    names = params.add("Array(String)", tables)
    sql = (
        f"SELECT count() FROM system.mutations WHERE database = currentDatabase() AND has({names}, table)"
        " AND NOT is_done AND NOT is_killed"
    )
    return int(str(engine.select(Statement(sql, params.as_tuple())).rows[0][0]))


def wait_for_mutations(engine: Engine, tables: tuple[str, ...], *, wait_s: float) -> None:
    """Return when none is under way; StoreUnavailableError after ``wait_s`` seconds, they go on by themselves."""
    ends = time.monotonic() + wait_s
    pause_s = _FIRST_LOOK_S
    while unfinished_mutations(engine, tables):
        if time.monotonic() >= ends:
            raise StoreUnavailableError("the store is still removing rows; send again after the given time")
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
