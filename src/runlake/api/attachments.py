"""Files of runs: ``GET /attachments/{run_id}`` with a signed link, streamed, ranges included.

Whatever a sender claims a file to be, a browser that opens the link must not run it in our name: no guessing of types,
and a policy that lets a page do nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest
from runlake.api.parameters import read_path_id
from runlake.errors import NotFoundError, RangeError
from runlake.model.attachments import StoredAttachment
from runlake.model.run_record import RunSelect
from runlake.query.service import RunQueries
from runlake.store.objects import ObjectKey, ObjectStore
from runlake.wire.attachment_links import AttachmentLinks

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_MIME_TYPE: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(; ?[A-Za-z0-9-]{1,60}=[A-Za-z0-9_-]{1,60})?"
)
_SHOWN_INLINE: Final = re.compile(r"(image/(?!svg)|audio/|video/|text/plain\b|application/(json|pdf)\b)")
_SAFETY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=300",
    "Accept-Ranges": "bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentService:
    """Finds the file behind a link. The run is looked up at every use, so that a deleted one takes its files along."""

    links: AttachmentLinks
    runs: RunQueries
    objects: ObjectStore

    async def find(self, tenant_id: UUID, run_id: UUID, name: str) -> StoredAttachment:
        """The file of that name; NotFoundError when the run is gone or has no such file."""
        run = await self.runs.run(run_id, tenant_id=tenant_id, select=frozenset({RunSelect.S3_URLS}))
        for attachment in run.attachments:
            if attachment.name == name:
                return attachment
        raise NotFoundError(f"run {run_id} has no attachment of that name", field="name")


@get("/attachments/{run_id:str}", access=Access.PUBLIC, summary="Download an attachment", opt={"answer": bytes})
async def read_attachment(
    request: AnyRequest,
    *,
    run_id: FromPath[str],
    attachments: NamedDependency[AttachmentService],
    tenant: Annotated[str, QueryParameter(description="As in the link.")],
    name: Annotated[str, QueryParameter(description="As in the link.")],
    expires: Annotated[int, QueryParameter(description="As in the link.")],
    signature: Annotated[str, QueryParameter(description="As in the link.")],
) -> Response[Any]:
    """The bytes as they were sent. The link comes from ``s3_urls`` of a run and needs no key."""
    tenant_id, identity = read_path_id(tenant, "tenant"), read_path_id(run_id, "run_id")
    attachments.links.check(tenant_id, identity, name, expires_s=expires, signature=signature)
    file = await attachments.find(tenant_id, identity, name)
    return answer_file(request, attachments.objects, ObjectKey(tenant_id, identity, file.digest), file)


def answer_file(request: AnyRequest, objects: ObjectStore, key: ObjectKey, file: StoredAttachment) -> Response[Any]:
    """The bytes of a file, or the range of them that the request names."""
    headers = {**_SAFETY_HEADERS, "ETag": f'"{file.digest}"', "Content-Disposition": _disposition(file)}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(None, status_code=304, headers=headers)
    start, end, status = _wanted(request, file, headers)
    headers |= {"Content-Length": str(end - start), "Content-Type": _mime_type(file)}
    return Stream(_chunks(objects, key, start, end), status_code=status, headers=headers)


async def _chunks(objects: ObjectStore, key: ObjectKey, start: int, end: int) -> AsyncIterator[bytes]:
    """Bytes ``start`` to ``end``, the last not included."""
    found = objects.attachment_chunks(key, start, end)
    while (chunk := await asyncio.to_thread(next, found, None)) is not None:
        yield chunk


def _wanted(request: AnyRequest, file: StoredAttachment, headers: dict[str, str]) -> tuple[int, int, int]:
    """First byte, end and status. Only single ranges are answered as such; anything else gets the whole (RFC 9110)."""
    whole = 0, file.size_bytes, 200
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or not any(found.groups()) or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return whole
    first, last = found.groups()
    if first:
        start = int(first)
        end = min(int(last) + 1, file.size_bytes) if last else file.size_bytes
    else:
        start, end = max(0, file.size_bytes - int(last)), file.size_bytes
    if first and last and int(last) < start:
        return whole
    if start >= end:
        raise RangeError(f"the file has {file.size_bytes} bytes, the range begins at byte {start}")
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    return start, end, 206


def _mime_type(file: StoredAttachment) -> str:
    return file.mime_type if _MIME_TYPE.fullmatch(file.mime_type) else "application/octet-stream"


def _disposition(file: StoredAttachment) -> str:
    """The name for saving: the last part of the sender's, without what file systems or headers could trip over."""
    last = re.split(r"[/\\]", file.name)[-1]
    clean = re.sub(r"[\x00-\x1f\x7f<>:\"|?*]", "_", last).strip(". ")[:200] or "attachment"
    kind = "inline" if _SHOWN_INLINE.match(file.mime_type) else "attachment"
    plain = clean.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='', errors='replace')}"


ATTACHMENT_HANDLERS: Final = (read_attachment,)
