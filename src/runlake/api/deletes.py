"""Deletions and retention: ``/runs/delete``, ``/retention``, ``/ttl-settings``. Handlers decode, call, encode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final, Protocol
from uuid import UUID

from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import read_path_id
from runlake.deletes.retention import MAX_DAYS, Retention
from runlake.deletes.selection import named_traces
from runlake.deletes.service import Deletions, Selection
from runlake.errors import InvalidError
from runlake.model.project import Project
from runlake.query.matching_traces import MatchingTraces
from runlake.wire.deletes import (
    LONGLIVED,
    ContentsAnswer,
    DeletionAnswer,
    QueryDeletionBody,
    RetentionAnswer,
    RetentionBody,
    TraceDeletionBody,
    TtlSettings,
    TtlSettingsBody,
    contents_answer,
    deletion_answer,
    read_days,
    read_query_deletion,
    read_retention,
    read_trace_deletion,
    read_ttl_settings,
)

_LISTED: Final = 100


class ProjectReader(Protocol):
    """Finds live projects."""

    def read_project(self, tenant_id: UUID, project_id: UUID) -> Project:
        """NotFoundError where there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionService:
    """Everything about deletions that handlers need; blocks, so handlers call it on a thread."""

    deletions: Deletions
    retention: Retention
    matching: MatchingTraces
    projects: ProjectReader

    def delete_traces(self, tenant_id: UUID, body: bytes, *, needs_session: bool) -> DeletionAnswer | ContentsAnswer:
        order = read_trace_deletion(body)
        if needs_session and order.session_id is None:
            raise InvalidError("session_id is missing; name the project of the traces", field="session_id")
        if order.session_id is not None:
            self.projects.read_project(tenant_id, order.session_id)
        if order.query is not None:
            selection = self.matching.selection(order.query, tenant_id=tenant_id)
        else:
            selection = named_traces(tenant_id, order.trace_ids, order.session_id)
        return self._delete(tenant_id, selection, order.session_id, dry_run=order.dry_run)

    def delete_matching(self, tenant_id: UUID, body: bytes) -> DeletionAnswer | ContentsAnswer:
        spec, dry_run = read_query_deletion(body)
        for session_id in spec.sessions or ():
            self.projects.read_project(tenant_id, session_id)
        selection = self.matching.selection(spec, tenant_id=tenant_id)
        only = spec.sessions[0] if spec.sessions and len(spec.sessions) == 1 else None
        return self._delete(tenant_id, selection, only, dry_run=dry_run)

    def _delete(
        self, tenant_id: UUID, selection: Selection, project_id: UUID | None, *, dry_run: bool
    ) -> DeletionAnswer | ContentsAnswer:
        if dry_run:
            return contents_answer(self.deletions.preview(tenant_id, selection))
        return deletion_answer(self.deletions.order(tenant_id, selection, project_id=project_id))

    def status(self, tenant_id: UUID, deletion_id: UUID) -> DeletionAnswer:
        return deletion_answer(*self.deletions.read(tenant_id, deletion_id))

    def newest(self, tenant_id: UUID) -> list[DeletionAnswer]:
        return [deletion_answer(deletion) for deletion in self.deletions.newest(tenant_id, limit=_LISTED)]

    def read_rule(self, tenant_id: UUID, project_id: UUID | None) -> RetentionAnswer:
        if project_id is not None:
            self.projects.read_project(tenant_id, project_id)
        days, inherited = self.retention.rule(tenant_id, project_id)
        return RetentionAnswer(days=days, inherited=inherited and project_id is not None)

    def set_rule(self, tenant_id: UUID, project_id: UUID | None, days: int | None) -> RetentionAnswer:
        if project_id is not None:
            self.projects.read_project(tenant_id, project_id)
        self.retention.set_rule(tenant_id, project_id, days)
        return RetentionAnswer(days=days, inherited=False)

    def drop_rule(self, tenant_id: UUID, project_id: UUID) -> RetentionAnswer:
        self.projects.read_project(tenant_id, project_id)
        self.retention.drop_rule(tenant_id, project_id)
        return self.read_rule(tenant_id, project_id)

    def preview_rule(self, tenant_id: UUID, project_id: UUID, days: int | None) -> ContentsAnswer:
        rule = self.read_rule(tenant_id, project_id).days
        return contents_answer(self.retention.preview(tenant_id, project_id, rule if days is None else days))

    def ttl_settings(self, tenant_id: UUID) -> TtlSettings:
        return TtlSettings(
            tenant_id=tenant_id,
            default_trace_tier=LONGLIVED,
            longlived_ttl_days=self.read_rule(tenant_id, None).days,
            apply_to_all_projects=False,
        )


@post(
    "/runs/delete",
    status_code=202,
    access=Access.ADMIN,
    summary="Delete traces",
    opt={"request_body": TraceDeletionBody, "answer": DeletionAnswer},
)
async def delete_traces(
    request: AnyRequest, tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> Response[DeletionAnswer | ContentsAnswer]:
    """Whole traces, by id or by metadata of any of their runs; gone from every answer when this is answered."""
    body = await read_small_body(request)
    return _ordered(await asyncio.to_thread(deletes.delete_traces, tenant_id, body, needs_session=False))


@post(
    "/runs/delete/traces",
    status_code=202,
    access=Access.ADMIN,
    summary="Delete traces of a project",
    opt={"request_body": TraceDeletionBody, "answer": DeletionAnswer},
)
async def delete_traces_of_project(
    request: AnyRequest, tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> Response[DeletionAnswer | ContentsAnswer]:
    """As `/runs/delete`, where the project has to be named."""
    body = await read_small_body(request)
    return _ordered(await asyncio.to_thread(deletes.delete_traces, tenant_id, body, needs_session=True))


@post(
    "/runs/delete/query",
    status_code=202,
    access=Access.ADMIN,
    summary="Delete the traces of the runs that a query finds",
    opt={"request_body": QueryDeletionBody, "answer": DeletionAnswer},
)
async def delete_matching(
    request: AnyRequest, tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> Response[DeletionAnswer | ContentsAnswer]:
    """Takes the conditions of `/runs/query`; `dry_run` counts and changes nothing."""
    body = await read_small_body(request)
    return _ordered(await asyncio.to_thread(deletes.delete_matching, tenant_id, body))


@get("/runs/delete", access=Access.READ, summary="List deletions")
async def list_deletions(
    tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> list[DeletionAnswer]:
    """The newest hundred, those of projects and of retention included."""
    return await asyncio.to_thread(deletes.newest, tenant_id)


@get("/runs/delete/{deletion_id:str}", access=Access.READ, summary="How far a deletion is")
async def read_deletion(
    deletion_id: FromPath[str], tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> DeletionAnswer:
    """`hidden`, `masked`, `done`, and what the disk still holds; `done` means that no file holds any of it."""
    return await asyncio.to_thread(deletes.status, tenant_id, read_path_id(deletion_id, "deletion_id"))


@get("/retention", access=Access.READ, summary="Read the default retention")
async def read_default_retention(
    tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> RetentionAnswer:
    """Holds for every project without a rule of its own; `days: null` keeps for ever."""
    return await asyncio.to_thread(deletes.read_rule, tenant_id, None)


@put("/retention", access=Access.ADMIN, summary="Set the default retention", opt={"request_body": RetentionBody})
async def set_default_retention(
    request: AnyRequest, tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> RetentionAnswer:
    """Takes effect at the next pass, within the hour."""
    days = read_retention(await read_small_body(request), MAX_DAYS)
    return await asyncio.to_thread(deletes.set_rule, tenant_id, None, days)


@get("/sessions/{session_id:str}/retention", access=Access.READ, summary="Read the retention of a project")
async def read_retention_rule(
    session_id: FromPath[str], tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> RetentionAnswer:
    """Its own rule, or the default it inherits."""
    return await asyncio.to_thread(deletes.read_rule, tenant_id, read_path_id(session_id, "session_id"))


@put(
    "/sessions/{session_id:str}/retention",
    access=Access.ADMIN,
    summary="Set the retention of a project",
    opt={"request_body": RetentionBody},
)
async def set_retention_rule(
    request: AnyRequest,
    session_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    deletes: NamedDependency[DeletionService],
) -> RetentionAnswer:
    """`days: null` keeps for ever, whatever the default says."""
    days = read_retention(await read_small_body(request), MAX_DAYS)
    return await asyncio.to_thread(deletes.set_rule, tenant_id, read_path_id(session_id, "session_id"), days)


@delete(
    "/sessions/{session_id:str}/retention",
    status_code=200,
    access=Access.ADMIN,
    summary="Let a project follow the default retention",
)
async def drop_retention_rule(
    session_id: FromPath[str], tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> RetentionAnswer:
    """Answers with what holds from now on."""
    return await asyncio.to_thread(deletes.drop_rule, tenant_id, read_path_id(session_id, "session_id"))


@get("/sessions/{session_id:str}/retention/preview", access=Access.READ, summary="What a retention would delete")
async def preview_retention(
    session_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    deletes: NamedDependency[DeletionService],
    days: Annotated[int | None, QueryParameter(description="Days to try; the rule in force when absent.")] = None,
) -> ContentsAnswer:
    """Counts what the next pass would delete; changes nothing."""
    wanted = None if days is None else read_days(days, "days", MAX_DAYS)
    return await asyncio.to_thread(deletes.preview_rule, tenant_id, read_path_id(session_id, "session_id"), wanted)


@get("/ttl-settings", access=Access.READ, summary="Read the default retention as the hosted API shows it")
async def read_ttl(tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]) -> list[TtlSettings]:
    """One element: there is one class of traces, whose `longlived_ttl_days` is the default retention."""
    return [await asyncio.to_thread(deletes.ttl_settings, tenant_id)]


@put(
    "/ttl-settings",
    access=Access.ADMIN,
    summary="Set the default retention as the hosted API does",
    opt={"request_body": TtlSettingsBody},
)
async def set_ttl(
    request: AnyRequest, tenant_id: NamedDependency[UUID], deletes: NamedDependency[DeletionService]
) -> TtlSettings:
    """The same as `PUT /retention`."""
    days = read_ttl_settings(await read_small_body(request), MAX_DAYS)
    await asyncio.to_thread(deletes.set_rule, tenant_id, None, days)
    return await asyncio.to_thread(deletes.ttl_settings, tenant_id)


def _ordered(answer: DeletionAnswer | ContentsAnswer) -> Response[DeletionAnswer | ContentsAnswer]:
    return Response(answer, status_code=200 if isinstance(answer, ContentsAnswer) else 202)


DELETE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    delete_traces,
    delete_traces_of_project,
    delete_matching,
    list_deletions,
    read_deletion,
    read_default_retention,
    set_default_retention,
    read_retention_rule,
    set_retention_rule,
    drop_retention_rule,
    preview_retention,
    read_ttl,
    set_ttl,
)
