"""Wiring of what keeps a server within its limits and watched: measurements, the disk's reserve, lanes for queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runlake.api.health import Health
from runlake.api.metrics import ServerMetrics, StoreMetrics, WriterMetrics
from runlake.config import Settings
from runlake.ingest.writer import Writer
from runlake.query.lanes import QueryLanes
from runlake.store.engine import Engine, Statement, Work
from runlake.store.inventory import read_inventory
from runlake.store.ledger import LEDGER_NAME, Ledger
from runlake.store.snapshots import Snapshots, open_snapshots
from runlake.store.space import Reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The parts that the other parts report to or ask first."""

    metrics: ServerMetrics
    reserve: Reserve
    lanes: QueryLanes


def open_operations(settings: Settings, *, abandon: Callable[[Work], None]) -> Operations:
    """Everything that needs no open store; ``lanes`` is to be closed. ``abandon`` stops selects of the engine."""
    metrics = ServerMetrics()
    lanes = QueryLanes(
        search_threads=settings.search_threads,
        max_waiting=settings.max_waiting_queries,
        abandon=abandon,
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


def watch_store(
    settings: Settings,
    operations: Operations,
    *,
    engine: Engine,
    ledger: Ledger,
    writer: Writer,
    now_us: Callable[[], int],
) -> WatchedStore:
    """Register the measurements that are read from their owners at every scrape, and say when the store is well."""
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

    health = Health(data=settings.data, check_storage=check)
    snapshots = open_snapshots(engine, settings.data, LEDGER_NAME, exclusively=writer.wait_exclusively, now_us=now_us)
    return WatchedStore(health=health, snapshots=snapshots)
