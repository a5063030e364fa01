"""``POST /v2/sql/query``: a select over one's own runs and feedback."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from runlake.api.answers import json_answer
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.errors import InvalidError
from runlake.query.sql_queries import SqlQueries
from runlake.wire.json_text import decode_object
from runlake.wire.members import MemberReader, ids_member, text_member
from runlake.wire.v2_queries import raise_first


class SqlQuery(msgspec.Struct, kw_only=True, gc=False):
    """The body: a single SELECT, and the projects that it may read."""

    project_ids: Any = None
    query: Any = None


class SqlColumnBody(msgspec.Struct, frozen=True):
    name: str
    data_type: str


class SqlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result, each row in the order of ``columns``."""

    columns: list[SqlColumnBody]
    rows: list[list[Any]]
    row_count: int
    is_truncated: bool
    truncation_reason: str | None
    execution_time_ms: float
    warnings: list[str]


_QUERY: Final = msgspec.json.Decoder(SqlQuery)


@post(
    "/v2/sql/query",
    status_code=200,
    access=Access.READ,
    summary="Query with SQL (v2)",
    opt={"request_body": SqlQuery, "answer": SqlAnswer},
)
async def query_sql(
    request: AnyRequest, tenant_id: NamedDependency[UUID], sql: NamedDependency[SqlQueries]
) -> Response[Any]:
    """At most 1,000 rows and 10 MB; the answer says when there was more."""
    body = await read_small_body(request)
    reader = MemberReader(decode_object(body, _QUERY) if body.strip() else SqlQuery())
    text, projects = reader.read("query", text_member), reader.read("project_ids", ids_member)
    raise_first(reader.problems)
    if text is None:
        raise InvalidError("query is missing; send a single SELECT over runs and feedback", field="query")
    if not projects:
        raise InvalidError("project_ids is missing; send the ids of the projects to read", field="project_ids")
    found = await sql.query(text, projects, tenant_id=tenant_id)
    answer = SqlAnswer(
        columns=[SqlColumnBody(column.name, column.data_type) for column in found.columns],
        rows=found.rows,
        row_count=len(found.rows),
        is_truncated=found.cut_by is not None,
        truncation_reason=found.cut_by,
        execution_time_ms=round(found.elapsed_ms, 3),
        warnings=[],
    )
    return json_answer(msgspec.json.encode(answer))


SQL_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (query_sql,)
