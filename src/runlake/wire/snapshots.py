"""The answer of ``/snapshots``; our choice, no client but ``runlake backup`` asks."""

from __future__ import annotations

import msgspec


class SnapshotBody(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot on the server's disk, under ``snapshots/`` in its data directory."""

    name: str
    made_at_us: int
