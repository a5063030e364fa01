"""Ends the work for a client that has gone away before its answer: nobody would read it.

Reads alone. A write that is under way is finished, because its sender will repeat it in any case.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from runlake.api.asgi import AsgiApp, Message, Receive, Scope, Send

_READING_POSTS: Final = ("/query", "/stats")


class Disconnects:
    """Middleware that cancels the handling of a read when its client disconnects."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _only_reads(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        handling = asyncio.ensure_future(self._app(scope, body.receive, send))
        watching = asyncio.ensure_future(body.gone())
        try:
            await asyncio.wait((handling, watching), return_when=asyncio.FIRST_COMPLETED)
            if handling.done():
                return
            handling.cancel()
            with suppress(asyncio.CancelledError):
                await handling
        finally:
            watching.cancel()
            handling.cancel()
            if handling.done() and not handling.cancelled():
                handling.result()


class _Body:
    """Hands the body on, and afterwards keeps an eye on the connection."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = asyncio.Event()
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        if self._read.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._read.set()
        return message

    async def gone(self) -> None:
        """Return when the client is."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self._gone.set()


def _only_reads(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "GET" or (scope["method"] == "POST" and path.rstrip("/").endswith(_READING_POSTS))
