"""Request bodies as bytes, whatever encoding they came in."""

from __future__ import annotations

from typing import Any

from litestar import Request

from runlake.wire.encoding import decode_body

AnyRequest = Request[Any, Any, Any]

MAX_SMALL_BODY_BYTES = 8 * 1024 * 1024
"""Most that a body about one project or one feedback may become when decompressed."""


async def read_small_body(request: AnyRequest) -> bytes:
    """The decompressed body of a request about a single object; TooLargeError and MalformedError say what is wrong."""
    body = await request.body()
    return decode_body(body, request.headers.get("content-encoding"), limit_bytes=MAX_SMALL_BODY_BYTES)
