"""Writes a backup: a snapshot and the objects, copied; what the backup before has already, linked."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from runlake import __version__
from runlake.backup.files import copy_file, link_file, sync_folder, sync_tree
from runlake.backup.manifest import (
    MANIFEST_NAME,
    PARTIAL_SUFFIX,
    FileEntry,
    LinkEntry,
    Manifest,
    complete_backups,
    read_manifest,
)
from runlake.errors import SettingsError
from runlake.store.buckets import OBJECTS_FOLDER
from runlake.store.snapshots import Snapshot, made_at_text

CHECKSUMS_NAME: Final = "checksums.txt"
"""The engine's own list of what a part holds, with checksums; equal lists mean equal parts."""


@dataclass(frozen=True, slots=True)
class SavedBackup:
    """What was written; ``copied_bytes`` leaves out what the backup before had already."""

    path: Path
    files: int
    size_bytes: int
    copied_bytes: int


@dataclass(frozen=True, slots=True)
class _Before:
    """The backup before this one."""

    path: Path
    files: dict[str, FileEntry]


def save_backup(snapshot: Snapshot, objects: Path | None, repository: Path) -> SavedBackup:
    """Write one backup into ``repository``; what is interrupted keeps the suffix ``.partial`` and is never restored.

    ``objects`` is the local folder of objects, None when they lie in a bucket elsewhere.
    """
    path = repository / made_at_text(snapshot.made_at)
    partial = path.with_suffix(PARTIAL_SUFFIX)
    try:
        with _locked(repository):
            return _save(snapshot, objects, path, partial)
    except OSError as error:
        raise SettingsError(f"the backup cannot be written to {repository}: {error}") from error


def _save(snapshot: Snapshot, objects: Path | None, path: Path, partial: Path) -> SavedBackup:
    repository = path.parent
    if path.exists():
        raise SettingsError(f"{path} exists already; wait a second and try again")
    for left in repository.glob(f"*{PARTIAL_SUFFIX}"):
        shutil.rmtree(left)
    partial.mkdir(mode=0o700)  # the ledger holds the server's secrets
    manifest, copied_bytes = _copy_all(snapshot, objects, partial, _before(repository))
    (partial / MANIFEST_NAME).write_bytes(msgspec.json.encode(manifest))
    with (partial / MANIFEST_NAME).open("rb") as file:
        os.fsync(file.fileno())
    sync_tree(partial)
    partial.rename(path)
    sync_folder(repository)
    return SavedBackup(path, len(manifest.files), manifest.size_bytes, copied_bytes)


@contextmanager
def _locked(repository: Path) -> Iterator[None]:
    """One backup at a time into one repository, so that what is partial there is nobody's."""
    repository.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(repository, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"another backup is being written to {repository}; wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def _before(repository: Path) -> _Before | None:
    found = complete_backups(repository)
    if not found:
        return None
    return _Before(found[-1], {file.path: file for file in read_manifest(found[-1]).files})


def _copy_all(snapshot: Snapshot, objects: Path | None, target: Path, before: _Before | None) -> tuple[Manifest, int]:
    entries: list[FileEntry] = []
    links: list[LinkEntry] = []
    copied_bytes = 0
    sources = [(snapshot.path, "")]
    if objects is not None and objects.is_dir():
        sources.append((objects, f"{OBJECTS_FOLDER}/"))
    for root, prefix in sources:
        for source in _walk(root):
            name = prefix + source.relative_to(root).as_posix()
            if source.is_symlink():
                links.append(LinkEntry(name, str(source.readlink())))
                continue
            entry = _linked(source, name, target, before, in_objects=bool(prefix))
            if entry is None:
                entry = FileEntry(name, *copy_file(source, target / name))
                copied_bytes += entry.size_bytes
            entries.append(entry)
    manifest = Manifest(runlake_version=__version__, made_at=snapshot.made_at, files=entries, links=links)
    return manifest, copied_bytes


def _walk(root: Path) -> Iterator[Path]:
    """Files and symbolic links below ``root``, in a fixed order; a file that is being written is left out."""
    for folder, names, files in os.walk(root):
        names.sort()
        here = Path(folder)
        for name in list(names):
            if (here / name).is_symlink():
                names.remove(name)
                yield here / name
        yield from (here / name for name in sorted(files))


def _linked(source: Path, name: str, target: Path, before: _Before | None, *, in_objects: bool) -> FileEntry | None:
    """The entry of a file that the backup before has, after linking it; None when it has to be copied."""
    known = None if before is None else before.files.get(name)
    if before is None or known is None or known.size_bytes != source.stat().st_size:
        return None
    if not in_objects and not _same_part(source, before.path / name):
        return None
    return known if link_file(before.path / name, target / name) else None


def _same_part(source: Path, old: Path) -> bool:
    """Whether both files lie in parts with equal lists of checksums; parts are all that may be large."""
    ours, theirs = source.parent / CHECKSUMS_NAME, old.parent / CHECKSUMS_NAME
    return ours.is_file() and theirs.is_file() and ours.read_bytes() == theirs.read_bytes()
