"""The moment a read sees: one visible version for all tables.

The writer publishes, after every insert of a commit is on disk, the last version of that commit; readers take a
``Moment`` and put ``version <= visible_version`` on every table of runs. Cursors carry the number, so that all pages of
one listing see one moment.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Moment:
    """What a reader needs to know of the store's state.

    ``has_replaced``: the tenant has rows in ``runs`` that replace others, so reads must leave the replaced ones out.
    ``has_open``: ``open_runs`` may hold rows of the tenant that count at this moment, so reads must look there too.
    ``open_versions``: exactly the rows of ``open_runs`` that count, or None when they are too many to name or the
    moment is not the current one; then a read has to find the latest row of each run itself.
    """

    visible_version: int
    has_replaced: bool
    has_open: bool
    open_versions: tuple[int, ...] | None = field(default=None, repr=False)

    def at(self, visible_version: int) -> Moment:
        """The moment of a cursor: this one, or an earlier one of which less is known."""
        if visible_version == self.visible_version:
            return self
        return replace(self, visible_version=visible_version, has_open=True, open_versions=None)


class Moments:
    """Current visibility; written by one writer, read by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._visible_version = 0
        self._replaced: set[UUID] = set()
        self._open: dict[UUID, tuple[int, ...] | None] = {}

    def publish(
        self,
        visible_version: int,
        *,
        replaced: frozenset[UUID] = frozenset(),
        opened: Mapping[UUID, tuple[int, ...] | None] | None = None,
    ) -> None:
        """Make everything up to ``visible_version`` visible.

        ``replaced`` are tenants that now have replaced rows; ``opened`` says for each tenant whose open runs changed
        which rows of ``open_runs`` count now (None: too many to name).
        """
        with self._lock:
            self._visible_version = max(self._visible_version, visible_version)
            self._replaced |= replaced
            self._open.update(opened or {})

    def current(self, tenant_id: UUID) -> Moment:
        with self._lock:
            versions = self._open.get(tenant_id, ())
            return Moment(self._visible_version, tenant_id in self._replaced, versions != (), versions)
