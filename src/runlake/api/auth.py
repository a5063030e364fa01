"""Who calls, and whether the route is open to them: checked in one place, before a handler or its body is touched.

Each route declares what it takes with one argument, ``@get("/runs/{run_id:str}", access=Access.READ)``. A route that
declares nothing is closed to everybody (and fails a test), so forgetting can only lock, never open.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol
from uuid import UUID

from litestar import Request
from litestar.di import Provide

from runlake.api.asgi import AsgiApp, Receive, Scope, Send
from runlake.errors import FaultError, ForbiddenError
from runlake.model.access import KeyScope, with_implied

_CALLER: Final = "caller"


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


class Doorkeeper(Protocol):
    """Tells who calls."""

    def identify(self, scope: Scope) -> Caller:
        """The caller of a request; AccessError when it shows no valid key, ForbiddenError for a wrong tenant."""


class RouteAccess:
    """ASGI middleware of the framework, run when the route is known."""

    def __init__(self, app: AsgiApp, *, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._doorkeeper = doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        access = declared_access(scope["route_handler"])
        if scope.get("method") != "OPTIONS" and access is not Access.PUBLIC:
            if access is None:
                raise FaultError(f"the route {scope.get('path_template')} does not declare its access")
            caller = self._doorkeeper.identify(scope)
            check_scopes(access, caller)
            scope["state"][_CALLER] = caller
        await self._app(scope, receive, send)


def declared_access(handler: Any) -> Access | None:
    """What a route handler declares; None when it was forgotten."""
    found = handler.opt.get("access")
    return found if isinstance(found, Access) else None


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
    """A doorkeeper that lets everybody do everything, within one tenant."""

    def __init__(self, tenant_id: UUID) -> None:
        self._caller = Caller(tenant_id=tenant_id, scopes=with_implied(frozenset({KeyScope.OPERATOR})))

    def identify(self, scope: Scope) -> Caller:
        del scope
        return self._caller
