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

from runlake.api.auth import Access
from runlake.api.dataset_service import DATASET_SORTS, DatasetListing, DatasetService
from runlake.api.parameters import read_ids, read_texts
from runlake.errors import InvalidError
from runlake.store.datasets import DatasetFilter
from runlake.wire.datasets import read_data_type
from runlake.wire.members import choice_member
from runlake.wire.v2_datasets import DatasetsPage, dataset_body_v2, read_place, write_place

MAX_PAGE: Final = 100
_EXCLUDABLE: Final = ("example_count",)


@get("/v2/datasets", access=Access.READ, summary="List datasets (v2)", opt={"answer": DatasetsPage})
async def list_datasets_v2(
    *,
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    ids: Annotated[list[str] | None, QueryParameter(name="id", description="Only these.")] = None,
    data_type: Annotated[list[str] | None, QueryParameter(description="Only these kinds: kv, llm, chat.")] = None,
    name: Annotated[str | None, QueryParameter(description="Exact, case-sensitive.")] = None,
    name_contains: Annotated[str | None, QueryParameter(description="Part of the name.")] = None,
    metadata: Annotated[str | None, QueryParameter(description="A JSON object the metadata must contain.")] = None,
    exclude: Annotated[list[str] | None, QueryParameter(description="example_count: leave it null.")] = None,
    sort_by: Annotated[str | None, QueryParameter(description=f"One of {', '.join(DATASET_SORTS)}.")] = None,
    sort_order: FromQuery[str | None] = None,
    page_size: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 20,
    cursor: FromQuery[str | None] = None,
    tag_value_id: Annotated[list[str] | None, QueryParameter(description="Not offered.")] = None,
) -> Response[Any]:
    """A page by cursor, newest first unless told otherwise. Datasets made or deleted meanwhile move no other."""
    if tag_value_id is not None:
        raise InvalidError("tag_value_id is not offered on datasets; use metadata", field="tag_value_id")
    by = "created_at" if sort_by is None else choice_member(sort_by, "sort_by", DATASET_SORTS)
    descending = sort_order is None or choice_member(sort_order, "sort_order", ("asc", "desc")) == "desc"
    excluded = frozenset(choice_member(part, "exclude", _EXCLUDABLE) for part in read_texts(exclude) or ())
    kinds = read_texts(data_type)
    listing = DatasetListing(
        wanted=DatasetFilter(
            ids=read_ids(ids, "id"),
            name=name,
            name_contains=name_contains,
            data_types=None if kinds is None else tuple(read_data_type(kind) for kind in kinds),
        ),
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
    return Response(msgspec.json.encode(page), media_type="application/json")


V2_DATASET_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (list_datasets_v2,)
