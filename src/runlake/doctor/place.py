"""The directory as a place: owner, lock, processes, space, memory, leftovers. Needs neither server nor engine."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runlake.config import Settings
from runlake.doctor.finding import Finding, error, note, or_well, warning, well
from runlake.store.engine import ENGINE_FOLDER
from runlake.store.snapshots import SNAPSHOTS_FOLDER
from runlake.store.space import read_space

_MIB: Final = 1 << 20
_MIN_FILES: Final = 20_000
_OLD_S: Final = 3600
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "glusterfs"})


def examine_place(settings: Settings, *, in_use: bool) -> list[Finding]:
    """Every check of the directory itself."""
    data = settings.data
    return [
        *or_well("owner", _ownership(data), "the directory belongs to this user"),
        *or_well("processes", _processes(data, in_use=in_use), "at most one process uses the directory"),
        *or_well("file system", _file_system(data), "the file system is a local one"),
        *or_well("space", _space(settings), f"{read_space(data).free_bytes // _MIB} MiB are free"),
        *or_well("memory", _memory(settings), "the machine has the memory that the settings allow"),
        *or_well("leftovers", _leftovers(data, in_use=in_use), "nothing was left behind"),
    ]


def _ownership(data: Path) -> Iterator[Finding]:
    found = data.stat()
    if found.st_uid != os.geteuid():
        yield warning(
            "owner",
            f"{data} belongs to user {found.st_uid}, and you are {os.geteuid()}",
            cause="the server was started, or the directory copied, by another user",
            cure=f"run this and the server as user {found.st_uid}, or change the owner of everything with chown -R",
        )
    if found.st_mode & stat.S_IWOTH:
        yield warning(
            "owner",
            f"everybody may write to {data}",
            cause=f"its mode is {stat.filemode(found.st_mode)}",
            cure=f"chmod o-w {data}",
        )
    strange = next((path for path in data.iterdir() if path.lstat().st_uid != found.st_uid), None)
    if strange is not None:
        yield error(
            "owner",
            f"{strange} belongs to user {strange.lstat().st_uid}, and {data} to {found.st_uid}",
            cause="the server, or a command on its directory, was run by two users",
            cure=f"stop the server and run chown -R {found.st_uid} {data}",
        )


def _processes(data: Path, *, in_use: bool) -> Iterator[Finding]:
    engine = str((data / ENGINE_FOLDER).resolve())
    holders = sorted(_holders(engine))
    if len(holders) > 1:
        yield error(
            "processes",
            f"processes {', '.join(map(str, holders))} have files of the engine open",
            cause="the lock was not seen by one of them, as on file systems without flock, or it is no Runlake",
            cure="stop all but one at once; two processes on one directory overwrite each other's files",
        )
    if holders and not in_use:
        yield error(
            "processes",
            f"process {holders[0]} has files of the engine open and does not hold the lock",
            cause="it is not a Runlake server, or its lock file was deleted",
            cure="stop it before a server is started here",
        )


def _holders(engine: str) -> set[int]:
    """Processes, as far as we may look, that have a file below the engine's folder open."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(link).startswith(engine) for link in entry.iterdir()):  # noqa: PTH115 -- a link in /proc names what may be no path
                found.add(int(entry.parent.name))
        except OSError:
            continue
    return found - {os.getpid()}


def _file_system(data: Path) -> Iterator[Finding]:
    kind = _file_system_kind(data.resolve())
    if kind in _REMOTE:
        yield warning(
            "file system",
            f"{data} lies on {kind}",
            cause="file systems over a network may keep neither locks nor fsync",
            cure="use a local disk, and back it up to the other one",
        )


def _file_system_kind(path: Path) -> str:
    best, kind = "", "unknown"
    try:
        mounts = Path("/proc/mounts").read_text("utf-8").splitlines()
    except OSError:
        return kind
    for line in mounts:
        _, point, this, *_ = line.split()
        if len(point) >= len(best) and path.is_relative_to(point):
            best, kind = point, this
    return kind


def _space(settings: Settings) -> Iterator[Finding]:
    space = read_space(settings.data)
    free_mib = space.free_bytes // _MIB
    if space.free_bytes < settings.min_free_bytes:
        yield error(
            "space",
            f"{free_mib} MiB are free, and min_free_bytes keeps {settings.min_free_bytes // _MIB} MiB",
            cause="the disk is full; writes are answered with 503",
            cure="delete traces or shorten retention, delete other files, or enlarge the disk",
        )
    elif space.free_bytes < 4 * settings.min_free_bytes:
        yield warning(
            "space",
            f"{free_mib} MiB are free; at {settings.min_free_bytes // _MIB} MiB writes stop",
            cause="the disk is nearly full",
            cure="make room now, because merges need some too",
        )
    if space.files_free is not None and space.files_free < _MIN_FILES:
        yield error(
            "space",
            f"{space.files_free} more files can be made",
            cause="the file system has no inodes left; each part of the engine is a few dozen files",
            cure="delete files, or move to a file system with more inodes",
        )


def _memory(settings: Settings) -> Iterator[Finding]:
    machine = _memory_bytes()
    wanted = settings.engine_max_memory_bytes + settings.max_pending_bytes
    if machine and wanted > machine:
        yield warning(
            "memory",
            f"engine_max_memory_bytes and max_pending_bytes allow {wanted // _MIB} MiB, and there are "
            f"{machine // _MIB} MiB",
            cause="the machine or the container is smaller than the settings expect",
            cure=f"set engine_max_memory_bytes to about {machine // 2 // _MIB} MiB, or give it more memory",
        )


def _memory_bytes() -> int:
    """Of the machine or of our control group, whichever is less; 0 when unknown."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine


def _leftovers(data: Path, *, in_use: bool) -> Iterator[Finding]:
    places = [*data.glob(f"{SNAPSHOTS_FOLDER}/*"), *data.glob(f"{ENGINE_FOLDER}/shadow/*/")]
    old = [path for path in places if time.time() - path.lstat().st_mtime > _OLD_S]
    if old:
        yield warning(
            "leftovers",
            f"{len(old)} snapshots lie in {data}, the first is {old[0].name}",
            cause="a backup or a server was killed in the middle of its work",
            cure="restart the server, which removes them" if in_use else "start the server, which removes them",
        )
    unfinished = [*data.glob(f"{ENGINE_FOLDER}/store/*/*/tmp_*")]
    if unfinished and not in_use:
        yield note(
            "leftovers",
            f"{len(unfinished)} parts were being written when the server ended",
            cause="it was killed; nothing of them had been acknowledged",
            cure="nothing to do, the engine removes them",
        )


def missing_place(data: Path) -> Finding:
    return error(
        "place",
        f"{data} is no data directory of Runlake",
        cause="there is no ledger in it",
        cure="give the directory that `runlake serve` names at its start, with --data",
    )


def found_place(data: Path, *, in_use: bool) -> Finding:
    return well("place", f"{data} is a data directory, " + ("in use by a server" if in_use else "not in use"))
