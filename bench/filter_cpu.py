"""Microseconds of CPU that a filter costs before the engine sees it, stage by stage.

    python bench/filter_cpu.py [rounds]

Text to tree, tree to typed tree, typed tree to statement, and tree back to text: for one clause, for ten clauses in
both languages, for a long list of ids, and for conditions on relatives. Prints the median of the rounds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

from runlake.fql import bind_filter, parse_bar, parse_filter, print_bar, print_filter
from runlake.query.plan import plan_page
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.moment import Moment

ROUNDS: Final = 200
TEN_CLAUSES: Final = (
    'and(eq(is_root, true), neq(status, "pending"), gt(latency, "5s"), gte(start_time, "2026-09-01T00:00:00Z"), '
    'has(tags, "production"), and(eq(metadata_key, "user_id"), eq(metadata_value, "u_123")), '
    'or(like(name, "agent%"), search("refund policy")), lt(total_cost, 0.5))'
)
TEN_CLAUSES_IN_A_BAR: Final = (
    "is_root:true -status:pending latency:>5s start_time:>=2026-09-01T00:00:00Z tags:production "
    "metadata.user_id:u_123 (name:agent* OR refund) total_cost:<0.5 -error:* run_type:chain"
)
IDS: Final = ", ".join(f'"{UUID(int=number)}"' for number in range(200))
FILTERS: Final = {
    "one clause": 'eq(status, "error")',
    "ten clauses": TEN_CLAUSES,
    "200 ids": f"in(trace_id, [{IDS}])",
    "relatives": 'and(eq(is_root, true), count(descendant(eq(status, "error")), gte, 3), not(child(gt(latency, 5))))',
}
QUERY: Final = RunQuery(tenant_id=UUID(int=1), sessions=(UUID(int=2),))
MOMENT: Final = Moment(visible_version=1)
LIMITS: Final = QueryLimits()


def median_us(work: Callable[[], object], rounds: int) -> float:
    """Median CPU time of one call."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - begin)
    return statistics.median(times) / 1000


def filter_stages(text: str, rounds: int) -> dict[str, float]:
    """The cost of each stage for one filter."""
    tree = parse_filter(text)
    if tree is None:
        raise SystemExit("the filter is empty")
    bound = bind_filter(tree, text)
    query = RunQuery(tenant_id=QUERY.tenant_id, sessions=QUERY.sessions, filter=bound)
    return {
        "parse": median_us(lambda: parse_filter(text), rounds),
        "bind": median_us(lambda: bind_filter(tree, text), rounds),
        "plan": median_us(lambda: plan_page(query, MOMENT, LIMITS, rows=101), rounds),
        "print": median_us(lambda: print_filter(tree), rounds),
    }


def bar_stages(text: str, rounds: int) -> dict[str, float]:
    """The same for a search."""
    tree = parse_bar(text)
    if tree is None:
        raise SystemExit("the search is empty")
    return {
        "parse": median_us(lambda: parse_bar(text), rounds),
        "bind": median_us(lambda: bind_filter(tree, text), rounds),
        "print": median_us(lambda: print_bar(tree), rounds),
    }


def report(name: str, stages: dict[str, float]) -> None:
    """One line of a table."""
    cells = "".join(f"{stage} {cost:7.0f}   " for stage, cost in stages.items())
    total = stages["parse"] + stages["bind"] + stages.get("plan", 0.0)
    print(f"{name:24}{cells}{'to the statement' if 'plan' in stages else 'to the typed tree'} {total:7.0f} us")


def main() -> None:
    """Print a line for each filter."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    for name, text in FILTERS.items():
        report(name, filter_stages(text, rounds))
    report("ten clauses in a bar", bar_stages(TEN_CLAUSES_IN_A_BAR, rounds))


if __name__ == "__main__":
    main()
