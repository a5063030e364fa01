"""Removes the rows that a failed commit left on disk, before their versions could become visible."""

from __future__ import annotations

from typing import Final

from runlake.store.engine import Engine, Params, Statement
from runlake.store.mutations import start_mutation, wait_for_mutations

_TABLES: Final = ("runs", "open_runs", "feedback")
_WAIT_S: Final = 5.0


class Undo:
    """Part of the writer's thread. Between ``note`` and the end of ``finish`` no commit may begin."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._after: int | None = None
        self._started = False

    def note(self, visible_version: int) -> None:
        """A commit failed; rows of versions above ``visible_version`` may be on disk."""
        self._after = visible_version
        self._started = False

    def finish(self) -> None:
        """Return when no such row is left; StoreUnavailableError when that takes longer, and it is to be called again.

        The deletion is ordered once, because every further one would queue up behind it and rewrite the same parts.
        """
        if self._after is None:
            return
        if not self._started:
            for table in _TABLES:
                params = Params()
                visible = params.add("UInt64", self._after)
                sql = f"ALTER TABLE {table} DELETE WHERE version > {visible}"
                start_mutation(self._engine, Statement(sql, params.as_tuple()))
            self._started = True
        wait_for_mutations(self._engine, _TABLES, wait_s=_WAIT_S)
        self._after = None
