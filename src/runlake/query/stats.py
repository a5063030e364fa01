"""Statistics over the runs of a query, whole or by group, from the same conditions as its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from runlake.model.run_record import FeedbackSummary
from runlake.model.run_stats import GroupAttribute, RunStats
from runlake.query.pair_sql import latest_feedback
from runlake.query.plan import scoped, statement_settings
from runlake.query.related import SUMMARY_CELLS, read_summary, set_summary_sql
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.scope import RunScope
from runlake.store.engine import Engine, Row
from runlake.store.moment import Moment

MAX_GROUPS: Final = 1_000
"""Most groups of one answer, whatever was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Sets of runs that share the value of ``attribute``; ``path`` is the key of a metadata grouping.

    A run with several tags belongs to several groups, a run without the value to none. The ``max_groups`` largest
    groups count, or those of ``only`` when it is given.
    """

    attribute: GroupAttribute
    path: str | None = None
    max_groups: int = 5
    only: tuple[str, ...] | None = None


_TIMES: Final = "toUnixTimestamp64Micro(first_token_time) - toUnixTimestamp64Micro(start_time)"
_CELLS: Final = (
    f"duration_us, {_TIMES} AS first_token_us, total_tokens, prompt_tokens, completion_tokens, total_cost, prompt_cost,"
    " completion_cost, start_time, has_error"
)
_AGGREGATES: Final = (
    "count()",
    "quantilesOrNull(0.5, 0.99)(duration_us)",
    "avgOrNull(duration_us)",
    "quantilesOrNull(0.5, 0.99)(first_token_us)",
    "sum(total_tokens)",
    "sum(prompt_tokens)",
    "sum(completion_tokens)",
    "quantilesIfOrNull(0.5, 0.99)(total_tokens, total_tokens > 0)",
    "quantilesIfOrNull(0.5, 0.99)(prompt_tokens, total_tokens > 0)",
    "quantilesIfOrNull(0.5, 0.99)(completion_tokens, total_tokens > 0)",
    "sumOrNull(total_cost)",
    "sumOrNull(prompt_cost)",
    "sumOrNull(completion_cost)",
    "quantilesExactOrNull(0.5, 0.99)(total_cost)",
    "if(count() = 0, NULL, toUnixTimestamp64Micro(max(start_time)))",
    "avgOrNull(has_error)",
    "if(count() = 0, NULL, count(first_token_us) / count())",
)


class StatsReader:
    """Blocking reads; every number of one answer is of one moment."""

    def __init__(self, engine: Engine, limits: QueryLimits) -> None:
        self._engine = engine
        self._limits = limits

    def stats(self, query: RunQuery, moment: Moment, *, with_feedback: bool) -> RunStats:
        """The statistics of all runs of the query."""
        scope, conditions = scoped(query, moment)
        sql = f"SELECT {', '.join(_AGGREGATES)} FROM ({scope.select(_CELLS, conditions)})"
        stats = _read_stats(self._rows(sql, scope)[0])
        if not with_feedback or not stats.run_count:
            return stats
        return replace(stats, feedback=self._feedback(query, moment))

    def _feedback(self, query: RunQuery, moment: Moment) -> dict[str, FeedbackSummary]:
        scope, conditions = scoped(query, moment)
        rows = self._rows(set_summary_sql(scope, scope.select("id", conditions)), scope)
        return {str(key): read_summary(cells) for key, *cells in rows}

    def grouped(self, query: RunQuery, moment: Moment, by: Grouping, *, with_feedback: bool) -> dict[str, RunStats]:
        """The statistics of each group, largest first."""
        scope, conditions = scoped(query, moment)
        group = _group_sql(by, scope)
        among = _among(by, scope)
        limit = max(1, min(by.max_groups, MAX_GROUPS))
        runs = scope.select(f"{group} AS group_value, {_CELLS}", conditions)
        sql = (
            f"SELECT group_value, {', '.join(_AGGREGATES)} FROM ({runs}) WHERE {among}"
            f" GROUP BY group_value ORDER BY count() DESC, group_value LIMIT {limit}"
        )
        found = {str(row[0]): _read_stats(row[1:]) for row in self._rows(sql, scope)}
        if with_feedback and found:
            for value, feedback in self._group_feedback(query, moment, by).items():
                if value in found:
                    found[value] = replace(found[value], feedback=feedback)
        return found

    def _group_feedback(self, query: RunQuery, moment: Moment, by: Grouping) -> dict[str, dict[str, FeedbackSummary]]:
        scope, conditions = scoped(query, moment)
        runs = scope.select(f"id AS grouped_id, {_group_sql(by, scope)} AS group_value", conditions)
        sql = (
            f"SELECT group_value, key, {SUMMARY_CELLS} FROM {latest_feedback(scope.context)} AS f"
            f" INNER JOIN (SELECT * FROM ({runs}) WHERE {_among(by, scope)}) AS r ON f.run_id = r.grouped_id"
            " GROUP BY group_value, key ORDER BY key"
        )
        found: dict[str, dict[str, FeedbackSummary]] = {}
        for value, key, *cells in self._rows(sql, scope):
            found.setdefault(str(value), {})[str(key)] = read_summary(cells)
        return found

    def _rows(self, sql: str, scope: RunScope) -> list[Row]:
        return self._engine.select(scope.statement(sql, statement_settings(self._limits))).rows


def _group_sql(by: Grouping, scope: RunScope) -> str:
    """SQL of the value a run is grouped by; empty text means that it has none."""
    match by.attribute:
        case GroupAttribute.NAME:
            return "toString(name)"
        case GroupAttribute.RUN_TYPE:
            return "toString(run_type)"
        case GroupAttribute.TAG:
            return "arrayJoin(tags)"
        case GroupAttribute.METADATA:
            key = scope.params.add("String", by.path or "")
            return f"metadata_values[indexOf(metadata_keys, {key})]"


def _among(by: Grouping, scope: RunScope) -> str:
    if by.only is None:
        return "group_value != ''"
    return f"group_value IN {scope.params.add('Array(String)', by.only)}"


def _read_stats(row: Sequence[Any]) -> RunStats:
    latency, first_token, tokens, prompt, completion = (_pair(row[index]) for index in (1, 3, 7, 8, 9))
    costs = row[13] or [None, None]
    return RunStats(
        run_count=row[0],
        latency_p50=_seconds(latency[0]),
        latency_p99=_seconds(latency[1]),
        latency_avg=_seconds(row[2]),
        first_token_p50=_seconds(first_token[0]),
        first_token_p99=_seconds(first_token[1]),
        total_tokens=row[4],
        prompt_tokens=row[5],
        completion_tokens=row[6],
        tokens_p50=_whole(tokens[0]),
        tokens_p99=_whole(tokens[1]),
        prompt_tokens_p50=_whole(prompt[0]),
        prompt_tokens_p99=_whole(prompt[1]),
        completion_tokens_p50=_whole(completion[0]),
        completion_tokens_p99=_whole(completion[1]),
        total_cost=_cost(row[10]),
        prompt_cost=_cost(row[11]),
        completion_cost=_cost(row[12]),
        cost_p50=_cost(costs[0]),
        cost_p99=_cost(costs[1]),
        last_run_start_time=row[14],
        error_rate=row[15],
        streaming_rate=row[16],
    )


def _pair(cell: Any) -> Sequence[Any]:
    return cell or (None, None)


def _seconds(us: Any) -> float | None:
    return None if us is None else float(us) / 1e6


def _whole(number: Any) -> int | None:
    return None if number is None else round(number)


def _cost(cell: Any) -> Decimal | None:
    return None if cell is None else Decimal(str(cell))
