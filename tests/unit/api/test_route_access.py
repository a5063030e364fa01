"""Every route says whom it is open to, and what says nothing is closed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from litestar.handlers import HTTPRouteHandler

from runlake.api.asgi import Receive, Scope, Send
from runlake.api.auth import Access, Caller, RouteAccess, check_scopes, declared_access
from runlake.api.openapi import DOCUMENT_HANDLERS
from runlake.api.rate_limits import RateLimiter
from runlake.errors import FaultError, ForbiddenError, RateLimitedError
from runlake.model.access import KeyScope, RateClass, RateLimits, with_implied
from runlake.wiring.http import API_HANDLERS

TENANT = UUID(int=1)
PUBLIC_PATHS = {
    "/",
    "/attachments/{run_id:str}",
    "/example-attachments/{example_id:str}",
    "/docs",
    "/docs/{name:str}",
    "/feedback/tokens/{feedback_token:str}",
    "/healthz",
    "/info",
    "/info/health",
    "/ok",
    "/openapi.json",
    "/public/{share_token:str}/datasets",
    "/public/{share_token:str}/datasets/sessions",
    "/public/{share_token:str}/examples",
    "/public/{share_token:str}/run",
    "/public/{share_token:str}/run/{run_id:str}",
    "/public/{share_token:str}/runs",
    "/public/{share_token:str}/runs/query",
    "/readyz",
    "/v2/public/{share_token:str}/run/{run_id:str}",
    "/v2/public/{share_token:str}/runs/query",
}
"""A new one is a decision: it answers anybody, whatever the settings."""


HANDLERS = cast("list[HTTPRouteHandler]", [*API_HANDLERS, *DOCUMENT_HANDLERS])


def test_every_route_declares_its_access() -> None:
    forgotten = [handler.paths for handler in HANDLERS if declared_access(handler) is None]
    assert forgotten == []


def test_the_public_routes_are_exactly_these() -> None:
    public = {path for handler in HANDLERS if declared_access(handler) is Access.PUBLIC for path in handler.paths}
    assert public == PUBLIC_PATHS


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: f"{min(handler.http_methods)} {min(handler.paths)}")
def test_what_changes_or_removes_is_not_open_to_readers(handler: HTTPRouteHandler) -> None:
    """``POST`` also carries queries; the other methods have but one meaning."""
    access = declared_access(handler)
    only_says_that_there_is_nothing = any("{rest:path}" in path for path in handler.paths)
    if handler.http_methods & {"PUT", "PATCH", "DELETE"} and not only_says_that_there_is_nothing:
        assert access in {Access.INGEST, Access.EDIT, Access.ADMIN, Access.OPERATOR}


async def call(access: object, scopes: frozenset[KeyScope], open_to_all: frozenset[Access] = frozenset()) -> list[str]:
    reached = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append("handler")

    class Known:
        def identify(self, scope: Scope) -> Caller:
            del scope
            return Caller(tenant_id=TENANT, scopes=scopes)

    scope: dict[str, Any] = {
        "method": "GET",
        "state": {},
        "route_handler": SimpleNamespace(opt={} if access is None else {"access": access}),
    }
    limiter = RateLimiter(RateLimits(), now_s=lambda: 0.0)
    checked = RouteAccess(app, doorkeeper=Known(), limiter=limiter, open_to_all=open_to_all)
    await checked(scope, None, None)  # type: ignore[arg-type]  # neither is reached
    return reached


@pytest.mark.parametrize("access", [None, "read", True])
def test_a_route_without_a_declaration_is_closed_even_to_the_operator(access: object) -> None:
    with pytest.raises(FaultError, match="does not declare its access"):
        asyncio.run(call(access, frozenset(KeyScope)))


def test_public_work_that_costs_something_is_limited_for_everybody_together() -> None:
    limiter = RateLimiter(RateLimits(query_per_minute=1), now_s=lambda: 0.0)
    routes: list[dict[str, Any]] = [
        {"access": Access.PUBLIC, "rate_class": RateClass.QUERY},
        {"access": Access.PUBLIC},
    ]

    async def ask(opt: dict[str, Any]) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            del scope, receive, send

        scope: dict[str, Any] = {"method": "GET", "state": {}, "route_handler": SimpleNamespace(opt=opt)}
        checked = RouteAccess(app, doorkeeper=Nobody(), limiter=limiter, open_to_all=frozenset())
        await checked(scope, None, None)  # type: ignore[arg-type]  # neither is reached

    asyncio.run(ask(routes[0]))
    with pytest.raises(RateLimitedError):
        asyncio.run(ask(routes[0]))
    asyncio.run(ask(routes[1]))
    asyncio.run(ask(routes[1]))


class Nobody:
    """A doorkeeper that public routes must not ask."""

    def identify(self, scope: Scope) -> Caller:
        raise AssertionError(scope)


OPENS = {
    KeyScope.INGEST: {Access.PUBLIC, Access.INGEST},
    KeyScope.READ: {Access.PUBLIC, Access.READ},
    KeyScope.ADMIN: {Access.PUBLIC, Access.INGEST, Access.READ, Access.EDIT, Access.ADMIN},
    KeyScope.OPERATOR: set(Access),
    KeyScope.METRICS: {Access.PUBLIC, Access.METRICS},
}


@pytest.mark.parametrize("scope", KeyScope)
@pytest.mark.parametrize("access", Access)
def test_a_scope_opens_what_it_should_and_nothing_else(scope: KeyScope, access: Access) -> None:
    scopes = with_implied(frozenset({scope}))
    if access in OPENS[scope]:
        assert asyncio.run(call(access, scopes)) == ["handler"]
    else:
        with pytest.raises(ForbiddenError, match="lacks the scope"):
            asyncio.run(call(access, scopes))


def test_editing_takes_adding_and_reading_together() -> None:
    both = frozenset({KeyScope.INGEST, KeyScope.READ})
    check_scopes(Access.EDIT, Caller(tenant_id=TENANT, scopes=both))
    with pytest.raises(ForbiddenError, match="lacks the scope ingest; it has read"):
        check_scopes(Access.EDIT, Caller(tenant_id=TENANT, scopes=both - {KeyScope.INGEST}))


def test_a_setting_may_open_one_kind_of_route_and_no_other() -> None:
    opened = frozenset({Access.METRICS})
    assert asyncio.run(call(Access.METRICS, frozenset(), opened)) == ["handler"]
    with pytest.raises(ForbiddenError):
        asyncio.run(call(Access.READ, frozenset(), opened))
