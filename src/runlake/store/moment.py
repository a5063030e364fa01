"""The moment a read sees: one visible version for all tables.

The writer publishes, after every insert of a commit is on disk, the last version of that commit; readers take a
``Moment`` and put ``version <= visible_version`` on every table of runs. Cursors carry the number, so that all pages of
one listing see one moment.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Moment:
    """What a reader needs to know of the store's state.

    ``has_replaced``: the tenant has rows in ``runs`` that replace others, so reads must leave the replaced ones out.
    ``has_open``: ``open_runs`` may hold rows of the tenant, so reads must look there too.
    """

    visible_version: int
    has_replaced: bool
    has_open: bool


class Moments:
    """Current visibility; written by one writer, read by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._visible_version = 0
        self._replaced: set[UUID] = set()
        self._open: set[UUID] = set()

    def publish(
        self, visible_version: int, *, replaced: frozenset[UUID] = frozenset(), opened: frozenset[UUID] = frozenset()
    ) -> None:
        """Make everything up to ``visible_version`` visible; name the tenants that now have replaced or open rows."""
        with self._lock:
            self._visible_version = max(self._visible_version, visible_version)
            self._replaced |= replaced
            self._open |= opened

    def forget_open(self, tenant_id: UUID) -> None:
        """No row of the tenant is left in ``open_runs``."""
        with self._lock:
            self._open.discard(tenant_id)

    def open_tenants(self) -> frozenset[UUID]:
        """Tenants that may have rows in ``open_runs``."""
        with self._lock:
            return frozenset(self._open)

    def current(self, tenant_id: UUID) -> Moment:
        with self._lock:
            return Moment(self._visible_version, tenant_id in self._replaced, tenant_id in self._open)
