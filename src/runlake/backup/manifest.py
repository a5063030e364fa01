"""What a backup holds, file by file. The manifest is written last, so a backup that has one is complete.

A repository is a folder of backups, each a folder named by its moment. Each is whole by itself: what did not change
since the one before is a hard link to the same file, so any of them can be deleted without harm to the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from runlake.errors import SettingsError

MANIFEST_NAME: Final = "manifest.json"
PARTIAL_SUFFIX: Final = ".partial"
FORMAT: Final = 1


class FileEntry(msgspec.Struct, frozen=True):
    """A regular file; ``path`` is relative with forward slashes, ``sha256`` in hex."""

    path: str
    size_bytes: int
    sha256: str


class LinkEntry(msgspec.Struct, frozen=True):
    """A symbolic link inside the data directory."""

    path: str
    target: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``made_at`` is the moment that the backup shows, in microseconds since 1970 UTC."""

    format: int = FORMAT
    runlake_version: str
    made_at: int
    files: list[FileEntry]
    links: list[LinkEntry]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def read_manifest(backup: Path) -> Manifest:
    """The manifest of one backup; SettingsError when it has none or another format."""
    try:
        manifest = msgspec.json.decode((backup / MANIFEST_NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise SettingsError(f"{backup} is no complete backup: it has no {MANIFEST_NAME}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{backup / MANIFEST_NAME} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise SettingsError(
            f"{backup} has backup format {manifest.format}, and this version reads {FORMAT}; restore it with runlake "
            f"{manifest.runlake_version}"
        )
    return manifest


def complete_backups(repository: Path) -> list[Path]:
    """The complete backups of a repository, the oldest first."""
    if not repository.is_dir():
        return []
    found = (entry for entry in repository.iterdir() if entry.suffix != PARTIAL_SUFFIX)
    return sorted(entry for entry in found if (entry / MANIFEST_NAME).is_file())


def find_backup(place: Path) -> Path:
    """``place`` itself when it is a backup, the newest one when it is a repository; SettingsError otherwise."""
    if (place / MANIFEST_NAME).is_file():
        return place
    found = complete_backups(place)
    if not found:
        raise SettingsError(
            f"{place} holds no complete backup; give a backup, or the folder that `runlake backup` wrote"
        )
    return found[-1]
