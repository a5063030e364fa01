"""Turns a backup into a data directory, and checks every byte on the way."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runlake.backup.files import copy_file, digest_file, sync_folder, sync_tree
from runlake.backup.manifest import PARTIAL_SUFFIX, FileEntry, LinkEntry, find_backup, read_manifest
from runlake.errors import SettingsError


@dataclass(frozen=True, slots=True)
class RestoredBackup:
    """What was restored; ``made_at`` is the moment that the data directory now shows."""

    backup: Path
    made_at: int
    files: int
    size_bytes: int


def restore_backup(place: Path, data: Path) -> RestoredBackup:
    """Make ``data``, which must not exist or be empty, from a backup or the newest one of a repository.

    The directory appears under its name when every file is there, equals its checksum and is on disk; SettingsError
    otherwise.
    """
    backup = find_backup(place)
    manifest = read_manifest(backup)
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise SettingsError(f"{data} is not empty; a backup is restored into a new directory", field="data")
    partial = data.with_name(data.name + PARTIAL_SUFFIX)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)  # the ledger holds the server's secrets
        for file in manifest.files:
            _restore_file(backup, file, partial)
        for link in manifest.links:
            _restore_link(link, partial)
        sync_tree(partial)
        if data.exists():
            data.rmdir()
        partial.rename(data)
        sync_folder(data.parent)
    except OSError as error:
        raise SettingsError(f"the backup {backup} cannot be restored to {data}: {error}") from error
    return RestoredBackup(backup, manifest.made_at, len(manifest.files), manifest.size_bytes)


def verify_backup(place: Path) -> RestoredBackup:
    """Read every file of a backup and hold it against its checksum; SettingsError names the first that differs."""
    backup = find_backup(place)
    manifest = read_manifest(backup)
    for file in manifest.files:
        _check(backup, file, digest_file(backup / _inside(file.path)))
    return RestoredBackup(backup, manifest.made_at, len(manifest.files), manifest.size_bytes)


def _restore_file(backup: Path, file: FileEntry, target: Path) -> None:
    path = _inside(file.path)
    _check(backup, file, copy_file(backup / path, target / path))


def _restore_link(link: LinkEntry, target: Path) -> None:
    path = _inside(link.path)
    _inside(os.path.normpath(path.parent / link.target))
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    (target / path).symlink_to(link.target)


def _check(backup: Path, file: FileEntry, found: tuple[int, str]) -> None:
    if found != (file.size_bytes, file.sha256):
        raise SettingsError(
            f"{backup / file.path} is damaged: it has not the size or the checksum that the manifest names; "
            "use another backup"
        )


def _inside(path: str) -> Path:
    """The path, which a manifest that was tampered with may try to lead elsewhere."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise SettingsError(f"the manifest names {path!r}, which is outside of the backup")
    return Path(*pure.parts)
