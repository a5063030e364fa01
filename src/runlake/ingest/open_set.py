"""What the writer remembers of open runs: all their ids, and as many whole states as fit.

The id set is exact (it is rebuilt at start-up), so "is this run open?" never needs the store. States beyond the byte
budget are dropped oldest first and read back when a write for them comes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container, Iterator
from itertools import chain
from typing import Final
from uuid import UUID

from runlake.model.run import RunState
from runlake.store.moment import OPEN_NAMED_AT_MOST, NamedRow

RunKey = tuple[UUID, UUID]
"""(tenant id, run id)."""

BUCKET_US: Final = 15_000_000
"""Width of a partition of ``open_runs`` in version space; must equal the migration's."""


class OpenSet:
    """The rows of open runs, their recent states, and which rows of which partition some moment still shows."""

    def __init__(self, *, state_budget_bytes: int) -> None:
        self._rows: dict[UUID, dict[UUID, NamedRow]] = {}
        self._states: OrderedDict[RunKey, RunState] = OrderedDict()
        self._budget_bytes = state_budget_bytes
        self._used_bytes = 0
        self._buckets: set[int] = set()
        self._known_since = 0
        self._retired: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        return sum(map(len, tuple(self._rows.values())))

    def __contains__(self, key: RunKey) -> bool:
        return self._row(key) is not None

    def version(self, key: RunKey) -> int | None:
        row = self._row(key)
        return None if row is None else row.version

    def state(self, key: RunKey) -> RunState | None:
        """The state, if it is still in memory."""
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
        return state

    def put(self, tenant_id: UUID, row: NamedRow, state: RunState | None) -> None:
        """This row of ``open_runs`` is now the run's state."""
        key = (tenant_id, row.run_id)
        self._retire(key, row.version)
        self._rows.setdefault(tenant_id, {})[row.run_id] = row
        self._buckets.add(row.version // BUCKET_US)
        self._forget_state(key)
        if state is not None:
            self._states[key] = state
            self._used_bytes += state.size_bytes
            self._shrink()

    def settle(self, key: RunKey, mark_version: int) -> None:
        """The run has left for ``runs``; its mark is a row too."""
        self._retire(key, mark_version)
        self._forget_state(key)
        self._buckets.add(mark_version // BUCKET_US)

    def remove(self, key: RunKey) -> None:
        """The run was deleted; its row in ``open_runs`` no longer counts."""
        self._retire(key, self.version(key) or 0)
        self._forget_state(key)

    def note_bucket(self, version: int) -> None:
        """Recovery found a row of no account in this partition."""
        self._buckets.add(version // BUCKET_US)

    def tenants(self) -> frozenset[UUID]:
        """Every tenant that has, or had, open runs."""
        return frozenset(self._rows)

    def rows_of(self, tenant_id: UUID) -> tuple[NamedRow, ...] | None:
        """The rows of ``open_runs`` that count for the tenant, None when they are more than ``OPEN_NAMED_AT_MOST``."""
        rows = self._rows.get(tenant_id, {})
        return None if len(rows) > OPEN_NAMED_AT_MOST else tuple(rows.values())

    def of_traces(self, tenant_id: UUID, trace_ids: Container[UUID]) -> list[NamedRow]:
        """The open runs of these traces."""
        return [row for row in self._rows.get(tenant_id, {}).values() if row.trace_id in trace_ids]

    def oldest_version(self) -> int | None:
        """The last change of the open run that changed least recently: microseconds since 1970. Any thread may ask."""
        return min(self._all_versions(), default=None)

    def silent_since(self, version: int) -> list[tuple[RunKey, int]]:
        """Open runs that did not change after ``version``, each with that of its row, by tenant."""
        return [
            ((tenant_id, run_id), row.version)
            for tenant_id, rows in self._rows.items()
            for run_id, row in rows.items()
            if row.version <= version
        ]

    def keys(self) -> Iterator[RunKey]:
        return iter([(tenant_id, run_id) for tenant_id, rows in self._rows.items() for run_id in rows])

    def old_buckets(self, cutoff: int) -> list[int]:
        """Partitions wholly before ``cutoff``, oldest first."""
        return sorted(bucket for bucket in self._buckets if (bucket + 1) * BUCKET_US <= cutoff)

    def retire_before(self, cutoff: int) -> int:
        """Give up rows superseded before ``cutoff``; the version from which on moments can still be read."""
        while self._retired and self._retired[0][0] <= cutoff:
            self._known_since, _ = self._retired.popleft()
        return self._known_since

    def needed(self) -> dict[int, list[int]]:
        """Per partition, the versions that some moment still shows."""
        needed: dict[int, list[int]] = {}
        for version in chain(self._all_versions(), (version for _, version in self._retired)):
            needed.setdefault(version // BUCKET_US, []).append(version)
        return needed

    def dropped(self, bucket: int) -> None:
        """The partition is gone."""
        self._buckets.discard(bucket)

    @property
    def has_rows(self) -> bool:
        """Whether ``open_runs`` may hold any row at all."""
        return bool(self._buckets)

    def _retire(self, key: RunKey, by_version: int) -> None:
        """The run's current row is superseded from ``by_version`` on; earlier moments still show it."""
        old = self._rows.get(key[0], {}).pop(key[1], None)
        if old is not None:
            self._retired.append((by_version, old.version))

    def _row(self, key: RunKey) -> NamedRow | None:
        return self._rows.get(key[0], {}).get(key[1])

    def _all_versions(self) -> list[int]:
        """A copy at every step, because the writer may change what another thread is walking."""
        return [row.version for rows in tuple(self._rows.values()) for row in tuple(rows.values())]

    def _forget_state(self, key: RunKey) -> None:
        old = self._states.pop(key, None)
        if old is not None:
            self._used_bytes -= old.size_bytes

    def _shrink(self) -> None:
        while self._used_bytes > self._budget_bytes and len(self._states) > 1:
            _, state = self._states.popitem(last=False)
            self._used_bytes -= state.size_bytes
