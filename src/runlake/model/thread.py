"""What a list says of one thread: the traces whose roots name it. Imports nothing of ours but model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runlake.model.run_record import FeedbackSummary
from runlake.model.usage import NO_USAGE, UsageTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSummary:
    """A thread as far as a listing looks: only traces that meet its conditions count.

    Traces are named by the id of their root. Latencies are seconds from the start to the end of a root, None while none
    has ended; times are microseconds UTC. ``usage`` is summed over every run of those traces. ``first_inputs`` and
    ``last_outputs`` are previews of the first and the last trace, ``last_error`` is the error of the last that failed.
    """

    thread_id: str
    turns: int
    errored_turns: int
    first_trace_id: str
    last_trace_id: str
    min_start_time: int
    max_start_time: int
    max_end_time: int | None
    latency_p50: float | None
    latency_p99: float | None
    usage: UsageTotals = NO_USAGE
    first_inputs: str | None = None
    last_outputs: str | None = None
    last_error: str | None = None
    feedback: Mapping[str, FeedbackSummary] = field(default_factory=dict)
