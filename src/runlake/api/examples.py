"""Examples: ``/examples`` of the v1 API and the multipart routes of the platform API.

Handlers decode, call ``ExampleService``, encode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import Deleted, json_answer
from runlake.api.attachments import answer_file
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest
from runlake.api.dataset_service import DatasetService
from runlake.api.example_listing import ExampleListing, count_examples_of, list_examples_of, order_of
from runlake.api.example_service import ExampleService
from runlake.api.parameters import AsOf, ListLimit, MetadataPart, Offset, OnlyIds, read_ids, read_path_id, read_texts
from runlake.errors import InvalidError
from runlake.model.dataset import ChangeDraft, ExampleDraft
from runlake.wire.example_requests import (
    DeleteBody,
    MetadataBody,
    SplitsBody,
    read_delete,
    read_metadata_operations,
    read_splits_body,
)
from runlake.wire.examples import (
    ALL_FIELDS,
    DEFAULT_FIELDS,
    LISTED_FIELDS,
    SELECTABLE,
    ExampleAnswer,
    ExampleBody,
    ExamplePatch,
    UpsertAnswer,
    read_change,
    read_change_parts,
    read_changes,
    read_example,
    read_example_parts,
    read_examples,
)
from runlake.wire.members import choice_member
from runlake.wire.times import format_time


class Changed(msgspec.Struct, frozen=True):
    """Answer to a change of examples."""

    message: str
    count: int
    example_ids: tuple[UUID, ...] = ()


class SplitsChanged(msgspec.Struct, frozen=True):
    """Answer to a change of splits; ``count`` is how many examples were not there already."""

    count: int


@post("/examples", status_code=200, access=Access.EDIT, summary="Create an example", opt={"request_body": ExampleBody})
async def create_example(
    request: AnyRequest, tenant_id: NamedDependency[UUID], examples: NamedDependency[ExampleService]
) -> Response[bytes]:
    """In the dataset that it names; makes a version."""
    draft = await examples.read_body(request, partial(read_example, receipt=examples.receipt(tenant_id)))
    found = await examples.create(tenant_id, draft.example.dataset_id, [draft])
    return _json((await asyncio.to_thread(examples.encode, str(request.base_url), found, ALL_FIELDS))[0])


@post(
    "/examples/bulk", status_code=200, access=Access.EDIT, summary="Create examples", opt={"request_body": ExampleBody}
)
async def create_examples(
    request: AnyRequest, tenant_id: NamedDependency[UUID], examples: NamedDependency[ExampleService]
) -> Response[bytes]:
    """A JSON list of examples of one dataset; all of them are stored or none."""
    drafts = await examples.read_body(request, partial(read_examples, receipt=examples.receipt(tenant_id)))
    found = await examples.create(tenant_id, _one_dataset(drafts), drafts) if drafts else ()
    return _json(await asyncio.to_thread(examples.encode, str(request.base_url), found, ALL_FIELDS))


@get("/examples", access=Access.READ, summary="List examples")
async def list_examples(
    request: AnyRequest,
    *,
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
    dataset: Annotated[str | None, QueryParameter(description="Examples of this dataset.")] = None,
    ids: OnlyIds = None,
    as_of: AsOf = None,
    splits: Annotated[list[str] | None, QueryParameter(description="Examples of any of these splits.")] = None,
    metadata: MetadataPart = None,
    full_text_contains: Annotated[
        list[str] | None, QueryParameter(description="Texts that inputs, outputs or metadata must all contain.")
    ] = None,
    filter_text: Annotated[str | None, QueryParameter(name="filter", description="A filter on examples.")] = None,
    order: Annotated[str | None, QueryParameter(description="recent, recently_created, id or random.")] = None,
    descending: FromQuery[bool | None] = None,
    random_seed: Annotated[float | None, QueryParameter(description="The same seed gives the same order.")] = None,
    offset: Offset = 0,
    limit: ListLimit = 100,
    select: Annotated[list[str] | None, QueryParameter(description=f"Of {', '.join(SELECTABLE)}.")] = None,
    exclude_default_fields: Annotated[bool, QueryParameter(description="Only what select names.")] = False,
    inline_s3_urls: Annotated[bool | None, QueryParameter(description="Accepted, not needed.")] = None,
) -> Response[bytes]:
    """A bare array, empty when nothing matches; what changed last comes first unless told otherwise."""
    del inline_s3_urls
    listing = ExampleListing(
        dataset_id=None if dataset is None else read_path_id(dataset, "dataset"),
        ids=read_ids(ids, "id"),
        as_of=as_of,
        splits=None if splits is None else tuple(splits),
        metadata=metadata,
        texts=tuple(full_text_contains or ()),
        filter=filter_text,
        order=order_of(order),
        descending=descending,
        seed=random_seed,
        offset=offset,
        limit=limit,
    )
    fields = _fields(select, exclude_default_fields=exclude_default_fields)

    def answer() -> bytes:
        found = list_examples_of(examples, tenant_id, listing)
        return msgspec.json.encode(examples.encode(str(request.base_url), found, fields))

    return json_answer(await asyncio.to_thread(answer))


@get("/examples/count", access=Access.READ, summary="Count examples")
async def count_examples(
    *,
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
    dataset: Annotated[str | None, QueryParameter(description="Examples of this dataset.")] = None,
    ids: OnlyIds = None,
    as_of: AsOf = None,
    splits: Annotated[list[str] | None, QueryParameter(description="Examples of any of these splits.")] = None,
    metadata: MetadataPart = None,
    full_text_contains: Annotated[list[str] | None, QueryParameter(description="As for a listing.")] = None,
    filter_text: Annotated[str | None, QueryParameter(name="filter", description="A filter on examples.")] = None,
) -> int:
    """How many a listing with these parameters has."""
    listing = ExampleListing(
        dataset_id=None if dataset is None else read_path_id(dataset, "dataset"),
        ids=read_ids(ids, "id"),
        as_of=as_of,
        splits=None if splits is None else tuple(splits),
        metadata=metadata,
        texts=tuple(full_text_contains or ()),
        filter=filter_text,
        limit=None,
    )
    return await asyncio.to_thread(count_examples_of, examples, tenant_id, listing)


@get("/examples/{example_id:str}", access=Access.READ, summary="Read an example")
async def read_one_example(
    request: AnyRequest,
    *,
    example_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
    as_of: AsOf = None,
    dataset: Annotated[str | None, QueryParameter(description="Accepted, not needed.")] = None,
) -> Response[bytes]:
    """With links to its attachments."""
    del dataset
    found = await asyncio.to_thread(examples.read, tenant_id, read_path_id(example_id, "example_id"), as_of)
    return _json((await asyncio.to_thread(examples.encode, str(request.base_url), [found], ALL_FIELDS))[0])


@patch(
    "/examples/{example_id:str}", access=Access.EDIT, summary="Change an example", opt={"request_body": ExamplePatch}
)
async def update_example(
    request: AnyRequest,
    example_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
) -> Changed:
    """What is absent or null stays; another `dataset_id` moves the example there. Makes a version."""
    found = read_path_id(example_id, "example_id")
    draft = await examples.read_body(request, partial(read_change, example_id=found))
    return await _update(examples, tenant_id, [draft])


@patch("/examples/bulk", access=Access.EDIT, summary="Change examples", opt={"request_body": ExamplePatch})
async def update_examples(
    request: AnyRequest, tenant_id: NamedDependency[UUID], examples: NamedDependency[ExampleService]
) -> Changed:
    """A JSON list of changes of examples of one dataset, each with its `id`; all of them are made or none."""
    return await _update(examples, tenant_id, await examples.read_body(request, read_changes))


@delete("/examples/{example_id:str}", status_code=200, access=Access.EDIT, summary="Delete an example")
async def delete_example(
    example_id: FromPath[str], tenant_id: NamedDependency[UUID], examples: NamedDependency[ExampleService]
) -> Deleted:
    """Gone from the newest version on; older versions keep it."""
    await asyncio.to_thread(examples.store.delete, tenant_id, [read_path_id(example_id, "example_id")])
    return Deleted("deleted; older versions of the dataset keep the example")


@delete("/examples", status_code=200, access=Access.EDIT, summary="Delete examples")
async def delete_examples(
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
    example_ids: Annotated[list[str] | None, QueryParameter(description="Which, repeated or by commas.")] = None,
) -> Deleted:
    """All of them or, when one is not there, none."""
    found = read_ids(example_ids, "example_ids")
    if not found:
        raise InvalidError("example_ids is missing; give the ids of the examples to delete", field="example_ids")
    await asyncio.to_thread(examples.store.delete, tenant_id, found)
    return Deleted("deleted; older versions of the dataset keep the examples")


@post(
    "/platform/datasets/examples/delete",
    status_code=200,
    access=Access.ADMIN,
    summary="Delete examples for good",
    opt={"request_body": DeleteBody},
)
async def erase_examples(
    request: AnyRequest, tenant_id: NamedDependency[UUID], examples: NamedDependency[ExampleService]
) -> Deleted:
    """With `hard_delete` from every version, otherwise as `DELETE /examples`."""
    found, is_hard = await examples.read_body(request, read_delete)
    await asyncio.to_thread(examples.erase if is_hard else examples.store.delete, tenant_id, found)
    return Deleted("deleted")


@post(
    "/platform/datasets/{dataset_id:str}/examples",
    status_code=201,
    access=Access.EDIT,
    summary="Create examples sent as multipart",
)
async def upload_examples(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
) -> UpsertAnswer:
    """Examples with attachments, all in one version, all or none."""
    found = read_path_id(dataset_id, "dataset_id")
    await asyncio.to_thread(examples.datasets.store.read, tenant_id, found)
    return await _upload(request, tenant_id, examples, found)


@post(
    "/platform/examples/multipart",
    status_code=201,
    access=Access.EDIT,
    summary="Create examples sent as multipart (older clients)",
)
async def upsert_examples(
    request: AnyRequest, tenant_id: NamedDependency[UUID], examples: NamedDependency[ExampleService]
) -> UpsertAnswer:
    """As the route of a dataset, with `dataset_id` in each example."""
    return await _upload(request, tenant_id, examples, None)


@patch("/platform/datasets/{dataset_id:str}/examples", access=Access.EDIT, summary="Change examples sent as multipart")
async def patch_examples(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
) -> UpsertAnswer:
    """Changes with attachments and operations on them, all in one version, all or none."""
    found, content_type = read_path_id(dataset_id, "dataset_id"), request.headers.get("content-type", "")
    await asyncio.to_thread(examples.datasets.store.read, tenant_id, found)
    drafts = await examples.read_body(request, partial(read_change_parts, content_type=content_type))
    version, ids = await examples.update(tenant_id, found, drafts)
    return UpsertAnswer(len(ids), tuple(ids), format_time(version))


@patch(
    "/platform/datasets/{dataset_id:str}/examples/metadata",
    access=Access.EDIT,
    summary="Change the splits of examples",
    opt={"request_body": MetadataBody},
)
async def change_metadata(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
) -> SplitsChanged:
    """`array_add` and `array_remove` of names in `dataset_split`."""
    found = read_path_id(dataset_id, "dataset_id")
    ids, add, remove = await examples.read_body(request, read_metadata_operations)
    count = await asyncio.to_thread(examples.store.change_splits, tenant_id, found, ids, add=add, remove=remove)
    return SplitsChanged(count)


@get("/datasets/{dataset_id:str}/splits", access=Access.READ, summary="List the splits of a dataset")
async def list_splits(
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    datasets: NamedDependency[DatasetService],
    examples: NamedDependency[ExampleService],
    as_of: AsOf = None,
) -> list[str]:
    """Names in use, sorted."""
    found = read_path_id(dataset_id, "dataset_id")

    def answer() -> Sequence[str]:
        moment = datasets.moment(datasets.store.read(tenant_id, found), as_of)
        return examples.store.splits(tenant_id, found, as_of=moment)

    return list(await asyncio.to_thread(answer))


@put(
    "/datasets/{dataset_id:str}/splits",
    access=Access.EDIT,
    summary="Change a split of a dataset",
    opt={"request_body": SplitsBody},
)
async def update_splits(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    examples: NamedDependency[ExampleService],
) -> list[str]:
    """Puts examples into a split, or takes them out of it with `remove`; the names in use afterwards."""
    found = read_path_id(dataset_id, "dataset_id")
    ids, add, remove = await examples.read_body(request, read_splits_body)
    await asyncio.to_thread(examples.store.change_splits, tenant_id, found, ids, add=add, remove=remove)
    return list(await asyncio.to_thread(examples.store.splits, tenant_id, found, as_of=None))


@get(
    "/example-attachments/{example_id:str}",
    access=Access.PUBLIC,
    summary="Download an attachment of an example",
    opt={"answer": bytes},
)
async def read_example_attachment(
    request: AnyRequest,
    *,
    example_id: FromPath[str],
    examples: NamedDependency[ExampleService],
    tenant: Annotated[str, QueryParameter(description="As in the link.")],
    name: Annotated[str, QueryParameter(description="As in the link.")],
    expires: Annotated[int, QueryParameter(description="As in the link.")],
    signature: Annotated[str, QueryParameter(description="As in the link.")],
) -> Response[Any]:
    """The bytes as they were sent. The link comes from `attachment_urls` of an example and needs no key."""
    tenant_id, identity = read_path_id(tenant, "tenant"), read_path_id(example_id, "example_id")
    examples.links.check(tenant_id, identity, name, expires_s=expires, signature=signature)
    file, key = await asyncio.to_thread(examples.file, tenant_id, identity, name)
    return answer_file(request, examples.files.objects, key, file)


async def _update(examples: ExampleService, tenant_id: UUID, drafts: Sequence[ChangeDraft]) -> Changed:
    if not drafts:
        return Changed("0 examples updated", 0)
    dataset_id = await asyncio.to_thread(examples.dataset_of, tenant_id, drafts[0].change.id)
    _, ids = await examples.update(tenant_id, dataset_id, drafts)
    return Changed(f"{len(ids)} examples updated", len(ids), tuple(ids))


@dataclass(frozen=True, slots=True)
class _Upload:
    """What a multipart body holds."""

    drafts: list[ExampleDraft]
    datasets: list[UUID | None]


async def _upload(
    request: AnyRequest, tenant_id: UUID, examples: ExampleService, dataset_id: UUID | None
) -> UpsertAnswer:
    content_type, receipt = request.headers.get("content-type", ""), examples.receipt(tenant_id)
    upload = await examples.read_body(request, lambda body: _Upload(*read_example_parts(body, content_type, receipt)))
    named = set(upload.datasets) - {None}
    target = dataset_id or next(iter(named), None)
    if target is None or named - {target}:
        raise InvalidError("dataset_id must be one and the same dataset in every example", field="dataset_id")
    stored = await examples.create(tenant_id, target, upload.drafts)
    ids = tuple(example.id for example in stored)
    return UpsertAnswer(len(ids), ids, format_time(stored[0].modified_at))


def _one_dataset(drafts: Sequence[ExampleDraft]) -> UUID:
    named = {draft.example.dataset_id for draft in drafts}
    if len(named) > 1:
        raise InvalidError(
            "the examples of one request belong to one dataset; send one request each", field="dataset_id"
        )
    return named.pop()


def _fields(select: list[str] | None, *, exclude_default_fields: bool) -> frozenset[str]:
    names = read_texts(select)
    if not names:
        return LISTED_FIELDS
    chosen = frozenset(choice_member(name, "select", SELECTABLE) for name in names)
    return chosen if exclude_default_fields else chosen | DEFAULT_FIELDS


def _json(body: ExampleAnswer | list[ExampleAnswer]) -> Response[bytes]:
    return json_answer(msgspec.json.encode(body))


EXAMPLE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_example,
    create_examples,
    list_examples,
    count_examples,
    read_one_example,
    update_example,
    update_examples,
    delete_example,
    delete_examples,
    erase_examples,
    upload_examples,
    upsert_examples,
    patch_examples,
    change_metadata,
    list_splits,
    update_splits,
    read_example_attachment,
)
