"""A destination in a directory of the server's machine, below a root that the operator named and never outside it.

Files are written beside their place under a name that starts with a dot, fsynced, and renamed.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from runlake.errors import DestinationError, InvalidError
from runlake.export.storage import PendingFile, StoredFile
from runlake.model.export_destination import LocalPlace

_PENDING_SUFFIX: Final = ".part"
_PIECE_BYTES: Final = 1 << 20
_TERMINAL: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})


def allowed_place(place: LocalPlace, roots: Sequence[Path]) -> LocalPlace:
    """The same place with an absolute path; InvalidError unless it is below one of the roots.

    A relative path is below the first root. Links are followed before the comparison.
    """
    if not roots:
        raise InvalidError(
            "this server has no directory for exports; its operator can name one with export_roots", field="config.path"
        )
    wanted = (roots[0].resolve() / place.path).resolve()
    for root in roots:
        if wanted.is_relative_to(root.resolve()):
            return LocalPlace(path=str(wanted), prefix=place.prefix)
    raise InvalidError(
        "config.path lies outside the directories that this server may export to; give a path below one of them, "
        "or a relative one; its operator can name more with export_roots",
        field="config.path",
    )


class LocalDirectory:
    """``Storage`` in a directory."""

    def __init__(self, place: LocalPlace, roots: Sequence[Path]) -> None:
        allowed = allowed_place(place, roots)
        self._limit = Path(allowed.path)
        self._folder = self._limit / place.prefix

    @contextmanager
    def pending(self, path: str) -> Iterator[PendingFile]:
        final = self._inside(path)
        with _told(path):
            _make_folders(final.parent)
            hidden = final.with_name(f".{final.name}.{secrets.token_hex(6)}{_PENDING_SUFFIX}")
            with hidden.open("xb") as sink:
                try:
                    yield _Pending(sink, hidden, final)
                finally:
                    hidden.unlink(missing_ok=True)

    def put(self, path: str, data: bytes) -> None:
        with self.pending(path) as file:
            file.sink.write(data)
            file.publish()

    def files(self, folder: str) -> list[StoredFile]:
        top = self._inside(folder)
        with _told(folder):
            found = [path for path in top.rglob("*") if path.is_file() and not path.is_symlink()]
            return [
                StoredFile(path.relative_to(self._folder).as_posix(), path.stat().st_size)
                for path in found
                if not _is_pending(path)
            ]

    def read(self, path: str) -> Iterator[bytes]:
        with _told(path), self._inside(path).open("rb") as source:
            while piece := source.read(_PIECE_BYTES):
                yield piece

    def delete(self, paths: Sequence[str]) -> None:
        for path in paths:
            with _told(path):
                self._inside(path).unlink(missing_ok=True)

    def _inside(self, path: str) -> Path:
        """The place of a file, after a look whether a link leads out of the destination."""
        wanted = self._folder / path
        if not wanted.resolve().is_relative_to(self._limit):
            raise DestinationError(f"{path} leads out of the directory of the destination", transient=False)
        return wanted


class _Pending:
    def __init__(self, sink: BinaryIO, hidden: Path, final: Path) -> None:
        self.sink = sink
        self._hidden = hidden
        self._final = final

    def publish(self) -> None:
        with _told(self._final.name):
            self.sink.flush()
            os.fsync(self.sink.fileno())
            self._hidden.replace(self._final)
            _sync_folder(self._final.parent)


def _is_pending(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_PENDING_SUFFIX)


def _make_folders(folder: Path) -> None:
    """Create what is missing, each entry durable before something is put below it."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        with suppress(FileExistsError):
            new.mkdir()
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """An error of the file system, as one of the destination."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DestinationError(
            f"the directory of the destination: {path}: {reason}", transient=error.errno not in _TERMINAL
        ) from error
