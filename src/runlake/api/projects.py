"""Projects: ``/sessions`` of the v1 API. Handlers decode, call ``ProjectService``, encode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Protocol, cast
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import Deleted
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import ListLimit, MetadataPart, Offset, read_ids, read_path_id
from runlake.errors import InvalidError
from runlake.model.project import Project
from runlake.model.project_stats import ProjectStats
from runlake.store.projects import ProjectChanges, ProjectFilter, ProjectOrder, ProjectStore
from runlake.wire.containment import holds, read_wanted
from runlake.wire.projects import (
    ProjectBody,
    ProjectCreate,
    ProjectPatch,
    project_body,
    project_metadata,
    read_project_changes,
    read_project_create,
)
from runlake.wire.scalars import read_time


class ProjectDeletions(Protocol):
    """Removes the rows of projects; blocks."""

    def order_project(self, tenant_id: UUID, project_id: UUID) -> object:
        """Have the rows of a project that the ledger has marked deleted removed, its feedback at once."""
        ...


class ProjectStatsSource(Protocol):
    """Computes statistics; blocks. ``since_us`` leaves out runs that started before it."""

    def project_stats(
        self, tenant_id: UUID, projects: Sequence[UUID], *, since_us: int | None
    ) -> dict[UUID, ProjectStats]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectListing:
    """What a listing asks for, typed."""

    wanted: ProjectFilter
    metadata: str | None = None
    sort_by: str | None = None
    descending: bool = True
    offset: int = 0
    limit: int = 100
    include_stats: bool = False
    stats_since_us: int | None = None


_STAT_KEYS: Final[dict[str, Callable[[ProjectStats], float | None]]] = {
    "last_run_start_time": lambda stats: stats.last_run_start_time,
    "latency_p50": lambda stats: stats.latency_p50,
    "latency_p99": lambda stats: stats.latency_p99,
    "error_rate": lambda stats: stats.error_rate,
    "runs_count": lambda stats: stats.run_count,
}
SORT_KEYS: Final = ("name", "start_time", *_STAT_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectService:
    """Everything that can be done with projects; blocks, so handlers call it on a thread."""

    store: ProjectStore
    deletions: ProjectDeletions
    stats: ProjectStatsSource
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    def create(self, tenant_id: UUID, body: bytes, *, upsert: bool) -> ProjectBody:
        project = read_project_create(body, tenant_id=tenant_id, now_us=self.now_us(), new_id=self.new_id)
        return project_body(self.store.create_project(project, upsert=upsert))

    def read(self, tenant_id: UUID, project_id: UUID, *, include_stats: bool, since_us: int | None) -> ProjectBody:
        project = self.store.read_project(tenant_id, project_id)
        if not include_stats:
            return project_body(project)
        return project_body(project, self._stats(tenant_id, [project], since_us)[project.id])

    def update(self, tenant_id: UUID, project_id: UUID, body: bytes) -> ProjectBody:
        changes = cast("ProjectChanges", read_project_changes(body))
        return project_body(self.store.update_project(tenant_id, project_id, changes))

    def delete(self, tenant_id: UUID, project_ids: Sequence[UUID]) -> Deleted:
        self.store.delete_projects(tenant_id, project_ids)
        for project_id in project_ids:
            self.deletions.order_project(tenant_id, project_id)
        return Deleted("deleted; stored rows are being removed in the background")

    def experiments_on(self, tenant_id: UUID, dataset_id: UUID) -> tuple[UUID, ...]:
        """The projects that are experiments on a dataset."""
        found = self.store.list_projects(tenant_id, ProjectFilter(reference_datasets=(dataset_id,)))
        return tuple(project.id for project in found)

    def list(self, tenant_id: UUID, listing: ProjectListing) -> list[ProjectBody]:
        by_stats = _STAT_KEYS.get(listing.sort_by or "")
        if by_stats is None and listing.metadata is None:
            page = self._page(tenant_id, listing, offset=listing.offset, limit=listing.limit)
            stats = self._stats(tenant_id, page, listing.stats_since_us) if listing.include_stats else {}
            return [project_body(project, stats.get(project.id)) for project in page]
        found = self._page(tenant_id, listing, offset=0, limit=None)
        if listing.metadata is not None:
            metadata = read_wanted(listing.metadata, "metadata")
            found = [project for project in found if holds(project_metadata(project), metadata)]
        end = listing.offset + listing.limit
        stats = {}
        if by_stats is not None:
            stats = self._stats(tenant_id, found, listing.stats_since_us)
            found = _sorted_by(found, stats, by_stats, descending=listing.descending)
        elif listing.include_stats:
            stats = self._stats(tenant_id, found[listing.offset : end], listing.stats_since_us)
        shown = stats if listing.include_stats else {}
        return [project_body(project, shown.get(project.id)) for project in found[listing.offset : end]]

    def _page(self, tenant_id: UUID, listing: ProjectListing, *, offset: int, limit: int | None) -> Sequence[Project]:
        order = ProjectOrder(by="name" if listing.sort_by == "name" else "start_time", descending=listing.descending)
        return self.store.list_projects(tenant_id, listing.wanted, order=order, offset=offset, limit=limit)

    def _stats(self, tenant_id: UUID, projects: Sequence[Project], since_us: int | None) -> dict[UUID, ProjectStats]:
        if not projects:
            return {}
        found = self.stats.project_stats(tenant_id, [project.id for project in projects], since_us=since_us)
        return {project.id: found.get(project.id, ProjectStats()) for project in projects}


def _sorted_by(
    projects: Sequence[Project],
    stats: dict[UUID, ProjectStats],
    key: Callable[[ProjectStats], float | None],
    *,
    descending: bool,
) -> Sequence[Project]:
    """Projects without a value come last in either direction; equal values keep the ledger's order."""
    known = [project for project in projects if key(stats[project.id]) is not None]
    unknown = [project for project in projects if key(stats[project.id]) is None]
    return [*sorted(known, key=lambda project: key(stats[project.id]) or 0, reverse=descending), *unknown]


@post("/sessions", status_code=200, access=Access.EDIT, summary="Create a project", opt={"request_body": ProjectCreate})
async def create_project(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    upsert: FromQuery[bool] = False,
) -> ProjectBody:
    """A taken name is a 409, or with `upsert=true` that project, updated with what the body sets."""
    body = await read_small_body(request)
    return await asyncio.to_thread(projects.create, tenant_id, body, upsert=upsert)


@get("/sessions", access=Access.READ, summary="List projects")
async def list_projects(
    *,
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    ids: Annotated[
        list[str] | None, QueryParameter(name="id", description="Only these, repeated or by commas.")
    ] = None,
    name: Annotated[str | None, QueryParameter(description="Exact name, case counts.")] = None,
    name_contains: Annotated[str | None, QueryParameter(description="Part of the name, case does not count.")] = None,
    reference_free: Annotated[bool | None, QueryParameter(description="true leaves experiments out.")] = None,
    reference_dataset: Annotated[list[str] | None, QueryParameter(description="Experiments on these datasets.")] = None,
    metadata: MetadataPart = None,
    sort_by: Annotated[str | None, QueryParameter(description=f"One of {', '.join(SORT_KEYS)}.")] = None,
    sort_by_desc: FromQuery[bool] = True,
    offset: Offset = 0,
    limit: ListLimit = 100,
    include_stats: FromQuery[bool] = False,
    stats_start_time: FromQuery[str | None] = None,
    filter_text: Annotated[str | None, QueryParameter(name="filter", description="Not supported on projects.")] = None,
    dataset_version: Annotated[str | None, QueryParameter(description="Not supported yet.")] = None,
    tag_value_id: Annotated[list[str] | None, QueryParameter(description="Not supported yet.")] = None,
) -> list[ProjectBody]:
    """A bare array, empty when nothing matches; newest first unless told otherwise."""
    _refuse("filter", filter_text)
    _refuse("dataset_version", dataset_version)
    _refuse("tag_value_id", tag_value_id)
    listing = ProjectListing(
        wanted=ProjectFilter(
            ids=read_ids(ids, "id"),
            name=name,
            name_contains=name_contains,
            reference_free=reference_free,
            reference_datasets=read_ids(reference_dataset, "reference_dataset"),
        ),
        metadata=metadata,
        sort_by=_sort_key(sort_by),
        descending=sort_by_desc,
        offset=offset,
        limit=limit,
        include_stats=include_stats,
        stats_since_us=_since(stats_start_time),
    )
    return await asyncio.to_thread(projects.list, tenant_id, listing)


@get("/sessions/{session_id:str}", access=Access.READ, summary="Read a project")
async def read_project(
    session_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    include_stats: FromQuery[bool] = False,
    stats_start_time: FromQuery[str | None] = None,
) -> ProjectBody:
    """One project, with the statistics of its runs when `include_stats=true`."""
    project_id = read_path_id(session_id, "session_id")
    since_us = _since(stats_start_time)
    return await asyncio.to_thread(projects.read, tenant_id, project_id, include_stats=include_stats, since_us=since_us)


@patch("/sessions/{session_id:str}", access=Access.EDIT, summary="Change a project", opt={"request_body": ProjectPatch})
async def update_project(
    request: AnyRequest,
    session_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
) -> ProjectBody:
    """What is absent or null stays as it is."""
    body = await read_small_body(request)
    return await asyncio.to_thread(projects.update, tenant_id, read_path_id(session_id, "session_id"), body)


@delete("/sessions/{session_id:str}", status_code=202, access=Access.ADMIN, summary="Delete a project")
async def delete_project(
    session_id: FromPath[str], tenant_id: NamedDependency[UUID], projects: NamedDependency[ProjectService]
) -> Deleted:
    """The project is gone from every query at once; its rows are removed in the background."""
    return await asyncio.to_thread(projects.delete, tenant_id, [read_path_id(session_id, "session_id")])


@delete("/sessions", status_code=202, access=Access.ADMIN, summary="Delete projects")
async def delete_projects(
    tenant_id: NamedDependency[UUID],
    projects: NamedDependency[ProjectService],
    session_ids: Annotated[list[str] | None, QueryParameter(description="Which, repeated or by commas.")] = None,
) -> Deleted:
    """All of them or, when one is not there, none."""
    found = read_ids(session_ids, "session_ids")
    if not found:
        raise InvalidError("session_ids is missing; give the ids of the projects to delete", field="session_ids")
    return await asyncio.to_thread(projects.delete, tenant_id, found)


def _refuse(name: str, value: object) -> None:
    if value is not None:
        raise InvalidError(
            f"{name} is not supported on projects; use id, name, name_contains, metadata or reference_dataset",
            field=name,
        )


def _sort_key(text: str | None) -> str | None:
    if text is None or text in SORT_KEYS:
        return text
    raise InvalidError(f"sort_by {text[:60]!r} is not known; accepted are {', '.join(SORT_KEYS)}", field="sort_by")


def _since(text: str | None) -> int | None:
    return None if text is None else read_time(text, "stats_start_time")


PROJECT_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_project,
    list_projects,
    read_project,
    update_project,
    delete_project,
    delete_projects,
)
