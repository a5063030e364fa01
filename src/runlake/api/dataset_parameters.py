"""Parameters that listings of datasets take, in v1 and in v2 alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from litestar.params import QueryParameter

from runlake.api.dataset_service import DATASET_SORTS
from runlake.api.parameters import read_ids, read_texts
from runlake.errors import InvalidError
from runlake.store.datasets import DatasetFilter
from runlake.wire.datasets import read_data_type
from runlake.wire.members import choice_member

DataTypes = Annotated[list[str] | None, QueryParameter(description="Only these kinds: kv, llm, chat.")]
SortBy = Annotated[str | None, QueryParameter(description=f"One of {', '.join(DATASET_SORTS)}.")]


def read_dataset_filter(
    ids: Sequence[str] | None, data_type: Sequence[str] | None, name: str | None, name_contains: str | None
) -> DatasetFilter:
    """Which datasets are wanted; None asks for any."""
    kinds = read_texts(data_type)
    return DatasetFilter(
        ids=read_ids(ids, "id"),
        name=name,
        name_contains=name_contains,
        data_types=None if kinds is None else tuple(read_data_type(kind) for kind in kinds),
    )


def read_dataset_sort(sort_by: str | None) -> str:
    """By which field they are ordered; InvalidError for one that is none of them."""
    return "created_at" if sort_by is None else choice_member(sort_by, "sort_by", DATASET_SORTS)


def refuse_tag_values(tag_value_id: Sequence[str] | None) -> None:
    """The hosted service tags datasets; here their metadata does the same (our choice)."""
    if tag_value_id is not None:
        raise InvalidError("tag_value_id is not offered on datasets; use metadata", field="tag_value_id")
