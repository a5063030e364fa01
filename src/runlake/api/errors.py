"""The one place where errors become HTTP: every answer above 399 has the body ``ErrorBody``.

``detail`` is what the hosted query service answers with and ``error`` what its ingest service does (documented
upstream); carrying both satisfies every reader. The rest is our choice. User errors are logged as one line without
their message, because a message may quote what a client sent; faults keep their trace.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from runlake.api.asgi import Scope
from runlake.api.similar_routes import similar_route
from runlake.errors import AccessError, Diagnostic, FaultError, FilterError, MalformedError, RunlakeError
from runlake.otlp.answers import Encoding, encode_failure, encoding_of

_LOG: Final = structlog.get_logger("runlake.api")
_ENCODER: Final = msgspec.json.Encoder()
_PROBLEM: Final = "application/problem+json"
OTLP_PATH: Final = "/otel/v1/traces"
_CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "overloaded",
    503: "unavailable",
}

_CLIENT_LEFT: Final = "client disconnected prematurely"
"""How the framework says that a client went away in the middle of its request: no fault of ours, and nobody listens."""
_ANSWERED_CODE: Final = "runlake_error_code"
"""Where in its scope a request notes the code of its error, for the measurements."""

AnyRequest = Request[Any, Any, Any]


class DiagnosticBody(msgspec.Struct, frozen=True, kw_only=True):
    """One problem inside a filter. ``start`` and ``end`` are character offsets; line and column count from 1."""

    code: str
    message: str
    line: int
    column: int
    start: int
    end: int
    excerpt: str
    expected: tuple[str, ...] = ()
    suggestion: str | None = None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What every failed request is answered with; all keys are always there.

    ``field`` names the offending part, ``position`` is a byte offset into the request body (a character offset for a
    filter), ``suggestion`` is text to send instead.
    """

    detail: str
    error: str
    code: str
    field: str | None = None
    position: int | None = None
    suggestion: str | None = None
    diagnostics: tuple[DiagnosticBody, ...] = ()


class ProblemBody(ErrorBody, frozen=True, kw_only=True):
    """What a failed v2 request is answered with: the members of RFC 7807 beside our own (seen in generated clients)."""

    title: str
    status: int
    type: str = "about:blank"
    instance: str | None = None
    remedy: str | None = None


def describe(error: RunlakeError) -> ErrorBody:
    """The body for an error of our tree."""
    diagnostics = error.diagnostics if isinstance(error, FilterError) else ()
    position = diagnostics[0].start if diagnostics else getattr(error, "position", None)
    detail = describe_filter(diagnostics, error.field) if diagnostics else _sentence(error)
    return ErrorBody(
        detail=detail,
        error=error.message,
        code=error.code,
        field=error.field,
        position=position,
        suggestion=error.suggestion,
        diagnostics=tuple(_diagnostic_body(item) for item in diagnostics),
    )


def describe_filter(diagnostics: tuple[Diagnostic, ...], field: str | None) -> str:
    """All problems of a filter as text with places and caret lines, for clients that show ``detail`` and no more."""
    parts = [f"{field or 'filter'} is not valid"]
    for item in diagnostics:
        parts.append(f"line {item.line}, column {item.column}: {item.message}")
        parts.append(item.excerpt)
        if item.suggestion:
            parts.append(f"try {item.suggestion}")
    return "\n".join(parts)


def _sentence(error: RunlakeError) -> str:
    return f"{error.message}; try {error.suggestion}" if error.suggestion else error.message


def _diagnostic_body(item: Diagnostic) -> DiagnosticBody:
    return DiagnosticBody(
        code=item.code,
        message=item.message,
        line=item.line,
        column=item.column,
        start=item.start,
        end=item.end,
        excerpt=item.excerpt,
        expected=item.expected,
        suggestion=item.suggestion,
    )


def error_code_of(scope: Scope) -> str | None:
    """The code that the request was answered with, None when it was not refused."""
    return scope.get(_ANSWERED_CODE)


def error_response(
    request: AnyRequest, body: ErrorBody, status: int, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """The answer in the form of the API family that was asked."""
    path = request.scope["path"]
    if path == OTLP_PATH:
        return _otlp_response(request, body, status, headers)
    if not path.startswith("/v2/"):
        return Response(_ENCODER.encode(body), status_code=status, media_type="application/json", headers=headers)
    own = {name: getattr(body, name) for name in ErrorBody.__struct_fields__}
    problem = ProblemBody(**own, title=HTTPStatus(status).phrase, status=status, instance=path, remedy=body.suggestion)
    return Response(_ENCODER.encode(problem), status_code=status, media_type=_PROBLEM, headers=headers)


def _otlp_response(
    request: AnyRequest, body: ErrorBody, status: int, headers: dict[str, str] | None
) -> Response[bytes]:
    """``google.rpc.Status`` in the encoding of the request, as OTLP wants; JSON where that cannot be told."""
    try:
        encoding = encoding_of(request.headers.get("content-type"))
    except MalformedError:
        encoding = Encoding.JSON
    message = encode_failure(encoding, status, body.detail)
    return Response(message, status_code=status, media_type=encoding.value, headers=headers)


def answer_own(request: AnyRequest, error: RunlakeError) -> Response[bytes]:
    """An error of our tree."""
    _note(request, error.code)
    if isinstance(error, FaultError) and error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # The engine's own words may quote statements, so they stay in the log.
        return _answer_fault(request, error, error.code)
    if isinstance(error, FaultError):
        _LOG.warning("fault", code=error.code, path=request.scope["path"], message=error.message)
    else:
        _log_refusal(request, error.status, error.code, error.field)
    return error_response(request, describe(error), error.status, _headers(error))


def _headers(error: RunlakeError) -> dict[str, str]:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, AccessError):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def answer_early(error: RunlakeError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body for a request that is turned away before the framework sees it."""
    _LOG.info("refused", status=error.status, code=error.code, field=error.field)
    body = _ENCODER.encode(describe(error))
    headers = {**_headers(error), "Content-Type": "application/json", "Content-Length": str(len(body))}
    return error.status, [(name.lower().encode(), value.encode()) for name, value in headers.items()], body


def answer_framework(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """An error that Litestar raised before a handler ran: routing, parameters, body size."""
    if error.detail == _CLIENT_LEFT:
        return answer_own(request, MalformedError("the client went away before its request was complete"))
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_unexpected(request, error)
    detail, field = _framework_detail(request, error)
    code = _CODES.get(error.status_code, "bad_request")
    _note(request, code)
    _log_refusal(request, error.status_code, code, field)
    near = _near_route(request) if error.status_code == HTTPStatus.NOT_FOUND else None
    if near is not None:
        detail = f"{detail}; did you mean {near}"
    body = ErrorBody(detail=detail, error=detail, code=code, field=field, suggestion=near)
    return error_response(request, body, error.status_code, error.headers)


def _near_route(request: AnyRequest) -> str | None:
    return similar_route(request.scope["path"], [route.path for route in request.app.routes])


def _framework_detail(request: AnyRequest, error: HTTPException) -> tuple[str, str | None]:
    path = request.scope["path"]
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        field = str(first.get("key", "")) or None
        return f"{first.get('source', 'parameter')} {field}: {str(first.get('message', '')).lower()}", field
    if error.status_code == HTTPStatus.NOT_FOUND:
        return f"no route {request.scope['method']} {path}; /docs lists what there is", None
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("allow", "")
        return f"{path} does not take {request.scope['method']}; it takes {allowed}", None
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "the request body is over the limit set by max_body_bytes; send smaller batches", None
    return error.detail or HTTPStatus(error.status_code).phrase.lower(), None


def answer_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Anything else is a defect of ours."""
    return _answer_fault(request, error, FaultError.code)


def _answer_fault(request: AnyRequest, error: Exception, code: str) -> Response[bytes]:
    """The client learns that we failed and where to look; the log has the trace."""
    _note(request, code)
    _LOG.error("fault", code=code, path=request.scope["path"], exc_info=error)
    detail = "the server failed on this request; its log has the cause under the id in the x-request-id header"
    body = ErrorBody(detail=detail, error=detail, code=code)
    return error_response(request, body, HTTPStatus.INTERNAL_SERVER_ERROR)


def _note(request: AnyRequest, code: str) -> None:
    cast("Scope", request.scope)[_ANSWERED_CODE] = code


def _log_refusal(request: AnyRequest, status: int, code: str, field: str | None) -> None:
    _LOG.info("refused", status=status, code=code, field=field, method=request.scope["method"])


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    RunlakeError: answer_own,
    HTTPException: answer_framework,
    Exception: answer_unexpected,
}
