"""Wiring of what keeps a server within its limits and watched: measurements, the disk's reserve, lanes for queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runlake.api.metrics import ServerMetrics, StoreMetrics, WriterMetrics
from runlake.config import Settings
from runlake.ingest.writer import Writer
from runlake.query.lanes import QueryLanes
from runlake.store.engine import Engine, Statement
from runlake.store.inventory import read_inventory
from runlake.store.ledger import Ledger
from runlake.store.space import Reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The parts that the other parts report to or ask first."""

    metrics: ServerMetrics
    reserve: Reserve
    lanes: QueryLanes


def open_operations(settings: Settings) -> Operations:
    """Everything that needs no store yet; ``lanes`` is to be closed."""
    metrics = ServerMetrics()
    lanes = QueryLanes(
        search_threads=settings.search_threads, max_waiting=settings.max_waiting_queries, observe=metrics.observe_query
    )
    reserve = Reserve(settings.data, min_free_bytes=settings.min_free_bytes)
    return Operations(metrics=metrics, reserve=reserve, lanes=lanes)


def watch_store(operations: Operations, *, engine: Engine, writer: Writer, now_us: Callable[[], int]) -> None:
    """Register the measurements that are read from their owners at every scrape."""
    registry = operations.metrics.registry
    registry.register(WriterMetrics(writer.stats, now_us=now_us))
    registry.register(
        StoreMetrics(
            space=operations.reserve.space,
            inventory=lambda: read_inventory(engine),
            waiting=operations.lanes.taken,
        )
    )


def storage_check(operations: Operations, *, engine: Engine, ledger: Ledger, writer: Writer) -> Callable[[], None]:
    """Raises unless writes and reads work at this moment."""

    def check() -> None:
        writer.check()
        operations.reserve.check()
        engine.select(Statement("SELECT 1"))
        ledger.check()

    return check
