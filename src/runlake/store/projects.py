"""The seam over the ledger's projects: what services need, without the database library behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from runlake.model.project import Project

ProjectField: TypeAlias = Literal[
    "name", "end_time", "description", "extra", "reference_dataset_id", "default_dataset_id", "trace_tier"
]
"""What of a project can be changed."""

ProjectChanges: TypeAlias = Mapping[ProjectField, str | int | bytes | UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFilter:
    """Which projects a listing wants; every given condition must hold.

    ``name`` is exact and case-sensitive, ``name_contains`` ignores the case of ASCII letters; ``reference_free`` True
    leaves experiments out, False leaves everything else out.
    """

    ids: tuple[UUID, ...] | None = None
    name: str | None = None
    name_contains: str | None = None
    reference_free: bool | None = None
    reference_datasets: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOrder:
    """Order of a listing; equal values are ordered by id, so that pages never overlap."""

    by: Literal["name", "start_time"] = "start_time"
    descending: bool = True


class ProjectStore(Protocol):
    """Live projects, as a service of the API sees them; ``store.ledger.Ledger`` documents each method."""

    def create_project(self, project: Project, *, upsert: bool = False) -> Project: ...

    def read_project(self, tenant_id: UUID, project_id: UUID) -> Project: ...

    def list_projects(
        self,
        tenant_id: UUID,
        wanted: ProjectFilter | None = None,
        *,
        order: ProjectOrder | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Project]: ...

    def update_project(self, tenant_id: UUID, project_id: UUID, changes: ProjectChanges) -> Project: ...

    def delete_projects(self, tenant_id: UUID, project_ids: Sequence[UUID]) -> None: ...
