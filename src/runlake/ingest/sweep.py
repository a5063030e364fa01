"""Keeps ``open_runs`` small: settled rows go by dropping whole old partitions, in two steps.

First the rows that still count are written again under new versions and published; a tick later, when no reader can be
between two moments, the old partitions are dropped. Cost follows what is alive, not what has passed through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from runlake.ingest.open_set import OpenSet
from runlake.ingest.rows import RUN_COLUMNS
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moments

KEPT_US: Final = 60_000_000
"""Open rows younger than this stay, so that a cursor of that age still sees its moment."""


class Sweeper:
    """Part of the writer's thread; ``sweep`` is called every few seconds."""

    def __init__(
        self,
        *,
        engine: Engine,
        moments: Moments,
        open_set: OpenSet,
        advance: Callable[[], None],
        next_version: Callable[[], int],
        now_us: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._open = open_set
        self._advance = advance
        self._next_version = next_version
        self._now_us = now_us
        self._doomed: list[int] = []

    def sweep(self) -> int:
        """Drop what the last call prepared, then prepare more; returns how many partitions were dropped."""
        dropped = len(self._doomed)
        for bucket in self._doomed:
            self._engine.command(Statement(f"ALTER TABLE open_runs DROP PARTITION {int(bucket)}"))
            self._open.dropped(bucket)
        self._doomed = []
        buckets = self._open.sweepable(self._now_us() - KEPT_US)
        for bucket in buckets:
            self._rewrite(bucket)
        self._doomed = buckets
        return dropped

    def _rewrite(self, bucket: int) -> None:
        # Without this a store that was idle would give out versions that lie in the very partition to be dropped.
        self._advance()
        live = [(key, self._open.version(key), self._next_version()) for key in self._open.live_in(bucket)]
        if not live:
            return
        params = Params()
        old = params.add("Array(UInt64)", tuple(version or 0 for _, version, _ in live))
        new = params.add("Array(UInt64)", tuple(version for _, _, version in live))
        columns = ", ".join(RUN_COLUMNS)
        selected = ", ".join(f"{new}[indexOf({old}, version)]" if c == "version" else c for c in RUN_COLUMNS)
        self._engine.command(
            Statement(
                f"INSERT INTO open_runs ({columns}) SELECT {selected} FROM open_runs WHERE has({old}, version)",
                params.as_tuple(),
            )
        )
        for key, _, version in live:
            self._open.put(key, version, self._open.state(key))
        tenants = {key[0] for key, _, _ in live}
        self._moments.publish(live[-1][2], opened={tenant: self._open.versions_of(tenant) for tenant in tenants})
