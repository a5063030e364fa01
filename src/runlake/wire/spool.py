"""Bodies too large to be held: on the way in they go to a nameless file, and are read back a piece at a time.

The file has no name from the start (where the file system can do that), so nothing of it outlives the process.
"""

from __future__ import annotations

import os
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Final, TypeAlias

from runlake.errors import StoreFullError

SPOOL_FROM_BYTES: Final = 4 << 20
"""Bodies up to this size stay in memory; a file would cost them time and spare nothing."""

_SEARCHED_AT_ONCE: Final = 1 << 20


class _NamelessFile:
    """A file that ends with the last object that refers to it."""

    __slots__ = ("descriptor",)

    def __init__(self, directory: Path) -> None:
        with tempfile.TemporaryFile(dir=directory) as file:
            self.descriptor = os.dup(file.fileno())

    def __del__(self) -> None:
        os.close(self.descriptor)


class StoredBytes:
    """A stretch of a file, with what parsers need of ``bytes``; only slices of it come into memory. Thread-safe."""

    __slots__ = ("_file", "_size", "_start")

    def __init__(self, file: _NamelessFile, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        pieces: list[bytes] = []
        while start < stop:
            # One call gives at most 2 GiB.
            pieces.append(os.pread(self._file.descriptor, stop - start, self._start + start))
            start += len(pieces[-1])
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def piece(self, start: int, stop: int) -> StoredBytes:
        """Bytes ``start`` to ``stop``, still in the file."""
        return StoredBytes(self._file, self._start + start, stop - start)

    def startswith(self, prefix: bytes, start: int = 0, /) -> bool:
        return self[start : start + len(prefix)] == prefix

    def find(self, needle: bytes, start: int = 0, /) -> int:
        """As ``bytes.find``."""
        while start < self._size:
            found = self[start : start + _SEARCHED_AT_ONCE + len(needle) - 1].find(needle)
            if found >= 0:
                return start + found
            start += _SEARCHED_AT_ONCE
        return -1


Body: TypeAlias = bytes | StoredBytes
"""A whole request body, or a part of one, wherever it is."""


class Spool:
    """Takes a body as it comes; in memory while it is small, or where there is no directory for it."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._memory = BytesIO()
        self._file: _NamelessFile | None = None
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def is_file(self) -> bool:
        """Whether writes go to the disk."""
        return self._file is not None

    def write(self, data: bytes) -> None:
        """Append; StoreFullError when the disk has no room for it."""
        self._size += len(data)
        if self._file is None and (self._directory is None or self._size <= SPOOL_FROM_BYTES):
            self._memory.write(data)
            return
        try:
            if self._file is None:
                self._file = _NamelessFile(self._directory or Path())
                _write_all(self._file, self._memory.getvalue())
                self._memory = BytesIO()
            _write_all(self._file, data)
        except OSError as error:
            raise StoreFullError(f"the body cannot be written to the disk: {error.strerror}") from error

    def body(self) -> Body:
        """Everything that was written; nothing may be written afterwards."""
        if self._file is not None:
            return StoredBytes(self._file, 0, self._size)
        return self._memory.getvalue()


def _write_all(file: _NamelessFile, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.descriptor, rest) :]
