"""The seam over destinations: what a worker and ``verify`` need from a bucket or a directory.

``export.object_store`` (buckets) and ``export.local_directory`` implement it. Paths are relative, with slashes, below
the destination's prefix. Every call blocks and raises ``DestinationError``, which says whether a later try may succeed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol


class StoredFile(NamedTuple):
    """A file that is at the destination."""

    path: str
    bytes: int


class PendingFile(Protocol):
    """A file being written, out of everybody's sight."""

    @property
    def sink(self) -> BinaryIO:
        """Where its bytes go."""
        ...

    def publish(self) -> None:
        """Put it in place whole, instead of whatever was there; durable when this returns."""
        ...


class Storage(Protocol):
    """An open destination."""

    def pending(self, path: str) -> AbstractContextManager[PendingFile]:
        """A file that shall be at ``path``; it leaves no trace unless it is published."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Put a small file in place whole."""
        ...

    def files(self, folder: str) -> list[StoredFile]:
        """Every file below a folder, in any depth; none when there is no such folder."""
        ...

    def read(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces."""
        ...

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files; one that is not there is no error."""
        ...
