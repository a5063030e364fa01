"""Tenants: ``/workspaces``, ``/settings`` and ``/orgs/current`` of the v1 API, as far as clients ask for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access, Caller
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.key_ring import KeyRing
from runlake.errors import NotFoundError
from runlake.model.access import KeyScope, Tenant
from runlake.wire.access import (
    OrganizationBody,
    SettingsBody,
    WorkspaceBody,
    WorkspaceCreate,
    read_workspace_create,
    settings_body,
    workspace_body,
)
from runlake.wire.times import format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantService:
    """What handlers know of tenants. The first tenant's id also names the organization, that is this server."""

    ring: KeyRing
    first_tenant_id: UUID

    def seen_by(self, caller: Caller) -> list[WorkspaceBody]:
        """All tenants for an operator, the caller's own for anybody else."""
        tenants = self.ring.tenants() if KeyScope.OPERATOR in caller.scopes else [self.own(caller)]
        return [self.body(tenant, caller) for tenant in tenants]

    def own(self, caller: Caller) -> Tenant:
        found = self.ring.tenant(caller.tenant_id)
        if found is None:
            raise NotFoundError("the tenant of this key does not exist")
        return found

    def create(self, body: bytes, caller: Caller) -> WorkspaceBody:
        name, tenant_id = read_workspace_create(body)
        return self.body(self.ring.create_tenant(name, tenant_id), caller)

    def body(self, tenant: Tenant, caller: Caller) -> WorkspaceBody:
        return workspace_body(tenant, organization_id=self.first_tenant_id, scopes=caller.scopes)


@get("/workspaces", access=Access.READ, summary="List workspaces", sync_to_thread=False)
def list_workspaces(caller: NamedDependency[Caller], tenants: NamedDependency[TenantService]) -> list[WorkspaceBody]:
    """The caller's own; for an operator all of them, the oldest first."""
    return tenants.seen_by(caller)


@post(
    "/workspaces",
    status_code=200,
    access=Access.OPERATOR,
    summary="Create a workspace",
    opt={"request_body": WorkspaceCreate},
)
async def create_workspace(
    request: AnyRequest, caller: NamedDependency[Caller], tenants: NamedDependency[TenantService]
) -> WorkspaceBody:
    """A taken name is a 409."""
    body = await read_small_body(request)
    return await asyncio.to_thread(tenants.create, body, caller)


@get("/settings", access=Access.READ, summary="Read the caller's workspace", sync_to_thread=False)
def read_settings(caller: NamedDependency[Caller], tenants: NamedDependency[TenantService]) -> SettingsBody:
    """`tenant_handle` is the name where it can be part of a prompt's name, else null."""
    return settings_body(tenants.own(caller))


@get("/orgs/current", access=Access.READ, summary="Read the organization", sync_to_thread=False)
def read_organization(tenants: NamedDependency[TenantService]) -> OrganizationBody:
    """One for the whole server."""
    first = tenants.ring.tenant(tenants.first_tenant_id)
    if first is None:
        raise NotFoundError("there is no organization")
    return OrganizationBody(id=first.id, display_name="Runlake", created_at=format_time(first.created_at))


WORKSPACE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    list_workspaces,
    create_workspace,
    read_settings,
    read_organization,
)
