"""The v2 API of threads: list, turns, statistics of one and of all."""

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
from runlake.api.links import V2Links, parameters_of
from runlake.api.page_stream import answer_page
from runlake.errors import InvalidError
from runlake.model.usage import UsageOf
from runlake.query.thread_queries import ThreadQueries
from runlake.wire.members import MemberReader, names_member, text_member
from runlake.wire.run_queries import RunQuerySpec
from runlake.wire.scalars import read_id
from runlake.wire.threads import (
    ThreadAggregates,
    ThreadsPage,
    ThreadStatsBody,
    aggregates_body,
    read_aggregate_selects,
    read_thread_selects,
    stats_selects,
    thread_body,
    thread_stats_body,
)
from runlake.wire.v2_queries import (
    ThreadQueryV2,
    raise_first,
    read_parameters,
    read_thread_query_v2,
    read_turn_query,
    required,
)
from runlake.wire.v2_runs import TurnsPage, turn_body
from runlake.wire.v2_selects import ThreadSelect


@post(
    "/v2/threads/query",
    status_code=200,
    access=Access.READ,
    summary="List threads (v2)",
    opt={"request_body": ThreadQueryV2, "answer": ThreadsPage},
)
async def query_threads(
    request: AnyRequest, tenant_id: NamedDependency[UUID], threads: NamedDependency[ThreadQueries]
) -> Response[Any]:
    """One page, the thread with the newest trace first; counts and sums are of the traces that match."""
    spec, _ = read_thread_query_v2(await read_small_body(request))
    page = await threads.page(spec, tenant_id=tenant_id)
    return await answer_page(request, [thread_body(thread) for thread in page.threads], page.next_cursor)


@get(
    "/v2/threads/{thread_id:str}/traces",
    access=Access.READ,
    summary="List the traces of a thread (v2)",
    opt={"answer": TurnsPage},
)
async def list_thread_traces(
    request: AnyRequest,
    thread_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    threads: NamedDependency[ThreadQueries],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """One page, oldest first."""
    query = read_turn_query(thread_id, parameters_of(request))
    selects = query.selects or frozenset()
    with_numbers = ThreadSelect.TURN_NUMBER in selects
    page = await threads.turns(query.spec, tenant_id=tenant_id, with_numbers=with_numbers)
    links = await asyncio.to_thread(v2_links.of, request, tenant_id, frozenset(), page.runs)
    items = [turn_body(run, selects, links, page.numbers.get(run.id)) for run in page.runs]
    return await answer_page(request, items, page.next_cursor)


@get(
    "/v2/threads/{thread_id:str}/stats",
    access=Access.READ,
    summary="Statistics of a thread (v2)",
    opt={"answer": ThreadStatsBody},
)
async def read_thread_stats(
    request: AnyRequest,
    thread_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    threads: NamedDependency[ThreadQueries],
) -> Response[Any]:
    """Over all of its traces, or those whose root meets ``filter``."""
    reader = MemberReader(read_parameters(parameters_of(request), ("session_id", "filter", "selects")))
    selects = read_thread_selects(reader.read("selects", names_member) or ())
    project_id = reader.read("session_id", read_id)
    filter_text = reader.read("filter", text_member)
    raise_first(reader.problems)
    if not selects:
        raise InvalidError("selects is missing; name the statistics to compute, such as TURNS", field="selects")
    spec = RunQuerySpec(
        sessions=(required(project_id, "session_id"),), thread=thread_id, filter=filter_text, usage_of=UsageOf.RUN
    )
    found = await threads.one(spec, tenant_id=tenant_id)
    return json_answer(msgspec.json.encode(thread_stats_body(found, selects)))


@post(
    "/v2/threads/stats",
    status_code=200,
    access=Access.READ,
    summary="Statistics over threads (v2)",
    opt={"request_body": ThreadQueryV2, "answer": ThreadAggregates},
)
async def query_thread_stats(
    request: AnyRequest, tenant_id: NamedDependency[UUID], threads: NamedDependency[ThreadQueries]
) -> Response[Any]:
    """Over the traces of the threads that match."""
    spec, sent = read_thread_query_v2(await read_small_body(request))
    selects = read_aggregate_selects(sent.select if sent.select is not None else [])
    if not selects:
        raise InvalidError("select is missing; name the statistics to compute, such as THREAD_COUNT", field="select")
    count, stats = await threads.stats(spec, stats_selects(selects), tenant_id=tenant_id)
    return json_answer(msgspec.json.encode(aggregates_body(count, stats, selects)))


V2_THREAD_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    query_threads,
    list_thread_traces,
    read_thread_stats,
    query_thread_stats,
)
