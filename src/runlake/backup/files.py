"""Copying with a checksum and an fsync, in bounded memory."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1 << 20


def copy_file(source: Path, target: Path) -> tuple[int, str]:
    """Copy the content and force it to disk; its size, and its SHA-256 in hex."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes = sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
            size_bytes += len(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return size_bytes, digest.hexdigest()


def digest_file(path: Path) -> tuple[int, str]:
    """The size of a file, and its SHA-256 in hex."""
    digest, size_bytes = sha256(), 0
    with path.open("rb") as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return size_bytes, digest.hexdigest()


def link_file(source: Path, target: Path) -> bool:
    """Make ``target`` the same file as ``source``; False where the file system cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def sync_folder(path: Path) -> None:
    """Force the names inside a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Force the names inside every folder below ``root``, and its own, to disk."""
    for folder, _, _ in os.walk(root, topdown=False):
        sync_folder(Path(folder))
    sync_folder(root.parent)
