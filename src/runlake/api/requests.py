"""The outermost middleware: an id, a duration and a count for every request; never a payload, never a key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from structlog.contextvars import bind_contextvars, clear_contextvars

from runlake.api.asgi import AsgiApp, Message, Receive, Scope, Send
from runlake.api.errors import error_code_of

_LOG: Final = structlog.get_logger("runlake.http")
_ACCEPTED_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class HttpMetrics:
    """Counts and durations by route template; templates keep the number of series small whatever clients send."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "runlake_http_requests", "Answered requests.", ("method", "route", "status"), registry=registry
        )
        self._refused = Counter(
            "runlake_refused_requests",
            "Requests answered with an error, by its code.",
            ("route", "reason"),
            registry=registry,
        )
        self._seconds = Histogram(
            "runlake_http_request_seconds",
            "Time to the end of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )

    def observe(self, *, method: str, route: str, status: int, seconds: float, reason: str | None) -> None:
        self._requests.labels(method, route, str(status)).inc()
        if reason is not None:
            self._refused.labels(route, reason).inc()
        self._seconds.labels(route).observe(seconds)


class RequestLog:
    """Names each request (a client's ``x-request-id`` is kept when it is harmless) and reports its end."""

    def __init__(self, app: AsgiApp, *, metrics: HttpMetrics, new_id: Callable[[], str]) -> None:
        self._app = app
        self._metrics = metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or self._new_id()
        status = 0
        clear_contextvars()
        bind_contextvars(request_id=request_id)

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, send_named)
        finally:
            seconds = time.perf_counter() - started
            route = scope.get("path_template") or "unmatched"
            method, reason = _known_method(scope["method"]), error_code_of(scope)
            self._metrics.observe(method=method, route=route, status=status, seconds=seconds, reason=reason)
            _LOG.debug("answered", route=route, status=status, elapsed_ms=round(seconds * 1000, 1))


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTED_ID.fullmatch(value):
            return bytes(value).decode("ascii")
    return None


def _known_method(method: str) -> str:
    return method if method in {"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"} else "other"
