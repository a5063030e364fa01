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
ADDRESS_NAME: Final = "runlake.address"
"""Says where the server listens that holds the lock, for commands that want to ask it."""


class DataLock:
    """Holds the exclusive lock on a data directory from ``acquire`` to ``release``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def try_acquire(cls, directory: Path) -> Self | None:
        """The lock of an existing directory; None when another process holds it."""
        try:
            return cls.acquire(directory)
        except SettingsError:
            if is_locked(directory):
                return None
            raise

    @classmethod
    def acquire(cls, directory: Path) -> Self:
        """Create ``directory`` when missing and lock it; SettingsError when another process holds it."""
        try:
            # Traces, signing secrets and credentials of exports: nobody else on the machine has business there.
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
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

    def keep(self) -> None:
        """Hold it until the process ends, whoever releases it: something is still at work in the directory."""
        self._descriptor = None


def is_locked(directory: Path) -> bool:
    """Whether a process holds the lock at this moment."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_address(directory: Path, url: str) -> None:
    """Note where the server listens that holds the lock; readable for its own user alone."""
    path = directory / ADDRESS_NAME
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{url}\n")


def read_address(directory: Path) -> str | None:
    """Where the server listens that holds the lock, None when it has not said; meaningless while nobody holds it."""
    try:
        return (directory / ADDRESS_NAME).read_text("ascii").strip() or None
    except OSError:
        return None
