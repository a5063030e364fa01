"""Flattened traces in Python: a list of SDK runs in, one row for each root out.

>>> from langsmith import Client
>>> from runlake.flatten import flatten
>>> runs = Client().list_runs(project_name="my-agent")
>>> rows = flatten(runs)  # pandas.DataFrame(rows) works

The rows have the columns of an export with the content ``flattened``, and the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from runlake.ingest.derive import thread_of
from runlake.ingest.model_names import model_of
from runlake.ingest.previews import preview_inputs, preview_outputs
from runlake.model.flat_trace import FlatTrace, Spent, TraceRoot, TraceRun, flatten_trace


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatRow:
    """One trace. Times are aware datetimes, ``latency_s`` is in seconds, costs are US dollars."""

    trace_id: str
    session_id: str
    name: str
    run_type: str
    status: str
    start_time: datetime
    end_time: datetime | None
    latency_s: float | None
    error: str | None
    thread_id: str | None
    tags: list[str]
    run_count: int
    open_run_count: int
    error_count: int
    depth: int
    runs_by_type: dict[str, int]
    tools_used: list[str]
    tool_call_count: int
    tool_calls: dict[str, int]
    failed_tools: list[str]
    models: list[str]
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    total_cost: Decimal | None
    prompt_cost: Decimal | None
    completion_cost: Decimal | None
    inputs_preview: str | None
    outputs_preview: str | None
    feedback: dict[str, float | None]


def flatten(runs: Iterable[Any]) -> list[FlatRow]:
    """One row for each root among ``runs`` (``langsmith.schemas.Run`` or alike), in order of start.

    All runs of a trace should be there; those of a trace whose root is not are left out. A root shows the tokens and
    costs of its whole trace, on this server as on the hosted one, and is believed.
    """
    traces: dict[str, list[Any]] = {}
    roots: dict[str, Any] = {}
    for run in runs:
        traces.setdefault(str(run.trace_id), []).append(run)
        if run.parent_run_id is None and str(run.trace_id) == str(run.id):
            roots[str(run.id)] = run
    flat = [
        flatten_trace(_root(root), map(_run, traces[trace_id]), spent=_spent(root)) for trace_id, root in roots.items()
    ]
    return [_row(trace) for trace in sorted(flat, key=lambda trace: (trace.start_us, trace.trace_id))]


def _run(run: Any) -> TraceRun:
    extra = _json(run.extra) or {}
    return TraceRun(
        id=str(run.id),
        trace_id=str(run.trace_id),
        parent_run_id=None if run.parent_run_id is None else str(run.parent_run_id),
        name=run.name or "",
        run_type=run.run_type,
        status=_status(run),
        start_us=_microseconds(run.start_time) or 0,
        model=model_of(_json(run.outputs), extra.get("metadata"), extra.get("invocation_params"), run.run_type) or None,
    )


def _root(run: Any) -> TraceRoot:
    stats: Mapping[str, Any] = run.feedback_stats or {}
    metadata = (run.extra or {}).get("metadata")
    return TraceRoot(
        id=str(run.id),
        session_id=str(run.session_id),
        name=run.name or "",
        run_type=run.run_type,
        status=_status(run),
        start_us=_microseconds(run.start_time) or 0,
        end_us=_microseconds(run.end_time),
        error=run.error or None,
        thread_id=thread_of(_json(metadata)) or None,
        tags=tuple(run.tags or ()),
        inputs_preview=preview_inputs(_json(run.inputs)) or None,
        outputs_preview=preview_outputs(_json(run.outputs)) or None,
        feedback={key: stat.get("avg") for key, stat in stats.items()},
    )


def _spent(run: Any) -> Spent:
    return Spent(
        total_tokens=run.total_tokens or 0,
        prompt_tokens=run.prompt_tokens or 0,
        completion_tokens=run.completion_tokens or 0,
        total_cost=run.total_cost,
        prompt_cost=run.prompt_cost,
        completion_cost=run.completion_cost,
    )


def _status(run: Any) -> str:
    return str(run.status or ("error" if run.error else "pending" if run.end_time is None else "success"))


def _microseconds(time: datetime | None) -> int | None:
    """Microseconds since 1970 UTC; the SDK's times have no zone and are UTC."""
    if time is None:
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _json(value: Any) -> Any:
    """Plain JSON values, as the server had them: an SDK run may hold objects of its own classes."""
    return value if value is None else json.loads(json.dumps(value, default=str))


def _row(trace: FlatTrace) -> FlatRow:
    return FlatRow(
        trace_id=trace.trace_id,
        session_id=trace.session_id,
        name=trace.name,
        run_type=trace.run_type,
        status=trace.status,
        start_time=_datetime(trace.start_us),
        end_time=None if trace.end_us is None else _datetime(trace.end_us),
        latency_s=trace.latency_s,
        error=trace.error,
        thread_id=trace.thread_id,
        tags=list(trace.tags),
        run_count=trace.run_count,
        open_run_count=trace.open_run_count,
        error_count=trace.error_count,
        depth=trace.depth,
        runs_by_type=dict(trace.runs_by_type),
        tools_used=list(trace.tools_used),
        tool_call_count=trace.tool_call_count,
        tool_calls=dict(trace.tool_calls),
        failed_tools=list(trace.failed_tools),
        models=list(trace.models),
        total_tokens=trace.spent.total_tokens,
        prompt_tokens=trace.spent.prompt_tokens,
        completion_tokens=trace.spent.completion_tokens,
        total_cost=trace.spent.total_cost,
        prompt_cost=trace.spent.prompt_cost,
        completion_cost=trace.spent.completion_cost,
        inputs_preview=trace.inputs_preview,
        outputs_preview=trace.outputs_preview,
        feedback=dict(trace.feedback),
    )


def _datetime(time_us: int) -> datetime:
    seconds, rest = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
