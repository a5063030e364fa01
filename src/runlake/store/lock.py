"""One process per data directory.

The embedded engine and the visible version both assume a single owner; two processes on one directory would corrupt
what the other wrote. The lock is advisory (``flock``) and vanishes with the process, so a crash leaves no stale one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, Self

from runlake.errors import SettingsError

LOCK_NAME: Final = "runlake.lock"


class DataLock:
    """Holds the exclusive lock on a data directory from ``acquire`` to ``release``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, directory: Path) -> Self:
        """Create ``directory`` when missing and lock it; SettingsError when another process holds it."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SettingsError(
                f"cannot use the data directory {directory}: {error.strerror}; give a writable one with --data",
                field="data",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise SettingsError(
                f"the data directory {directory} is in use by process {holder}; "
                "stop that process, or give this one another directory with --data",
                field="data",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give the directory free; harmless when called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
