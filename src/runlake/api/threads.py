"""Threads through the v1 API: groups of runs by conversation, and the messages of one thread."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from runlake.api.answers import json_answer
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.links import parameters_of
from runlake.errors import InvalidError, NotFoundError
from runlake.fql.printer import print_text
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.run_stats import DEFAULT_STATS
from runlake.query.service import RunQueries
from runlake.query.thread_queries import ThreadQueries
from runlake.wire.json_text import decode_object
from runlake.wire.members import MemberReader, choice_member, ids_member, names_member, text_member, whole_member
from runlake.wire.messages import first_and_last, human_and_ai, messages_of, new_messages
from runlake.wire.run_queries import RunQuerySpec
from runlake.wire.scalars import read_time
from runlake.wire.stats import StatsBody, stats_body
from runlake.wire.threads import ThreadGroups, ThreadPreviews, previews, thread_group
from runlake.wire.v2_queries import raise_first, read_parameters

PREVIEWS: Final = ("all_messages", "human_ai_pairs", "first_human_last_ai")


class GroupQuery(msgspec.Struct, kw_only=True, gc=False):
    """The body of ``POST /runs/group`` and ``POST /runs/group/stats``; ``group_by`` takes ``conversation`` alone."""

    session_id: Any = None
    group_by: Any = None
    filter: Any = None
    start_time: Any = None
    end_time: Any = None
    offset: Any = None
    limit: Any = None


_GROUP_QUERY: Final = msgspec.json.Decoder(GroupQuery)


async def _read_group_query(request: AnyRequest) -> tuple[RunQuerySpec, int]:
    body = await read_small_body(request)
    reader = MemberReader(decode_object(body, _GROUP_QUERY) if body.strip() else GroupQuery())
    reader.read("group_by", lambda value, field: choice_member(value, field, ("conversation",)))
    sessions = reader.read("session_id", ids_member)
    spec = RunQuerySpec(
        sessions=sessions,
        is_root=True,
        filter=reader.read("filter", text_member),
        start_time_from=reader.read("start_time", read_time),
        start_time_to=reader.read("end_time", read_time),
        limit=reader.read("limit", _count_of("1")) or 10,
    )
    offset = reader.read("offset", _count_of("0")) or 0
    raise_first(reader.problems)
    if not sessions:
        raise InvalidError("session_id is missing; it is the id of a project", field="session_id")
    return spec, offset


def _count_of(least: str) -> Any:
    def read(value: Any, field: str) -> int:
        count = whole_member(value, field, f"a whole number of at least {least}")
        if not int(least) <= count <= 2**31:
            raise InvalidError(f"{field} must be a whole number of at least {least}", field=field)
        return count

    return read


@post(
    "/runs/group",
    status_code=200,
    access=Access.READ,
    summary="List threads",
    opt={"request_body": GroupQuery, "answer": ThreadGroups},
)
async def group_runs(
    request: AnyRequest, tenant_id: NamedDependency[UUID], threads: NamedDependency[ThreadQueries]
) -> Response[Any]:
    """Roots of a project grouped by thread, the one with the newest root first."""
    spec, offset = await _read_group_query(request)
    page = await threads.page(spec, tenant_id=tenant_id, offset=offset, with_total=True)
    groups = [
        thread_group(thread, f"and(eq(is_root, true), eq(thread_id, {print_text(thread.thread_id)}))")
        for thread in page.threads
    ]
    return json_answer(msgspec.json.encode(ThreadGroups(groups=groups, total=page.total or 0)))


@post(
    "/runs/group/stats",
    status_code=200,
    access=Access.READ,
    summary="Statistics over threads",
    opt={"request_body": GroupQuery, "answer": StatsBody},
)
async def group_stats(
    request: AnyRequest, tenant_id: NamedDependency[UUID], threads: NamedDependency[ThreadQueries]
) -> Response[Any]:
    """Statistics of the roots that belong to threads, and `group_count`."""
    spec, _ = await _read_group_query(request)
    count, stats = await threads.stats(spec, DEFAULT_STATS, tenant_id=tenant_id)
    body = msgspec.to_builtins(stats_body(stats, DEFAULT_STATS))
    return json_answer(msgspec.json.encode({**body, "group_count": count}))


@get(
    "/runs/threads/{thread_id:str}",
    access=Access.READ,
    summary="Read the messages of a thread",
    opt={"answer": ThreadPreviews},
)
async def read_thread(
    request: AnyRequest,
    thread_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
) -> Response[Any]:
    """Every preview in `select`: a line of JSON for each message, a blank line between two; any project by default."""
    reader = MemberReader(read_parameters(parameters_of(request), ("session_id", "select")))
    sessions = reader.read("session_id", ids_member)
    chosen = reader.read("select", _preview_names) or PREVIEWS[:1]
    raise_first(reader.problems)
    spec = RunQuerySpec(
        sessions=sessions,
        thread=thread_id,
        is_root=True,
        ascending=True,
        select=frozenset({RunSelect.INPUTS, RunSelect.OUTPUTS}),
    )
    turns = await runs.all(spec, tenant_id=tenant_id)
    if not turns:
        raise NotFoundError(f"no trace is in the thread {thread_id[:100]!r}", field="thread_id")
    found = await asyncio.to_thread(_previews, turns, chosen)
    return json_answer(msgspec.json.encode(ThreadPreviews(thread_id=thread_id, previews=previews(found))))


def _preview_names(value: Any, field: str) -> tuple[str, ...]:
    names = [part for name in names_member(value, field) for part in name.split(",") if part.strip()]
    return tuple(dict.fromkeys(choice_member(name, field, PREVIEWS) for name in names))


def _previews(turns: list[RunRecord], chosen: tuple[str, ...]) -> dict[str, list[bytes]]:
    """Each turn repeats the messages before it; only those are kept that it adds."""
    messages: list[bytes] = []
    for turn in turns:
        messages += new_messages(messages, messages_of(turn.inputs, turn.outputs))
    ways = {
        "all_messages": lambda: messages,
        "human_ai_pairs": lambda: human_and_ai(messages),
        "first_human_last_ai": lambda: first_and_last(messages),
    }
    return {name: ways[name]() for name in chosen}


THREAD_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (group_runs, group_stats, read_thread)
