"""The API described in OpenAPI, and the page that renders it. Both come from this server alone, nothing from elsewhere.

Litestar describes routes, parameters and answers; the options ``request_body`` and ``answer`` of a handler add what it
reads and writes as bytes itself (byte-exact payloads, errors with positions).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.params import FromPath
from litestar.status_codes import HTTP_302_FOUND
from litestar.types import ControllerRouterHandler

from runlake import __version__
from runlake.api.auth import Access, declared_access
from runlake.api.errors import ErrorBody
from runlake.errors import NotFoundError

_REFERENCES: Final = "#/components/schemas/{name}"
_CONTENT_POLICY: Final = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:"
_KEY_SCHEMES: Final = {
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_ASSETS: Final = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
}


class ApiDocument:
    """The OpenAPI document of a set of handlers, built when it is first asked for."""

    def __init__(self, handlers: Sequence[ControllerRouterHandler], dependencies: dict[str, Any]) -> None:
        self._handlers = handlers
        self._dependencies = dependencies
        self._document: bytes | None = None

    def encoded(self) -> bytes:
        if self._document is None:
            self._document = msgspec.json.encode(self._build())
        return self._document

    def _build(self) -> dict[str, Any]:
        # A second application that never serves: the first one would mount Litestar's own pages and renderers.
        config = OpenAPIConfig(
            title="Runlake",
            version=__version__,
            description="Traces of LLM applications and agents: write, query, judge. Speaks the LangSmith API.",
            use_handler_docstrings=True,
        )
        described = Litestar(
            route_handlers=list(self._handlers),
            dependencies=self._dependencies,
            openapi_config=config,
            logging_config=None,
        )
        document: dict[str, Any] = described.openapi_schema.to_schema()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for route in described.routes:
            for handler in getattr(route, "route_handlers", ()):
                _add_bodies(document["paths"].get(getattr(route, "path_format", ""), {}), handler, schemas)
        _use_own_errors(document, schemas)
        document["components"]["securitySchemes"] = _KEY_SCHEMES
        return document


def _add_bodies(path_item: dict[str, Any], handler: HTTPRouteHandler, schemas: dict[str, Any]) -> None:
    request_body, answer = handler.opt.get("request_body"), handler.opt.get("answer")
    for method in handler.http_methods:
        operation = path_item.get(method.lower())
        if operation is None:
            continue
        operation["security"] = _key_needed(handler)
        if request_body is not None:
            operation["requestBody"] = {"required": True, "content": _content(request_body, schemas)}
        if answer is not None:
            operation["responses"][str(handler.status_code)]["content"] = _content(answer, schemas)


def _key_needed(handler: HTTPRouteHandler) -> list[dict[str, list[str]]]:
    """Either header will do, with a key of these scopes; an empty list is a public route."""
    access = declared_access(handler)
    scopes = sorted(scope.value for scope in access.value) if access is not None else []
    return [{name: scopes} for name in _KEY_SCHEMES] if scopes else []


def _content(body: type, schemas: dict[str, Any]) -> dict[str, Any]:
    """JSON of ``body``; its schema and those it names are added to ``schemas``."""
    (schema,), components = msgspec.json.schema_components([body], ref_template=_REFERENCES)
    schemas.update(components)
    return {"application/json": {"schema": schema}}


def _use_own_errors(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    answer = {"description": "Refused; the body says why", "content": _content(ErrorBody, schemas)}
    for path_item in document["paths"].values():
        for operation in path_item.values():
            if isinstance(operation, dict) and "responses" in operation:
                kept = {status: item for status, item in operation["responses"].items() if status[0] < "4"}
                operation["responses"] = {**kept, "4XX": answer}


@get("/openapi.json", access=Access.PUBLIC, include_in_schema=False)
async def read_openapi(api_document: NamedDependency[ApiDocument]) -> Response[bytes]:
    return Response(await asyncio.to_thread(api_document.encoded), media_type=MediaType.JSON)


@get("/", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False, status_code=HTTP_302_FOUND)
def read_root() -> Response[bytes]:
    """Whoever opens the address in a browser means the pages. Relative, for a proxy may serve us below a path."""
    return Response(b"", media_type=MediaType.TEXT, status_code=HTTP_302_FOUND, headers={"Location": "docs"})


@get("/docs", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def read_docs() -> Response[bytes]:
    return _asset("docs.html", "text/html")


@get("/docs/{name:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def read_docs_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    media_type = _ASSETS.get(name)
    if media_type is None:
        raise NotFoundError(f"there is no {request.scope['path']}")
    return _asset(name, media_type)


def _asset(name: str, media_type: str) -> Response[bytes]:
    content = resources.files("runlake").joinpath("ui", name).read_bytes()
    headers = {"Content-Security-Policy": _CONTENT_POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=media_type, headers=headers)


DOCUMENT_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (read_root, read_openapi, read_docs, read_docs_asset)
