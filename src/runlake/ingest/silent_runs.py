"""Moves open runs that nothing is heard of to ``runs``, so that reads need not look into ``open_runs`` for their sake.

The run stays pending; its end counts whenever it comes, and then takes the place of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

from runlake.ingest.commit import Committer
from runlake.ingest.open_set import OpenSet, RunKey

MOVED_AFTER_US: Final = 3_600_000_000
"""Silence after which a run is moved. One that ends sooner costs no row that another replaces."""

CROWD: Final = 200
CROWD_AFTER_US: Final = 600_000_000
"""Where more runs of a tenant than ``CROWD`` are silent for so long already, all of these are moved."""

MOVED_AT_ONCE: Final = 100


class SilentRuns:
    """Part of the writer's thread; ``move`` is called every few seconds and moves a few runs, or none."""

    def __init__(self, *, committer: Committer, open_set: OpenSet, now_us: Callable[[], int]) -> None:
        self._committer = committer
        self._open = open_set
        self._now_us = now_us
        self._due: list[RunKey] = []

    def move(self) -> int:
        """Move the next runs that are due; returns how many."""
        if not self._due:
            self._due = list(self._find_due())
        taken, self._due = self._due[:MOVED_AT_ONCE], self._due[MOVED_AT_ONCE:]
        silent_since = self._now_us() - CROWD_AFTER_US
        still = [key for key in taken if (self._open.version(key) or self._now_us()) <= silent_since]
        self._committer.move_to_runs(still)
        return len(still)

    def _find_due(self) -> Iterable[RunKey]:
        now_us = self._now_us()
        for _, group in groupby(self._open.silent_since(now_us - CROWD_AFTER_US), key=lambda item: item[0][0]):
            silent = list(group)
            cutoff = now_us - (CROWD_AFTER_US if len(silent) > CROWD else MOVED_AFTER_US)
            yield from (key for key, version in silent if version <= cutoff)
