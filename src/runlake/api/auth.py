"""Who calls, and whether the route is open to them: checked in one place, before a handler or its body is touched.

Each route declares what it takes with one argument, ``@get("/runs/{run_id:str}", access=Access.READ)``. A route that
declares nothing is closed to everybody (and fails a test), so forgetting can only lock, never open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol
from uuid import UUID

from litestar import Request
from litestar.di import Provide

from runlake.api.asgi import AsgiApp, Receive, Scope, Send
from runlake.api.key_ring import KeyRing
from runlake.api.rate_limits import RateLimiter
from runlake.errors import AccessError, FaultError, ForbiddenError
from runlake.model.access import ApiKey, KeyScope, RateClass, RateLimits, with_implied

_CALLER: Final = "caller"
_TENANT_HEADER: Final = b"x-tenant-id"
NO_LIMITS_OF_ITS_OWN: Final = RateLimits()


class Access(Enum):
    """What a route takes: nothing, or a key with all of these scopes."""

    PUBLIC = frozenset[KeyScope]()
    """Anybody: says nothing about anyone's data (health, documentation, static pages) or checks a token of its own."""
    INGEST = frozenset({KeyScope.INGEST})
    """Adds runs or feedback."""
    READ = frozenset({KeyScope.READ})
    """Shows data and changes none."""
    EDIT = frozenset({KeyScope.INGEST, KeyScope.READ})
    """Creates or changes what can be seen: projects, datasets, feedback, exports, share links."""
    ADMIN = frozenset({KeyScope.ADMIN})
    """Destroys data for good, sets rules such as retention, holds credentials, handles keys."""
    OPERATOR = frozenset({KeyScope.OPERATOR})
    """Concerns more than one tenant."""
    METRICS = frozenset({KeyScope.METRICS})
    """Numbers of the whole server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sent a request, and the one tenant whose data it is about."""

    tenant_id: UUID
    scopes: frozenset[KeyScope]
    key_id: UUID | None = None
    limits: RateLimits = NO_LIMITS_OF_ITS_OWN


class Doorkeeper(Protocol):
    """Tells who calls."""

    def identify(self, scope: Scope) -> Caller:
        """The caller of a request; AccessError when it shows no valid key, ForbiddenError for a wrong tenant."""


class RouteAccess:
    """ASGI middleware of the framework, run when the route is known.

    ``open_to_all`` are kinds of routes that settings make public.
    """

    def __init__(
        self, app: AsgiApp, *, doorkeeper: Doorkeeper, limiter: RateLimiter, open_to_all: frozenset[Access]
    ) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._limiter = limiter
        self._open_to_all = open_to_all | {Access.PUBLIC}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "OPTIONS":  # the framework's own answer, which lists methods
            await self._app(scope, receive, send)
            return
        handler = scope["route_handler"]
        access = declared_access(handler)
        if access is None:
            raise FaultError(f"the route {scope.get('path_template')} does not declare its access")
        if access not in self._open_to_all:
            caller = self._doorkeeper.identify(scope)
            check_scopes(access, caller)
            self._limiter.take(caller.key_id, rate_class_of(handler, access), caller.limits, scope)
            scope["state"][_CALLER] = caller
        elif "rate_class" in handler.opt:
            # Public work that costs something, such as the queries of a share, is counted for everybody together.
            self._limiter.take(None, rate_class_of(handler, access), NO_LIMITS_OF_ITS_OWN, scope)
        await self._app(scope, receive, send)


def declared_access(handler: Any) -> Access | None:
    """What a route handler declares; None when it was forgotten."""
    found = handler.opt.get("access")
    return found if isinstance(found, Access) else None


def rate_class_of(handler: Any, access: Access) -> RateClass:
    """Which limit counts a route: what ``rate_class=`` declares, else ingest for what adds and query for the rest."""
    declared = handler.opt.get("rate_class")
    if isinstance(declared, RateClass):
        return declared
    return RateClass.INGEST if access is Access.INGEST else RateClass.QUERY


def check_scopes(access: Access, caller: Caller) -> None:
    """Raise ForbiddenError, which names what is missing, unless the caller's key has every scope the route takes."""
    missing = sorted(scope.value for scope in access.value - caller.scopes)
    if missing:
        has = ", ".join(sorted(scope.value for scope in caller.scopes)) or "none"
        raise ForbiddenError(f"this key lacks the scope {' and '.join(missing)}; it has {has}")


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Dependency ``caller`` of handlers."""
    found = request.scope["state"].get(_CALLER)
    if not isinstance(found, Caller):
        raise FaultError(f"a public route asks for its caller: {request.scope.get('path_template')}")
    return found


def tenant_of(request: Request[Any, Any, Any]) -> UUID:
    """Dependency ``tenant_id`` of handlers: the tenant of the caller, and no other."""
    return caller_of(request).tenant_id


CALLER_DEPENDENCIES: Final = {
    "caller": Provide(caller_of, sync_to_thread=False),
    "tenant_id": Provide(tenant_of, sync_to_thread=False),
}
"""What handlers may ask for by name."""


class OpenDoor:
    """Lets everybody do everything. ``X-Tenant-Id`` selects a tenant that exists and is otherwise ignored.

    Ignored, because clients configured for the hosted service send the id of a workspace there, and refusing it would
    lose their runs to protect a door that is open anyway.
    """

    def __init__(self, ring: KeyRing, default_tenant_id: UUID) -> None:
        self._ring = ring
        self._default = self._caller(default_tenant_id)

    def identify(self, scope: Scope) -> Caller:
        named = _named_tenant(scope)
        if named is None or self._ring.tenant(named) is None:
            return self._default
        return self._caller(named)

    def _caller(self, tenant_id: UUID) -> Caller:
        return Caller(tenant_id=tenant_id, scopes=frozenset(KeyScope))


class KeyDoor:
    """Lets in who shows a valid key: ``X-API-Key`` (what SDKs send), or ``Authorization: Bearer``."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def identify(self, scope: Scope) -> Caller:
        key = self._ring.find(_shown_key(scope["headers"]))
        scopes = with_implied(key.scopes)
        return Caller(tenant_id=self._tenant(scope, key, scopes), scopes=scopes, key_id=key.id, limits=key.limits)

    def _tenant(self, scope: Scope, key: ApiKey, scopes: frozenset[KeyScope]) -> UUID:
        if _header(scope["headers"], _TENANT_HEADER) is None:
            return key.tenant_id
        named = _named_tenant(scope)
        if named == key.tenant_id:
            return key.tenant_id
        if named is not None and KeyScope.OPERATOR in scopes and self._ring.tenant(named) is not None:
            return named
        # One answer for tenants that do not exist and for those of others, so that it tells nothing about them.
        raise ForbiddenError(
            "X-Tenant-Id does not name the tenant of this API key; leave the header out", field="X-Tenant-Id"
        )


def _shown_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    shown = _header(headers, b"x-api-key")
    if shown is None:
        scheme, _, shown = (_header(headers, b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            shown = ""
    if not shown.strip():
        raise AccessError("no API key was sent; send one as X-API-Key or as Authorization: Bearer")
    return shown.strip()


def _named_tenant(scope: Scope) -> UUID | None:
    """The tenant in ``X-Tenant-Id``; None when it is absent or no uuid."""
    text = _header(scope["headers"], _TENANT_HEADER)
    try:
        return None if text is None else UUID(text.strip())
    except ValueError:
        return None


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return None
