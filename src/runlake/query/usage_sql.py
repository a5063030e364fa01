"""Tokens and costs summed over sets of runs: the cells of a statement, and their way back into the model.

Whoever shows a sum (roots of a page, subtrees, threads, statistics) takes it from here, so that all agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.usage import UsageDetails, UsageTotals, add_maps, add_usage
from runlake.query.relatives import ANCESTOR_IDS
from runlake.query.scope import RunScope, RunTable
from runlake.store.engine import Row

USAGE_COLUMNS: Final = (
    "total_tokens, prompt_tokens, completion_tokens, total_cost, prompt_cost, completion_cost, first_token_time"
)
"""What ``USAGE_SUMS`` sums over; details need ``card`` beside it."""

USAGE_SUMS: Final = (
    "sum(total_tokens), sum(prompt_tokens), sum(completion_tokens), sumOrNull(total_cost), sumOrNull(prompt_cost),"
    " sumOrNull(completion_cost), toUnixTimestamp64Micro(min(first_token_time))"
)
"""The first cells that ``read_usage`` reads."""

HAS_USAGE: Final = "(total_tokens > 0 OR isNotNull(total_cost) OR isNotNull(first_token_time))"
"""What a run must meet to change a sum; prompt and completion tokens are never without a total."""

_TOKEN_MAPS: Final = ("prompt_token_details", "completion_token_details")
_COST_MAPS: Final = ("prompt_cost_details", "completion_cost_details")

USAGE_FIELDS: Final = frozenset(
    {
        RunSelect.TOTAL_TOKENS,
        RunSelect.PROMPT_TOKENS,
        RunSelect.COMPLETION_TOKENS,
        RunSelect.TOTAL_COST,
        RunSelect.PROMPT_COST,
        RunSelect.COMPLETION_COST,
    }
)
DETAIL_NAMES: Final = (*_TOKEN_MAPS, *_COST_MAPS)
DETAIL_FIELDS: Final = frozenset(map(RunSelect, DETAIL_NAMES))


def detail_sums(details: str) -> tuple[str, ...]:
    """One cell for each of ``DETAIL_NAMES``: names and sums. ``details`` is SQL of the JSON with the maps, or of ''."""
    token_maps = [f"JSONExtract({details}, '{name}', 'Map(String, UInt64)')" for name in _TOKEN_MAPS]
    texts = [f"JSONExtract({details}, '{name}', 'Map(String, String)')" for name in _COST_MAPS]
    cost_maps = [f"mapApply((k, v) -> (k, toDecimal128OrZero(v, 12)), {text})" for text in texts]
    return tuple(f"sumMap(mapKeys({found}), mapValues({found}))" for found in (*token_maps, *cost_maps))


_DETAILS: Final = msgspec.json.Decoder(UsageDetails)


def usage_cells(scope: RunScope, *, with_details: bool) -> tuple[str, str]:
    """Columns to select of each run, and the sums over them."""
    if not with_details:
        return USAGE_COLUMNS, USAGE_SUMS
    # Added up by ``read_usage``: for the few runs of a page, only to analyse sums over maps takes the engine longer.
    details = scope.columns.details
    return f"{USAGE_COLUMNS}, card", f"{USAGE_SUMS}, groupArrayIf({details}, {details} != '')"


def read_usage(cells: Sequence[Any]) -> UsageTotals:
    """The cells of ``usage_cells``: sums, and the details of each run where they follow."""
    return _totals(cells, cells[7] if len(cells) > len(USAGE_FIELDS) + 1 else ())


def sum_of(runs: Iterable[RunRecord], *, with_details: bool) -> UsageTotals:
    """What the runs show of their own, added up: the same as a statement over them says."""
    return add_usage([_own_usage(run, with_details=with_details) for run in runs])


def _own_usage(run: RunRecord, *, with_details: bool) -> UsageTotals:
    details = (run.usage_details,) if with_details and run.usage_details is not None else ()
    return _totals((*_own_numbers(run), run.first_token_time), details)


def _totals(cells: Sequence[Any], all_details: Iterable[str | bytes]) -> UsageTotals:
    details = [_DETAILS.decode(text) for text in all_details]
    return UsageTotals(
        total_tokens=int(cells[0]),
        prompt_tokens=int(cells[1]),
        completion_tokens=int(cells[2]),
        total_cost=read_cost(cells[3]),
        prompt_cost=read_cost(cells[4]),
        completion_cost=read_cost(cells[5]),
        first_token_time=cells[6],
        prompt_token_details=add_maps([each.prompt_token_details for each in details], 0),
        completion_token_details=add_maps([each.completion_token_details for each in details], 0),
        prompt_cost_details=add_maps([_costs(each.prompt_cost_details) for each in details], Decimal(0)),
        completion_cost_details=add_maps([_costs(each.completion_cost_details) for each in details], Decimal(0)),
    )


def _costs(texts: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in texts.items()}


def read_cost(cell: Any) -> Decimal | None:
    """A cost as the engine prints it."""
    return None if cell is None else Decimal(str(cell))


def by_trace_sql(scope: RunScope, table: RunTable, in_traces: str, *, with_details: bool) -> str:
    """SQL of the sums over each trace that meets a condition: the trace, then the cells of ``read_usage``."""
    # One flat select: each level of nesting and each further condition costs more planning than it saves reading.
    _, sums = usage_cells(scope, with_details=with_details)
    return scope.select_from(table, f"toString(trace_id), {sums}", [in_traces], tail=" GROUP BY trace_id")


def by_subtree_sql(
    scope: RunScope, table: RunTable, in_traces: str, run_ids: Sequence[UUID], *, with_details: bool
) -> str:
    """SQL of the sums over each of some runs and all runs below it: the run, then the cells of ``read_usage``."""
    columns, sums = usage_cells(scope, with_details=with_details)
    nodes = f"arrayJoin(arrayDistinct(arrayPushBack({ANCESTOR_IDS}, id))) AS node"
    runs = scope.select_from(table, f"{nodes}, {columns}", [in_traces, HAS_USAGE])
    among = scope.params.add("Array(UUID)", run_ids)
    return f"SELECT toString(node), {sums} FROM ({runs}) WHERE node IN {among} GROUP BY node"


def read_usage_by(tables: Iterable[Iterable[Row]]) -> dict[str, UsageTotals]:
    """Sums by the id in the first cell, over the rows that each table gave."""
    parts: dict[str, list[UsageTotals]] = {}
    for rows in tables:
        for key, *cells in rows:
            parts.setdefault(str(key), []).append(read_usage(cells))
    return {key: add_usage(found) for key, found in parts.items()}


def show_usage(run: RunRecord, usage: UsageTotals, *, with_details: bool, with_first_token: bool) -> None:
    """Let a run show a sum in the place of its own tokens and costs.

    Where the details were not added up it keeps its own, if the sum is all its own, and else shows none.
    """
    if not with_details and _own_numbers(run) != _numbers(usage):
        run.usage_details = None
    run.total_tokens = usage.total_tokens
    run.prompt_tokens = usage.prompt_tokens
    run.completion_tokens = usage.completion_tokens
    run.total_cost = usage.total_cost
    run.prompt_cost = usage.prompt_cost
    run.completion_cost = usage.completion_cost
    if with_first_token:
        run.first_token_time = usage.first_token_time
    if with_details:
        details = UsageDetails(
            dict(usage.prompt_token_details),
            dict(usage.completion_token_details),
            _texts(usage.prompt_cost_details),
            _texts(usage.completion_cost_details),
        )
        run.usage_details = None if details == UsageDetails() else msgspec.json.encode(details)


def _own_numbers(run: RunRecord) -> tuple[object, ...]:
    costs = (run.total_cost, run.prompt_cost, run.completion_cost)
    return run.total_tokens, run.prompt_tokens, run.completion_tokens, *costs


def _numbers(usage: UsageTotals) -> tuple[object, ...]:
    costs = (usage.total_cost, usage.prompt_cost, usage.completion_cost)
    return usage.total_tokens, usage.prompt_tokens, usage.completion_tokens, *costs


def _texts(costs: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: f"{cost.normalize():f}" for name, cost in costs.items()}
