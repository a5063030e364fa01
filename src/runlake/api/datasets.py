"""Datasets: ``/datasets`` of the v1 API. Handlers decode, call ``DatasetService``, encode."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import Deleted
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.dataset_parameters import DataTypes, SortBy, read_dataset_filter, read_dataset_sort, refuse_tag_values
from runlake.api.dataset_service import DatasetListing, DatasetService
from runlake.api.parameters import (
    ExactName,
    ListLimit,
    MetadataPart,
    NamePart,
    NotOffered,
    Offset,
    OnlyIds,
    read_ids,
    read_path_id,
)
from runlake.errors import InvalidError
from runlake.wire.datasets import (
    DatasetBody,
    DatasetCreate,
    DatasetPatch,
    DiffBody,
    TagBody,
    VersionBody,
)


class DatasetShare(msgspec.Struct, frozen=True):
    """The share of a dataset."""

    dataset_id: UUID
    share_token: UUID


@post("/datasets", status_code=200, access=Access.EDIT, summary="Create a dataset", opt={"request_body": DatasetCreate})
async def create_dataset(
    request: AnyRequest, tenant_id: NamedDependency[UUID], datasets: NamedDependency[DatasetService]
) -> DatasetBody:
    """A taken name is a conflict."""
    return await asyncio.to_thread(datasets.create, tenant_id, await read_small_body(request))


@get("/datasets", access=Access.READ, summary="List datasets")
async def list_datasets(
    *,
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    ids: OnlyIds = None,
    data_type: DataTypes = None,
    name: ExactName = None,
    name_contains: NamePart = None,
    metadata: MetadataPart = None,
    sort_by: SortBy = None,
    sort_by_desc: FromQuery[bool] = True,
    offset: Offset = 0,
    limit: ListLimit = 100,
    tag_value_id: NotOffered = None,
) -> list[DatasetBody]:
    """A bare array, empty when nothing matches; newest first unless told otherwise."""
    refuse_tag_values(tag_value_id)
    listing = DatasetListing(
        wanted=read_dataset_filter(ids, data_type, name, name_contains),
        metadata=metadata,
        sort_by=read_dataset_sort(sort_by),
        descending=sort_by_desc,
        offset=offset,
        limit=limit,
    )
    found, _ = await asyncio.to_thread(datasets.list, tenant_id, listing)
    return list(found)


@get("/datasets/{dataset_id:str}", access=Access.READ, summary="Read a dataset")
async def read_dataset(
    dataset_id: FromPath[str], tenant_id: NamedDependency[UUID], datasets: NamedDependency[DatasetService]
) -> DatasetBody:
    """One dataset, with the number of its examples and experiments."""
    return await asyncio.to_thread(datasets.read, tenant_id, read_path_id(dataset_id, "dataset_id"))


@patch("/datasets/{dataset_id:str}", access=Access.EDIT, summary="Change a dataset", opt={"request_body": DatasetPatch})
async def update_dataset(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
) -> DatasetBody:
    """What is absent stays as it is. A new schema is about examples that are written from now on."""
    body = await read_small_body(request)
    return await asyncio.to_thread(datasets.update, tenant_id, read_path_id(dataset_id, "dataset_id"), body)


@delete("/datasets/{dataset_id:str}", status_code=200, access=Access.ADMIN, summary="Delete a dataset")
async def delete_dataset(
    dataset_id: FromPath[str], tenant_id: NamedDependency[UUID], datasets: NamedDependency[DatasetService]
) -> Deleted:
    """With all its examples and versions, at once and for good. Experiments upon it stay."""
    await asyncio.to_thread(datasets.delete, tenant_id, [read_path_id(dataset_id, "dataset_id")])
    return Deleted("deleted")


@delete("/datasets", status_code=200, access=Access.ADMIN, summary="Delete datasets")
async def delete_datasets(
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    dataset_ids: Annotated[list[str] | None, QueryParameter(description="Which, repeated or by commas.")] = None,
) -> Deleted:
    """All of them or, when one is not there, none."""
    found = read_ids(dataset_ids, "dataset_ids")
    if not found:
        raise InvalidError("dataset_ids is missing; give the ids of the datasets to delete", field="dataset_ids")
    await asyncio.to_thread(datasets.delete, tenant_id, found)
    return Deleted("deleted")


@get("/datasets/{dataset_id:str}/versions", access=Access.READ, summary="List the versions of a dataset")
async def list_versions(
    *,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    search: Annotated[str | None, QueryParameter(description="Part of a tag.")] = None,
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> list[VersionBody]:
    """Newest first. Every write of examples makes a version."""
    found = read_path_id(dataset_id, "dataset_id")
    versions = await asyncio.to_thread(datasets.versions, tenant_id, found, search=search, offset=offset, limit=limit)
    return list(versions)


@get("/datasets/{dataset_id:str}/version", access=Access.READ, summary="Read a version of a dataset")
async def read_version(
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    as_of: Annotated[str | None, QueryParameter(description="The version that held at this time.")] = None,
    tag: Annotated[str | None, QueryParameter(description="The version with this tag.")] = None,
) -> VersionBody:
    """By time or by tag; `latest` is the tag of the newest version."""
    wanted = tag or as_of
    if not wanted or (tag and as_of):
        raise InvalidError("give either as_of or tag", field="as_of")
    return await asyncio.to_thread(datasets.version, tenant_id, read_path_id(dataset_id, "dataset_id"), wanted)


@get("/datasets/{dataset_id:str}/versions/diff", access=Access.READ, summary="Compare two versions of a dataset")
async def diff_versions(
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    from_version: Annotated[str, QueryParameter(description="A time or a tag.")],
    to_version: Annotated[str, QueryParameter(description="A time or a tag.")],
) -> DiffBody:
    """Ids of examples that were added, modified and removed between the two."""
    found = read_path_id(dataset_id, "dataset_id")
    return await asyncio.to_thread(datasets.diff, tenant_id, found, from_version, to_version)


@put("/datasets/{dataset_id:str}/tags", access=Access.EDIT, summary="Tag a version", opt={"request_body": TagBody})
async def tag_version(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
) -> VersionBody:
    """The tag leaves the version that had it before."""
    body = await read_small_body(request)
    return await asyncio.to_thread(datasets.tag, tenant_id, read_path_id(dataset_id, "dataset_id"), body)


@put("/datasets/{dataset_id:str}/share", access=Access.EDIT, summary="Share a dataset")
async def share_dataset(
    dataset_id: FromPath[str], tenant_id: NamedDependency[UUID], datasets: NamedDependency[DatasetService]
) -> DatasetShare:
    """Whoever has the token can read the examples; a dataset that is shared already keeps its token."""
    found = read_path_id(dataset_id, "dataset_id")
    return DatasetShare(found, await asyncio.to_thread(datasets.share, tenant_id, found))


@get("/datasets/{dataset_id:str}/share", access=Access.READ, summary="Whether a dataset is shared")
async def read_dataset_share(
    dataset_id: FromPath[str], tenant_id: NamedDependency[UUID], datasets: NamedDependency[DatasetService]
) -> DatasetShare | None:
    """The token, or null."""
    found = read_path_id(dataset_id, "dataset_id")
    token = await asyncio.to_thread(datasets.store.share_of, tenant_id, found)
    return None if token is None else DatasetShare(found, token)


@delete("/datasets/{dataset_id:str}/share", status_code=200, access=Access.EDIT, summary="Stop sharing a dataset")
async def unshare_dataset(
    dataset_id: FromPath[str], tenant_id: NamedDependency[UUID], datasets: NamedDependency[DatasetService]
) -> None:
    """The token opens nothing from now on."""
    await asyncio.to_thread(datasets.store.unshare, tenant_id, read_path_id(dataset_id, "dataset_id"))


DATASET_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_dataset,
    list_datasets,
    read_dataset,
    update_dataset,
    delete_dataset,
    delete_datasets,
    list_versions,
    read_version,
    diff_versions,
    tag_version,
    share_dataset,
    read_dataset_share,
    unshare_dataset,
)
