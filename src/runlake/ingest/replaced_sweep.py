"""Removes rows of ``runs`` that another row of their run has replaced, once no moment that can be read needs them.

What a round may meet at a kill or a failure is the state that it would leave half way: every step looks at the store
anew, and a row is forgotten by readers only after it is gone. A run may have been replaced several times; its rows go
oldest first, because the mark that hides a row stands in the row that replaced it.

Two steps lie apart (``docs/decisions/0010-replaced-rows.md``): the quick delete, after which nobody reads the rows, and
the rewriting that takes their payloads off the disk, a month at a time and only where there is much to win.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from runlake.errors import RunlakeError, StoreUnavailableError
from runlake.ingest.sweep import KEPT_US, LONGEST_HOLD_US
from runlake.store.engine import Engine, Params, Statement
from runlake.store.moment import REPLACED_NAMED_AT_MOST, Moments, ReplacedRow
from runlake.store.mutations import EVERYTHING, start_mutation, unfinished_mutations

_LOG: Final = structlog.get_logger("runlake.ingest")
_TABLE: Final = ("runs",)
_ROWS_A_DELETE: Final = 10_000
_FIRST_LOOK_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPace:
    """When it is worth while: a delete touches every part of the table, rewriting writes most of a month again.

    A round begins when ``rows`` are due, or some for ``at_latest_s`` seconds; the next one no earlier than ``rest``
    times as long as the last one took. ``kept_us`` is how old the moment of a cursor may be that is read exactly;
    ``share`` is how much of what is rewritten has to be of no use.
    """

    every_s: float = 60.0
    rows: int = 100
    at_latest_s: float = 3600.0
    rest: float = 10.0
    kept_us: int = KEPT_US
    share: float = 0.1


class ReplacedSweeper:
    """One thread that looks once a minute; ``step`` is one look. Idle, it asks the engine nothing."""

    def __init__(
        self,
        *,
        engine: Engine,
        moments: Moments,
        now_us: Callable[[], int],
        check_space: Callable[[int], None] = lambda _size_bytes: None,
        pace: SweepPace | None = None,
    ) -> None:
        self._engine = engine
        self._moments = moments
        self._now_us = now_us
        self._check_space = check_space
        self._pace = pace or SweepPace()
        self._forgotten_until: int | None = None
        self._not_before = 0.0
        self._due_since: float | None = None
        self._is_first = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runlake-replaced", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End; what the engine has begun it goes on with by itself, the rest is done after the next start."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> int:
        """Do what is due; returns the number of rows removed.

        Moments are given up by one look and their rows removed by the next, so that a read that began at such a
        moment has ended by then.
        """
        if self._is_first:
            # An earlier process may have ended between the two.
            self._rewrite()
            self._is_first = False
        if self._forgotten_until is None:
            self._forgotten_until = self._give_up_moments()
            return 0
        if unfinished_mutations(self._engine, _TABLE):
            return 0
        started = time.monotonic()
        until, self._forgotten_until = self._forgotten_until, None
        removed = self._remove(until)
        self._rewrite()
        self._not_before = time.monotonic() + self._pace.rest * (time.monotonic() - started)
        return removed

    def _run(self) -> None:
        while not self._stop.wait(self._pace.every_s):
            try:
                self.step()
            except StoreUnavailableError as error:
                _LOG.info("replaced rows are removed later", reason=error.message)
            except RunlakeError:
                _LOG.exception("removing replaced rows failed, will be repeated")

    def _give_up_moments(self) -> int | None:
        """The version up to which rows were replaced that may go, when a round is worth while."""
        now_us = self._now_us()
        until = self._moments.oldest_needed(now_us - self._pace.kept_us, at_most=now_us - LONGEST_HOLD_US)
        due = self._moments.count_replaced(until)
        if not due or time.monotonic() < self._not_before:
            return None
        self._due_since = self._due_since or time.monotonic()
        if due < self._pace.rows and time.monotonic() < self._due_since + self._pace.at_latest_s:
            return None
        self._due_since = None
        self._moments.forget_before(until)
        return until

    def _remove(self, until: int) -> int:
        """Delete all that were replaced up to a version, and then have readers forget them."""
        removed = 0
        last: tuple[int, ...] = ()
        while rows := self._oldest(until):
            if rows == last:
                raise StoreUnavailableError("the store does not remove rows now")
            last, params = rows, Params()
            versions = params.add("Array(UInt64)", rows)
            start_mutation(self._engine, Statement(f"DELETE FROM runs WHERE version IN {versions}", params.as_tuple()))
            if not self._has_ended():
                return removed
            removed += len(rows)
        self._moments.removed(until)
        for tenant_id in self._moments.unnamed():
            self._name(tenant_id, until)
        _LOG.info("removed replaced rows", rows=removed)
        return removed

    def _oldest(self, until: int) -> tuple[int, ...]:
        """Versions of replaced rows that hide no other."""
        params = Params()
        last = params.add("UInt64", until)
        sql = (
            "SELECT version, replaces FROM runs"
            f" WHERE version IN (SELECT replaces FROM runs WHERE replaces > 0 AND version <= {last})"
            f" ORDER BY version LIMIT {_ROWS_A_DELETE}"
        )
        found = {
            int(str(row[0])): int(str(row[1])) for row in self._engine.select(Statement(sql, params.as_tuple())).rows
        }
        return tuple(version for version, replaces in found.items() if replaces not in found)

    def _name(self, tenant_id: UUID, removed_until: int) -> None:
        """Tell readers by name again what is left of a tenant's replaced rows, if that is few enough."""
        params = Params()
        until = params.add("UInt64", self._moments.begin_naming(tenant_id))
        tenant, since = params.add("UUID", tenant_id), params.add("UInt64", removed_until)
        sql = (
            f"SELECT replaces, version FROM runs WHERE tenant_id = {tenant} AND replaces > 0"
            f" AND version > {since} AND version <= {until} LIMIT {REPLACED_NAMED_AT_MOST + 1}"
        )
        rows = self._engine.select(Statement(sql, params.as_tuple())).rows
        self._moments.end_naming(tenant_id, [ReplacedRow(int(str(old)), int(str(new))) for old, new in rows])

    def _rewrite(self) -> None:
        """Write months anew without their removed rows, where these are enough of what has to be written."""
        for month, share, size_bytes in self._masked():
            if share < self._pace.share or self._stop.is_set():
                continue
            self._check_space(size_bytes)
            start_mutation(self._engine, Statement(f"ALTER TABLE runs APPLY DELETED MASK IN PARTITION {month}"))
            if self._has_ended():
                _LOG.info("rewrote runs without removed rows", month=month, bytes=size_bytes)

    def _masked(self) -> list[tuple[int, float, int]]:
        """Months with parts that hold removed rows: what share of the rows of those parts, and their bytes."""
        parts = self._engine.select(
            Statement(
                "SELECT name, bytes_on_disk FROM system.parts WHERE database = currentDatabase() AND table = 'runs'"
                " AND active AND has_lightweight_delete"
            )
        ).rows
        if not parts:
            return []
        params = Params()
        names = params.add("Array(String)", tuple(str(row[0]) for row in parts))
        sizes = params.add("Array(UInt64)", tuple(int(str(row[1])) for row in parts))
        sql = (
            f"SELECT month, sum(masked) / sum(stored), toUInt64(sum({sizes}[indexOf({names}, part)])) FROM"
            " (SELECT _part AS part, any(toYYYYMM(start_time)) AS month, countIf(NOT _row_exists) AS masked,"
            f" count() AS stored FROM runs WHERE has({names}, _part) GROUP BY part) GROUP BY month ORDER BY month"
        )
        rows = self._engine.select(Statement(sql, params.as_tuple(), EVERYTHING)).rows
        return [(int(str(month)), float(str(share)), int(str(size))) for month, share, size in rows]

    def _has_ended(self) -> bool:
        """Wait for what the engine is at; false when this thread shall end before."""
        pause_s = _FIRST_LOOK_S
        while unfinished_mutations(self._engine, _TABLE):
            if self._stop.wait(pause_s):
                return False
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return True
