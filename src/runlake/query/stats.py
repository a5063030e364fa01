"""Statistics over the runs of a query: whole, by group, by span of time; from the same conditions as its pages.

Every number is exact, quantiles included. Tokens and costs of a query for roots are those of their traces, as a list
of roots shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from runlake.errors import InvalidError
from runlake.model.run_record import FeedbackSummary
from runlake.model.run_stats import GroupAttribute, Interval, RunStats, StatsBucket, StatsSelect
from runlake.query.facets import facets_sql, read_facets
from runlake.query.lanes import HelperThreads
from runlake.query.page_extras import (
    SUMMARY_CELLS,
    has_thread_feedback_sql,
    read_summary,
    set_summary_sql,
    thread_summary_sql,
)
from runlake.query.pair_sql import latest_feedback
from runlake.query.plan import asks_for_roots, near, run_conditions, run_scope, scoped, statement_settings
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.scope import RunScope, RunTable, tables_at
from runlake.query.stats_blocks import Block, Cells, Unmergeable, blocks_for, merge_rows, read_fields, read_stats
from runlake.query.usage_sql import USAGE_COLUMNS, detail_sums
from runlake.store.engine import Engine, Row
from runlake.store.moment import Moment

MAX_GROUPS: Final = 1_000
"""Most groups of one answer, whatever was asked for."""

MAX_BUCKETS: Final = 10_000
"""Most pairs of a span and a group in one answer; a query that has more is refused."""

Key = tuple[Any, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Division:
    """How a set of runs is divided: by group, by span, by both or not at all."""

    by: Grouping | None = None
    interval: Interval | None = None

    def cells(self, scope: RunScope) -> dict[str, str]:
        """SQL of the values a run is divided by, by their names."""
        found = {}
        if self.interval is not None:
            found["bucket"] = _bucket_sql(self.interval, scope)
        if self.by is not None:
            found["group_value"] = _group_sql(self.by, scope)
        return found


_WHOLE: Final = _Division()


class StatsReader:
    """Blocking reads; every number of one answer is of one moment."""

    def __init__(self, engine: Engine, limits: QueryLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._helpers = HelperThreads(6, thread_name_prefix="runlake-stats")

    def stats(self, query: RunQuery, moment: Moment, wanted: frozenset[StatsSelect]) -> RunStats:
        """The statistics of all runs of the query."""
        judged = self._helpers.submit(self._feedback, query, moment) if StatsSelect.FEEDBACK_STATS in wanted else None
        with_threads = StatsSelect.THREAD_FEEDBACK_STATS in wanted
        on_threads = self._helpers.submit(self._thread_feedback, query, moment) if with_threads else None
        facets = self._helpers.submit(self._facets, query, moment) if StatsSelect.RUN_FACETS in wanted else None
        found = self._divided(query, moment, wanted, _WHOLE)
        return replace(
            found.get((), RunStats()),
            feedback={} if judged is None else judged.result(),
            thread_feedback={} if on_threads is None else on_threads.result(),
            facets=() if facets is None else read_facets(facets.result()),
        )

    def grouped(
        self, query: RunQuery, moment: Moment, by: Grouping, wanted: frozenset[StatsSelect]
    ) -> dict[str, RunStats]:
        """The statistics of each group, largest first."""
        with_feedback = StatsSelect.FEEDBACK_STATS in wanted
        judged = self._helpers.submit(self._group_feedback, query, moment, by) if with_feedback else None
        found = {str(key[0]): stats for key, stats in self._divided(query, moment, wanted, _Division(by=by)).items()}
        if judged is not None:
            for value, feedback in judged.result().items():
                if value in found:
                    found[value] = replace(found[value], feedback=feedback)
        return found

    def over_time(
        self,
        query: RunQuery,
        moment: Moment,
        interval: Interval,
        wanted: frozenset[StatsSelect],
        by: Grouping | None = None,
    ) -> list[StatsBucket]:
        """The statistics of each span in which runs started, oldest first; of its groups, the largest of all time."""
        if by is not None and by.only is None:
            counts = self._divided(query, moment, frozenset(), _Division(by=by))
            by = replace(by, only=tuple(str(key[0]) for key in counts))
        found = self._divided(query, moment, wanted, _Division(by=by, interval=interval))
        if len(found) > MAX_BUCKETS:
            raise InvalidError(
                f"interval divides this query into more than {MAX_BUCKETS} parts; use a longer one, or bounds on the"
                " time",
                field="interval",
            )
        return [
            StatsBucket(start_time=key[0], group=str(key[1]) if by is not None else None, stats=found[key])
            for key in sorted(found)
        ]

    def _divided(
        self, query: RunQuery, moment: Moment, wanted: frozenset[StatsSelect], division: _Division
    ) -> dict[Key, RunStats]:
        """Statistics of each part, largest first."""
        blocks = blocks_for(wanted, run_scope(query, moment).columns.details)
        if not asks_for_roots(query):
            found = self._aggregated(query, moment, blocks, division)
            return {key: read_stats(blocks, row) for key, row in found.items()}
        own = [block for block in blocks if not block.is_usage]
        usage = [block for block in blocks if block.is_usage]
        of_traces = self._helpers.submit(self._of_traces, query, moment, usage, division) if usage else None
        found = self._aggregated(query, moment, own, division)
        sums = of_traces.result() if of_traces is not None else {}
        return {
            key: replace(read_stats(own, row), **(read_fields(usage, sums[key], row[0]) if key in sums else {}))
            for key, row in found.items()
        }

    def _aggregated(
        self, query: RunQuery, moment: Moment, blocks: Sequence[Block], division: _Division
    ) -> dict[Key, Cells]:
        """The number of runs and the cells of the blocks for each part, table by table where that is possible."""
        tables = tables_at(near(query, moment))
        if division.by is not None and division.by.only is None and len(tables) > 1:
            return self._rows_of(query, moment, blocks, division, None)  # the largest groups are those of both
        first, *others = tables
        parts = [self._helpers.submit(self._rows_of, query, moment, blocks, division, table) for table in others]
        lists = [self._rows_of(query, moment, blocks, division, first), *(part.result() for part in parts)]
        try:
            return _merged(blocks, lists)
        except Unmergeable:
            return self._rows_of(query, moment, blocks, division, None)

    def _rows_of(
        self,
        query: RunQuery,
        moment: Moment,
        blocks: Sequence[Block],
        division: _Division,
        table: RunTable | None,
    ) -> dict[Key, Cells]:
        """As ``_aggregated``, of one table or, for None, of both as one set."""
        scope, conditions = scoped(query, moment)
        divided = division.cells(scope)
        columns = dict.fromkeys(column for block in blocks for column in block.columns)
        selected = ", ".join([*(f"{sql} AS {name}" for name, sql in divided.items()), *columns]) or "1"
        runs = scope.select(selected, conditions) if table is None else scope.select_from(table, selected, conditions)
        cells = ["count()", *(cell for block in blocks for cell in block.cells)]
        return self._keyed(scope, runs, cells, divided, division)

    def _of_traces(
        self, query: RunQuery, moment: Moment, blocks: Sequence[Block], division: _Division
    ) -> dict[Key, Cells]:
        """The cells of blocks about tokens and costs, over the sums of each trace whose root meets the query."""
        scope, conditions = scoped(query, moment)
        divided = division.cells(scope)
        keys = [f"{sql} AS {name}" for name, sql in divided.items()]
        roots = scope.select(", ".join(["trace_id AS root_id", *keys]), conditions)
        has_details = any("card" in block.columns for block in blocks)
        runs = scope.select(
            f"trace_id, {USAGE_COLUMNS}" + (", card" * has_details),
            [f"trace_id IN (SELECT trace_id FROM ({scope.select('trace_id', conditions)}))"],
        )
        sums = [f"sum(x.{name}) AS {name}" for name in _TOKENS] + [f"sumOrNull(x.{name}) AS {name}" for name in _COSTS]
        details = detail_sums(scope.columns.details) if has_details else ()
        sums += [f"{cell} AS details_{index}" for index, cell in enumerate(details)]
        traces = (
            f"SELECT {', '.join([*divided, 'root_id', *sums])} FROM ({runs}) AS x INNER JOIN ({roots}) AS r"
            f" ON x.trace_id = r.root_id GROUP BY {', '.join([*divided, 'root_id'])}"
        )
        again = [f"sumMap(details_{index}.1, details_{index}.2)" for index in range(len(details))]
        cells = [cell for block in blocks for cell in (again if "card" in block.columns else block.cells)]
        unlimited = _Division(by=None if division.by is None else replace(division.by, max_groups=MAX_BUCKETS))
        found = self._keyed(scope, traces, ["count()", *cells], divided, unlimited)
        return {key: row[1:] for key, row in found.items()}

    def _keyed(
        self, scope: RunScope, runs: str, cells: Sequence[str], divided: Mapping[str, str], division: _Division
    ) -> dict[Key, Cells]:
        """Run an aggregation; by the values that the set is divided by, the largest part first."""
        sql = f"SELECT {', '.join([*divided, *cells])} FROM ({runs})"
        if division.by is not None:
            sql += f" WHERE {_among(division.by, scope)}"
        if divided:
            limit = MAX_BUCKETS + 1
            if division.by is not None and division.interval is None:
                limit = max(1, min(division.by.max_groups, limit))
            sql += f" GROUP BY {', '.join(divided)} ORDER BY count() DESC, {', '.join(divided)} LIMIT {limit}"
        rows = self._rows(sql, scope)
        return {tuple(row[: len(divided)]): row[len(divided) :] for row in rows}

    def _feedback(self, query: RunQuery, moment: Moment) -> dict[str, FeedbackSummary]:
        scope, conditions = scoped(query, moment)
        rows = self._rows(set_summary_sql(scope, scope.select("id", conditions)), scope)
        return {str(key): read_summary(cells) for key, *cells in rows}

    def _thread_feedback(self, query: RunQuery, moment: Moment) -> dict[str, FeedbackSummary]:
        """Feedback on the threads of the runs as wholes; runs are not read where no thread has any."""
        scope, conditions = scoped(query, moment)
        if not self._rows(has_thread_feedback_sql(scope), scope):
            return {}
        threads = scope.select("thread_id", [*conditions, "thread_id != ''"])
        rows = self._rows(thread_summary_sql(scope, threads), scope)
        return {str(key): replace(read_summary(cells), on_thread=True) for key, *cells in rows}

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

    def _facets(self, query: RunQuery, moment: Moment) -> list[Row]:
        scope = run_scope(query, moment)
        return self._rows(facets_sql(scope, run_conditions(query, scope)), scope)

    def _rows(self, sql: str, scope: RunScope) -> list[Row]:
        return self._engine.select(scope.statement(sql, statement_settings(self._limits))).rows


_TOKENS: Final = ("total_tokens", "prompt_tokens", "completion_tokens")
_COSTS: Final = ("total_cost", "prompt_cost", "completion_cost")


def _merged(blocks: Sequence[Block], lists: Sequence[Mapping[Key, Cells]]) -> dict[Key, Cells]:
    keys = dict.fromkeys(key for rows in lists for key in rows)
    merged = {key: merge_rows(blocks, [rows[key] for rows in lists if key in rows]) for key in keys}
    return dict(sorted(merged.items(), key=lambda item: -item[1][0])) if len(lists) > 1 else merged


def _bucket_sql(interval: Interval, scope: RunScope) -> str:
    """SQL of the start of the span that a run started in, in microseconds UTC."""
    zone = scope.params.add("String", interval.timezone)
    span = f"INTERVAL {int(interval.count)} {interval.unit.value.upper()}"
    start = f"toStartOfInterval(start_time, {span}, {zone})"
    return f"toInt64(toUnixTimestamp(toDateTime({start}, {zone}))) * 1000000"


def _group_sql(by: Grouping, scope: RunScope) -> str:
    """SQL of the value a run is grouped by; empty text means that it has none."""
    match by.attribute:
        case GroupAttribute.NAME | GroupAttribute.RUN_TYPE | GroupAttribute.MODEL | GroupAttribute.STATUS:
            return f"toString({by.attribute.value})"
        case GroupAttribute.TAG:
            return "arrayJoin(tags)"
        case GroupAttribute.METADATA:
            key = scope.params.add("String", by.path or "")
            return f"metadata_values[indexOf(metadata_keys, {key})]"


def _among(by: Grouping, scope: RunScope) -> str:
    if by.only is None:
        return "group_value != ''"
    return f"group_value IN {scope.params.add('Array(String)', by.only)}"
