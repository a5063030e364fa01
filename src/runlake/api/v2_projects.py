"""Projects through the v2 API: ``/v2/sessions``, the same service as v1 in the shapes of generated clients."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import json_answer
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import NotOffered, read_ids, read_path_id
from runlake.api.projects import ProjectListing, ProjectService
from runlake.errors import InvalidError, NotOfferedError
from runlake.store.projects import ProjectFilter
from runlake.wire.members import choice_member
from runlake.wire.scalars import read_time
from runlake.wire.v2_projects import (
    ProjectBodyV2,
    ProjectsPage,
    project_body_v2,
    read_offset,
    v1_body,
    write_offset,
)

MAX_PAGE: Final = 100
_SORTS: Final = ("NAME", "START_TIME", "LAST_RUN_START_TIME", "ERROR_RATE", "LATENCY_P50", "LATENCY_P99")


@post(
    "/v2/sessions", status_code=200, access=Access.EDIT, summary="Create a project (v2)", opt={"answer": ProjectBodyV2}
)
async def create_project_v2(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    upsert: FromQuery[bool] = False,
) -> Response[Any]:
    """As in v1; `type` is required, `PROJECT` or (with a reference dataset) `EXPERIMENT`."""
    body = v1_body(await read_small_body(request), needs_type=True)
    found = await asyncio.to_thread(projects.create, tenant_id, body, upsert=upsert)
    return json_answer(msgspec.json.encode(project_body_v2(found)))


@get("/v2/sessions", access=Access.READ, summary="List projects (v2)", opt={"answer": ProjectsPage})
async def list_projects_v2(
    *,
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    ids: Annotated[list[str] | None, QueryParameter(name="id")] = None,
    name: FromQuery[str | None] = None,
    name_contains: FromQuery[str | None] = None,
    kinds: Annotated[list[str] | None, QueryParameter(name="type", description="PROJECT or EXPERIMENT.")] = None,
    reference_dataset_id: FromQuery[list[str] | None] = None,
    metadata: FromQuery[str | None] = None,
    sort_by: FromQuery[str | None] = None,
    sort_order: FromQuery[str | None] = None,
    include_stats: FromQuery[bool] = False,
    stats_start_time: FromQuery[str | None] = None,
    page_size: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 20,
    cursor: FromQuery[str | None] = None,
    filter_text: Annotated[str | None, QueryParameter(name="filter", description="Not offered on projects.")] = None,
    stats_filter: Annotated[str | None, QueryParameter(description="Not offered.")] = None,
    dataset_version: Annotated[str | None, QueryParameter(description="Not offered.")] = None,
    tag_value_id: NotOffered = None,
) -> Response[Any]:
    """A page by cursor, newest first unless told otherwise."""
    _refuse(filter=filter_text, stats_filter=stats_filter, dataset_version=dataset_version, tag_value_id=tag_value_id)
    offset = read_offset(cursor)
    listing = ProjectListing(
        wanted=ProjectFilter(
            ids=read_ids(ids, "id"),
            name=name,
            name_contains=name_contains,
            reference_free=_reference_free(kinds),
            reference_datasets=read_ids(reference_dataset_id, "reference_dataset_id"),
        ),
        metadata=metadata,
        sort_by=None if sort_by is None else choice_member(sort_by, "sort_by", _SORTS).lower(),
        descending=sort_order is None or choice_member(sort_order, "sort_order", ("asc", "desc")) == "desc",
        offset=offset,
        limit=page_size + 1,
        include_stats=include_stats,
        stats_since_us=None if stats_start_time is None else read_time(stats_start_time, "stats_start_time"),
    )
    found = await asyncio.to_thread(projects.list, tenant_id, listing)
    items = [project_body_v2(project) for project in found[:page_size]]
    token = write_offset(offset + page_size) if len(found) > page_size else None
    return json_answer(msgspec.json.encode(ProjectsPage(items=items, next_cursor=token)))


@get("/v2/sessions/{session_id:str}", access=Access.READ, summary="Read a project (v2)", opt={"answer": ProjectBodyV2})
async def read_project_v2(
    session_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    include_stats: FromQuery[bool] = False,
    stats_start_time: FromQuery[str | None] = None,
) -> Response[Any]:
    """One project, with the statistics of its runs when `include_stats=true`."""
    since_us = None if stats_start_time is None else read_time(stats_start_time, "stats_start_time")
    project_id = read_path_id(session_id, "session_id")
    found = await asyncio.to_thread(
        projects.read, tenant_id, project_id, include_stats=include_stats, since_us=since_us
    )
    return json_answer(msgspec.json.encode(project_body_v2(found)))


@patch(
    "/v2/sessions/{session_id:str}", access=Access.EDIT, summary="Change a project (v2)", opt={"answer": ProjectBodyV2}
)
async def update_project_v2(
    request: AnyRequest,
    session_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
) -> Response[Any]:
    """What is absent or null stays as it is."""
    body = v1_body(await read_small_body(request), needs_type=False)
    found = await asyncio.to_thread(projects.update, tenant_id, read_path_id(session_id, "session_id"), body)
    return json_answer(msgspec.json.encode(project_body_v2(found)))


def _reference_free(kinds: list[str] | None) -> bool | None:
    """Projects alone, experiments alone, or both. There are no agents here, so those alone are nothing to ask for."""
    wanted = {choice_member(part, "type", ("PROJECT", "AGENT", "EXPERIMENT")) for part in _parts(kinds)}
    if wanted == {"AGENT"}:
        raise NotOfferedError("type AGENT is not offered here; use PROJECT", field="type")
    if {"PROJECT", "EXPERIMENT"} <= wanted or not wanted:
        return None
    return "PROJECT" in wanted


def _parts(values: list[str] | None) -> list[str]:
    return [part for value in values or () for part in value.split(",") if part.strip()]


def _refuse(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidError(f"{name} is not offered on projects; use name, name_contains or metadata", field=name)


V2_PROJECT_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_project_v2,
    list_projects_v2,
    read_project_v2,
    update_project_v2,
)
