"""Feedback from people who have no key: ``/feedback/tokens``, and the link that each token is.

A link works as a plain URL in a mail, from a script of another site, and by hand in a browser, where it shows a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.feedback_page import ask_page, thanks_page
from runlake.api.links import V2Links
from runlake.api.parameters import ListLimit, Offset, read_path_id
from runlake.errors import ForbiddenError, MalformedError
from runlake.ingest.feedback_tokens import FeedbackTokens
from runlake.model.access import RateClass
from runlake.model.feedback_token import FeedbackToken
from runlake.wire.feedback_tokens import (
    FeedbackTokenBody,
    FeedbackTokenCreate,
    TokenAnswer,
    read_token_answer,
    read_token_parameters,
    read_token_requests,
    token_body,
)

_TOKENS: Final = "/feedback/tokens"
_ANSWERS: Final = frozenset({"score", "value", "comment", "correction"})
_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}
_PAGE_HEADERS: Final = {
    **_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
}


@post(
    _TOKENS,
    status_code=200,
    access=Access.INGEST,
    summary="Make links that take feedback",
    opt={"request_body": FeedbackTokenCreate},
)
async def create_feedback_tokens(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    feedback_tokens: NamedDependency[FeedbackTokens],
    v2_links: NamedDependency[V2Links],
) -> FeedbackTokenBody | list[FeedbackTokenBody]:
    """One link for an object, an array for an array. The run need not exist yet."""
    wished, is_many = read_token_requests(await read_small_body(request), now_us=feedback_tokens.now_us())
    tokens = await feedback_tokens.create(tenant_id, wished)
    bodies = [token_body(token, _root(request, v2_links)) for token in tokens]
    return bodies if is_many else bodies[0]


@get(_TOKENS, access=Access.EDIT, summary="List links that take feedback")
async def list_feedback_tokens(
    *,
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    feedback_tokens: NamedDependency[FeedbackTokens],
    v2_links: NamedDependency[V2Links],
    run_id: Annotated[str, QueryParameter(description="On this run.")],
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> list[FeedbackTokenBody]:
    """Those that can still be used, newest first. Needs more than reading, because each of them lets one write."""
    found = await feedback_tokens.list_of(tenant_id, read_path_id(run_id, "run_id"), offset=offset, limit=limit)
    return [token_body(token, _root(request, v2_links)) for token in found]


@get(
    f"{_TOKENS}/{{feedback_token:str}}",
    access=Access.PUBLIC,
    rate_class=RateClass.INGEST,
    summary="Give feedback with a link",
)
async def use_feedback_link(
    request: AnyRequest, feedback_token: FromPath[str], feedback_tokens: NamedDependency[FeedbackTokens]
) -> Response[Any]:
    """Takes `score`, `value`, `comment` and `correction` as parameters. A browser that brings none is asked."""
    token = await _opened(feedback_tokens, feedback_token)
    purpose = f"{request.headers.get('sec-purpose', '')} {request.headers.get('purpose', '')}"
    if "prefetch" in purpose:
        raise ForbiddenError("a browser that fetches ahead gives no feedback", field="Sec-Purpose")
    given = {name: value for name, value in request.query_params.items() if name in _ANSWERS}
    if _wants_page(request) and not any(given.values()):
        return _page(ask_page(token))
    return await _store(request, feedback_tokens, token, given)


@post(
    f"{_TOKENS}/{{feedback_token:str}}",
    status_code=200,
    access=Access.PUBLIC,
    rate_class=RateClass.INGEST,
    summary="Give feedback with a link, from a script",
    opt={"request_body": TokenAnswer},
)
async def post_to_feedback_link(
    request: AnyRequest, feedback_token: FromPath[str], feedback_tokens: NamedDependency[FeedbackTokens]
) -> Response[Any]:
    """JSON from scripts, the fields of a form from pages."""
    token = await _opened(feedback_tokens, feedback_token)
    body = await read_small_body(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        return await _store(request, feedback_tokens, token, _form_fields(body))
    judgement = read_token_answer(body or b"{}", token, feedback_tokens.receipt(token))
    await feedback_tokens.use(judgement)
    return _thanks(request, token)


async def _opened(tokens: FeedbackTokens, text: str) -> FeedbackToken:
    return await tokens.find(read_path_id(text, "token"))


async def _store(
    request: AnyRequest, tokens: FeedbackTokens, token: FeedbackToken, given: Mapping[str, str]
) -> Response[Any]:
    await tokens.use(read_token_parameters(given, token, tokens.receipt(token)))
    return _thanks(request, token)


def _thanks(request: AnyRequest, token: FeedbackToken) -> Response[Any]:
    if _wants_page(request):
        return _page(thanks_page(token))
    return Response({"message": "feedback is stored"}, headers=_HEADERS)


def _page(text: str) -> Response[Any]:
    return Response(text, media_type="text/html", headers=_PAGE_HEADERS)


def _wants_page(request: AnyRequest) -> bool:
    """Browsers ask for HTML by name when they open a page; scripts take anything."""
    return "text/html" in request.headers.get("accept", "")


def _form_fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), errors="strict", max_num_fields=20))
    except ValueError:
        raise MalformedError("the form cannot be read; send up to 20 fields in UTF-8") from None


def _root(request: AnyRequest, links: V2Links) -> str:
    """Where the client found the route, prefix included, because the SDK takes links of its own address only."""
    path = request.scope.get("raw_path") or b""
    prefix, found, _ = urlsplit(path.decode("latin-1")).path.partition(_TOKENS)
    return links.root(request) + (prefix if found else "")


FEEDBACK_TOKEN_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_feedback_tokens,
    list_feedback_tokens,
    use_feedback_link,
    post_to_feedback_link,
)
