"""Where objects lie: the seam between what objects mean (``store.objects``) and a directory or an object store.

Paths are made by us (``ObjectKey.path``), never by a sender. ``store.remote_bucket`` is the adapter for object stores.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from runlake.errors import MissingObjectError, StoreError, StoreUnavailableError

OBJECTS_FOLDER: Final = "objects"
"""Where in a data directory objects lie, unless the settings name another place."""
STAGING: Final = "staging"
"""Folder of files that are being written; what lies there at start is left from a crash."""

_SHARED_LEVELS: Final = 2
"""Folders above those of single runs; few, so that it can be remembered which are on disk."""


class Bucket(Protocol):
    """Whole objects under slash-separated paths. Methods block; errors are kin of ``FaultError``."""

    def write(self, path: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Store an object; on return it is durable, on any failure nothing is seen of it. Equal paths, equal bytes."""
        ...

    def exists(self, path: str) -> bool: ...

    def read(self, path: str, start: int, length: int) -> bytes:
        """At most ``length`` bytes from ``start``; fewer at the end of the object. MissingObjectError when absent."""
        ...

    def delete(self, path: str) -> None:
        """Remove an object; no matter if it is there."""
        ...

    def delete_below(self, prefix: str) -> None:
        """Remove every object below ``prefix``, which ends in a slash."""
        ...


class LocalBucket:
    """Objects as files below one directory that is ours alone. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()
        shutil.rmtree(root / STAGING, ignore_errors=True)
        (root / STAGING).mkdir(parents=True, exist_ok=True)
        _sync_directory(root)
        _sync_directory(root.parent)

    def write(self, path: str, chunks: Iterable[bytes | memoryview]) -> None:
        target = self._root / path
        if target.exists():
            # Renamed into place before, perhaps by a request that has not come to its last fsync.
            _sync_directory(target.parent)
            return
        staged = self._root / STAGING / secrets.token_hex(16)
        try:
            with staged.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            self._make_directory(target.parent)
            staged.rename(target)
            _sync_directory(target.parent)
        except OSError as error:
            raise _translate(error) from error
        finally:
            with suppress(OSError):
                staged.unlink(missing_ok=True)

    def exists(self, path: str) -> bool:
        return (self._root / path).exists()

    def read(self, path: str, start: int, length: int) -> bytes:
        try:
            with (self._root / path).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            raise MissingObjectError(f"the object {path} is missing from {self._root}") from None
        except OSError as error:
            raise _translate(error) from error

    def delete(self, path: str) -> None:
        try:
            # The folder stays, for somebody may be about to put another object into it.
            (self._root / path).unlink(missing_ok=True)
        except OSError as error:
            raise _translate(error) from error

    def delete_below(self, prefix: str) -> None:
        try:
            shutil.rmtree(self._root / prefix)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _translate(error) from error

    def _make_directory(self, path: Path) -> None:
        """Make ``path`` and what is missing above it, each entry fsynced into its parent."""
        if path == self._root or (path in self._durable and path.exists()):
            return
        self._make_directory(path.parent)
        path.mkdir(exist_ok=True)
        # Also when it was there: whoever made it may not have come to this yet.
        _sync_directory(path.parent)
        if len(path.relative_to(self._root).parts) <= _SHARED_LEVELS:
            self._durable.add(path)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _translate(error: OSError) -> StoreError | StoreUnavailableError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreUnavailableError("no space is left for objects")
    return StoreError(f"the directory of objects failed: {error.strerror or error}")
