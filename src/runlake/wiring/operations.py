"""Puts together what keeps a server within its limits and watched: measurements, reserve of disk, lanes of queries."""

from __future__ import annotations

from dataclasses import dataclass

from runlake.api.health import Health
from runlake.api.metrics import ServerMetrics, StoreMetrics, WriterMetrics
from runlake.ingest.writer import Writer
from runlake.query.lanes import QueryLanes
from runlake.store.engine import Statement
from runlake.store.inventory import read_inventory
from runlake.store.ledger import LEDGER_NAME
from runlake.store.snapshots import Snapshots, open_snapshots
from runlake.store.space import Reserve
from runlake.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The parts that the other parts report to or ask first."""

    metrics: ServerMetrics
    reserve: Reserve
    lanes: QueryLanes


def open_operations(foundation: Foundation) -> Operations:
    """Everything that watches no other part; ``lanes`` is to be closed."""
    settings = foundation.settings
    metrics = ServerMetrics()
    lanes = QueryLanes(
        search_threads=settings.search_threads,
        max_waiting=settings.max_waiting_queries,
        abandon=foundation.engine.abandon,
        observe=metrics.observe_query,
    )
    reserve = Reserve(settings.data, min_free_bytes=settings.min_free_bytes)
    return Operations(metrics=metrics, reserve=reserve, lanes=lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStore:
    """An open store's health and snapshots."""

    health: Health
    snapshots: Snapshots

    @property
    def services(self) -> dict[str, object]:
        """What handlers ask for, by the name of their parameter."""
        return {"health": self.health, "snapshots": self.snapshots}


def watch_store(foundation: Foundation, operations: Operations, writer: Writer) -> WatchedStore:
    """Register the measurements that are read from their owners at every scrape, and say when the store is well."""
    data, engine, ledger, now_us = foundation.settings.data, foundation.engine, foundation.ledger, foundation.now_us
    registry = operations.metrics.registry
    registry.register(WriterMetrics(writer.stats, now_us=now_us))
    registry.register(
        StoreMetrics(
            space=operations.reserve.space,
            inventory=lambda: read_inventory(engine),
            waiting=operations.lanes.taken,
        )
    )

    def check() -> None:
        writer.check()
        operations.reserve.check()
        engine.select(Statement("SELECT 1"))
        ledger.check()

    health = Health(data=data, check_storage=check)
    snapshots = open_snapshots(engine, data, LEDGER_NAME, exclusively=writer.wait_exclusively, now_us=now_us)
    return WatchedStore(health=health, snapshots=snapshots)
