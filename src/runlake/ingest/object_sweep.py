"""Removes objects that no row names: left by a crash, by a commit that failed, or by one that let go of them.

Looks only at keys that are noted (``store.object_notes``), a few at a time, so its work follows what went wrong and not
what is stored.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from runlake.errors import RunlakeError
from runlake.ingest.offload import ObjectsInUse
from runlake.store.engine import Engine, Params, Statement
from runlake.store.object_notes import ObjectNote, ObjectNotes
from runlake.store.objects import ObjectKey, ObjectStore

_EVERY_S: Final = 60.0
_AT_ONCE: Final = 100
_LOG: Final = structlog.get_logger("runlake.objects")


class ObjectSweeper:
    """One thread that looks once a minute; ``sweep`` does its work once."""

    def __init__(self, *, engine: Engine, objects: ObjectStore, notes: ObjectNotes, in_use: ObjectsInUse) -> None:
        self._engine = engine
        self._objects = objects
        self._notes = notes
        self._in_use = in_use
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runlake-objects", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End, with the notes of what has been committed forgotten."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._forget_arrived()

    def sweep(self) -> int:
        """Decide on every note that is due; returns the number of objects removed."""
        self._forget_arrived()
        removed = 0
        while notes := self._notes.due(_AT_ONCE):
            removed += self._decide(notes)
        return removed

    def _run(self) -> None:
        while True:
            try:
                self.sweep()
            except RunlakeError:
                _LOG.exception("looking for orphaned objects failed, will be repeated")
            if self._stop.wait(_EVERY_S):
                return

    def _forget_arrived(self) -> None:
        arrived = self._in_use.take_arrived()
        if arrived:
            self._notes.forget_arrived(arrived)

    def _decide(self, notes: Sequence[ObjectNote]) -> int:
        with self._in_use.unused(note.key for note in notes) as keys:
            unused = set(keys)
            named = _named(self._engine, keys)
            orphans = [key for key in keys if key not in named]
            for key in orphans:
                self._objects.delete(key)
        self._notes.forget(orphans)
        self._notes.forget_arrived(key for key in keys if key in named)
        # What older rows of a run still name is looked at again, and so is what a slow request is writing.
        self._notes.postpone(note for note in notes if note.key not in unused or (note.dropped and note.key in named))
        if orphans:
            _LOG.info("removed orphaned objects", count=len(orphans))
        return len(orphans)


def _named(engine: Engine, keys: Sequence[ObjectKey]) -> set[ObjectKey]:
    """Those of ``keys`` that some row of their run names, be it the current one or not."""
    found: set[ObjectKey] = set()
    for table in ("runs", "open_runs") if keys else ():
        params = Params()
        tenants = params.add("Array(UUID)", tuple({key.tenant_id for key in keys}))
        ids = params.add("Array(UUID)", tuple({key.run_id for key in keys}))
        sql = (
            f"SELECT tenant_id, id, objects, attachments FROM {table} WHERE tenant_id IN {tenants} AND id IN {ids}"
            " AND (objects != '' OR attachments != '')"
        )
        for tenant_id, run_id, objects, attachments in engine.select(Statement(sql, params.as_tuple())).rows:
            names = f"{objects} {attachments}"
            place = UUID(str(tenant_id)), UUID(str(run_id))
            found.update(key for key in keys if (key.tenant_id, key.run_id) == place and key.digest in names)
    return found
