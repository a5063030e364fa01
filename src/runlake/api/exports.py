"""Bulk export: ``/bulk-exports`` of the v1 API (documented upstream; ``/resume`` and ``/retry`` are ours)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final
from uuid import UUID

from litestar import get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import read_path_id
from runlake.errors import InvalidError
from runlake.export.service import ExportService
from runlake.model.access import RateClass
from runlake.wire.export_destinations import DestinationBody, DestinationCreate, DestinationPatch
from runlake.wire.exports import ExportBody, ExportCreate, ExportPatch, ExportRunBody

_DESTINATION: Final = "destination_id"
_EXPORT: Final = "bulk_export_id"


@post(
    "/bulk-exports/destinations",
    status_code=200,
    access=Access.ADMIN,
    rate_class=RateClass.EXPORT,
    summary="Create a destination",
    opt={"request_body": DestinationCreate},
)
async def create_destination(
    request: AnyRequest, tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> DestinationBody:
    """Writes a small file there first; when that fails, the answer is the provider's reason and nothing is stored."""
    body = await read_small_body(request)
    return await asyncio.to_thread(exports.create_destination, tenant_id, body)


@get("/bulk-exports/destinations", access=Access.READ, rate_class=RateClass.EXPORT, summary="List destinations")
async def list_destinations(
    tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> list[DestinationBody]:
    """All of them, oldest first, never with their secrets."""
    return await asyncio.to_thread(exports.list_destinations, tenant_id)


@get(
    "/bulk-exports/destinations/{destination_id:str}",
    access=Access.READ,
    rate_class=RateClass.EXPORT,
    summary="Read a destination",
)
async def read_destination(
    destination_id: FromPath[str], tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> DestinationBody:
    """One destination; `credentials_keys` names the secrets it has."""
    return await asyncio.to_thread(exports.read_destination, tenant_id, read_path_id(destination_id, _DESTINATION))


@patch(
    "/bulk-exports/destinations/{destination_id:str}",
    access=Access.ADMIN,
    rate_class=RateClass.EXPORT,
    summary="Change the credentials of a destination",
    opt={"request_body": DestinationPatch},
)
async def update_destination(
    request: AnyRequest,
    destination_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    exports: NamedDependency[ExportService],
) -> DestinationBody:
    """Tried with a small file before they are stored. Runs at work keep the old ones."""
    body = await read_small_body(request)
    wanted = read_path_id(destination_id, _DESTINATION)
    return await asyncio.to_thread(exports.update_credentials, tenant_id, wanted, body)


@post(
    "/bulk-exports",
    status_code=200,
    access=Access.EDIT,
    rate_class=RateClass.EXPORT,
    summary="Create an export",
    opt={"request_body": ExportCreate},
)
async def create_export(
    request: AnyRequest, tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> ExportBody:
    """Begins at once and goes on by itself; with `interval_hours` it is a schedule, which makes one for each window."""
    body = await read_small_body(request)
    return await asyncio.to_thread(exports.create_export, tenant_id, body)


@get("/bulk-exports", access=Access.READ, rate_class=RateClass.EXPORT, summary="List exports")
async def list_exports(tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]) -> list[ExportBody]:
    """Exports and schedules, newest first."""
    return await asyncio.to_thread(exports.list_exports, tenant_id)


@get("/bulk-exports/runs", access=Access.READ, rate_class=RateClass.EXPORT, summary="List the runs of a schedule")
async def list_spawned_runs(
    tenant_id: NamedDependency[UUID],
    exports: NamedDependency[ExportService],
    source_bulk_export_id: Annotated[str | None, QueryParameter(description="The schedule; required.")] = None,
) -> list[ExportRunBody]:
    """The runs of every export that the schedule has made, oldest window first."""
    if source_bulk_export_id is None:
        raise InvalidError("source_bulk_export_id is missing; give the id of a schedule", field="source_bulk_export_id")
    source_id = read_path_id(source_bulk_export_id, "source_bulk_export_id")
    return await asyncio.to_thread(exports.list_spawned_runs, tenant_id, source_id)


@get("/bulk-exports/{bulk_export_id:str}", access=Access.READ, rate_class=RateClass.EXPORT, summary="Read an export")
async def read_export(
    bulk_export_id: FromPath[str], tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> ExportBody:
    """Its status and how far it is."""
    return await asyncio.to_thread(exports.read_export, tenant_id, read_path_id(bulk_export_id, _EXPORT))


@patch(
    "/bulk-exports/{bulk_export_id:str}",
    access=Access.EDIT,
    rate_class=RateClass.EXPORT,
    summary="Cancel an export",
    opt={"request_body": ExportPatch},
)
async def update_export(
    request: AnyRequest,
    bulk_export_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    exports: NamedDependency[ExportService],
) -> ExportBody:
    """`{"status": "Cancelled"}`. Days that are complete stay; exports that a schedule has made go on."""
    body = await read_small_body(request)
    return await asyncio.to_thread(exports.set_status, tenant_id, read_path_id(bulk_export_id, _EXPORT), body)


@post(
    "/bulk-exports/{bulk_export_id:str}/resume",
    status_code=200,
    access=Access.EDIT,
    rate_class=RateClass.EXPORT,
    summary="Resume an export",
)
async def resume_export(
    bulk_export_id: FromPath[str], tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> ExportBody:
    """Continues a cancelled export with the days it had left, or a cancelled schedule with its next window."""
    return await asyncio.to_thread(exports.resume, tenant_id, read_path_id(bulk_export_id, _EXPORT))


@post(
    "/bulk-exports/{bulk_export_id:str}/retry",
    status_code=200,
    access=Access.EDIT,
    rate_class=RateClass.EXPORT,
    summary="Retry failed runs",
)
async def retry_export(
    bulk_export_id: FromPath[str], tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> ExportBody:
    """Runs again what failed or timed out; complete days are left alone."""
    return await asyncio.to_thread(exports.retry, tenant_id, read_path_id(bulk_export_id, _EXPORT))


@get(
    "/bulk-exports/{bulk_export_id:str}/runs",
    access=Access.READ,
    rate_class=RateClass.EXPORT,
    summary="List the runs of an export",
)
async def list_export_runs(
    bulk_export_id: FromPath[str], tenant_id: NamedDependency[UUID], exports: NamedDependency[ExportService]
) -> list[ExportRunBody]:
    """One for each project and UTC day of its window."""
    return await asyncio.to_thread(exports.list_runs, tenant_id, read_path_id(bulk_export_id, _EXPORT))


@get(
    "/bulk-exports/{bulk_export_id:str}/runs/{run_id:str}",
    access=Access.READ,
    rate_class=RateClass.EXPORT,
    summary="Read a run of an export",
)
async def read_export_run(
    bulk_export_id: FromPath[str],
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    exports: NamedDependency[ExportService],
) -> ExportRunBody:
    """Its status, the errors of its attempts, and its files."""
    export_id = read_path_id(bulk_export_id, _EXPORT)
    return await asyncio.to_thread(exports.read_run, tenant_id, export_id, read_path_id(run_id, "run_id"))


EXPORT_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_destination,
    list_destinations,
    read_destination,
    update_destination,
    create_export,
    list_exports,
    list_spawned_runs,
    read_export,
    update_export,
    resume_export,
    retry_export,
    list_export_runs,
    read_export_run,
)
