"""Families of the platform's API that this server leaves out: each answers with one sentence instead of a bare 404."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from litestar import route
from litestar.enums import HttpMethod
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest
from runlake.errors import NotOfferedError

_READS: Final = [HttpMethod.GET, HttpMethod.POST]
_EDITS: Final = [HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]
FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    ("/repos", "prompts are kept elsewhere: this server stores traces and has no prompt hub"),
    ("/commits", "prompts are kept elsewhere: this server stores traces and has no prompt hub"),
    ("/likes", "prompts are kept elsewhere: this server stores traces and has no prompt hub"),
    ("/comments", "prompts are kept elsewhere: this server stores traces and has no prompt hub"),
    ("/prompt-webhooks", "prompts are kept elsewhere: this server stores traces and has no prompt hub"),
    ("/platform/annotation-queues", "queues are read and filled through /annotation-queues here, without reviews"),
    ("/runs/rules", "there are no automation rules here; query runs and act on them from a job of yours"),
    ("/v2/runs/rules", "there are no automation rules here; query runs and act on them from a job of yours"),
    ("/charts", "there are no stored charts here; POST /runs/stats with interval and group_by has the numbers"),
    ("/org-charts", "there are no stored charts here; POST /runs/stats with interval and group_by has the numbers"),
    ("/platform/alerts", "there are no alerts here; watch POST /runs/stats or GET /metrics"),
    ("/platform/evaluators", "evaluators run in your own code here; send their scores as feedback"),
    ("/deployments", "deployments are no part of this server"),
    ("/v1/fleet", "deployments are no part of this server"),
    ("/v2/sandboxes", "sandboxes are no part of this server"),
    (
        "/v2/ai-search",
        "searching in natural language needs a language model, which this server has none of; use filter",
    ),
    ("/runs/generate-query", "writing filters needs a language model, which this server has none of; see /docs"),
)
"""(prefix, what to say and what to use instead)."""


def _handler(prefix: str, sentence: str, methods: list[HttpMethod], access: Access) -> ControllerRouterHandler:
    @route(
        [prefix, f"{prefix}/{{rest:path}}"],
        http_method=methods,
        status_code=501,
        access=access,
        include_in_schema=False,
        sync_to_thread=False,
    )
    def refuse(request: AnyRequest, rest: Any = None) -> NoReturn:
        del request, rest
        raise NotOfferedError(sentence)

    return refuse


ELSEWHERE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = tuple(
    _handler(prefix, sentence, methods, access)
    for prefix, sentence in FAMILIES
    for methods, access in ((_READS, Access.READ), (_EDITS, Access.EDIT))
)
