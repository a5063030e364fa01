"""Reads of feedback: the statements; ``store.feedback_rows`` turns rows back into the model.

Of several rows with one id the engine keeps the highest version and hides deleted ones (``FINAL``). The table is
narrow, and what lookups use is in its sorting key or never changes, so that its indexes stay valid under ``FINAL``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

from runlake.model.project import Feedback
from runlake.model.run import NO_ID
from runlake.store.engine import Engine, Params, Row, Statement
from runlake.store.feedback_rows import FEEDBACK_CELLS, decode_feedback

FeedbackLevel: TypeAlias = Literal["run", "thread", "session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFilter:
    """Which feedback a listing wants; every given condition must hold, a list means any of it.

    ``sessions`` finds feedback that names one of these projects, or whose run lies there; ``users`` are ids that the
    source of the feedback names. ``level`` is ``run`` for judgements of a run, ``thread`` and ``session`` for those of
    a thread or a project as a whole. Times are inclusive microseconds UTC.
    """

    runs: tuple[UUID, ...] | None = None
    sessions: tuple[UUID, ...] | None = None
    keys: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None
    comparative_experiment: UUID | None = None
    has_comment: bool | None = None
    has_score: bool | None = None
    threads: tuple[str, ...] | None = None
    level: FeedbackLevel | None = None
    min_created_at: int | None = None
    max_created_at: int | None = None


RunsOf = Callable[[Params, UUID, tuple[UUID, ...]], str]
"""SQL of the ids of a tenant's judged runs that lie in some projects; ``query.feedback_runs`` writes it."""


class FeedbackReader:
    """Blocking reads of feedback."""

    def __init__(self, engine: Engine, runs_of: RunsOf) -> None:
        self._engine = engine
        self._runs_of = runs_of

    def read(self, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Feedback]:
        """The latest versions by id, without those that were deleted or never there."""
        places = self._engine.select(places_statement(tenant_id, ids)).rows
        if not places:
            return {}
        rows = self._engine.select(read_statement(tenant_id, ids, places)).rows
        return {found.id: found for found in (decode_feedback(tenant_id, row) for row in rows)}

    def list(self, tenant_id: UUID, wanted: FeedbackFilter, *, offset: int, limit: int) -> list[Feedback]:
        """Newest first by creation, then by id."""
        statement = list_statement(tenant_id, wanted, self._runs_of, offset=offset, limit=limit)
        return [decode_feedback(tenant_id, row) for row in self._engine.select(statement).rows]


def places_statement(tenant_id: UUID, ids: Sequence[UUID]) -> Statement:
    """Key and run of every row with one of the ids, which with the id are the table's sorting key.

    Most ids that are asked for are new, and to see that is cheaper without ``FINAL``, under which the engine reads
    around what an index names: 5 ms of CPU for 8 ids among 329,000 rows, instead of 24.
    """
    params = Params()
    sql = f"SELECT key, run_id FROM feedback WHERE {_has_id(params, tenant_id, ids)}"
    return Statement(sql, params.as_tuple())


def read_statement(tenant_id: UUID, ids: Sequence[UUID], places: Sequence[Row]) -> Statement:
    """The latest rows with the ids, which lie at the given keys and runs."""
    params = Params()
    keys = params.add("Array(String)", tuple({str(key) for key, _ in places}))
    runs = params.add("Array(UUID)", tuple({UUID(str(run_id)) for _, run_id in places}))
    condition = f"key IN {keys} AND run_id IN {runs} AND {_has_id(params, tenant_id, ids)}"
    # An id written again under another key or run has two rows that FINAL cannot unite: the later one counts.
    order = "ORDER BY version DESC LIMIT 1 BY id"
    return Statement(f"SELECT {FEEDBACK_CELLS} FROM feedback FINAL WHERE {condition} {order}", params.as_tuple())


def _has_id(params: Params, tenant_id: UUID, ids: Sequence[UUID]) -> str:
    return f"tenant_id = {params.add('UUID', tenant_id)} AND id IN {params.add('Array(UUID)', ids)}"


def list_statement(tenant_id: UUID, wanted: FeedbackFilter, runs_of: RunsOf, *, offset: int, limit: int) -> Statement:
    params = Params()
    conditions = [f"tenant_id = {params.add('UUID', tenant_id)}", *_conditions(params, wanted)]
    if wanted.sessions is not None:
        named = f"session_id IN {params.add('Array(UUID)', wanted.sessions)}"
        # Feedback may name no project, because most clients do not; then its run says where it belongs.
        conditions.append(f"({named} OR run_id IN ({runs_of(params, tenant_id, wanted.sessions)}))")
    window = f"LIMIT {params.add('UInt64', limit)} OFFSET {params.add('UInt64', offset)}"
    return Statement(
        f"SELECT {FEEDBACK_CELLS} FROM feedback FINAL WHERE {' AND '.join(conditions)} "
        f"ORDER BY created_at DESC, id DESC {window}",
        params.as_tuple(),
    )


def _conditions(params: Params, wanted: FeedbackFilter) -> list[str]:
    found: list[str] = []
    _add_ids(found, params, "run_id", wanted.runs)
    if wanted.comparative_experiment is not None:
        _add_ids(found, params, "comparative_experiment_id", (wanted.comparative_experiment,))
    _add_texts(found, params, "key", wanted.keys)
    _add_texts(found, params, "source_type", wanted.sources)
    _add_texts(found, params, "thread_id", wanted.threads)
    if wanted.users is not None:
        users = params.add("Array(String)", wanted.users)
        who = (f"JSONExtractString(source, '{name}') IN {users}" for name in ("user_id", "ls_user_id"))
        found.append(f"({' OR '.join(who)})")
    if wanted.has_comment is not None:
        found.append("comment != ''" if wanted.has_comment else "comment = ''")
    if wanted.has_score is not None:
        found.append("isNotNull(score)" if wanted.has_score else "isNull(score)")
    if wanted.level is not None:
        found.append(_of_level(params, wanted.level))
    if wanted.min_created_at is not None:
        found.append(f"created_at >= fromUnixTimestamp64Micro({params.add('Int64', wanted.min_created_at)})")
    if wanted.max_created_at is not None:
        found.append(f"created_at <= fromUnixTimestamp64Micro({params.add('Int64', wanted.max_created_at)})")
    return found


def _of_level(params: Params, level: FeedbackLevel) -> str:
    none = params.add("UUID", NO_ID)
    match level:
        case "run":
            return f"run_id != {none}"
        case "thread":
            return f"run_id = {none} AND thread_id != ''"
        case "session":
            return f"run_id = {none} AND thread_id = ''"
        case _:
            assert_never(level)


def _add_ids(found: list[str], params: Params, column: str, ids: Sequence[UUID] | None) -> None:
    if ids is not None:
        found.append(f"{column} IN {params.add('Array(UUID)', ids)}")


def _add_texts(found: list[str], params: Params, column: str, texts: Sequence[str] | None) -> None:
    if texts is not None:
        found.append(f"{column} IN {params.add('Array(String)', texts)}")
