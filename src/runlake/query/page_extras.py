"""What a page says of a run beyond its own row: its feedback, and its relatives. Asked for the runs of a page only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, pstdev
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.model.run import NO_ID
from runlake.model.run_record import FeedbackSummary, RunRecord
from runlake.query.pair_sql import latest_feedback
from runlake.query.scope import RunScope
from runlake.store.engine import Row

MAX_COMMENTS: Final = 20
"""Most comments that a summary repeats; ``n`` counts them all."""

SUMMARY_CELLS: Final = (
    "count(), avgOrNull(score), minOrNull(score), maxOrNull(score), stddevPopOrNull(score), countIf(error),"
    " sumMapIf([JSONExtractString(value)], [toUInt64(1)], startsWith(value, '\"')),"
    f" groupUniqArrayIf({MAX_COMMENTS})(comment, comment != ''), groupUniqArray(toString(source_type))"
)
"""Cells that ``read_summary`` reads, over rows of ``latest_feedback``."""

_ON_THREAD: Final = "thread_id != ''"
_ON_THREAD_CELLS: Final = "thread_id, id, version, deleted, key, score, error, value, comment, source_type"


def feedback_sql(scope: RunScope, run_ids: Sequence[UUID]) -> str:
    """SQL of all rows of feedback on some runs, superseded ones included; ``add_feedback`` picks and counts.

    For the few rows of a page that is quicker than letting the engine do it: analysing the aggregates takes longer.
    """
    return (
        "SELECT run_id, id, version, deleted, key, score, error, value, comment, source_type"
        f" FROM {scope.columns.feedback.table} WHERE tenant_id = {scope.tenant} AND version <= {scope.visible}"
        f" AND run_id IN {scope.params.add('Array(UUID)', run_ids)}"
    )


def thread_feedback_sql(scope: RunScope, threads: Sequence[str]) -> str:
    """SQL of the feedback on some threads as wholes: the thread in the place of the run, else as ``feedback_sql``."""
    named = f"thread_id IN {scope.params.add('Array(String)', threads)}"
    return f"SELECT {_ON_THREAD_CELLS} FROM {_latest_on_threads(scope, named)} WHERE {named}"


def thread_summary_sql(scope: RunScope, threads: str) -> str:
    """SQL of the feedback on all of ``threads`` (a select of ids) as wholes by key: key, then ``SUMMARY_CELLS``."""
    latest = _latest_on_threads(scope, _ON_THREAD)
    return f"SELECT key, {SUMMARY_CELLS} FROM {latest} WHERE thread_id IN ({threads}) GROUP BY key ORDER BY key"


def has_thread_feedback_sql(scope: RunScope) -> str:
    """SQL of one row when any thread in scope has feedback of its own."""
    return f"SELECT 1 FROM {_latest_on_threads(scope, _ON_THREAD)} LIMIT 1"


def _latest_on_threads(scope: RunScope, once: str) -> str:
    """A table expression: feedback on threads of the scope's projects that met ``once`` at any time, as it is now."""
    table = scope.columns.feedback.table
    mine = f"tenant_id = {scope.tenant} AND version <= {scope.visible} AND run_id = {scope.params.add('UUID', NO_ID)}"
    ids = f"SELECT id FROM {table} WHERE {mine} AND {once}"
    versions = f"SELECT {_ON_THREAD_CELLS}, session_id FROM {table} WHERE {mine} AND id IN ({ids})"
    return (
        f"(SELECT * FROM ({versions} ORDER BY version DESC LIMIT 1 BY id)"
        f" WHERE deleted = 0 AND {_ON_THREAD} AND {scope.in_sessions})"
    )


def set_summary_sql(scope: RunScope, runs: str) -> str:
    """SQL of the feedback on all of ``runs`` (a select of ids) by key: key, then ``SUMMARY_CELLS``."""
    return (
        f"SELECT key, {SUMMARY_CELLS} FROM {latest_feedback(scope.context)}"
        f" WHERE run_id IN ({runs}) GROUP BY key ORDER BY key"
    )


def read_summary(cells: Sequence[Any]) -> FeedbackSummary:
    """The summary in ``SUMMARY_CELLS``."""
    n, avg, low, high, deviation, errors, categories, comments, sources = cells
    names, counts = categories
    return FeedbackSummary(
        n=n,
        avg=avg,
        min=low,
        max=high,
        stdev=deviation,
        errors=errors,
        values=dict(zip(names, counts, strict=True)),
        comments=tuple(comments),
        sources=tuple(sorted(sources)),
    )


def add_feedback(runs: Iterable[RunRecord], rows: Iterable[Row]) -> None:
    """Give each run the summaries of its feedback, from rows of ``feedback_sql``."""
    found = summarise_by(rows, lambda run_id: run_id)
    for run in runs:
        run.feedback = found.get(run.id)


def summarise_by(rows: Iterable[Row], owner_of: Callable[[str], str]) -> dict[str, dict[str, FeedbackSummary]]:
    """Summaries by key for each owner of runs, from rows of ``feedback_sql``."""
    latest: dict[tuple[Any, Any], list[Any]] = {}
    for row in rows:
        identity = (row[0], row[1])
        if identity not in latest or row[2] > latest[identity][2]:
            latest[identity] = row
    grouped: dict[str, dict[Any, list[list[Any]]]] = {}
    for row in latest.values():
        if not row[3]:
            grouped.setdefault(owner_of(str(row[0])), {}).setdefault(row[4], []).append(row[5:])
    return {owner: {key: _summarise(found[key]) for key in sorted(found)} for owner, found in grouped.items()}


def _summarise(rows: Sequence[Sequence[Any]]) -> FeedbackSummary:
    """The summary of rows of score, error, value, comment and source."""
    scores = [float(row[0]) for row in rows if row[0] is not None]
    categories = [msgspec.json.decode(row[2]) for row in rows if row[2].startswith('"')]
    comments = dict.fromkeys(row[3] for row in rows if row[3])
    return FeedbackSummary(
        n=len(rows),
        avg=fmean(scores) if scores else None,
        min=min(scores, default=None),
        max=max(scores, default=None),
        stdev=_spread(scores),
        errors=sum(1 for row in rows if row[1]),
        values=Counter(categories),
        comments=tuple(comments)[:MAX_COMMENTS],
        sources=tuple(sorted({row[4] for row in rows})),
    )


def _spread(scores: Sequence[float]) -> float | None:
    """The standard deviation; of one score, which most keys of a run have, without the exact arithmetic of many."""
    return pstdev(scores) if len(scores) > 1 else 0.0 if scores else None


def children_sql(scope: RunScope, trace_ids: Sequence[UUID]) -> str:
    """SQL of id, parent and dotted order of every run of the traces, from the first start on."""
    in_traces = f"trace_id IN {scope.params.add('Array(UUID)', trace_ids)}"
    both = scope.select("id, parent_run_id, dotted_order, start_time", [in_traces])
    return f"SELECT toString(id), toString(parent_run_id), dotted_order FROM ({both}) ORDER BY start_time, id"


def add_children(runs: Iterable[RunRecord], rows: Iterable[Row]) -> None:
    """Give each run the ids of its children and of all its descendants, from rows of ``children_sql``."""
    direct: dict[str, list[str]] = {}
    descendants: dict[str, list[str]] = {}
    for run_id, parent_id, dotted_order in rows:
        direct.setdefault(str(parent_id), []).append(str(run_id))
        for ancestor in parent_ids(str(dotted_order)) or [str(parent_id)]:
            descendants.setdefault(ancestor, []).append(str(run_id))
    for run in runs:
        run.direct_children = direct.get(run.id, [])
        run.children = descendants.get(run.id, [])


_ID_CHARS: Final = 36


def parent_ids(dotted_order: str) -> list[str]:
    """The ids above a run, from the root down to its parent: every segment but the last ends with one."""
    return [segment[-_ID_CHARS:] for segment in dotted_order.split(".")[:-1]]
