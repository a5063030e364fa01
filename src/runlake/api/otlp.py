"""Spans over OTLP/HTTP: ``POST /otel/v1/traces``, and the other paths of ``api.prefixes``.

Bodies are protobuf or JSON and so are the answers, failures included (``google.rpc.Status``, made in ``api.errors``). A
span that cannot be a run is counted in ``partial_success`` while its neighbours are stored; the answer is 200 then, as
the specification wants, because a 4xx would make exporters drop the whole request.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from litestar import Response, post
from litestar.di import NamedDependency

from runlake.api.auth import Access
from runlake.api.errors import OTLP_PATH
from runlake.api.ingest import Incoming, IngestService
from runlake.otlp.answers import encode_success, encoding_of
from runlake.otlp.read import read_traces
from runlake.wire.run_writes import Refusal

PROJECT_HEADER: Final = "langsmith-project"
_NAMED_REFUSALS: Final = 5


@post(OTLP_PATH, status_code=200, access=Access.INGEST, summary="Store spans of OpenTelemetry")
async def write_spans(
    request: Incoming, tenant_id: NamedDependency[UUID], ingest: NamedDependency[IngestService]
) -> Response[bytes]:
    """Store spans sent as OTLP in protobuf or JSON; the header `Langsmith-Project` names the project."""
    encoding = encoding_of(request.headers.get("content-type"))
    project = request.headers.get(PROJECT_HEADER) or None
    refused = await ingest.write_spans(tenant_id, request, partial(read_traces, encoding=encoding, project=project))
    body = encode_success(encoding, rejected=len(refused), reason=_reason(refused))
    return Response(body, media_type=encoding.value)


def _reason(refused: Sequence[Refusal]) -> str:
    named = [f"{refusal.part}: {refusal.error.message}" for refusal in refused[:_NAMED_REFUSALS]]
    more = [f"and {len(refused) - _NAMED_REFUSALS} more"] if len(refused) > _NAMED_REFUSALS else []
    return "; ".join(named + more)


OTLP_HANDLERS: Final = (write_spans,)
