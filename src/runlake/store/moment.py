"""The moment a read sees: one visible version for all tables.

The writer publishes, after every insert of a commit is on disk, the last version of that commit; readers take a
``Moment`` and put ``version <= visible_version`` on every table of runs. Cursors carry the number, so that all pages of
one listing see one moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

OPEN_NAMED_AT_MOST: Final = 5_000
"""How many open rows of a tenant a reader is told of; of more it has to find them itself."""

REPLACED_NAMED_AT_MOST: Final = 1_000
"""The same of replaced rows, which all stand in every statement."""

OBJECTS_NAMED_AT_MOST: Final = 5_000
"""The same of rows, of either table, whose payloads are objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRow:
    """A row that readers are told of, and what tells without a look into the store that a read cannot want it.

    ``objects_bytes``: how large its payloads are that lie in objects; 0 when none does.
    """

    version: int
    run_id: UUID
    trace_id: UUID
    session_id: UUID
    start_time: int
    is_root: bool
    has_error: bool
    run_type: str
    thread_id: str
    objects_bytes: int


@dataclass(frozen=True, slots=True)
class ReplacedRow:
    """A row of ``runs`` that no longer counts from ``by_version`` on, where a later row of its run took its place."""

    version: int
    by_version: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What a reader needs to know of the store's state.

    ``replaced_rows``: exactly the rows of ``runs`` that another has replaced, which reads must leave out, or None when
    they are too many to name; then a read has to find them, by marks after ``removed_until``.
    ``open_rows``: exactly the rows of ``open_runs`` that count, or None when they are too many to name or the moment
    is not the current one; then a read has to find the latest row of each run itself.
    ``hidden_deletions``: deletions whose traces no read may show; of the present, whatever moment is read.
    ``known_since``: moments before this version can no longer be read exactly.
    ``object_rows``: at least those rows of both tables whose payloads are objects, so that reads must take them there,
    or None when they are too many to name.
    """

    visible_version: int
    replaced_rows: tuple[ReplacedRow, ...] | None = field(default=(), repr=False)
    open_rows: tuple[NamedRow, ...] | None = field(default=(), repr=False)
    known_since: int = 0
    hidden_deletions: tuple[UUID, ...] = ()
    object_rows: tuple[NamedRow, ...] | None = field(default=(), repr=False)
    removed_until: int = 0

    @property
    def has_open(self) -> bool:
        """Whether ``open_runs`` may hold rows that count, so that reads must look there too."""
        return self.open_rows != ()

    def narrowed(self, may_count: Callable[[NamedRow], bool]) -> Moment:
        """The moment as a read sees it that wants no other open rows, and none with other objects, than these."""
        if not self.open_rows and not self.object_rows:
            return self
        opened = self.open_rows and tuple(row for row in self.open_rows if may_count(row))
        objects = self.object_rows and tuple(row for row in self.object_rows if may_count(row))
        return replace(self, open_rows=opened, object_rows=objects)

    def at(self, visible_version: int) -> Moment:
        """The moment of a cursor: an earlier one, of which less is known, or this one when that is forgotten.

        Read at the current moment, a listing still shows every run once, because a run's place in it does not change;
        it may show runs and changes that came after its first page.
        """
        if visible_version >= self.visible_version or visible_version < self.known_since:
            return self
        replaced = self.replaced_rows and tuple(row for row in self.replaced_rows if row.by_version <= visible_version)
        return replace(self, visible_version=visible_version, open_rows=None, replaced_rows=replaced)


class Moments:
    """Current visibility; written by one writer, read by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._visible_version = 0
        self._replaced: dict[UUID, tuple[ReplacedRow, ...] | None] = {}
        self._with_objects: dict[UUID, tuple[NamedRow, ...] | None] = {}
        self._open: dict[UUID, tuple[NamedRow, ...] | None] = {}
        self._known_since = 0
        self._removed_until = 0
        self._naming: dict[UUID, list[ReplacedRow]] = {}
        self._held: list[int] = []
        self._hidden: dict[UUID, tuple[UUID, ...]] = {}

    def publish(
        self,
        visible_version: int,
        *,
        replaced: Mapping[UUID, Sequence[ReplacedRow]] | None = None,
        opened: Mapping[UUID, tuple[NamedRow, ...] | None] | None = None,
        with_objects: Mapping[UUID, Sequence[NamedRow]] | None = None,
    ) -> None:
        """Make everything up to ``visible_version`` visible.

        ``replaced`` are the rows of each tenant that this version replaces; ``opened`` says for each tenant whose open
        runs changed which rows of ``open_runs`` count now (None: too many to name); ``with_objects`` are the rows
        that it adds and whose payloads are objects.
        """
        with self._lock:
            self._visible_version = max(self._visible_version, visible_version)
            for tenant_id, rows in (replaced or {}).items():
                if tenant_id in self._naming:
                    self._naming[tenant_id] += rows
                known = self._replaced.get(tenant_id, ())
                if known is not None:
                    together = (*known, *rows)
                    self._replaced[tenant_id] = together if len(together) <= REPLACED_NAMED_AT_MOST else None
            for tenant_id, named in (with_objects or {}).items():
                before = self._with_objects.get(tenant_id, ())
                if before is not None:
                    all_named = (*before, *named)
                    self._with_objects[tenant_id] = all_named if len(all_named) <= OBJECTS_NAMED_AT_MOST else None
            self._open.update(opened or {})

    def hide(self, tenant_id: UUID, deletion_id: UUID) -> None:
        """From now on reads of the tenant leave the traces of this deletion out."""
        with self._lock:
            hidden = self._hidden.get(tenant_id, ())
            self._hidden[tenant_id] = hidden if deletion_id in hidden else (*hidden, deletion_id)

    def end_hiding(self, tenant_id: UUID, deletions: Container[UUID]) -> None:
        """The rows of these deletions are no longer there to be left out."""
        with self._lock:
            hidden = self._hidden.get(tenant_id, ())
            self._hidden[tenant_id] = tuple(each for each in hidden if each not in deletions)

    @contextmanager
    def holding(self, version: int) -> Iterator[None]:
        """Keep the moment of that version readable while a long read goes on, as far as ``oldest_needed`` allows."""
        with self._lock:
            self._held.append(version)
        try:
            yield
        finally:
            with self._lock:
                self._held.remove(version)

    def oldest_needed(self, version: int, *, at_most: int) -> int:
        """The oldest moment that a read holds, ``version`` when none is older, never before ``at_most``."""
        with self._lock:
            return max(min([version, *self._held]), min(version, at_most))

    def forget_before(self, version: int) -> None:
        """Rows that only moments before ``version`` show are about to be removed."""
        with self._lock:
            self._known_since = max(self._known_since, version)

    def count_replaced(self, until: int | None = None) -> int:
        """How many rows were replaced (up to a version), of a tenant with more than can be named as many as can."""
        with self._lock:
            return sum(
                REPLACED_NAMED_AT_MOST
                if rows is None
                else sum(until is None or row.by_version <= until for row in rows)
                for rows in self._replaced.values()
            )

    def removed(self, until: int) -> None:
        """Every row that was replaced up to that version is gone from ``runs``, so no read need leave it out."""
        with self._lock:
            self._removed_until = max(self._removed_until, until)
            for tenant_id, rows in self._replaced.items():
                if rows is not None:
                    self._replaced[tenant_id] = tuple(row for row in rows if row.by_version > until)

    def unnamed(self) -> tuple[UUID, ...]:
        """Tenants of which more rows were replaced than can be named."""
        with self._lock:
            return tuple(tenant_id for tenant_id, rows in self._replaced.items() if rows is None)

    def begin_naming(self, tenant_id: UUID) -> int:
        """The visible version; what is replaced after it is remembered until ``end_naming``."""
        with self._lock:
            self._naming[tenant_id] = []
            return self._visible_version

    def end_naming(self, tenant_id: UUID, rows: Sequence[ReplacedRow]) -> None:
        """``rows`` are all that were replaced up to the version of ``begin_naming`` and are still there."""
        with self._lock:
            together = (*rows, *self._naming.pop(tenant_id))
            self._replaced[tenant_id] = together if len(together) <= REPLACED_NAMED_AT_MOST else None

    def current(self, tenant_id: UUID) -> Moment:
        with self._lock:
            return Moment(
                self._visible_version,
                self._replaced.get(tenant_id, ()),
                self._open.get(tenant_id, ()),
                self._known_since,
                self._hidden.get(tenant_id, ()),
                self._with_objects.get(tenant_id, ()),
                self._removed_until,
            )
