"""What the writer remembers of open runs: all their ids, and as many whole states as fit.

The id set is exact (it is rebuilt at start-up), so "is this run open?" never needs the store. States beyond the byte
budget are dropped oldest first and read back when a write for them comes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from runlake.model.run import RunState

RunKey = tuple[UUID, UUID]
"""(tenant id, run id)."""

NAMED_AT_MOST: Final = 1000
"""How many open runs of a tenant a reader is told by version; beyond that it finds them itself."""

BUCKET_US: Final = 15_000_000
"""Width of a partition of ``open_runs`` in version space; must equal the migration's."""


class OpenSet:
    """Ids and versions of open runs, their recent states, and how many rows of each partition still count."""

    def __init__(self, *, state_budget_bytes: int) -> None:
        self._versions: dict[RunKey, int] = {}
        self._by_tenant: dict[UUID, set[int]] = {}
        self._states: OrderedDict[RunKey, RunState] = OrderedDict()
        self._budget_bytes = state_budget_bytes
        self._used_bytes = 0
        self._rows: Counter[int] = Counter()
        self._live: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._versions)

    def __contains__(self, key: RunKey) -> bool:
        return key in self._versions

    def version(self, key: RunKey) -> int | None:
        return self._versions.get(key)

    def state(self, key: RunKey) -> RunState | None:
        """The state, if it is still in memory."""
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
        return state

    def put(self, key: RunKey, version: int, state: RunState | None) -> None:
        """A row of ``open_runs`` with ``version`` is now the run's state."""
        self._unlive(key)
        self._versions[key] = version
        self._by_tenant.setdefault(key[0], set()).add(version)
        self._rows[version // BUCKET_US] += 1
        self._live[version // BUCKET_US] += 1
        self._forget_state(key)
        if state is not None:
            self._states[key] = state
            self._used_bytes += state.size_bytes
            self._shrink()

    def settle(self, key: RunKey, mark_version: int) -> None:
        """The run has left for ``runs``; its mark is a row too."""
        self._unlive(key)
        self._versions.pop(key, None)
        self._forget_state(key)
        self._rows[mark_version // BUCKET_US] += 1

    def remove(self, key: RunKey) -> None:
        """The run was deleted; its row in ``open_runs`` no longer counts."""
        self._unlive(key)
        self._versions.pop(key, None)
        self._forget_state(key)

    def count_row(self, version: int) -> None:
        """A row that never counts (recovery found it already dead)."""
        self._rows[version // BUCKET_US] += 1

    def tenants(self) -> frozenset[UUID]:
        """Every tenant that has, or had, open runs."""
        return frozenset(self._by_tenant)

    def versions_of(self, tenant_id: UUID) -> tuple[int, ...] | None:
        """The rows of ``open_runs`` that count for the tenant, None when they are more than ``NAMED_AT_MOST``."""
        versions = self._by_tenant.get(tenant_id, set())
        return None if len(versions) > NAMED_AT_MOST else tuple(versions)

    def keys(self) -> Iterator[RunKey]:
        return iter(tuple(self._versions))

    def sweepable(self, before_version: int) -> list[int]:
        """Partitions wholly before ``before_version``, oldest first, once half their rows are dead; else none.

        Always a prefix of all partitions: a settled mark must not be dropped before the rows it hides.
        """
        old = sorted(bucket for bucket in self._rows if bucket < before_version // BUCKET_US)
        rows, live = sum(self._rows[b] for b in old), sum(self._live[b] for b in old)
        return old if rows and 2 * live <= rows else []

    def live_in(self, bucket: int) -> list[RunKey]:
        """Runs whose current row lies in the partition."""
        return [key for key, version in self._versions.items() if version // BUCKET_US == bucket]

    def dropped(self, bucket: int) -> None:
        """The partition is gone; whatever lived there has been written again."""
        del self._rows[bucket]
        self._live.pop(bucket, None)

    @property
    def has_rows(self) -> bool:
        """Whether ``open_runs`` holds any row at all."""
        return bool(self._rows)

    def _unlive(self, key: RunKey) -> None:
        old = self._versions.get(key)
        if old is not None:
            self._live[old // BUCKET_US] -= 1
            self._by_tenant[key[0]].discard(old)

    def _forget_state(self, key: RunKey) -> None:
        old = self._states.pop(key, None)
        if old is not None:
            self._used_bytes -= old.size_bytes

    def _shrink(self) -> None:
        while self._used_bytes > self._budget_bytes and len(self._states) > 1:
            _, state = self._states.popitem(last=False)
            self._used_bytes -= state.size_bytes
