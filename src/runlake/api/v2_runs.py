"""The v2 API of runs and traces: the same queries as v1, in the shapes that generated clients expect."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote
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
from runlake.api.parameters import read_path_id
from runlake.api.projects import ProjectService
from runlake.errors import InvalidError
from runlake.model.run import NO_ID
from runlake.model.usage import UsageOf
from runlake.query.service import RunQueries
from runlake.wire.members import MemberReader, names_member
from runlake.wire.scalars import read_id
from runlake.wire.v2_queries import (
    RunQueryV2,
    TraceQueryV2,
    raise_first,
    read_parameters,
    read_run_query_v2,
    read_selects,
    read_trace_query_v2,
    read_trace_runs_query,
    required,
)
from runlake.wire.v2_runs import RunBodyV2, RunEncoderV2, RunsPageV2, TraceEncoder, TraceRunsV2, TracesPage
from runlake.wire.v2_selects import run_selects


class RunUrl(msgspec.Struct, frozen=True):
    """Where a user interface shows a run."""

    url: str


@post(
    "/v2/runs/query",
    status_code=200,
    access=Access.READ,
    summary="List runs (v2)",
    opt={"request_body": RunQueryV2, "answer": RunsPageV2},
)
async def query_runs_v2(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    projects: NamedDependency[ProjectService],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """One page, newest first; without ``min_start_time`` of the last 24 hours. Streams when asked for events."""
    query = read_run_query_v2(await read_small_body(request))
    spec = query.spec
    if query.reference_dataset is not None:
        experiments = await asyncio.to_thread(projects.experiments_on, tenant_id, query.reference_dataset)
        # No project is not every project: a query over nothing finds nothing.
        spec = replace(spec, sessions=experiments or (NO_ID,))
    page = await runs.page(spec, tenant_id=tenant_id)
    links = await asyncio.to_thread(v2_links.of, request, tenant_id, query.selects, page.runs)
    encoder = RunEncoderV2(query.selects, links)
    return await answer_page(request, [encoder.body(run) for run in page.runs], page.next_cursor)


@get("/v2/runs/{run_id:str}", access=Access.READ, summary="Read a run (v2)", opt={"answer": RunBodyV2})
async def read_run_v2(
    request: AnyRequest,
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """The run of a project, with the fields in ``selects``; without any only its id."""
    reader = MemberReader(read_parameters(parameters_of(request), ("project_id", "selects")))
    selects = read_selects(reader.read("selects", names_member))
    project_id = required(reader.read("project_id", read_id), "project_id") if not reader.problems else None
    raise_first(reader.problems)
    run = await runs.run(
        read_path_id(run_id, "run_id"),
        tenant_id=tenant_id,
        select=run_selects(selects),
        sessions=() if project_id is None else (project_id,),
        usage_of=UsageOf.RUN,
    )
    links = await asyncio.to_thread(v2_links.of, request, tenant_id, selects, [run])
    body = RunEncoderV2(selects, links).body(run)
    return json_answer(msgspec.json.encode(body))


@get("/v2/runs/{run_id:str}/url", access=Access.READ, summary="Where a run is shown (v2)")
async def read_run_url(
    request: AnyRequest, run_id: FromPath[str], tenant_id: NamedDependency[UUID], v2_links: NamedDependency[V2Links]
) -> RunUrl:
    """The address only; whether there is such a run is not looked up."""
    reader = MemberReader(read_parameters(parameters_of(request), ("project_id", "trace_id")))
    project_id, trace_id = reader.read("project_id", read_id), reader.read("trace_id", read_id)
    raise_first(reader.problems)
    if trace_id is None:
        raise InvalidError("trace_id is missing; it is the id of the root", field="trace_id")
    path = f"/o/{tenant_id}/projects/p/{required(project_id, 'project_id')}/r/{read_path_id(run_id, 'run_id')}"
    return RunUrl(f"{v2_links.root(request)}{path}?trace_id={quote(str(trace_id))}")


@post(
    "/v2/traces/query",
    status_code=200,
    access=Access.READ,
    summary="List traces (v2)",
    opt={"request_body": TraceQueryV2, "answer": TracesPage},
)
async def query_traces(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """One page of roots, newest first, with tokens, costs and the first token of the whole trace."""
    query = read_trace_query_v2(await read_small_body(request))
    page = await runs.page(query.spec, tenant_id=tenant_id)
    links = await asyncio.to_thread(v2_links.of, request, tenant_id, query.selects, page.runs)
    encoder = TraceEncoder(query.selects, links)
    return await answer_page(request, [encoder.body(run) for run in page.runs], page.next_cursor)


@get(
    "/v2/traces/{trace_id:str}/runs",
    access=Access.READ,
    summary="List the runs of a trace (v2)",
    opt={"answer": TraceRunsV2},
)
async def list_trace_runs(
    request: AnyRequest,
    trace_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """All of them, by start; there are no pages."""
    query = read_trace_runs_query(read_path_id(trace_id, "trace_id"), parameters_of(request))
    found = await runs.all(query.spec, tenant_id=tenant_id)
    links = await asyncio.to_thread(v2_links.of, request, tenant_id, query.selects, found)
    encoder = RunEncoderV2(query.selects, links)
    body = await asyncio.to_thread(lambda: msgspec.json.encode(TraceRunsV2([encoder.body(run) for run in found])))
    return json_answer(body)


V2_RUN_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    query_runs_v2,
    read_run_v2,
    read_run_url,
    query_traces,
    list_trace_runs,
)
