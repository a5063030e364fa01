"""Maps every URL prefix that real clients use onto the canonical routes, so that each route is declared once.

Canonical are: the v1 API at ``/``, the v2 API at ``/v2``, platform calls at ``/platform``, OTLP at ``/otel/v1/traces``.
Where the prefixes come from: the Python and JS SDKs append paths to the configured endpoint and call
``/v1/platform/...`` (seen in the SDK); generated clients use ``/api/v1`` and ``/api/v2`` (seen in the SDK); OTLP lives
at ``/otel`` or ``/api/v1/otel`` (documented upstream); bare ``/v1/traces`` is what a stock OTLP exporter sends.
"""

from __future__ import annotations

from typing import Final

from runlake.api.asgi import AsgiApp, Receive, Scope, Send

PREFIXES: Final[tuple[tuple[str, str], ...]] = (
    ("/api/v1/platform", "/platform"),
    ("/api/v1", ""),
    ("/api/v2", "/v2"),
    ("/api", ""),
    ("/v1/platform", "/platform"),
    ("/v1/traces", "/otel/v1/traces"),
)
"""(prefix a client uses, canonical prefix); the first that matches whole path segments wins."""


def canonical_path(path: str) -> str:
    """The route that serves ``path``; a single trailing slash does not matter."""
    for prefix, replacement in PREFIXES:
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}:
            path = replacement + path[len(prefix) :]
            break
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    return path or "/"


class CanonicalPaths:
    """ASGI middleware that rewrites the path of each HTTP request; everything else passes untouched."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = canonical_path(scope["path"])
        await self._app(scope, receive, send)
