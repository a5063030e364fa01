"""What the write path reports to Prometheus, read from its own counters whenever somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from runlake.ingest.writer import WriterStats

_MILLISECOND_S: Final = 0.001


class WriterMetrics:
    """A collector over ``Writer.stats``."""

    def __init__(self, read: Callable[[], WriterStats]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        stats = self._read()
        yield CounterMetricFamily("runlake_commits", "Group commits on disk.", value=stats.commits)
        yield CounterMetricFamily("runlake_run_writes", "Creates and patches on disk.", value=stats.runs)
        yield CounterMetricFamily("runlake_feedback_writes", "Feedback on disk.", value=stats.feedback)
        yield GaugeMetricFamily("runlake_pending_bytes", "Writes waiting for their commit.", value=stats.pending_bytes)
        yield GaugeMetricFamily("runlake_open_runs", "Runs that are started and not complete.", value=stats.open_runs)
        yield GaugeMetricFamily(
            "runlake_last_commit_seconds", "Duration of the last commit.", value=stats.last_commit_ms * _MILLISECOND_S
        )
