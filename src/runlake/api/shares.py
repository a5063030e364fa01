"""Sharing traces and threads, and the public routes that a token opens.

A token is a random UUID and the whole permission: it opens one trace or one thread, until it is revoked.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.links import V2Links, parameters_of
from runlake.api.parameters import read_ids, read_path_id
from runlake.errors import MalformedError, NotFoundError
from runlake.model.access import RateClass
from runlake.model.run import NO_ID
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.share import Share
from runlake.model.usage import UsageOf
from runlake.query.service import ListedRuns, RunQueries
from runlake.query.shares import Shares
from runlake.wire.json_text import decode_object, without_constants
from runlake.wire.members import MemberReader, names_member
from runlake.wire.run_queries import DEFAULT_SELECT, RunQueryBody, RunQuerySpec, decode_query_body, read_query
from runlake.wire.runs import Cursors, RunBody, RunEncoder, RunsAnswer
from runlake.wire.scalars import read_id
from runlake.wire.v2_queries import raise_first, read_parameters, read_selects, required
from runlake.wire.v2_runs import RunBodyV2, RunEncoderV2, TraceRunsV2
from runlake.wire.v2_selects import V2Select, run_selects

_NARROW: Final = frozenset({RunSelect.SESSION_ID, RunSelect.TRACE_ID})
_HEADERS: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}


class ShareBody(msgspec.Struct, frozen=True):
    """The share of a run (v1). ``share_token`` of a request may be any random UUID of the client's own making."""

    run_id: str
    share_token: str


class ShareTokenBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The token of a share (v2); nothing when there is none."""

    share_token: str | None = None


class _Sent(msgspec.Struct, gc=False):
    share_token: Any = None
    session_id: Any = None
    trace_id: Any = None
    project_id: Any = None


_SENT: Final = msgspec.json.Decoder(_Sent)


async def _sent(request: AnyRequest) -> MemberReader:
    body = await read_small_body(request)
    return MemberReader(decode_object(body, _SENT) if body.strip() else _Sent())


@put("/runs/{run_id:str}/share", access=Access.EDIT, summary="Share a trace", opt={"request_body": ShareBody})
async def share_run(
    request: AnyRequest,
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
) -> ShareBody:
    """The trace of the run can be read by whoever has the token; a trace that is shared already keeps its token."""
    reader = await _sent(request)
    wished = reader.read("share_token", read_id)
    raise_first(reader.problems)
    run = await runs.run(read_path_id(run_id, "run_id"), tenant_id=tenant_id, select=_NARROW, usage_of=UsageOf.RUN)
    share = await asyncio.to_thread(shares.share_run, tenant_id, run, wished)
    return ShareBody(run_id=run.id, share_token=str(share.token))


@get("/runs/{run_id:str}/share", access=Access.READ, summary="Whether a trace is shared")
async def read_share(
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
) -> ShareBody | None:
    """The token of the run's trace, or null."""
    run = await runs.run(read_path_id(run_id, "run_id"), tenant_id=tenant_id, select=_NARROW, usage_of=UsageOf.RUN)
    share = await asyncio.to_thread(shares.of_trace, tenant_id, UUID(run.trace_id))
    return None if share is None else ShareBody(run_id=run.id, share_token=str(share.token))


@delete("/runs/{run_id:str}/share", status_code=200, access=Access.EDIT, summary="Stop sharing a trace")
async def unshare_run(
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
) -> None:
    """The token opens nothing from now on."""
    found = read_path_id(run_id, "run_id")
    try:
        run = await runs.run(found, tenant_id=tenant_id, select=_NARROW, usage_of=UsageOf.RUN)
        trace_id = UUID(run.trace_id)
    except NotFoundError:
        trace_id = found  # a deleted root can still be unshared
    await asyncio.to_thread(shares.revoke_trace, tenant_id, trace_id)


@post("/v2/runs/{run_id:str}/share", status_code=200, access=Access.EDIT, summary="Share a trace (v2)")
async def share_run_v2(
    request: AnyRequest,
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
) -> ShareTokenBody:
    """Takes `session_id` and `trace_id`; the run must lie there."""
    reader = await _sent(request)
    project_id, trace_id = reader.read("session_id", read_id), reader.read("trace_id", read_id)
    raise_first(reader.problems)
    run = await runs.run(
        read_path_id(run_id, "run_id"),
        tenant_id=tenant_id,
        select=_NARROW,
        sessions=(required(project_id, "session_id"),),
        usage_of=UsageOf.RUN,
    )
    if trace_id is not None and run.trace_id != str(trace_id):
        raise NotFoundError(f"the run is not in the trace {trace_id}", field="trace_id")
    share = await asyncio.to_thread(shares.share_run, tenant_id, run)
    return ShareTokenBody(str(share.token))


@delete("/v2/runs/{trace_id:str}/share", status_code=204, access=Access.EDIT, summary="Stop sharing a trace (v2)")
async def unshare_trace(
    trace_id: FromPath[str], tenant_id: NamedDependency[UUID], shares: NamedDependency[Shares]
) -> None:
    """The same answer whether it was shared or not."""
    await asyncio.to_thread(shares.revoke_trace, tenant_id, read_path_id(trace_id, "trace_id"))


@post("/v2/threads/{thread_id:str}/share", status_code=200, access=Access.EDIT, summary="Share a thread (v2)")
async def share_thread(
    request: AnyRequest,
    thread_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
) -> ShareTokenBody:
    """All traces of the thread can be read by whoever has the token, later ones too."""
    reader = await _sent(request)
    project_id = required(reader.read("project_id", read_id), "project_id")
    raise_first(reader.problems)
    spec = RunQuerySpec(sessions=(project_id,), thread=thread_id, is_root=True, limit=1, select=_NARROW)
    if not (await runs.page(spec, tenant_id=tenant_id)).runs:
        raise NotFoundError("the project has no trace of this thread", field="thread_id")
    share = await asyncio.to_thread(shares.share_thread, tenant_id, project_id, thread_id)
    return ShareTokenBody(str(share.token))


@get("/v2/threads/{thread_id:str}/share", access=Access.READ, summary="Whether a thread is shared (v2)")
async def read_thread_share(
    request: AnyRequest,
    thread_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    shares: NamedDependency[Shares],
) -> ShareTokenBody:
    """Its token; nothing when it is not shared."""
    project_id = _project_of(request)
    share = await asyncio.to_thread(shares.of_thread, tenant_id, project_id, thread_id)
    return ShareTokenBody(None if share is None else str(share.token))


@delete("/v2/threads/{thread_id:str}/share", status_code=204, access=Access.EDIT, summary="Stop sharing a thread (v2)")
async def unshare_thread(
    request: AnyRequest,
    thread_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    shares: NamedDependency[Shares],
) -> None:
    """The same answer whether it was shared or not."""
    await asyncio.to_thread(shares.revoke_thread, tenant_id, _project_of(request), thread_id)


@get(
    ["/public/{share_token:str}/run", "/public/{share_token:str}/run/{run_id:str}"],
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="Read a shared run",
    opt={"answer": RunBody},
)
async def read_shared_run(
    request: AnyRequest,
    share_token: FromPath[str],
    shares: NamedDependency[Shares],
    v2_links: NamedDependency[V2Links],
    run_id: str | None = None,
) -> Response[Any]:
    """The run that was shared, or another of its trace."""
    share = await _opened(share_token, shares)
    wanted = None if run_id is None else read_path_id(run_id, "run_id")
    run = await shares.run(share, wanted, DEFAULT_SELECT)
    return _json(_Encoder(request, share, DEFAULT_SELECT, v2_links)(run))


@post(
    "/public/{share_token:str}/runs/query",
    status_code=200,
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="List shared runs",
    opt={"request_body": RunQueryBody, "answer": RunsAnswer},
)
async def query_shared_runs(
    request: AnyRequest,
    share_token: FromPath[str],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """Takes the body of ``/runs/query``; the project and the trace are those of the token."""
    share = await _opened(share_token, shares)
    spec = shares.opened(share, read_query(decode_query_body(await read_small_body(request))))
    page = await runs.page(spec, tenant_id=share.tenant_id)
    return _json(_page(request, share, page, v2_links))


@get(
    "/public/{share_token:str}/runs", access=Access.PUBLIC, rate_class=RateClass.QUERY, summary="List shared runs by id"
)
async def list_shared_runs(
    request: AnyRequest,
    share_token: FromPath[str],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """A bare array (seen in the JS SDK)."""
    share = await _opened(share_token, shares)
    ids = read_ids(parameters_of(request).get("id"), "id")
    found = await runs.all(shares.opened(share, RunQuerySpec(ids=ids, ascending=True)), tenant_id=share.tenant_id)
    encode = _Encoder(request, share, DEFAULT_SELECT, v2_links)
    return _json([encode(run) for run in found])


@get(
    "/v2/public/{share_token:str}/run/{run_id:str}",
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="Read a shared run (v2)",
    opt={"answer": RunBodyV2},
)
async def read_shared_run_v2(
    request: AnyRequest,
    share_token: FromPath[str],
    run_id: FromPath[str],
    shares: NamedDependency[Shares],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """The fields in ``selects``."""
    share = await _opened(share_token, shares)
    reader = MemberReader(read_parameters(parameters_of(request), ("selects",)))
    selects = read_selects(reader.read("selects", names_member)) - _PRIVATE
    raise_first(reader.problems)
    run = await shares.run(share, read_path_id(run_id, "run_id"), run_selects(selects))
    links = v2_links.of(request, share.tenant_id, selects, [run])
    return _json(RunEncoderV2(selects, links).body(run))


@post(
    "/v2/public/{share_token:str}/runs/query",
    status_code=200,
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="List shared runs (v2)",
    opt={"answer": TraceRunsV2},
)
async def query_shared_runs_v2(
    request: AnyRequest,
    share_token: FromPath[str],
    runs: NamedDependency[RunQueries],
    shares: NamedDependency[Shares],
    v2_links: NamedDependency[V2Links],
) -> Response[Any]:
    """All runs that the token opens, by start."""
    share = await _opened(share_token, shares)
    body = await read_small_body(request)
    sent = decode_object(body, _SELECTS) if body.strip() else _Selects()
    selects = read_selects(sent.selects) - _PRIVATE
    spec = RunQuerySpec(ascending=True, select=run_selects(selects), usage_of=UsageOf.RUN)
    found = await runs.all(shares.opened(share, spec), tenant_id=share.tenant_id)
    encoder = RunEncoderV2(selects, v2_links.of(request, share.tenant_id, selects, found))
    return _json(TraceRunsV2([encoder.body(run) for run in found]))


class _Selects(msgspec.Struct, gc=False):
    selects: Any = None


_SELECTS: Final = msgspec.json.Decoder(_Selects)
_PRIVATE: Final = frozenset({V2Select.SHARE_URL, V2Select.APP_PATH, V2Select.LS_USER_ID})
"""What says more than the trace: other tokens, the tenant."""


async def _opened(token: str, shares: Shares) -> Share:
    try:
        found = read_path_id(token, "share_token")
    except MalformedError as error:
        raise NotFoundError("this link opens nothing; it was revoked or never made", field="share_token") from error
    return await asyncio.to_thread(shares.find, found)


def _project_of(request: AnyRequest) -> UUID:
    reader = MemberReader(read_parameters(parameters_of(request), ("project_id",)))
    project_id = reader.read("project_id", read_id)
    raise_first(reader.problems)
    return required(project_id, "project_id")


def _page(request: AnyRequest, share: Share, page: ListedRuns, links: V2Links) -> RunsAnswer:
    encode = _Encoder(request, share, page.select, links)
    return RunsAnswer(runs=[encode(run) for run in page.runs], cursors=Cursors(page.next_cursor))


class _Encoder:
    """Runs as v1 has them, without the tenant in their address."""

    def __init__(self, request: AnyRequest, share: Share, select: frozenset[RunSelect], links: V2Links) -> None:
        link = partial(links.attachments.url, str(request.base_url), share.tenant_id)
        self._encoder = RunEncoder(NO_ID, select, link)
        self._path = f"/public/{share.token}/r"

    def __call__(self, run: RunRecord) -> RunBody:
        body = self._encoder.body(run)
        body.app_path = self._path
        return body


def _json(body: object) -> Response[Any]:
    return Response(without_constants(msgspec.json.encode(body)), media_type="application/json", headers=_HEADERS)


SHARE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    share_run,
    read_share,
    unshare_run,
    share_run_v2,
    unshare_trace,
    share_thread,
    read_thread_share,
    unshare_thread,
    read_shared_run,
    query_shared_runs,
    list_shared_runs,
    read_shared_run_v2,
    query_shared_runs_v2,
)
