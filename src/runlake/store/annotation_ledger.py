"""Annotation queues in the ledger. Every method blocks; a returned write is fsynced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from runlake.errors import ConflictError, InvalidError, NotFoundError
from runlake.model.annotation_queue import AnnotationQueue, QueuedRun
from runlake.store.annotation_schema import ANNOTATION_QUEUES, QUEUED_RUNS
from runlake.store.annotations import MAX_QUEUED_RUNS, QueueChanges, QueueFilter
from runlake.store.ledger import Ledger

_COLUMNS: Final = tuple(field.name for field in fields(AnnotationQueue))
_PLACE_COLUMNS: Final = tuple(field.name for field in fields(QueuedRun))


class AnnotationLedger:
    """The annotation queues of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, queue: AnnotationQueue) -> None:
        """Keep a new queue; ConflictError when its id is taken. Names need not differ."""
        try:
            with self._ledger.writing() as connection:
                row = {name: getattr(queue, name) for name in _COLUMNS}
                connection.execute(sa.insert(ANNOTATION_QUEUES).values(**row))
        except IntegrityError as error:
            raise ConflictError(f"an annotation queue with id {queue.id} exists already", field="id") from error

    def read(self, tenant_id: UUID, queue_id: UUID) -> AnnotationQueue:
        """NotFoundError when the tenant has none of that id."""
        with self._ledger.reading() as connection:
            return _read(connection, tenant_id, queue_id)

    def list(self, tenant_id: UUID, wanted: QueueFilter, *, offset: int, limit: int) -> Sequence[AnnotationQueue]:
        """Newest first."""
        query = (
            sa.select(ANNOTATION_QUEUES)
            .where(ANNOTATION_QUEUES.c.tenant_id == tenant_id, *_conditions(wanted))
            .order_by(ANNOTATION_QUEUES.c.created_at.desc(), ANNOTATION_QUEUES.c.id)
            .offset(offset)
            .limit(limit)
        )
        with self._ledger.reading() as connection:
            return [_queue(row) for row in connection.execute(query).mappings()]

    def update(self, tenant_id: UUID, queue_id: UUID, changes: QueueChanges, *, now_us: int) -> AnnotationQueue:
        """Set the given fields; NotFoundError for an unknown queue."""
        with self._ledger.writing() as connection:
            old = _read(connection, tenant_id, queue_id)
            connection.execute(
                sa.update(ANNOTATION_QUEUES)
                .where(ANNOTATION_QUEUES.c.tenant_id == tenant_id, ANNOTATION_QUEUES.c.id == queue_id)
                .values({**changes, "updated_at": max(now_us, old.updated_at)})
            )
            return _read(connection, tenant_id, queue_id)

    def delete(self, tenant_id: UUID, queue_id: UUID) -> None:
        """Drop a queue; its runs stay where they are. NotFoundError for an unknown queue."""
        with self._ledger.writing() as connection:
            _read(connection, tenant_id, queue_id)
            for table, column in ((QUEUED_RUNS, QUEUED_RUNS.c.queue_id), (ANNOTATION_QUEUES, ANNOTATION_QUEUES.c.id)):
                connection.execute(sa.delete(table).where(table.c.tenant_id == tenant_id, column == queue_id))

    def add(self, tenant_id: UUID, queue_id: UUID, runs: Sequence[QueuedRun]) -> Sequence[QueuedRun]:
        """Put runs at the end of a queue, all or none; one that is in it keeps its place. The places they have now."""
        with self._ledger.writing() as connection:
            _read(connection, tenant_id, queue_id)
            known = {run.run_id: run for run in _runs(connection, tenant_id, queue_id)}
            new = {run.run_id: run for run in runs if run.run_id not in known}
            if len(known) + len(new) > MAX_QUEUED_RUNS:
                raise InvalidError(
                    f"a queue holds at most {MAX_QUEUED_RUNS} runs and this one has {len(known)}; use another queue",
                    field="run_ids",
                )
            last = connection.execute(sa.select(sa.func.max(QUEUED_RUNS.c.place)).where(*_in(tenant_id, queue_id)))
            first = (last.scalar() or 0) + 1
            rows = [
                {
                    **{name: getattr(run, name) for name in _PLACE_COLUMNS},
                    "tenant_id": tenant_id,
                    "place": first + index,
                }
                for index, run in enumerate(new.values())
            ]
            if rows:
                connection.execute(sa.insert(QUEUED_RUNS), rows)
        return [known.get(run.run_id) or new[run.run_id] for run in runs]

    def runs(self, tenant_id: UUID, queue_id: UUID) -> Sequence[QueuedRun]:
        """All runs of a queue in the order in which they came; NotFoundError for an unknown queue."""
        with self._ledger.reading() as connection:
            _read(connection, tenant_id, queue_id)
            return _runs(connection, tenant_id, queue_id)

    def remove(self, tenant_id: UUID, queue_id: UUID, ids: Sequence[UUID]) -> int:
        """Take runs out of a queue, named by their ids or by those of their places; how many were there."""
        with self._ledger.writing() as connection:
            _read(connection, tenant_id, queue_id)
            named = sa.or_(QUEUED_RUNS.c.run_id.in_(ids), QUEUED_RUNS.c.id.in_(ids))
            return connection.execute(sa.delete(QUEUED_RUNS).where(*_in(tenant_id, queue_id), named)).rowcount


def _in(tenant_id: UUID, queue_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return QUEUED_RUNS.c.tenant_id == tenant_id, QUEUED_RUNS.c.queue_id == queue_id


def _read(connection: Connection, tenant_id: UUID, queue_id: UUID) -> AnnotationQueue:
    of_id = (ANNOTATION_QUEUES.c.tenant_id == tenant_id, ANNOTATION_QUEUES.c.id == queue_id)
    row = connection.execute(sa.select(ANNOTATION_QUEUES).where(*of_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"no annotation queue has the id {queue_id}", field="queue_id")
    return _queue(row)


def _runs(connection: Connection, tenant_id: UUID, queue_id: UUID) -> list[QueuedRun]:
    query = sa.select(QUEUED_RUNS).where(*_in(tenant_id, queue_id)).order_by(QUEUED_RUNS.c.place)
    rows = connection.execute(query).mappings()
    return [QueuedRun(**{name: row[name] for name in _PLACE_COLUMNS}) for row in rows]


def _queue(row: Mapping[Any, Any]) -> AnnotationQueue:
    return AnnotationQueue(**{name: row[name] for name in _COLUMNS})


def _conditions(wanted: QueueFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.ids is not None:
        found.append(ANNOTATION_QUEUES.c.id.in_(wanted.ids))
    if wanted.name is not None:
        found.append(ANNOTATION_QUEUES.c.name == wanted.name)
    if wanted.name_contains is not None:
        found.append(ANNOTATION_QUEUES.c.name.icontains(wanted.name_contains, autoescape=True))
    return found
