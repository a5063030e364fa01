"""Statistics of whole projects, many at once: one statement over runs, one over the feedback on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from runlake.model.project_stats import ProjectStats
from runlake.model.run import NO_ID
from runlake.model.run_record import FeedbackSummary
from runlake.query.compile import time_value
from runlake.query.page_extras import SUMMARY_CELLS, read_summary
from runlake.query.pair_sql import latest_feedback
from runlake.query.plan import statement_settings
from runlake.query.request import QueryLimits
from runlake.query.scope import RunScope
from runlake.store.columns import RUN_COLUMNS
from runlake.store.engine import Cell, Engine, Params, Row, Statement
from runlake.store.moment import Moments

_RUN_CELLS: Final = (
    "session_id, duration_us, dateDiff('microsecond', start_time, first_token_time) AS first_token_us, total_tokens, "
    "prompt_tokens, completion_tokens, total_cost, prompt_cost, completion_cost, start_time, has_error"
)
_AGGREGATES: Final = (
    "session_id",
    "count()",
    "quantileOrNull(0.5)(duration_us) / 1e6",
    "quantileOrNull(0.99)(duration_us) / 1e6",
    "quantileOrNull(0.5)(first_token_us) / 1e6",
    "quantileOrNull(0.99)(first_token_us) / 1e6",
    "sum(total_tokens)",
    "sum(prompt_tokens)",
    "sum(completion_tokens)",
    "sumOrNull(total_cost)",
    "sumOrNull(prompt_cost)",
    "sumOrNull(completion_cost)",
    "toUnixTimestamp64Micro(max(start_time))",
    "avg(has_error)",
    "countIf(isNotNull(first_token_us)) / count()",
)


class ProjectStatsReader:
    """Blocking reads; every number is of one moment."""

    def __init__(self, *, engine: Engine, moments: Moments, limits: QueryLimits) -> None:
        self._engine = engine
        self._moments = moments
        self._settings = statement_settings(limits)

    def project_stats(
        self, tenant_id: UUID, projects: Sequence[UUID], *, since_us: int | None
    ) -> dict[UUID, ProjectStats]:
        """Statistics of those projects that have runs or feedback; ``since_us`` leaves out runs that started before."""
        on_runs = self._feedback(self._run_feedback_statement(tenant_id, projects, since_us))
        on_projects = self._feedback(self._project_feedback_statement(tenant_id, projects))
        found: dict[UUID, ProjectStats] = {
            project_id: ProjectStats(session_feedback=summary) for project_id, summary in on_projects.items()
        }
        for row in self._engine.select(self._runs_statement(tenant_id, projects, since_us)).rows:
            project_id = UUID(str(row[0]))
            found[project_id] = _stats(row, on_runs.get(project_id, {}), on_projects.get(project_id, {}))
        return found

    def _scope(self, tenant_id: UUID, projects: Sequence[UUID]) -> RunScope:
        return RunScope(
            tenant_id=tenant_id,
            sessions=tuple(projects),
            moment=self._moments.current(tenant_id),
            params=Params(),
            columns=RUN_COLUMNS,
        )

    def _runs_statement(self, tenant_id: UUID, projects: Sequence[UUID], since_us: int | None) -> Statement:
        scope = self._scope(tenant_id, projects)
        runs = scope.select(_RUN_CELLS, _since(since_us, scope.params))
        return Statement(
            f"SELECT {', '.join(_AGGREGATES)} FROM ({runs}) GROUP BY session_id",
            scope.params.as_tuple(),
            self._settings,
        )

    def _run_feedback_statement(self, tenant_id: UUID, projects: Sequence[UUID], since_us: int | None) -> Statement:
        scope = self._scope(tenant_id, projects)
        judged = f"id IN (SELECT run_id FROM feedback WHERE tenant_id = {scope.tenant})"
        runs = scope.select("id, session_id", [judged, *_since(since_us, scope.params)])
        feedback = latest_feedback(scope.context)
        return Statement(
            f"SELECT r.session_id, key, {SUMMARY_CELLS} FROM ({runs}) AS r"
            f" INNER JOIN {feedback} AS f ON r.id = f.run_id GROUP BY r.session_id, key ORDER BY key",
            scope.params.as_tuple(),
            self._settings,
        )

    def _project_feedback_statement(self, tenant_id: UUID, projects: Sequence[UUID]) -> Statement:
        scope = self._scope(tenant_id, projects)
        none, sessions = scope.params.add("UUID", NO_ID), scope.params.add("Array(UUID)", tuple(projects))
        return Statement(
            f"SELECT session_id, key, {SUMMARY_CELLS} FROM feedback FINAL WHERE tenant_id = {scope.tenant}"
            f" AND version <= {scope.visible} AND run_id = {none} AND thread_id = '' AND session_id IN {sessions}"
            " GROUP BY session_id, key ORDER BY key",
            scope.params.as_tuple(),
            self._settings,
        )

    def _feedback(self, statement: Statement) -> dict[UUID, dict[str, FeedbackSummary]]:
        found: dict[UUID, dict[str, FeedbackSummary]] = {}
        for session_id, key, *cells in self._engine.select(statement).rows:
            found.setdefault(UUID(str(session_id)), {})[str(key)] = read_summary(cells)
        return found


def _since(since_us: int | None, params: Params) -> list[str]:
    return [] if since_us is None else [f"start_time >= {time_value(since_us, params)}"]


def _stats(
    row: Row, feedback: Mapping[str, FeedbackSummary], session_feedback: Mapping[str, FeedbackSummary]
) -> ProjectStats:
    return ProjectStats(
        run_count=_integer(row[1]),
        latency_p50=_number(row[2]),
        latency_p99=_number(row[3]),
        first_token_p50=_number(row[4]),
        first_token_p99=_number(row[5]),
        total_tokens=_integer(row[6]),
        prompt_tokens=_integer(row[7]),
        completion_tokens=_integer(row[8]),
        total_cost=_cost(row[9]),
        prompt_cost=_cost(row[10]),
        completion_cost=_cost(row[11]),
        last_run_start_time=_integer(row[12]),
        error_rate=_number(row[13]),
        streaming_rate=_number(row[14]),
        feedback=feedback,
        session_feedback=session_feedback,
    )


def _integer(cell: Cell) -> int:
    return int(str(cell))


def _number(cell: Cell) -> float | None:
    return None if cell is None else float(str(cell))


def _cost(cell: Cell) -> Decimal | None:
    return None if cell is None else Decimal(str(cell))
