"""The space left on the disk that holds the store, and the rule that writes leave some of it free.

A disk that is full to the last byte can neither merge nor delete, so nothing could ever free it again; and the ledger
could not record anything. Writes therefore stop while there is still room for the work that makes room.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runlake.errors import StoreFullError

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Space:
    """Of one file system; ``files_free`` is None where it does not count files."""

    total_bytes: int
    free_bytes: int
    files_free: int | None


def read_space(path: Path) -> Space:
    """What a process without privileges may still use of the file system that holds ``path``."""
    found = os.statvfs(path)
    return Space(
        total_bytes=found.f_blocks * found.f_frsize,
        free_bytes=found.f_bavail * found.f_frsize,
        files_free=found.f_favail if found.f_files else None,
    )


class Reserve:
    """Refuses writes that would leave less than ``min_free_bytes``."""

    def __init__(self, path: Path, *, min_free_bytes: int, read: Callable[[Path], Space] = read_space) -> None:
        self._path = path
        self._min_free_bytes = min_free_bytes
        self._read = read

    def space(self) -> Space:
        return self._read(self._path)

    def check(self, size_bytes: int = 0) -> None:
        """Raise StoreFullError when ``size_bytes`` more would go below the reserve."""
        free_bytes = self.space().free_bytes
        if free_bytes - size_bytes < self._min_free_bytes:
            raise StoreFullError(
                f"the disk of the store has {free_bytes // _MIB} MiB left, and min_free_bytes keeps "
                f"{self._min_free_bytes // _MIB} MiB of it; free some space, writes are accepted again by themselves"
            )
