"""What a browser on the same machine must not be able to do to the server on behalf of some web page.

Three attacks: a page whose domain is made to resolve to this machine reads as if it were ours (DNS rebinding, stopped
by the ``Host`` check); a page sends forms or scripts that change data without reading the answer (stopped by the check
of ``Origin`` and ``Sec-Fetch-Site``, which pages cannot set); a page frames or embeds ours (stopped by headers).
Clients that are no browsers send none of these headers and notice nothing. Links that take feedback are open to pages
of every site: they are made for that, and carry their permission in themselves.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from runlake.api.asgi import AsgiApp, Message, Receive, Scope, Send
from runlake.api.errors import answer_early
from runlake.errors import ForbiddenError

Headers = Iterable[tuple[bytes, bytes]]

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})
_ANY: Final = "*"
_OPEN_TO_PAGES: Final = re.compile(r"/feedback/tokens/[^/]+/?\Z")
"""End of the paths that pages of any site may call."""
_EXPOSED: Final = b"x-request-id, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset"
_PREFLIGHT_SECONDS: Final = b"600"
_FOR_ALL: Final = ((b"x-content-type-options", b"nosniff"),)
_FOR_PAGES: Final = (
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
)
_FOR_ANSWERS: Final = ((b"cache-control", b"no-store"), (b"cross-origin-resource-policy", b"same-origin"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRules:
    """``hosts`` are the names this server may be called by, None for any; ``origins`` sites that may use it."""

    hosts: frozenset[str] | None
    origins: frozenset[str] = frozenset()

    def knows_host(self, host: str) -> bool:
        """Addresses always pass: rebinding needs a name, because for an address nobody asks the attacker's DNS."""
        name = host_name(host)
        if self.hosts is None or name in self.hosts or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def knows_origin(self, origin: str) -> bool:
        return _ANY in self.origins or origin in self.origins


def host_name(host: str) -> str:
    """The name or address in a ``Host`` header, without its port and brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as browsers put them into ``Origin``."""
    parts = urlsplit(url.strip())
    return f"{parts.scheme}://{parts.netloc}".lower()


class BrowserGuard:
    """ASGI middleware in front of the framework."""

    def __init__(self, app: AsgiApp, rules: BrowserRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = _text(scope["headers"], b"origin")
        is_open = _OPEN_TO_PAGES.search(scope["path"]) is not None
        allowed_origin = origin if origin is not None and (is_open or self._rules.knows_origin(origin)) else None
        send = _with_headers(send, allowed_origin)
        refusal = self._check(scope, origin, allowed_origin)
        if refusal is not None:
            await _answer(send, *answer_early(refusal))
        elif allowed_origin is not None and scope["method"] == "OPTIONS":
            await _answer(send, 204, _preflight_headers(scope["headers"]), b"")
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope, origin: str | None, allowed_origin: str | None) -> ForbiddenError | None:
        headers = scope["headers"]
        for name, value in headers:
            if name == b"host" and not self._rules.knows_host(value.decode("latin-1")):
                return ForbiddenError(
                    "this server is not called by the name in the Host header; use its address or localhost, or add"
                    " the name to allowed_hosts",
                    field="Host",
                )
        if scope["method"] in _SAFE_METHODS or allowed_origin is not None:
            return None
        if _is_foreign(headers, origin):
            return ForbiddenError(
                "a page of another site sent this request; add the site to cors_origins if it should", field="Origin"
            )
        return None


def _is_foreign(headers: Headers, origin: str | None) -> bool:
    site = _bytes(headers, b"sec-fetch-site")
    if site is not None:
        return site not in _OWN_SITES
    return origin is not None and urlsplit(origin).netloc.lower() != (_text(headers, b"host") or "").lower()


def _preflight_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", _bytes(headers, b"access-control-request-headers") or b"*"),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
    ]


def _with_headers(send: Send, allowed_origin: str | None) -> Send:
    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            _add_missing(headers, _FOR_ALL)
            is_page = (_bytes(headers, b"content-type") or b"").startswith(b"text/html")
            _add_missing(headers, _FOR_PAGES if is_page else _FOR_ANSWERS)
            if allowed_origin is not None:
                headers = [pair for pair in headers if pair[0] != b"cross-origin-resource-policy"]
                headers += [
                    (b"access-control-allow-origin", allowed_origin.encode("latin-1")),
                    (b"access-control-expose-headers", _EXPOSED),
                    (b"vary", b"Origin"),
                ]
            message["headers"] = headers
        await send(message)

    return send_guarded


def _add_missing(headers: list[tuple[bytes, bytes]], wanted: Headers) -> None:
    there = {name.lower() for name, _ in headers}
    headers += [pair for pair in wanted if pair[0] not in there]


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _text(headers: Headers, wanted: bytes) -> str | None:
    found = _bytes(headers, wanted)
    return None if found is None else found.decode("latin-1")


def _bytes(headers: Headers, wanted: bytes) -> bytes | None:
    for name, value in headers:
        if name.lower() == wanted:
            return value
    return None
