"""Datasets through the v2 API: ``GET /v2/datasets``, the listing of v1 by cursor."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import json_answer
from runlake.api.auth import Access
from runlake.api.dataset_parameters import DataTypes, SortBy, read_dataset_filter, read_dataset_sort, refuse_tag_values
from runlake.api.dataset_service import DatasetListing, DatasetService
from runlake.api.parameters import ExactName, MetadataPart, NamePart, NotOffered, OnlyIds, read_texts
from runlake.wire.members import choice_member
from runlake.wire.v2_datasets import DatasetsPage, dataset_body_v2, read_place, write_place

MAX_PAGE: Final = 100
_EXCLUDABLE: Final = ("example_count",)


@get("/v2/datasets", access=Access.READ, summary="List datasets (v2)", opt={"answer": DatasetsPage})
async def list_datasets_v2(
    *,
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    ids: OnlyIds = None,
    data_type: DataTypes = None,
    name: ExactName = None,
    name_contains: NamePart = None,
    metadata: MetadataPart = None,
    exclude: Annotated[list[str] | None, QueryParameter(description="example_count: leave it null.")] = None,
    sort_by: SortBy = None,
    sort_order: FromQuery[str | None] = None,
    page_size: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 20,
    cursor: FromQuery[str | None] = None,
    tag_value_id: NotOffered = None,
) -> Response[Any]:
    """A page by cursor, newest first unless told otherwise. Datasets made or deleted meanwhile move no other."""
    refuse_tag_values(tag_value_id)
    by = read_dataset_sort(sort_by)
    descending = sort_order is None or choice_member(sort_order, "sort_order", ("asc", "desc")) == "desc"
    excluded = frozenset(choice_member(part, "exclude", _EXCLUDABLE) for part in read_texts(exclude) or ())
    listing = DatasetListing(
        wanted=read_dataset_filter(ids, data_type, name, name_contains),
        metadata=metadata,
        sort_by=by,
        descending=descending,
        after=read_place(cursor, sort_by=by, descending=descending),
        limit=page_size,
    )
    found, last = await asyncio.to_thread(datasets.list, tenant_id, listing)
    page = DatasetsPage(
        items=[dataset_body_v2(dataset, excluded=excluded) for dataset in found],
        next_cursor=None if last is None else write_place(last, sort_by=by, descending=descending),
    )
    return json_answer(msgspec.json.encode(page))


V2_DATASET_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (list_datasets_v2,)
