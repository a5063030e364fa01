"""Snapshots for backups: ``POST /snapshots`` and ``DELETE /snapshots/{name}``.

The server copies nothing and takes no path: it makes and removes hard links inside its own directory. Whoever copies
them needs access to that directory anyway.
"""

from __future__ import annotations

import asyncio
from typing import Final

from litestar import delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.store.snapshots import Snapshots
from runlake.wire.snapshots import SnapshotBody


@post("/snapshots", status_code=201, access=Access.OPERATOR, summary="Freeze the store for a backup")
async def take_snapshot(snapshots: NamedDependency[Snapshots]) -> SnapshotBody:
    """All that is acknowledged at this moment, as hard links on the server's disk; release it after copying."""
    snapshot = await asyncio.to_thread(snapshots.take)
    return SnapshotBody(name=snapshot.name, made_at_us=snapshot.made_at)


@delete("/snapshots/{name:str}", status_code=204, access=Access.OPERATOR, summary="Release a snapshot")
async def release_snapshot(name: FromPath[str], snapshots: NamedDependency[Snapshots]) -> None:
    """Give the disk space of a snapshot free."""
    await asyncio.to_thread(snapshots.release, name)


SNAPSHOT_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (take_snapshot, release_snapshot)
