"""A run query as sent to a ``RunQuery``: filters parsed and bound, projects resolved, defaults filled in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

from runlake.errors import FilterError, InvalidError, UserError
from runlake.fql import Mode, read_bar, read_filter
from runlake.fql.bound import BoundExpr, PairExists, Related, SearchTest
from runlake.fql.logic import all_of, leaves
from runlake.fql.terms import read_terms
from runlake.fql.trace_sums import on_trace_sums
from runlake.fql.vocabulary import PairFamily
from runlake.model.run_stats import DEFAULT_STATS, TOKEN_STATS, StatsSelect
from runlake.query.request import Order, RunQuery
from runlake.query.stats import Grouping
from runlake.wire.run_queries import DEFAULT_SELECT, RunQuerySpec

LiveProjects = Callable[[UUID], tuple[UUID, ...]]
"""The projects of a tenant that are not deleted."""

_LOOKS_LIKE_CALL: Final = re.compile(r"\s*[a-z_]+\s*\(", re.IGNORECASE)


def read_run_query(
    spec: RunQuerySpec, *, tenant_id: UUID, live_projects: LiveProjects, mode: Mode = Mode.LENIENT
) -> RunQuery:
    """The typed query; FilterError tells which of the filters is wrong, and where."""
    query, problems = check_run_query(spec, tenant_id=tenant_id, live_projects=live_projects, mode=mode)
    if problems:
        raise problems[0]
    return query


def check_run_query(
    spec: RunQuerySpec, *, tenant_id: UUID, live_projects: LiveProjects, mode: Mode = Mode.LENIENT
) -> tuple[RunQuery, list[UserError]]:
    """The typed query without the filters that cannot be read, and what is wrong with those."""
    filters = _Filters(mode)
    search = [
        filters.free_text(spec.query, "query"),
        filters.free_text(spec.search_filter, "search_filter"),
        filters.read(spec.search, "search", read_bar),
    ]
    wanted = [expr for expr in search if expr is not None]
    query = RunQuery(
        tenant_id=tenant_id,
        sessions=live_sessions(spec.sessions, live_projects(tenant_id)),
        ids=spec.ids or None,
        among=spec.among,
        trace=spec.trace,
        traces=spec.traces,
        thread=spec.thread,
        has_thread=spec.has_thread,
        thread_of_root=spec.thread_of_root,
        parent_run=spec.parent_run,
        run_type=spec.run_type,
        reference_examples=spec.reference_examples or None,
        start_time_from=spec.start_time_from,
        start_time_to=spec.start_time_to,
        error=spec.error,
        is_root=spec.is_root,
        filter=filters.read(spec.filter, "filter"),
        trace_filter=_on_roots(spec.trace_filter, spec, filters),
        tree_filter=filters.read(spec.tree_filter, "tree_filter"),
        search=all_of(wanted) if wanted else None,
        order=Order.OLDEST_FIRST if spec.ascending else Order.NEWEST_FIRST,
        page_rows=spec.limit,
        select=DEFAULT_SELECT if spec.select is None else spec.select,
        usage_of=spec.usage_of,
        feedback_from=spec.feedback_from,
        feedback_to=spec.feedback_to,
    )
    filters.problems += _feedback_bounds(query)
    thread_with = _thread_with(query, spec, filters)
    return (query if thread_with is None else replace(query, thread_with=thread_with)), filters.problems


def _on_roots(text: str | None, spec: RunQuerySpec, filters: _Filters) -> BoundExpr | None:
    found = filters.read(text, "trace_filter")
    return on_trace_sums(found) if found is not None and spec.on_trace_sums else found


def _feedback_bounds(query: RunQuery) -> list[UserError]:
    """Bounds on feedback without a condition on feedback would silently do nothing."""
    if query.feedback_from is None and query.feedback_to is None:
        return []
    filters = [expr for expr in (query.filter, query.trace_filter, query.tree_filter) if expr is not None]
    if any(_speaks_of_feedback(leaf) for expr in filters for leaf in leaves(expr)):
        return []
    name = "min_feedback_modified_at" if query.feedback_from is not None else "max_feedback_modified_at"
    message = f"{name} bounds the feedback conditions of a filter, of which there is none; add one or leave it out"
    return [InvalidError(message, field=name, suggestion='eq(feedback_key, "correctness")')]


def _speaks_of_feedback(leaf: BoundExpr) -> bool:
    if isinstance(leaf, Related):
        return any(_speaks_of_feedback(inner) for inner in leaves(leaf.child))
    return isinstance(leaf, PairExists) and leaf.family is PairFamily.FEEDBACK


def _thread_with(query: RunQuery, spec: RunQuerySpec, filters: _Filters) -> RunQuery | None:
    """The roots of which a thread must have one, looked for in the same projects and the same span of time."""
    if spec.thread_trace_filter is None and spec.thread_tree_filter is None:
        return None
    return RunQuery(
        tenant_id=query.tenant_id,
        sessions=query.sessions,
        start_time_from=query.start_time_from,
        start_time_to=query.start_time_to,
        is_root=True,
        has_thread=True,
        trace_filter=_on_roots(spec.thread_trace_filter, spec, filters),
        tree_filter=filters.read(spec.thread_tree_filter, "tree_filter"),
    )


def read_grouping(spec: RunQuerySpec) -> Grouping | None:
    """How statistics are grouped, or None."""
    if spec.group_by is None:
        return None
    return Grouping(
        attribute=spec.group_by.attribute,
        path=spec.group_by.path,
        max_groups=max(spec.group_by.max_groups, len(spec.groups or ())),
        only=spec.groups or None,
    )


def wanted_stats(spec: RunQuerySpec) -> frozenset[StatsSelect]:
    """Which statistics to compute; names that are none of them ask for nothing."""
    if not spec.select_names:
        return DEFAULT_STATS
    chosen = {StatsSelect(name) for name in spec.select_names if name in frozenset(StatsSelect)}
    if StatsSelect.ALL_RUN_STATS in chosen:
        chosen |= DEFAULT_STATS
    if StatsSelect.ALL_TOKEN_STATS in chosen:
        chosen |= TOKEN_STATS
    return frozenset(chosen)


def live_sessions(wanted: tuple[UUID, ...] | None, live: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """The projects to look in. Absent (or an empty list) means all; what is deleted or foreign is nowhere."""
    if not wanted:
        return live
    known = set(live)
    return tuple(session for session in wanted if session in known)


class _Filters:
    """Reads filters and keeps what goes wrong."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self.problems: list[UserError] = []

    def read(
        self, text: str | None, field: str, reader: Callable[..., BoundExpr | None] = read_filter
    ) -> BoundExpr | None:
        if text is None:
            return None
        try:
            return reader(text, field=field, mode=self._mode)
        except FilterError as error:
            self.problems.append(error)
            return None

    def free_text(self, text: str | None, field: str) -> BoundExpr | None:
        """A filter where the text is one, words to search for otherwise (the hosted service takes either)."""
        if text is None:
            return None
        if _LOOKS_LIKE_CALL.match(text):
            try:
                return read_filter(text, field=field, mode=self._mode)
            except FilterError:
                pass
        terms = read_terms(text)
        return SearchTest(terms=terms) if terms else None
