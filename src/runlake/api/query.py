"""Reads of runs: ``POST /runs/query``, ``POST /runs/query/validate`` and ``GET /runs/{id}``."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.notes import note_headers
from runlake.api.parameters import read_path_id
from runlake.model.run_record import RunRecord, RunSelect
from runlake.query.memberships import Memberships
from runlake.query.service import ListedRuns, RunQueries
from runlake.query.shares import Shares
from runlake.wire.attachment_links import AttachmentLinks
from runlake.wire.json_text import without_constants
from runlake.wire.run_queries import DEFAULT_SELECT, RunQueryBody, decode_query_body, read_query
from runlake.wire.runs import AttachmentUrl, Cursors, RunBody, RunEncoder, RunsAnswer, Validation

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
    attachment_links: NamedDependency[AttachmentLinks],
    shares: NamedDependency[Shares],
    memberships: NamedDependency[Memberships],
) -> Response[bytes]:
    """One page, newest first unless asked otherwise; ``cursors.next`` is null on the last one."""
    spec = read_query(decode_query_body(await read_small_body(request)))
    page = await runs.page(spec, tenant_id=tenant_id)
    link = partial(attachment_links.url, str(request.base_url), tenant_id)
    answer = _runs_json(request, await asyncio.to_thread(_encode_page, page, tenant_id, link, shares, memberships))
    answer.headers.update(note_headers(page.notes))
    return answer


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
    attachment_links: NamedDependency[AttachmentLinks],
    shares: NamedDependency[Shares],
    memberships: NamedDependency[Memberships],
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
    link = partial(attachment_links.url, str(request.base_url), tenant_id)
    encode = partial(
        _encode_run, run, tenant_id=tenant_id, select=select, link=link, shares=shares, memberships=memberships
    )
    return _runs_json(request, await asyncio.to_thread(encode))


def _encode_page(
    page: ListedRuns, tenant_id: UUID, link: AttachmentUrl, shares: Shares, memberships: Memberships
) -> bytes:
    encoder = RunEncoder(
        tenant_id,
        page.select,
        link,
        shares.shown_tokens(tenant_id, page.runs, page.select),
        memberships.shown(tenant_id, page.runs, page.select),
    )
    return msgspec.json.encode(
        RunsAnswer(
            runs=[encoder.body(run) for run in page.runs],
            cursors=Cursors(page.next_cursor),
            explanation=msgspec.UNSET if page.explanation is None else page.explanation,
            search_snippets=msgspec.UNSET if page.snippets is None else page.snippets,
        )
    )


def _encode_run(
    run: RunRecord,
    *,
    tenant_id: UUID,
    select: frozenset[RunSelect],
    link: AttachmentUrl,
    shares: Shares,
    memberships: Memberships,
) -> bytes:
    tokens, datasets = shares.shown_tokens(tenant_id, [run], select), memberships.shown(tenant_id, [run], select)
    return msgspec.json.encode(RunEncoder(tenant_id, select, link, tokens, datasets).body(run))


def _runs_json(request: AnyRequest, body: bytes) -> Response[Any]:
    """Runs as JSON. A payload's NaN goes back to Python as it came; any other reader would refuse the whole answer."""
    is_python = "python" in (agent := request.headers.get("user-agent", "").lower()) or agent.startswith("langsmith-py")
    return _json(body if is_python else without_constants(body))


def _json(body: bytes) -> Response[Any]:
    return Response(body, media_type=MediaType.JSON)


RUN_QUERY_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    query_runs,
    validate_query,
    read_one_run,
)
