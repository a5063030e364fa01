"""The aggregates of statistics: SQL cells in blocks that belong together, how parts of a set merge, and what they say.

A set of runs lies in two tables, each of which is aggregated by itself. Counts, sums and extremes merge; quantiles do
when but one of the tables has values, which is nearly always, because open runs have neither an end nor an answer.
Otherwise ``Unmergeable`` says that the set has to be read as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from runlake.model.run_stats import DETAIL_STATS, RunStats
from runlake.model.run_stats import StatsSelect as S
from runlake.model.usage import add_maps
from runlake.query.usage_sql import DETAIL_NAMES, detail_sums

Cells = Sequence[Any]


class Unmergeable(Exception):  # noqa: N818 - no error: it says to take the other way
    """Quantiles of two sets say nothing about the quantiles of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Aggregates that are computed when one of ``serves`` is wanted.

    ``columns`` are what has to be selected of each run, ``cells`` the aggregates over them, ``merge`` the way to the
    cells of several sets together, ``read`` the fields of ``RunStats`` that they say, given the number of runs.
    """

    serves: frozenset[S]
    columns: tuple[str, ...]
    cells: tuple[str, ...]
    merge: Callable[[Sequence[Cells]], Cells]
    read: Callable[[Cells, int], dict[str, Any]]
    is_usage: bool = False


def _quantiles(column: str) -> str:
    """Both quantiles, and of how many values they are."""
    return f"tuple(quantilesExactInclusiveOrNull(0.5, 0.99)({column}), count({column}))"


def _only_known(parts: Iterable[Any]) -> Any:
    """The quantiles of the one set that has values."""
    found = list(parts)
    known = [part for part in found if part[1]]
    if len(known) > 1:
        raise Unmergeable
    return known[0] if known else found[0]


def _sum(parts: Iterable[Any]) -> Any:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return sum(Decimal(str(part)) for part in known) if isinstance(known[0], str) else sum(known)


def _sums(parts: Sequence[Cells]) -> Cells:
    return [_sum(column) for column in zip(*parts, strict=True)]


def _all_quantiles(parts: Sequence[Cells]) -> Cells:
    return [_only_known(column) for column in zip(*parts, strict=True)]


def _quantiles_then_sums(parts: Sequence[Cells]) -> Cells:
    return [_only_known(part[0] for part in parts), *_sums([part[1:] for part in parts])]


def _latest(parts: Sequence[Cells]) -> Cells:
    return [max(part[0] for part in parts)]


def _maps(parts: Sequence[Cells]) -> Cells:
    merged = []
    for column in zip(*parts, strict=True):
        maps = [{name: Decimal(str(amount)) for name, amount in zip(*pair, strict=True)} for pair in column]
        amounts = add_maps(maps, Decimal(0))
        merged.append([list(amounts), list(amounts.values())])
    return merged


def _read_latency(cells: Cells, _: int) -> dict[str, Any]:
    p50, p99 = _pair(cells[0])
    mean = None if not cells[2] else _seconds(cells[1] / cells[2])
    return {"latency_p50": _seconds(p50), "latency_p99": _seconds(p99), "latency_avg": mean}


def _read_first_token(cells: Cells, count: int) -> dict[str, Any]:
    p50, p99 = _pair(cells[0])
    return {
        "first_token_p50": _seconds(p50),
        "first_token_p99": _seconds(p99),
        "streaming_rate": cells[0][1] / count if count else None,
    }


def _read_tokens(cells: Cells, _: int) -> dict[str, Any]:
    names = ("total_tokens", "prompt_tokens", "completion_tokens")
    return {name: int(cell) for name, cell in zip(names, cells, strict=True)}


def _read_token_quantiles(cells: Cells, _: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(("tokens", "prompt_tokens", "completion_tokens"), cells, strict=True):
        p50, p99 = _pair(cell)
        found |= {f"{name}_p50": _whole(p50), f"{name}_p99": _whole(p99)}
    return found


def _read_costs(cells: Cells, _: int) -> dict[str, Any]:
    names = ("total_cost", "prompt_cost", "completion_cost")
    return {name: _cost(cell) for name, cell in zip(names, cells, strict=True)}


def _read_cost_quantiles(cells: Cells, _: int) -> dict[str, Any]:
    p50, p99 = _pair(cells[0])
    return {"cost_p50": _cost(p50), "cost_p99": _cost(p99)}


def _read_details(cells: Cells, _: int) -> dict[str, Any]:
    details: dict[str, dict[str, int | Decimal]] = {}
    for name, (keys, amounts) in zip(DETAIL_NAMES, cells, strict=True):
        read: Callable[[Any], int | Decimal] = _exact if "cost" in name else int
        details[name] = {key: read(amount) for key, amount in zip(keys, amounts, strict=True)}
    return {"details": details}


_FIRST_TOKEN: Final = "toUnixTimestamp64Micro(first_token_time) - toUnixTimestamp64Micro(start_time) AS first_token_us"  # noqa: S105 - SQL

BLOCKS: Final = (
    Block(
        serves=frozenset({S.LAST_RUN_START_TIME}),
        columns=("start_time",),
        cells=("toUnixTimestamp64Micro(max(start_time))",),
        merge=_latest,
        read=lambda cells, count: {"last_run_start_time": cells[0] if count else None},
    ),
    Block(
        serves=frozenset({S.ERROR_RATE}),
        columns=("has_error",),
        cells=("countIf(has_error)",),
        merge=_sums,
        read=lambda cells, count: {"error_rate": cells[0] / count if count else None},
    ),
    Block(
        serves=frozenset({S.LATENCY_P50, S.LATENCY_P99, S.LATENCY_AVG}),
        columns=("duration_us",),
        cells=(_quantiles("duration_us"), "sumOrDefault(duration_us)", "count(duration_us)"),
        merge=_quantiles_then_sums,
        read=_read_latency,
    ),
    Block(
        serves=frozenset({S.FIRST_TOKEN_P50, S.FIRST_TOKEN_P99, S.STREAMING_RATE}),
        columns=(_FIRST_TOKEN,),
        cells=(_quantiles("first_token_us"),),
        merge=_all_quantiles,
        read=_read_first_token,
    ),
    Block(
        serves=frozenset({S.TOTAL_TOKENS, S.PROMPT_TOKENS, S.COMPLETION_TOKENS}),
        columns=("total_tokens", "prompt_tokens", "completion_tokens"),
        cells=("sum(total_tokens)", "sum(prompt_tokens)", "sum(completion_tokens)"),
        merge=_sums,
        read=_read_tokens,
        is_usage=True,
    ),
    Block(
        serves=frozenset(
            {
                S.MEDIAN_TOKENS,
                S.TOKENS_P99,
                S.PROMPT_TOKENS_P50,
                S.PROMPT_TOKENS_P99,
                S.COMPLETION_TOKENS_P50,
                S.COMPLETION_TOKENS_P99,
            }
        ),
        columns=("total_tokens", "prompt_tokens", "completion_tokens"),
        cells=tuple(
            _quantiles(f"if(total_tokens > 0, {column}, NULL)")
            for column in ("total_tokens", "prompt_tokens", "completion_tokens")
        ),
        merge=_all_quantiles,
        read=_read_token_quantiles,
        is_usage=True,
    ),
    Block(
        serves=frozenset({S.TOTAL_COST, S.PROMPT_COST, S.COMPLETION_COST}),
        columns=("total_cost", "prompt_cost", "completion_cost"),
        cells=("sumOrNull(total_cost)", "sumOrNull(prompt_cost)", "sumOrNull(completion_cost)"),
        merge=_sums,
        read=_read_costs,
        is_usage=True,
    ),
    Block(
        serves=frozenset({S.COST_P50, S.COST_P99}),
        columns=("total_cost",),
        cells=(_quantiles("toFloat64(total_cost)"),),
        merge=_all_quantiles,
        read=_read_cost_quantiles,
        is_usage=True,
    ),
)


def blocks_for(wanted: frozenset[S], details: str) -> list[Block]:
    """The blocks that say what is wanted; ``details`` is SQL of the JSON of the detail maps."""
    found = [block for block in BLOCKS if block.serves & wanted]
    if wanted & DETAIL_STATS:
        cells = detail_sums(details)
        found.append(
            Block(serves=DETAIL_STATS, columns=("card",), cells=cells, merge=_maps, read=_read_details, is_usage=True)
        )
    return found


def merge_rows(blocks: Sequence[Block], rows: Sequence[Cells]) -> Cells:
    """The cells of several sets together: the number of runs, then those of each block. ``Unmergeable`` if need be."""
    if len(rows) == 1:
        return rows[0]
    merged: list[Any] = [sum(row[0] for row in rows)]
    place = 1
    for block in blocks:
        end = place + len(block.cells)
        merged += block.merge([row[place:end] for row in rows])
        place = end
    return merged


def read_fields(blocks: Sequence[Block], row: Cells, count: int) -> dict[str, Any]:
    """The fields of ``RunStats`` in the cells of some blocks."""
    fields: dict[str, Any] = {}
    place = 0
    for block in blocks:
        end = place + len(block.cells)
        fields |= block.read(row[place:end], count)
        place = end
    return fields


def read_stats(blocks: Sequence[Block], row: Cells) -> RunStats:
    """The statistics in the number of runs and the cells of the blocks."""
    return RunStats(run_count=row[0], **read_fields(blocks, row[1:], row[0]))


def _pair(cell: Any) -> tuple[Any, Any]:
    return tuple(cell[0]) if cell[0] else (None, None)


def _seconds(us: Any) -> float | None:
    return None if us is None else float(us) / 1e6


def _whole(number: Any) -> int | None:
    return None if number is None else round(number)


def _cost(cell: Any) -> Decimal | None:
    return None if cell is None else Decimal(str(cell))


def _exact(amount: Any) -> Decimal:
    return Decimal(str(amount))
