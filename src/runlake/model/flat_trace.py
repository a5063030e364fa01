"""A trace as one row: what its root says, and what all its runs add up to. Pure; imports nothing of ours.

The one place that decides what a flattened trace says; exports and ``runlake.flatten`` both take it from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

TOOL = "tool"
ERROR = "error"
PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Tokens, and costs in US dollars; a cost is None where nothing tells one."""

    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            total_tokens=self.total_tokens + other.total_tokens,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_cost=_sum(self.total_cost, other.total_cost),
            prompt_cost=_sum(self.prompt_cost, other.prompt_cost),
            completion_cost=_sum(self.completion_cost, other.completion_cost),
        )


def _sum(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRun:
    """What a flattened trace needs of each of its runs. ``spent`` is the run's own."""

    id: str
    trace_id: str
    parent_run_id: str | None
    name: str
    run_type: str
    status: str
    start_us: int
    model: str | None = None
    spent: Spent = Spent()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRoot:
    """What a flattened trace takes from its root. ``feedback`` is the average score of each key."""

    id: str
    session_id: str
    name: str
    run_type: str
    status: str
    start_us: int
    end_us: int | None = None
    error: str | None = None
    thread_id: str | None = None
    tags: tuple[str, ...] = ()
    inputs_preview: str | None = None
    outputs_preview: str | None = None
    feedback: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTrace:
    """One row. Times are microseconds UTC; ``depth`` is 1 for a root alone; lists are in order of first use."""

    trace_id: str
    session_id: str
    name: str
    run_type: str
    status: str
    start_us: int
    end_us: int | None
    latency_s: float | None
    error: str | None
    thread_id: str | None
    tags: tuple[str, ...]
    run_count: int
    open_run_count: int
    error_count: int
    depth: int
    runs_by_type: Mapping[str, int]
    tools_used: tuple[str, ...]
    tool_call_count: int
    tool_calls: Mapping[str, int]
    failed_tools: tuple[str, ...]
    models: tuple[str, ...]
    spent: Spent
    inputs_preview: str | None
    outputs_preview: str | None
    feedback: Mapping[str, float | None]
    version: int


def flatten_trace(root: TraceRoot, runs: Iterable[TraceRun], *, spent: Spent | None = None) -> FlatTrace:
    """The row of one trace; ``runs`` are all its runs, the root included, in any order.

    ``spent`` is what the trace took where the caller knows it, else the sum over the runs.
    """
    ordered = sorted(runs, key=lambda run: (run.start_us, run.id))
    tools = [run for run in ordered if run.run_type == TOOL]
    calls = Counter(run.name for run in tools)
    return FlatTrace(
        trace_id=root.id,
        session_id=root.session_id,
        name=root.name,
        run_type=root.run_type,
        status=root.status,
        start_us=root.start_us,
        end_us=root.end_us,
        latency_s=None if root.end_us is None else max(0, root.end_us - root.start_us) / 1_000_000,
        error=root.error,
        thread_id=root.thread_id,
        tags=root.tags,
        run_count=len(ordered),
        open_run_count=sum(1 for run in ordered if run.status == PENDING),
        error_count=sum(1 for run in ordered if run.status == ERROR),
        depth=_depth(ordered),
        runs_by_type=dict(sorted(Counter(run.run_type for run in ordered).items())),
        tools_used=tuple(calls),
        tool_call_count=len(tools),
        tool_calls=dict(sorted(calls.items())),
        failed_tools=tuple(dict.fromkeys(run.name for run in tools if run.status == ERROR)),
        models=tuple(dict.fromkeys(run.model for run in ordered if run.model)),
        spent=sum((run.spent for run in ordered), Spent()) if spent is None else spent,
        inputs_preview=root.inputs_preview,
        outputs_preview=root.outputs_preview,
        feedback=dict(sorted(root.feedback.items())),
        version=max((run.version for run in ordered), default=0),
    )


def _depth(runs: Iterable[TraceRun]) -> int:
    """Runs on the longest path from a run up to one whose parent is not there; a circle counts once round."""
    parents = {run.id: run.parent_run_id for run in runs}
    known: dict[str, int] = {}
    for start in parents:
        path: list[str] = []
        at: str | None = start
        while at is not None and at in parents and at not in known:
            known[at] = 0
            path.append(at)
            at = parents[at]
        depth = known.get(at, 0) if at is not None else 0
        for run_id in reversed(path):
            depth += 1
            known[run_id] = depth
    return max(known.values(), default=0)
