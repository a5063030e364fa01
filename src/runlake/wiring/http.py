"""Every route of the API, and the ASGI application around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from litestar import Litestar
from litestar.di import Provide

from runlake.api.asgi import AsgiApp
from runlake.api.attachments import ATTACHMENT_HANDLERS
from runlake.api.auth import CALLER_DEPENDENCIES
from runlake.api.browsers import BrowserGuard
from runlake.api.deletes import DELETE_HANDLERS
from runlake.api.disconnects import Disconnects
from runlake.api.errors import EXCEPTION_HANDLERS
from runlake.api.export_stream import EXPORT_STREAM_HANDLERS
from runlake.api.exports import EXPORT_HANDLERS
from runlake.api.filters import FILTER_HANDLERS
from runlake.api.health import HEALTH_HANDLERS
from runlake.api.ingest import INGEST_HANDLERS
from runlake.api.keys import KEY_HANDLERS
from runlake.api.openapi import DOCUMENT_HANDLERS, ApiDocument
from runlake.api.otlp import OTLP_HANDLERS
from runlake.api.prefixes import CanonicalPaths
from runlake.api.projects import PROJECT_HANDLERS
from runlake.api.query import RUN_QUERY_HANDLERS
from runlake.api.rate_limits import add_rate_headers
from runlake.api.requests import HttpMetrics, RequestLog
from runlake.api.snapshots import SNAPSHOT_HANDLERS
from runlake.api.workspaces import WORKSPACE_HANDLERS
from runlake.hidden_packages import hidden
from runlake.wiring.access import Entrance
from runlake.wiring.datasets import ALL_DATASET_HANDLERS
from runlake.wiring.feedback import ALL_FEEDBACK_HANDLERS
from runlake.wiring.operations import Operations
from runlake.wiring.reading import READING_HANDLERS

API_HANDLERS: Final[tuple[Any, ...]] = (
    *RUN_QUERY_HANDLERS,
    *FILTER_HANDLERS,
    *READING_HANDLERS,
    *INGEST_HANDLERS,
    *OTLP_HANDLERS,
    *ATTACHMENT_HANDLERS,
    *DELETE_HANDLERS,
    *PROJECT_HANDLERS,
    *ALL_FEEDBACK_HANDLERS,
    *ALL_DATASET_HANDLERS,
    *EXPORT_HANDLERS,
    *EXPORT_STREAM_HANDLERS,
    *WORKSPACE_HANDLERS,
    *KEY_HANDLERS,
    *SNAPSHOT_HANDLERS,
    *HEALTH_HANDLERS,
)
"""Every route of the API, in the order in which /docs shows them."""


def make_asgi(
    services: Mapping[str, object],
    operations: Operations,
    entrance: Entrance,
    *,
    max_body_bytes: int,
    new_id: Callable[[], UUID],
) -> AsgiApp:
    """``services`` are what handlers ask for, by the name of their parameter."""
    registry = operations.metrics.registry
    dependencies = {name: _always(value) for name, value in {**services, "registry": registry}.items()}
    dependencies |= CALLER_DEPENDENCIES
    document = ApiDocument(API_HANDLERS, dependencies)
    with hidden("pydantic"):
        litestar = Litestar(
            route_handlers=[*API_HANDLERS, *DOCUMENT_HANDLERS],
            dependencies={**dependencies, "api_document": _always(document)},
            middleware=[entrance.middleware],
            before_send=[cast("Any", add_rate_headers)],
            exception_handlers=EXCEPTION_HANDLERS,
            openapi_config=None,
            logging_config=None,
            request_max_body_size=max_body_bytes,
        )
    guarded = BrowserGuard(CanonicalPaths(cast("AsgiApp", litestar)), entrance.browser_rules)
    return RequestLog(Disconnects(guarded), metrics=HttpMetrics(registry), new_id=lambda: new_id().hex[:16])


def _always(value: object) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)
