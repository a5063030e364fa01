"""Listings of examples: from the parameters of a request to the examples it asks for."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import msgspec

from runlake.api.example_service import ExampleService
from runlake.errors import InvalidError
from runlake.model.dataset import Example
from runlake.query.example_filter import example_matcher
from runlake.store.datasets import ExampleFilter, ExampleOrder
from runlake.wire.containment import holds, read_wanted
from runlake.wire.examples import shown_metadata
from runlake.wire.json_text import decode_value
from runlake.wire.members import choice_member

_ORDERS: Final = ("recent", "recently_created", "id", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleListing:
    """What a listing asks for, typed; ``limit`` None means all."""

    dataset_id: UUID | None = None
    ids: tuple[UUID, ...] | None = None
    as_of: str | None = None
    splits: tuple[str, ...] | None = None
    metadata: str | None = None
    texts: tuple[str, ...] = ()
    filter: str | None = None
    order: ExampleOrder = "recent"
    descending: bool | None = None
    seed: float | None = None
    offset: int = 0
    limit: int | None = 100


def order_of(text: str | None) -> ExampleOrder:
    """The order that a parameter names."""
    return "recent" if text is None else cast("ExampleOrder", choice_member(text, "order", _ORDERS))


def list_examples_of(examples: ExampleService, tenant_id: UUID, listing: ExampleListing) -> Sequence[Example]:
    """Part of a listing; blocks. NotFoundError for an unknown dataset or tag."""
    wanted = _wanted(examples, tenant_id, listing)
    descending = listing.order != "id" if listing.descending is None else listing.descending
    matchers = _matchers(listing)
    if not matchers:
        return examples.store.page(
            tenant_id,
            wanted,
            order=listing.order,
            descending=descending,
            seed=zlib.crc32(repr(listing.seed).encode()),
            offset=listing.offset,
            limit=listing.limit,
        )
    if listing.order == "random":
        raise InvalidError("order random goes with dataset, id, as_of and splits alone", field="order")
    return examples.store.matching(
        tenant_id,
        wanted,
        lambda example: all(matches(example) for matches in matchers),
        looks_into_payloads=_looks_into_payloads(listing),
        order=listing.order,
        descending=descending,
        offset=listing.offset,
        limit=listing.limit,
    )


def count_examples_of(examples: ExampleService, tenant_id: UUID, listing: ExampleListing) -> int:
    """How many examples a listing has; blocks. NotFoundError for an unknown dataset or tag."""
    wanted = _wanted(examples, tenant_id, listing)
    matchers = _matchers(listing)
    if not matchers:
        return examples.store.count(tenant_id, wanted)
    return examples.store.count_matching(
        tenant_id,
        wanted,
        lambda example: all(matches(example) for matches in matchers),
        looks_into_payloads=_looks_into_payloads(listing),
    )


def _looks_into_payloads(listing: ExampleListing) -> bool:
    return bool(listing.texts or listing.filter)


def _wanted(examples: ExampleService, tenant_id: UUID, listing: ExampleListing) -> ExampleFilter:
    if listing.dataset_id is None and listing.ids is None:
        raise InvalidError("dataset is missing; name a dataset, or examples by id", field="dataset")
    moment = None
    dataset_id = listing.dataset_id
    if dataset_id is not None:
        moment = examples.datasets.moment(examples.datasets.store.read(tenant_id, dataset_id), listing.as_of)
    elif listing.as_of is not None and listing.ids:
        datasets = set(examples.store.datasets_of(tenant_id, listing.ids).values())
        if len(datasets) > 1:
            raise InvalidError("as_of is about one dataset, and the examples are of several", field="as_of")
        for found in datasets:
            moment = examples.datasets.moment(examples.datasets.store.read(tenant_id, found), listing.as_of)
    return ExampleFilter(dataset_id=dataset_id, ids=listing.ids, as_of=moment, splits=listing.splits)


def _matchers(listing: ExampleListing) -> list[Callable[[Example], bool]]:
    """Conditions that need the contents of an example."""
    found: list[Callable[[Example], bool]] = []
    if listing.metadata is not None:
        wanted = read_wanted(listing.metadata, "metadata")
        found.append(lambda example: holds(decode_value(shown_metadata(example)), wanted))
    if listing.texts:
        needles = [text.casefold() for text in listing.texts]
        found.append(lambda example: all(needle in _text(example) for needle in needles))
    if listing.filter is not None and listing.filter.strip():
        found.append(example_matcher(listing.filter))
    return found


def _text(example: Example) -> str:
    parts = (example.inputs, example.outputs, shown_metadata(example))
    return "\n".join(msgspec.json.encode(decode_value(part)).decode() for part in parts if part).casefold()
