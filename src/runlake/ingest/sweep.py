"""Keeps ``open_runs`` small: removes the rows that no moment of the last minute shows any more.

A partition without a needed row is dropped whole; in one that a long open run keeps alive the other rows are deleted.
States go before partitions, partitions oldest first, and settled marks last, so that a mark never goes before a row it
hides. Needed rows are never rewritten: a cursor must find them under the version it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from runlake.ingest.open_set import BUCKET_US, OpenSet
from runlake.ingest.rows import SETTLED
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moments
from runlake.store.mutations import start_mutation, unfinished_mutations, wait_for_mutations

_TABLE: Final = ("open_runs",)
_WAIT_S: Final = 5.0
KEPT_US: Final = 60_000_000
"""Rows superseded since are kept, so that the moment of a cursor this old can be read exactly."""

LONGEST_HOLD_US: Final = 900_000_000
"""How long an export can keep rows from being removed; a longer one goes on at later moments."""


class Sweeper:
    """Part of the writer's thread; ``sweep`` is called every few seconds and does nothing most times."""

    def __init__(self, *, engine: Engine, moments: Moments, open_set: OpenSet, now_us: Callable[[], int]) -> None:
        self._engine = engine
        self._moments = moments
        self._open = open_set
        self._now_us = now_us
        self._cleaned: dict[int, int] = {}

    def sweep(self) -> int:
        """Remove what is old and not needed; returns the number of partitions dropped."""
        now_us = self._now_us()
        cutoff = self._moments.oldest_needed(now_us - KEPT_US, at_most=now_us - LONGEST_HOLD_US)
        old = self._open.old_buckets(cutoff)
        if not old or unfinished_mutations(self._engine, _TABLE):
            return 0
        self._moments.forget_before(self._open.retire_before(cutoff))
        needed = self._open.needed()
        dropped = [bucket for bucket in old if bucket not in needed]
        changed = {b: needed[b] for b in old if b in needed and self._cleaned.get(b) != len(needed[b])}
        self._delete("status !=", changed)
        for bucket in dropped:
            self._engine.command(Statement(f"ALTER TABLE open_runs DROP PARTITION {int(bucket)}"))
            self._open.dropped(bucket)
        self._delete("status =", changed)
        self._cleaned |= {bucket: len(versions) for bucket, versions in changed.items()}
        self._cleaned = {bucket: size for bucket, size in self._cleaned.items() if bucket in needed}
        return len(dropped)

    def _delete(self, status_is: str, changed: Mapping[int, Sequence[int]]) -> None:
        """Delete the states, or the settled marks, that are not needed from partitions that must stay."""
        if not changed:
            return
        params = Params()
        kept = params.add("Array(UInt64)", tuple(version for versions in changed.values() for version in versions))
        buckets, settled = params.add("Array(UInt64)", tuple(changed)), params.add("String", SETTLED)
        sql = (
            f"DELETE FROM open_runs WHERE has({buckets}, intDiv(version, {BUCKET_US})) AND {status_is} {settled}"
            f" AND NOT has({kept}, version)"
        )
        start_mutation(self._engine, Statement(sql, params.as_tuple()))
        wait_for_mutations(self._engine, _TABLE, wait_s=_WAIT_S)
