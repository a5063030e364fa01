"""Notes about objects that may belong to no run: what makes finding orphans a bounded task.

An object is noted as arriving before it is written, and as dropped before a commit lets go of it. Notes are durable
when a method returns; ``store.object_ledger`` keeps them in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from runlake.store.objects import ObjectKey


@dataclass(frozen=True, slots=True)
class ObjectNote:
    """``noted_at`` is when the key was noted first, microseconds since 1970 UTC."""

    key: ObjectKey
    noted_at: int
    dropped: bool


class ObjectNotes(Protocol):
    """Every method blocks and may be called from any thread."""

    def note_arriving(self, keys: Iterable[ObjectKey]) -> None:
        """Objects are about to be written by a request."""
        ...

    def note_dropped(self, keys: Iterable[ObjectKey]) -> None:
        """A commit is about to leave objects without the run that named them, or never took them up."""
        ...

    def forget_arrived(self, keys: Iterable[ObjectKey]) -> None:
        """The commit of these objects has succeeded; what it dropped stays noted."""
        ...

    def forget(self, keys: Iterable[ObjectKey]) -> None:
        """Nothing more is to be found out about these objects."""
        ...

    def postpone(self, notes: Iterable[ObjectNote]) -> None:
        """Look at these again after as long as they have been noted, so that the looks at one object grow rare."""
        ...

    def due(self, limit: int) -> list[ObjectNote]:
        """The notes whose time has come, the oldest first."""
        ...
