"""Statistics over runs: ``POST /runs/stats``."""

from __future__ import annotations

from typing import Any, Final, assert_never
from uuid import UUID

import msgspec
from litestar import MediaType, Response, post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.model.run_stats import RunStats, StatsSelect
from runlake.query.read_request import wanted_stats
from runlake.query.service import ReadStats, RunQueries
from runlake.wire.run_queries import RunQueryBody, decode_query_body, read_query
from runlake.wire.stats import StatsBody, buckets_body, stats_body


@post(
    "/runs/stats",
    status_code=200,
    access=Access.READ,
    summary="Statistics over runs",
    opt={"request_body": RunQueryBody, "answer": StatsBody},
)
async def query_stats(
    request: AnyRequest, tenant_id: NamedDependency[UUID], runs: NamedDependency[RunQueries]
) -> Response[Any]:
    """Takes the conditions of ``/runs/query``; ``group_by`` and ``interval`` divide the runs into parts."""
    spec = read_query(decode_query_body(await read_small_body(request)), for_stats=True)
    found = await runs.stats(spec, tenant_id=tenant_id)
    return Response(_encode_stats(found, wanted_stats(spec)), media_type=MediaType.JSON)


def _encode_stats(found: ReadStats, wanted: frozenset[StatsSelect]) -> bytes:
    """One object, a map from group to statistics (the largest first), or a list of spans."""
    match found:
        case RunStats():
            return msgspec.json.encode(stats_body(found, wanted))
        case dict():
            return msgspec.json.encode({group: stats_body(stats, wanted) for group, stats in found.items()})
        case list():
            return msgspec.json.encode(buckets_body(found, wanted))
        case _:
            assert_never(found)


STATS_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (query_stats,)
