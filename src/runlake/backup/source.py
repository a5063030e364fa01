"""Where a snapshot comes from: the server that uses the data directory, or the directory itself while none does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from runlake.errors import SettingsError
from runlake.server_client import ServerClient
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import ENGINE_FOLDER
from runlake.store.ledger import LEDGER_NAME
from runlake.store.lock import DataLock, read_address
from runlake.store.snapshots import SNAPSHOTS_FOLDER, Snapshot, open_snapshots, run_at_once
from runlake.wire.snapshots import SnapshotBody


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


@contextmanager
def snapshot_of(data: Path, *, url: str | None, api_key: str | None) -> Iterator[Snapshot]:
    """A snapshot of a data directory, released at the end; whether a server uses it is found out."""
    if not (data / LEDGER_NAME).is_file():
        raise SettingsError(f"{data} is no data directory of Runlake; give one with --data", field="data")
    lock = None if url is not None else DataLock.try_acquire(data)
    if lock is not None:
        try:
            with _of_stopped(data) as snapshot:
                yield snapshot
        finally:
            lock.release()
        return
    address = url or read_address(data)
    if address is None:
        raise SettingsError(f"a server uses {data} and has not said where it listens; give its address with --url")
    with _of_running(data, ServerClient(address, api_key)) as snapshot:
        yield snapshot


@contextmanager
def _of_running(data: Path, server: ServerClient) -> Iterator[Snapshot]:
    body = msgspec.convert(server.ask("POST", "/snapshots"), SnapshotBody)
    snapshot = Snapshot(body.name, data / SNAPSHOTS_FOLDER / body.name, body.made_at_us)
    try:
        if not snapshot.path.is_dir():
            raise SettingsError(f"the server that was asked does not use {data} of this machine", field="data")
        yield snapshot
    finally:
        server.ask("DELETE", f"/snapshots/{body.name}")


@contextmanager
def _of_stopped(data: Path) -> Iterator[Snapshot]:
    with ExitStack() as opening:
        engine = ChdbEngine.open(data / ENGINE_FOLDER)
        opening.callback(engine.close)
        snapshots = open_snapshots(engine, data, LEDGER_NAME, exclusively=run_at_once, now_us=now_us)
        snapshot = snapshots.take()
        opening.callback(snapshots.release, snapshot.name)
        yield snapshot
