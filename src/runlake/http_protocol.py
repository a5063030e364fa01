"""HTTP connections that cannot be held for ever: bounds in number, size and time around uvicorn's protocol.

Uvicorn times out only connections that are idle between requests. Here a head must arrive within a time and a size, a
body must keep coming while we are ready to read it, and an answer must be taken. Beyond the permitted number of
connections the one idle for longest makes room; when none is idle, the new one is answered 503.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from runlake.api.asgi import Receive, Scope, Send
from runlake.api.errors import answer_early
from runlake.config import Settings
from runlake.errors import HeadTooLargeError, MalformedError, RunlakeError, TooManyConnectionsError, TooSlowError

_LEAST_BYTES_PER_SECOND: Final = 1024
_HARD_LIMIT_FACTOR: Final = 2
"""Times ``max_connections`` beyond which a connection is dropped without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Bounds of one server; see the settings of the same names."""

    max_connections: int
    max_header_bytes: int
    receive_timeout_s: float
    send_timeout_s: float

    @classmethod
    def of(cls, settings: Settings) -> ConnectionLimits:
        return cls(
            max_connections=settings.max_connections,
            max_header_bytes=settings.max_header_bytes,
            receive_timeout_s=settings.receive_timeout_seconds,
            send_timeout_s=settings.send_timeout_seconds,
        )


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``_head_bytes`` is None except while a head is arriving; ``idle_since_s`` is the loop's time."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self.idle_since_s = self.loop.time()
        self._surplus = False
        self._head_bytes: int | None = None
        self._body_bytes = 0
        self._receive_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing has arrived."""
        return self._head_bytes is None and not self._has_open_request

    @property
    def _has_open_request(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request, whatever is declared
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn types it
        super().connection_made(transport)
        if len(self.connections) > _HARD_LIMIT_FACTOR * self._limits.max_connections:
            transport.abort()
            return
        if len(self.connections) > self._limits.max_connections:
            self._surplus = not self._close_an_idle_one()
        self._start_receive_timer(self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_receive_timer()
        self._cancel_send_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse(self._head_too_large())

    def send_400_response(self, msg: str) -> None:
        del msg  # plain text; ours is the one shape that every refusal has
        self._refuse(MalformedError("what was sent is not an HTTP/1.1 request"))

    # What the parser calls

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        if self._receive_timer is None:
            self._start_receive_timer(self._head_is_late)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        self._head_bytes = None
        self._body_bytes = 0
        self._start_receive_timer(self._check_body)
        app = self.app
        if size_bytes > self._limits.max_header_bytes:
            self.app = _refusing(self._head_too_large())
        elif self._surplus:
            self.app = _refusing(TooManyConnectionsError("too many clients are connected; try again later"))
        super().on_headers_complete()
        self.app = app

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._cancel_receive_timer()
        super().on_message_complete()

    # What the answer calls

    def on_response_complete(self) -> None:
        self.idle_since_s = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_send_timer()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._start_send_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_send_timer()

    def resume_writing(self) -> None:
        self._cancel_send_timer()
        super().resume_writing()

    # What the clock calls

    def _head_is_late(self) -> None:
        self._receive_timer = None
        if self._head_bytes is None:
            self.transport.close()  # nothing came at all
        else:
            self._refuse(TooSlowError("the head of the request did not arrive in time"))

    def _check_body(self) -> None:
        """Now and then while a body arrives: enough came, or we were not reading, or the client is too slow."""
        self._receive_timer = None
        wanted_bytes = _LEAST_BYTES_PER_SECOND * self._limits.receive_timeout_s
        if self._body_bytes >= wanted_bytes or self.flow.read_paused:
            self._body_bytes = 0
            self._start_receive_timer(self._check_body)
        else:
            self._refuse(TooSlowError("the body of the request stopped coming"))

    def _refuse(self, error: RunlakeError) -> None:
        """Answer, where no answer has begun, and close."""
        self._cancel_receive_timer()
        if not self.transport.is_closing() and not (self._has_open_request and self.cycle.response_started):
            status, headers, body = answer_early(error)
            head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), b"connection: close"]
            head += [name + b": " + value for name, value in headers]
            self.transport.write(b"\r\n".join([*head, b"", body]))
        self.transport.close()
        self._start_send_timer()

    def _head_too_large(self) -> RunlakeError:
        return HeadTooLargeError(
            f"the request line and headers are over {self._limits.max_header_bytes} bytes, set by max_header_bytes"
        )

    def _close_an_idle_one(self) -> bool:
        others = [other for other in self.connections if isinstance(other, BoundedProtocol) and other is not self]
        idle = [other for other in others if other.is_idle and not other.transport.is_closing()]
        if idle:
            min(idle, key=lambda other: other.idle_since_s).transport.close()
        return bool(idle)

    def _start_receive_timer(self, then: Any) -> None:
        self._cancel_receive_timer()
        self._receive_timer = self.loop.call_later(self._limits.receive_timeout_s, then)

    def _cancel_receive_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    def _start_send_timer(self) -> None:
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(self._limits.send_timeout_s, self.transport.abort)

    def _cancel_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


def _refusing(error: RunlakeError) -> Any:
    """An application that answers everything with this error and ends the connection."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        status, headers, body = answer_early(error)
        await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})

    return refuse
