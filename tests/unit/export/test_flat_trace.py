"""What a flattened trace says of made-up traces."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from runlake.model.flat_trace import FlatTrace, Spent, TraceRoot, TraceRun, flatten_trace

ROOT = TraceRoot(
    id="r", session_id="p", name="agent", run_type="chain", status="success", start_us=10, end_us=2_000_010
)


def run(run_id: str, parent: str | None = "r", start: int = 20, **more: object) -> TraceRun:
    made = TraceRun(
        id=run_id, trace_id="r", parent_run_id=parent, name=run_id, run_type="chain", status="success", start_us=start
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


def flat(*runs: TraceRun) -> FlatTrace:
    return flatten_trace(ROOT, (run("r", None, 10), *runs))


def test_tools_come_in_order_of_first_call_with_their_counts_and_failures() -> None:
    trace = flat(
        run("3", start=50, run_type="tool", name="search"),
        run("1", start=30, run_type="tool", name="fetch", status="error"),
        run("2", start=40, run_type="tool", name="search", status="error"),
        run("4", start=35, run_type="llm", name="fetch", status="error"),
    )
    assert trace.tools_used == ("fetch", "search")
    assert trace.tool_calls == {"fetch": 1, "search": 2}
    assert (trace.tool_call_count, trace.failed_tools, trace.error_count) == (3, ("fetch", "search"), 3)
    assert trace.runs_by_type == {"chain": 1, "llm": 1, "tool": 3}


def test_costs_add_up_and_are_absent_where_no_run_has_one() -> None:
    some = flat(run("1", spent=Spent(total_tokens=3, total_cost=Decimal("0.1"))), run("2", spent=Spent(total_tokens=4)))
    assert some.spent == Spent(total_tokens=7, total_cost=Decimal("0.1"))
    assert flat().spent.total_cost is None
    assert (
        flatten_trace(ROOT, [run("1", spent=Spent(total_tokens=3))], spent=Spent(total_tokens=9)).spent.total_tokens
        == 9
    )


@pytest.mark.parametrize(
    ("runs", "depth"),
    [
        ([], 1),
        ([("a", "r"), ("b", "r")], 2),
        ([("c", "b"), ("b", "a"), ("a", "r")], 4),
        ([("a", "gone"), ("b", "a"), ("c", "b")], 3),
        ([("a", "b"), ("b", "a")], 2),
        ([("a", "a")], 1),
    ],
)
def test_the_depth_is_the_longest_path_whatever_is_missing_or_circular(runs: list[tuple[str, str]], depth: int) -> None:
    assert flat(*(run(name, parent) for name, parent in runs)).depth == depth


def test_a_deep_chain_is_no_trouble() -> None:
    chain = [run(str(number), str(number - 1) if number else "r") for number in range(5_000)]
    assert flat(*reversed(chain)).depth == 5_001


def test_open_runs_models_and_the_version() -> None:
    trace = flat(
        run("1", model="b", version=4, status="pending"), run("2", model="a", version=9), run("3", model="b", start=60)
    )
    assert (trace.open_run_count, trace.models, trace.version, trace.latency_s) == (1, ("b", "a"), 9, 2.0)
