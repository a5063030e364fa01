"""Snapshots: all of a store at one moment, as hard links, made while it serves.

A snapshot is a folder that has the shape of a data directory. Making one costs the writer a pause of milliseconds for
each part and no copying, because the engine's parts never change; it keeps their disk space until it is released.
``runlake.backup`` copies it somewhere safe.

The order matters. The ledger is read first, the engine after it, and no commit runs in between. So every project that a
row names is in the ledger; and a deletion that the ledger does not know to be done is done again after a restore.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from runlake.errors import NotFoundError, StoreError
from runlake.store.engine import ENGINE_FOLDER, Engine, Params, Statement

SNAPSHOTS_FOLDER: Final = "snapshots"
KEPT_AT_MOST_US: Final = 86_400_000_000
"""A snapshot that nobody has released after a day was left behind by a backup that died."""

_NAME: Final = re.compile(r"runlake_(\d{16})_[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``path`` holds ``engine/`` and the ledger; ``made_at`` is in microseconds since 1970 UTC."""

    name: str
    path: Path
    made_at: int


def run_at_once(work: Callable[[], None]) -> None:
    """``exclusively`` of a store that has no writer."""
    work()


class Snapshots:
    """Of one open store. ``exclusively`` runs a function while no commit runs and returns when it is done."""

    def __init__(
        self,
        *,
        engine: Engine,
        data: Path,
        ledger_name: str,
        exclusively: Callable[[Callable[[], None]], None],
        now_us: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._engine_path = data / ENGINE_FOLDER
        self._ledger_path = data / ledger_name
        self._folder = data / SNAPSHOTS_FOLDER
        self._exclusively = exclusively
        self._now_us = now_us

    def take(self) -> Snapshot:
        """Make one; blocks. A failure leaves nothing behind."""
        self.release_old(KEPT_AT_MOST_US)
        made_at = self._now_us()
        # Letters, digits and underscores alone: the engine escapes everything else in the name of its folder.
        name = f"runlake_{made_at:016d}_{secrets.token_hex(4)}"
        path = self._folder / name
        try:
            path.mkdir(parents=True)
            self._exclusively(lambda: self._freeze(name, path))
            self._arrange(name, path / self._engine_path.name)
        except OSError as error:
            self._remove(name)
            raise StoreError(f"the snapshot cannot be made: {error}") from error
        except BaseException:
            self._remove(name)
            raise
        return Snapshot(name, path, made_at)

    def release(self, name: str) -> None:
        """Give its disk space free; NotFoundError when there is no such snapshot."""
        if not _NAME.fullmatch(name) or not (self._folder / name).is_dir():
            raise NotFoundError(f"there is no snapshot {name[:60]!r}", field="name")
        self._remove(name)

    def names(self) -> list[str]:
        """Every snapshot there is, the oldest first."""
        if not self._folder.is_dir():
            return []
        return sorted(entry.name for entry in self._folder.iterdir() if _NAME.fullmatch(entry.name))

    def release_old(self, age_us: int) -> int:
        """Release what is older than ``age_us`` microseconds; how many that were."""
        doomed = [name for name in self.names() if _made_at(name) <= self._now_us() - age_us]
        for name in doomed:
            self._remove(name)
        return len(doomed)

    def _freeze(self, name: str, path: Path) -> None:
        source = sqlite3.connect(f"file:{self._ledger_path}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(path / self._ledger_path.name)) as copy:
            source.backup(copy)
        for table in self._tables():
            self._engine.command(Statement(f"ALTER TABLE `{table}` FREEZE WITH NAME '{name}'"))

    def _tables(self) -> list[str]:
        params = Params()
        kind = params.add("String", "%MergeTree")
        sql = f"SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE {kind} ORDER BY name"
        return [str(row[0]) for row in self._engine.select(Statement(sql, params.as_tuple())).rows]

    def _arrange(self, name: str, target: Path) -> None:
        """Move the frozen parts to where the engine expects them, and put the tables' definitions beside them."""
        shadow = self._engine_path / "shadow" / name / "store"
        shutil.copytree(shadow, target / "store", copy_function=os.link)
        for pattern in ("store/*/*/*.sql", "store/*/*/format_version.txt"):
            for file in self._engine_path.glob(pattern):
                copy = target / file.relative_to(self._engine_path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        shutil.copytree(self._engine_path / "metadata", target / "metadata", symlinks=True)
        shutil.rmtree(self._engine_path / "shadow" / name, ignore_errors=True)

    def _remove(self, name: str) -> None:
        shutil.rmtree(self._engine_path / "shadow" / name, ignore_errors=True)
        shutil.rmtree(self._folder / name, ignore_errors=True)


def open_snapshots(
    engine: Engine,
    data: Path,
    ledger_name: str,
    *,
    exclusively: Callable[[Callable[[], None]], None],
    now_us: Callable[[], int],
) -> Snapshots:
    """The snapshots of a data directory; those that an earlier process left behind are released."""
    snapshots = Snapshots(engine=engine, data=data, ledger_name=ledger_name, exclusively=exclusively, now_us=now_us)
    snapshots.release_old(0)
    return snapshots


def _made_at(name: str) -> int:
    found = _NAME.fullmatch(name)
    return 0 if found is None else int(found[1])


def made_at_text(made_at: int) -> str:
    """``20261123T123000Z``: sorts by time and is a good file name."""
    return datetime.fromtimestamp(made_at / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
