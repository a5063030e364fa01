"""Every number that Prometheus is given, in one registry.

Durations and refusals are counted as they happen; everything else is read from its owner whenever somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from runlake.errors import RunlakeError
from runlake.ingest.writer import WriterStats
from runlake.query.lanes import QueryShape
from runlake.store.inventory import TableInventory
from runlake.store.space import Space

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MILLISECOND_S: Final = 0.001
_MICROSECOND_S: Final = 0.000_001


class ServerMetrics:
    """The registry, and the numbers that are counted as they happen."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._queries = Histogram(
            "runlake_query_seconds",
            "Time of a query, waiting included, by its shape.",
            ("shape",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        for shape in QueryShape:
            self._queries.labels(shape.value)
        self._commits = Histogram(
            "runlake_commit_seconds",
            "Time of a group commit, to the end of its last fsync.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "runlake_refused_writes",
            "Writes that were refused in a batch whose others were stored, by the code of the reason.",
            ("reason",),
            registry=self.registry,
        )

    def observe_query(self, shape: QueryShape, seconds: float) -> None:
        self._queries.labels(shape.value).observe(seconds)

    def observe_commit(self, seconds: float) -> None:
        self._commits.observe(seconds)

    def count_refused(self, reason: str, count: int) -> None:
        self._refused.labels(reason).inc(count)


class WriterMetrics:
    """A collector over ``Writer.stats``."""

    def __init__(self, read: Callable[[], WriterStats], *, now_us: Callable[[], int]) -> None:
        self._read = read
        self._now_us = now_us

    def collect(self) -> Iterator[Metric]:
        stats = self._read()
        yield CounterMetricFamily("runlake_commits", "Group commits on disk.", value=stats.commits)
        yield CounterMetricFamily("runlake_failed_commits", "Group commits that failed.", value=stats.failed_commits)
        yield CounterMetricFamily("runlake_run_writes", "Creates and patches on disk.", value=stats.runs)
        yield CounterMetricFamily("runlake_feedback_writes", "Feedback on disk.", value=stats.feedback)
        yield GaugeMetricFamily("runlake_pending_bytes", "Writes waiting for their commit.", value=stats.pending_bytes)
        yield GaugeMetricFamily(
            "runlake_open_runs", "Runs not complete of which something was heard lately.", value=stats.open_runs
        )
        age_us = 0 if stats.oldest_open_us is None else max(self._now_us() - stats.oldest_open_us, 0)
        yield GaugeMetricFamily(
            "runlake_oldest_open_run_seconds",
            "Time since the last write to the open run that has waited longest for its end.",
            value=age_us * _MICROSECOND_S,
        )
        yield GaugeMetricFamily(
            "runlake_replaced_rows",
            "Rows of runs that a later row of their run has replaced and that are not removed yet.",
            value=stats.replaced_rows,
        )
        yield GaugeMetricFamily(
            "runlake_last_commit_seconds", "Duration of the last commit.", value=stats.last_commit_ms * _MILLISECOND_S
        )
        yield CounterMetricFamily(
            "runlake_failed_sweeps", "Sweeps of settled open runs that failed.", value=stats.failed_sweeps
        )
        yield CounterMetricFamily(
            "runlake_dropped_writes", "Late writes for deleted traces.", value=stats.dropped_writes
        )


class StoreMetrics:
    """A collector over the disk and the engine's tables; nothing of the engine while that cannot answer."""

    def __init__(
        self,
        *,
        space: Callable[[], Space],
        inventory: Callable[[], Sequence[TableInventory]],
        waiting: Callable[[], dict[str, int]],
    ) -> None:
        self._space = space
        self._inventory = inventory
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        space = self._space()
        yield GaugeMetricFamily("runlake_disk_bytes", "Size of the disk of the store.", value=space.total_bytes)
        yield GaugeMetricFamily("runlake_disk_free_bytes", "Free space for the store.", value=space.free_bytes)
        running = GaugeMetricFamily("runlake_queries_running", "Queries that run or wait.", labels=("lane",))
        for lane, count in self._waiting().items():
            running.add_metric((lane,), count)
        yield running
        yield from self._tables()

    def _tables(self) -> Iterator[Metric]:
        try:
            tables = self._inventory()
        except RunlakeError:
            return
        parts = GaugeMetricFamily("runlake_table_parts", "Active parts of a table.", labels=("table",))
        rows = GaugeMetricFamily("runlake_table_rows", "Rows of a table, superseded ones included.", labels=("table",))
        sizes = GaugeMetricFamily("runlake_table_bytes", "Bytes on disk of a table.", labels=("table",))
        mutations = GaugeMetricFamily("runlake_table_mutations", "Deletes under way in a table.", labels=("table",))
        for table in tables:
            parts.add_metric((table.table,), table.parts)
            rows.add_metric((table.table,), table.rows)
            sizes.add_metric((table.table,), table.size_bytes)
            mutations.add_metric((table.table,), table.mutations)
        yield from (parts, rows, sizes, mutations)
