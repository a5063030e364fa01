"""Reads of runs: ``POST /runs/query``, ``POST /runs/query/validate`` and ``GET /runs/{id}``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import read_path_id
from runlake.api.run_bodies import EncoderOf, RunBodies, runs_answer
from runlake.api.run_pages import page_answer
from runlake.model.run_record import RunRecord, RunSelect
from runlake.query.service import RunQueries
from runlake.wire.run_queries import DEFAULT_SELECT, RunQueryBody, decode_query_body, read_query
from runlake.wire.runs import RunBody, RunsAnswer, Validation

_S3_FIELDS: Final = frozenset({RunSelect.S3_URLS, RunSelect.INPUTS_S3_URLS, RunSelect.OUTPUTS_S3_URLS})


@post(
    "/runs/query",
    status_code=200,
    access=Access.READ,
    summary="List runs",
    opt={"request_body": RunQueryBody, "answer": RunsAnswer},
)
async def query_runs(
    request: AnyRequest,
    *,
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    run_bodies: NamedDependency[RunBodies],
) -> Response[Any]:
    """One page, newest first unless asked otherwise; ``cursors.next`` is null on the last one."""
    spec = read_query(decode_query_body(await read_small_body(request)))
    page = await runs.page(spec, tenant_id=tenant_id)
    return await page_answer(request, page, run_bodies.of(request, tenant_id))


@post(
    "/runs/query/validate",
    status_code=200,
    access=Access.READ,
    summary="Check a query without running it",
    opt={"request_body": RunQueryBody},
)
async def validate_query(
    request: AnyRequest, tenant_id: NamedDependency[UUID], runs: NamedDependency[RunQueries]
) -> Validation:
    """Every problem of the body, by field."""
    body = decode_query_body(await read_small_body(request))
    problems = await asyncio.to_thread(runs.problems, body, tenant_id=tenant_id)
    return Validation(valid=not problems, errors=problems)


@get("/runs/{run_id:str}", access=Access.READ, summary="Read a run", opt={"answer": RunBody})
async def read_one_run(
    request: AnyRequest,
    *,
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    run_bodies: NamedDependency[RunBodies],
    session_id: Annotated[str | None, QueryParameter(description="Accepted, not needed.")] = None,
    start_time: Annotated[str | None, QueryParameter(description="Accepted, not needed.")] = None,
    exclude_s3_stored_attributes: Annotated[bool, QueryParameter(description="Leave out storage links.")] = False,
    exclude_serialized: Annotated[bool, QueryParameter(description="Leave out the serialized object.")] = False,
    include_messages: Annotated[bool, QueryParameter(description="Add the messages of both sides.")] = False,
) -> Response[bytes]:
    """The whole run, as soon as its first write is acknowledged."""
    del session_id, start_time
    select = DEFAULT_SELECT
    if exclude_s3_stored_attributes:
        select -= _S3_FIELDS
    if exclude_serialized:
        select -= {RunSelect.SERIALIZED}
    if include_messages:
        select |= {RunSelect.MESSAGES}
    run = await runs.run(read_path_id(run_id, "run_id"), tenant_id=tenant_id, select=select)
    return runs_answer(request, await asyncio.to_thread(_encode_run, run, select, run_bodies.of(request, tenant_id)))


def _encode_run(run: RunRecord, select: frozenset[RunSelect], encoder_of: EncoderOf) -> bytes:
    return msgspec.json.encode(encoder_of([run], select).body(run))


RUN_QUERY_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    query_runs,
    validate_query,
    read_one_run,
)
