"""A page of a v2 list as one JSON object or, when the client asks for events, as a stream of JSON patches.

A patch is a list of operations that build ``{"items": [...], "next_cursor": ...}``; clients show items as they come
and follow the cursor (seen in the generated client). The page is read whole before, so no stream breaks half way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.response import Stream

from runlake.api.answers import json_answer
from runlake.api.bodies import AnyRequest

EVENTS: Final = "text/event-stream"
ITEMS_A_PATCH: Final = 20


async def answer_page(request: AnyRequest, items: Sequence[Any], next_cursor: str | None) -> Response[Any]:
    """The page in the form that the request accepts."""
    if EVENTS in request.headers.get("accept", ""):
        return Stream(_events(items, next_cursor), media_type=EVENTS, headers={"Cache-Control": "no-cache"})
    body = await asyncio.to_thread(msgspec.json.encode, {"items": items, "next_cursor": next_cursor})
    return json_answer(body)


async def _events(items: Sequence[Any], next_cursor: str | None) -> AsyncIterator[bytes]:
    yield _event([{"op": "add", "path": "", "value": {"items": [], "next_cursor": None}}])
    rest = iter(items)
    while some := list(islice(rest, ITEMS_A_PATCH)):
        yield _event([{"op": "add", "path": "/items/-", "value": item} for item in some])
    yield _event([{"op": "replace", "path": "/next_cursor", "value": next_cursor}])


def _event(patch: list[dict[str, Any]]) -> bytes:
    """JSON holds no line end, so one line of data is enough."""
    return b"data: " + msgspec.json.encode(patch) + b"\n\n"
