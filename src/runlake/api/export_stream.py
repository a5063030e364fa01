"""The straight pull: ``GET`` and ``POST /export/stream`` (ours). Everything that matches, in one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.export.pull import Pull, PullService
from runlake.model.access import RateClass
from runlake.model.export_content import Compression, FileFormat
from runlake.wire.pull import PullBody, PullSpec, read_pull_body, read_pull_parameters

_MEDIA_TYPES: Final[Mapping[FileFormat, str]] = {
    FileFormat.JSONL: "application/x-ndjson",
    FileFormat.CSV: "text/csv",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
    FileFormat.ARROW: "application/vnd.apache.arrow.stream",
    FileFormat.ARROW_FILE: "application/vnd.apache.arrow.file",
}
_SEND_BYTES: Final = 1 << 20
"""Most that is handed to the socket at once."""


@post(
    "/export/stream",
    status_code=200,
    access=Access.READ,
    rate_class=RateClass.EXPORT,
    summary="Pull everything that matches",
    opt={"request_body": PullBody},
)
async def pull_by_body(
    request: AnyRequest, tenant_id: NamedDependency[UUID], pulls: NamedDependency[PullService]
) -> Response[Any]:
    """Rows of all matching runs, traces, feedback or flattened traces as one stream."""
    return await _answer(pulls, tenant_id, read_pull_body(await read_small_body(request)))


@get(
    "/export/stream",
    access=Access.READ,
    rate_class=RateClass.EXPORT,
    summary="Pull everything that matches, by URL",
)
async def pull_by_url(
    request: AnyRequest, tenant_id: NamedDependency[UUID], pulls: NamedDependency[PullService]
) -> Response[Any]:
    """As `POST`, with the members of the body as parameters; `project`, `session` and `fields` may be repeated."""
    return await _answer(pulls, tenant_id, read_pull_parameters(request.query_params.multi_items()))


async def _answer(pulls: PullService, tenant_id: UUID, spec: PullSpec) -> Response[Any]:
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(pulls.threads, pulls.open, tenant_id, spec)
    try:
        pull = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise
    return Stream(_chunks(pulls, pull), media_type=_MEDIA_TYPES[spec.format], headers=_headers(pull))


def _headers(pull: Pull) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", "X-Runlake-Watermark": str(pull.watermark)}
    if pull.total is not None:
        headers["X-Runlake-Total-Rows"] = str(pull.total)
    whole_file = pull.spec.format in (FileFormat.JSONL, FileFormat.CSV)
    encodings = {Compression.GZIP: "gzip", Compression.ZSTANDARD: "zstd"}
    if whole_file and pull.spec.compression in encodings:
        headers["Content-Encoding"] = encodings[pull.spec.compression]
    return headers


async def _chunks(pulls: PullService, pull: Pull) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    try:
        while chunk := await loop.run_in_executor(pulls.threads, next, pull.chunks, b""):
            for offset in range(0, len(chunk), _SEND_BYTES):
                yield chunk[offset : offset + _SEND_BYTES]
    finally:
        # Not awaited: a client that is gone cancels this coroutine, and the engine's work must end all the same.
        loop.run_in_executor(pulls.threads, pull.close)


def _close_unwanted(opening: asyncio.Future[Pull]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


EXPORT_STREAM_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (pull_by_body, pull_by_url)
