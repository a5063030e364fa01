"""Notes about objects in the ledger (see ``store.object_notes``). Every method blocks; a returned write is fsynced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import sqlalchemy as sa

from runlake.store.ledger import Ledger
from runlake.store.ledger_schema import OBJECT_NOTES
from runlake.store.object_notes import ObjectNote
from runlake.store.objects import ObjectKey

ARRIVAL_GRACE_US: Final = 15 * 60_000_000
"""How long a request may take to commit what it has written, before its objects are looked at."""

DROPPED_GRACE_US: Final = 2 * 60_000_000
"""How long after a commit has let go of an object it is first looked at; older pages may still show it."""


class LedgerObjectNotes:
    """``ObjectNotes`` of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger, *, now_us: Callable[[], int]) -> None:
        self._ledger = ledger
        self._now_us = now_us

    def note_arriving(self, keys: Iterable[ObjectKey]) -> None:
        """Objects are about to be written by a request."""
        self._note(keys, grace_us=ARRIVAL_GRACE_US, dropped=False)

    def note_dropped(self, keys: Iterable[ObjectKey]) -> None:
        """A commit is about to leave objects without the run that named them, or never took them up."""
        self._note(keys, grace_us=DROPPED_GRACE_US, dropped=True)

    def forget_arrived(self, keys: Iterable[ObjectKey]) -> None:
        """The commit of these objects has succeeded; what it dropped stays noted."""
        with self._ledger.writing() as connection:
            for key in keys:
                connection.execute(sa.delete(OBJECT_NOTES).where(_is(key), OBJECT_NOTES.c.dropped.is_(False)))

    def forget(self, keys: Iterable[ObjectKey]) -> None:
        """Nothing more is to be found out about these objects."""
        with self._ledger.writing() as connection:
            for key in keys:
                connection.execute(sa.delete(OBJECT_NOTES).where(_is(key)))

    def postpone(self, notes: Iterable[ObjectNote]) -> None:
        """Look at these again after as long as they have been noted, so that the looks at one object grow rare."""
        now = self._now_us()
        with self._ledger.writing() as connection:
            for note in notes:
                due = now + max(DROPPED_GRACE_US, now - note.noted_at)
                connection.execute(sa.update(OBJECT_NOTES).where(_is(note.key)).values(due_at=due))

    def due(self, limit: int) -> list[ObjectNote]:
        """The notes whose time has come, the oldest first."""
        query = (
            sa.select(OBJECT_NOTES)
            .where(OBJECT_NOTES.c.due_at <= self._now_us())
            .order_by(OBJECT_NOTES.c.due_at)
            .limit(limit)
        )
        with self._ledger.reading() as connection:
            return [
                ObjectNote(ObjectKey(row["tenant_id"], row["run_id"], row["digest"]), row["noted_at"], row["dropped"])
                for row in connection.execute(query).mappings()
            ]

    def _note(self, keys: Iterable[ObjectKey], *, grace_us: int, dropped: bool) -> None:
        now = self._now_us()
        changes = {"due_at": now + grace_us} | ({"dropped": True} if dropped else {})
        with self._ledger.writing() as connection:
            for key in keys:
                if connection.execute(sa.update(OBJECT_NOTES).where(_is(key)).values(changes)).rowcount:
                    continue
                values = {"tenant_id": key.tenant_id, "run_id": key.run_id, "digest": key.digest}
                new = {**values, "noted_at": now, "due_at": now + grace_us, "dropped": dropped}
                connection.execute(sa.insert(OBJECT_NOTES).values(new))


def _is(key: ObjectKey) -> sa.ColumnElement[bool]:
    columns = OBJECT_NOTES.c
    return sa.and_(columns.tenant_id == key.tenant_id, columns.run_id == key.run_id, columns.digest == key.digest)
