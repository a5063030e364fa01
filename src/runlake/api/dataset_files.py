"""Datasets as files, and the public routes that the token of a shared dataset opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest
from runlake.api.dataset_service import DatasetService
from runlake.api.example_service import ExampleService
from runlake.api.parameters import AsOf, ExactName, ListLimit, NamePart, Offset, OnlyIds, read_ids, read_path_id
from runlake.api.projects import ProjectListing, ProjectService
from runlake.model.access import RateClass
from runlake.model.dataset import Dataset, Example
from runlake.store.datasets import ExampleFilter
from runlake.store.projects import ProjectFilter
from runlake.wire.dataset_files import csv_text, json_lines, openai_lines, read_csv_upload
from runlake.wire.datasets import DatasetBody
from runlake.wire.examples import LISTED_FIELDS
from runlake.wire.projects import ProjectBody

_PUBLIC_HEADERS: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}


@post("/datasets/upload", status_code=200, access=Access.EDIT, summary="Create a dataset from a CSV")
async def upload_csv(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    examples: NamedDependency[ExampleService],
) -> DatasetBody:
    """A form with `file`, `input_keys`, `output_keys`, `metadata_keys`, `name`, `description`, `data_type`."""
    content_type, receipt = request.headers.get("content-type", ""), examples.receipt(tenant_id)
    upload = await examples.read_body(request, partial(read_csv_upload, content_type=content_type, receipt=receipt))
    made = await asyncio.to_thread(datasets.add, upload.dataset)
    if upload.drafts:
        await examples.create(tenant_id, made.id, upload.drafts)
    return await asyncio.to_thread(datasets.read, tenant_id, made.id)


async def _download(
    datasets: DatasetService,
    examples: ExampleService,
    *,
    tenant_id: UUID,
    dataset_id: str,
    as_of: str | None,
    encode: Callable[[Dataset, Sequence[Example]], bytes],
    kind: str,
) -> Response[bytes]:
    found = read_path_id(dataset_id, "dataset_id")

    def answer() -> bytes:
        dataset = datasets.store.read(tenant_id, found)
        wanted = ExampleFilter(dataset_id=found, as_of=datasets.moment(dataset, as_of))
        return encode(dataset, examples.store.page(tenant_id, wanted, order="recently_created", descending=False))

    return Response(await asyncio.to_thread(answer), media_type=kind)


@get("/datasets/{dataset_id:str}/csv", access=Access.READ, summary="A dataset as CSV")
async def download_csv(
    *,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    examples: NamedDependency[ExampleService],
    as_of: AsOf = None,
) -> Response[bytes]:
    """A column for each key of inputs and outputs, oldest example first."""
    return await _download(
        datasets,
        examples,
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        as_of=as_of,
        encode=lambda _, found: csv_text(found),
        kind="text/csv",
    )


@get("/datasets/{dataset_id:str}/jsonl", access=Access.READ, summary="A dataset as JSON lines")
async def download_json_lines(
    *,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    examples: NamedDependency[ExampleService],
    as_of: AsOf = None,
) -> Response[bytes]:
    """An object a line, oldest example first."""
    return await _download(
        datasets,
        examples,
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        as_of=as_of,
        encode=lambda _, found: json_lines(found),
        kind="application/x-ndjson",
    )


@get("/datasets/{dataset_id:str}/openai_ft", access=Access.READ, summary="A chat dataset for fine-tuning")
async def download_openai(
    *,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    examples: NamedDependency[ExampleService],
    as_of: AsOf = None,
) -> Response[bytes]:
    """The lines that fine-tuning at OpenAI takes."""
    return await _download(
        datasets,
        examples,
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        as_of=as_of,
        encode=openai_lines,
        kind="application/x-ndjson",
    )


@get(
    "/public/{share_token:str}/datasets",
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="A shared dataset",
)
async def read_shared_dataset(
    share_token: FromPath[str], datasets: NamedDependency[DatasetService]
) -> Response[DatasetBody]:
    """What the token opens."""
    token = read_path_id(share_token, "share_token")
    found = await asyncio.to_thread(lambda: datasets.body(datasets.shared(token)))
    return Response(found, headers=_PUBLIC_HEADERS)


@get(
    "/public/{share_token:str}/examples",
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="Examples of a shared dataset",
)
async def list_shared_examples(
    request: AnyRequest,
    *,
    share_token: FromPath[str],
    datasets: NamedDependency[DatasetService],
    examples: NamedDependency[ExampleService],
    ids: OnlyIds = None,
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> Response[bytes]:
    """Of the newest version, without attachments."""
    token, wanted = read_path_id(share_token, "share_token"), read_ids(ids, "id")

    def answer() -> bytes:
        dataset = datasets.shared(token)
        found = examples.store.page(
            dataset.tenant_id, ExampleFilter(dataset_id=dataset.id, ids=wanted), offset=offset, limit=limit
        )
        return msgspec.json.encode(examples.encode(str(request.base_url), found, LISTED_FIELDS))

    return Response(await asyncio.to_thread(answer), media_type="application/json", headers=_PUBLIC_HEADERS)


@get(
    "/public/{share_token:str}/datasets/sessions",
    access=Access.PUBLIC,
    rate_class=RateClass.QUERY,
    summary="Experiments on a shared dataset",
)
async def list_shared_experiments(
    *,
    share_token: FromPath[str],
    datasets: NamedDependency[DatasetService],
    projects: NamedDependency[ProjectService],
    ids: OnlyIds = None,
    name: ExactName = None,
    name_contains: NamePart = None,
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> Response[list[ProjectBody]]:
    """With their statistics, newest first."""
    token, wanted = read_path_id(share_token, "share_token"), read_ids(ids, "id")

    def answer() -> list[ProjectBody]:
        dataset = datasets.shared(token)
        chosen = ProjectFilter(ids=wanted, name=name, name_contains=name_contains, reference_datasets=(dataset.id,))
        listing = ProjectListing(wanted=chosen, offset=offset, limit=limit, include_stats=True)
        return projects.list(dataset.tenant_id, listing)

    return Response(await asyncio.to_thread(answer), headers=_PUBLIC_HEADERS)


DATASET_FILE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    upload_csv,
    download_csv,
    download_json_lines,
    download_openai,
    read_shared_dataset,
    list_shared_examples,
    list_shared_experiments,
)
