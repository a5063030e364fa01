"""Keeps ``open_runs`` small: removes the rows that no moment of the last minute shows any more.

A partition without a needed row is dropped whole; in one that a long open run keeps alive the other rows are deleted.
States go before partitions, partitions oldest first, and settled marks last, so that a mark never goes before a row it
hides. Needed rows are never rewritten: a cursor must find them under the version it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runlake.ingest.open_set import BUCKET_US, OpenSet
from runlake.ingest.rows import SETTLED
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import Moments
from runlake.store.mutations import start_mutation, unfinished_mutations

_TABLE: Final = ("open_runs",)
KEPT_US: Final = 60_000_000
"""Rows superseded since are kept, so that the moment of a cursor this old can be read exactly."""

LONGEST_HOLD_US: Final = 900_000_000
"""How long an export can keep rows from being removed; a longer one goes on at later moments."""


@dataclass(frozen=True, slots=True)
class _Round:
    """What one sweep removes: whole partitions, and the rows beside those that a partition keeps (by version)."""

    dropped: tuple[int, ...]
    kept: Mapping[int, Sequence[int]]


class Sweeper:
    """Part of the writer's thread; ``sweep`` is called every few seconds, does nothing most times, and never waits.

    A round takes two calls when rows beside needed ones go: settled marks are removed by the call that finds the
    engine done with the states they hide. Commits wait for this thread, so it must not wait for the engine's deletes,
    which stand behind its merges (seconds under load).
    """

    def __init__(self, *, engine: Engine, moments: Moments, open_set: OpenSet, now_us: Callable[[], int]) -> None:
        self._engine = engine
        self._moments = moments
        self._open = open_set
        self._now_us = now_us
        self._cleaned: dict[int, int] = {}
        self._half_done: _Round | None = None

    def sweep(self) -> int:
        """Remove what is old and not needed; returns the number of partitions dropped."""
        if self._half_done is None:
            begun = self._begin()
            if begun is None:
                return 0
            self._delete("status !=", begun.kept)
            self._half_done = begun
        if self._half_done.kept and unfinished_mutations(self._engine, _TABLE):
            return 0
        done, self._half_done = self._half_done, None
        self._finish(done)
        return len(done.dropped)

    def _begin(self) -> _Round | None:
        """A new round, when something is old enough and the last one is through."""
        now_us = self._now_us()
        cutoff = self._moments.oldest_needed(now_us - KEPT_US, at_most=now_us - LONGEST_HOLD_US)
        old = self._open.old_buckets(cutoff)
        if not old or unfinished_mutations(self._engine, _TABLE):
            return None
        self._moments.forget_before(self._open.retire_before(cutoff))
        needed = self._open.needed()
        dropped = tuple(bucket for bucket in old if bucket not in needed)
        kept = {b: needed[b] for b in old if b in needed and self._cleaned.get(b) != len(needed[b])}
        clean = self._without_others(kept)
        self._cleaned |= {bucket: len(needed[bucket]) for bucket in clean}
        kept = {bucket: versions for bucket, versions in kept.items() if bucket not in clean}
        return _Round(dropped, kept) if dropped or kept else None

    def _without_others(self, kept_by_bucket: Mapping[int, Sequence[int]]) -> frozenset[int]:
        """Those of the partitions that hold needed rows alone; a delete that finds nothing rewrites their parts too."""
        if not kept_by_bucket:
            return frozenset()
        params = Params()
        kept = params.add("Array(UInt64)", tuple(v for versions in kept_by_bucket.values() for v in versions))
        buckets = params.add("Array(UInt64)", tuple(kept_by_bucket))
        bucket = f"intDiv(version, {BUCKET_US})"
        sql = f"SELECT DISTINCT {bucket} FROM open_runs WHERE has({buckets}, {bucket}) AND NOT has({kept}, version)"
        rows = self._engine.select(Statement(sql, params.as_tuple())).rows
        return frozenset(kept_by_bucket) - {int(str(row[0])) for row in rows}

    def _finish(self, done: _Round) -> None:
        for bucket in done.dropped:
            self._engine.command(Statement(f"ALTER TABLE open_runs DROP PARTITION {int(bucket)}"))
            self._open.dropped(bucket)
        self._delete("status =", done.kept)
        self._cleaned |= {bucket: len(versions) for bucket, versions in done.kept.items()}
        needed = self._open.needed()
        self._cleaned = {bucket: size for bucket, size in self._cleaned.items() if bucket in needed}

    def _delete(self, status_is: str, kept_by_bucket: Mapping[int, Sequence[int]]) -> None:
        """Begin to delete the states, or the settled marks, that are not needed from partitions that must stay."""
        if not kept_by_bucket:
            return
        params = Params()
        kept = params.add("Array(UInt64)", tuple(v for versions in kept_by_bucket.values() for v in versions))
        buckets, settled = params.add("Array(UInt64)", tuple(kept_by_bucket)), params.add("String", SETTLED)
        # Not the quick delete, which only marks rows: their payloads would be read by every search until a merge.
        sql = (
            f"ALTER TABLE open_runs DELETE WHERE has({buckets}, intDiv(version, {BUCKET_US})) AND {status_is} {settled}"
            f" AND NOT has({kept}, version)"
        )
        start_mutation(self._engine, Statement(sql, params.as_tuple()))
