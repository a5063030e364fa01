"""What the store already knows of the runs a commit is about to write.

A fresh run costs no read: a run that started after everything stored when the process opened, and that this process has
not finished, cannot be in ``runs``. Everything else is looked up in one bounded statement per commit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from runlake.ingest.open_set import RunKey
from runlake.ingest.rows import STATE_SELECT, StoredRun, decode_stored
from runlake.store.engine import Engine, Params, Row, Statement

_REMEMBERED_RUNS: Final = 200_000
_SLACK_US: Final = 3_600_000_000
"""A patch may have moved the stored start away from what a later write says; an hour still reads few granules."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A run to look for; ``start_times`` are those its writes mention, empty when none does."""

    key: RunKey
    start_times: tuple[int, ...]


class FinishedRuns:
    """Remembers which recent runs are in ``runs``, to know for most runs that they are not."""

    def __init__(self, *, known_since_us: int, recent: Iterable[tuple[RunKey, int]] = ()) -> None:
        """``recent`` are runs in ``runs`` with their start, the oldest first; senders may give them another start."""
        self._known_since_us = known_since_us
        self._start_times: OrderedDict[RunKey, int] = OrderedDict(recent)

    def add(self, key: RunKey, start_time_us: int) -> None:
        self._start_times[key] = start_time_us
        if len(self._start_times) > _REMEMBERED_RUNS:
            _, oldest = self._start_times.popitem(last=False)
            self._known_since_us = max(self._known_since_us, oldest)

    def surely_absent(self, sought: Sought) -> bool:
        """True only when the run cannot be in ``runs``."""
        return (
            bool(sought.start_times)
            and min(sought.start_times) > self._known_since_us
            and sought.key not in self._start_times
        )

    def near_stored_start(self, sought: Sought) -> Sought:
        """``sought`` with the start that the run has in ``runs``, where that is remembered: its writes may move it."""
        known = self._start_times.get(sought.key)
        if known is None or not sought.start_times:
            return sought
        return replace(sought, start_times=(*sought.start_times, known))


def find_finished(engine: Engine, tenant_id: UUID, sought: Sequence[Sought]) -> dict[UUID, StoredRun]:
    """The stored state of those of ``sought`` that lie in ``runs``; the latest version of each."""
    found: dict[UUID, StoredRun] = {}
    bounded = [item for item in sought if item.start_times]
    unbounded = [item for item in sought if not item.start_times]
    for group in (bounded, unbounded):
        if group:
            _keep_latest(found, engine.select(_finished_statement(tenant_id, group)).rows)
    return found


def find_traces(engine: Engine, tenant_id: UUID, trace_ids: Sequence[UUID]) -> list[StoredRun]:
    """Finished runs of whole traces, latest versions only."""
    params = Params()
    tenant, traces = params.add("UUID", tenant_id), params.add("Array(UUID)", tuple(trace_ids))
    sql = f"SELECT {STATE_SELECT} FROM runs WHERE tenant_id = {tenant} AND trace_id IN {traces}"
    found: dict[UUID, StoredRun] = {}
    _keep_latest(found, engine.select(Statement(sql, params.as_tuple())).rows)
    return list(found.values())


def find_open(engine: Engine, versions: Mapping[RunKey, int]) -> dict[RunKey, StoredRun]:
    """States of open runs by their current versions."""
    if not versions:
        return {}
    params = Params()
    wanted = params.add("Array(UInt64)", tuple(versions.values()))
    rows = engine.select(
        Statement(f"SELECT {STATE_SELECT} FROM open_runs WHERE has({wanted}, version)", params.as_tuple())
    ).rows
    stored = [decode_stored(row) for row in rows]
    return {(run.tenant_id, run.state.run_id): run for run in stored}


def _finished_statement(tenant_id: UUID, sought: Sequence[Sought]) -> Statement:
    params = Params()
    tenant = params.add("UUID", tenant_id)
    ids = params.add("Array(UUID)", tuple(item.key[1] for item in sought))
    times = [time for item in sought for time in item.start_times]
    bounds = ""
    if times:
        low, high = params.add("Int64", min(times) - _SLACK_US), params.add("Int64", max(times) + _SLACK_US)
        bounds = (
            f" AND start_time >= fromUnixTimestamp64Micro({low}) AND start_time <= fromUnixTimestamp64Micro({high})"
        )
    return Statement(
        f"SELECT {STATE_SELECT} FROM runs WHERE tenant_id = {tenant}{bounds} AND id IN {ids}", params.as_tuple()
    )


def _keep_latest(found: dict[UUID, StoredRun], rows: Iterable[Row]) -> None:
    for row in rows:
        stored = decode_stored(row)
        known = found.get(stored.state.run_id)
        if known is None or stored.version > known.version:
            found[stored.state.run_id] = stored
