"""Datasets as v2 lists them (shapes seen in the generated client): v1 ones with times in UTC, in pages by cursor."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import CursorError
from runlake.model.dataset import DatasetPlace
from runlake.wire.datasets import DatasetBody, DatasetFields


class DatasetBodyV2(DatasetFields, frozen=True, kw_only=True):
    """A dataset. ``example_count`` is null where the request excludes it."""

    example_count: int | None
    baseline_experiment_id: UUID | None = None


class DatasetsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``GET /v2/datasets``."""

    items: Sequence[DatasetBodyV2]
    next_cursor: str | None


class _Token(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    sort_by: str
    descending: bool
    value: str | int | None
    id: UUID


_TOKEN: Final = msgspec.json.Decoder(_Token)
_TIMES: Final = frozenset({"created_at", "modified_at", "last_session_start_time"})


def dataset_body_v2(dataset: DatasetBody, *, excluded: frozenset[str]) -> DatasetBodyV2:
    """The v2 object of a dataset, without the fields ``excluded``."""
    fields: dict[str, Any] = {name: _respelt(name, getattr(dataset, name)) for name in dataset.__struct_fields__}
    return DatasetBodyV2(**(fields | dict.fromkeys(excluded)))


def write_place(place: DatasetPlace, *, sort_by: str, descending: bool) -> str:
    """The token of the page after a place."""
    token = _Token(sort_by, descending, place.value, place.id)
    return urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()


def read_place(text: str | None, *, sort_by: str, descending: bool) -> DatasetPlace | None:
    """The place that a token names, None for no token; CursorError for one of another order or none of ours."""
    if not text:
        return None
    try:
        token = _TOKEN.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise CursorError("cursor is not one that this server made; start again without", field="cursor") from None
    if (token.sort_by, token.descending) != (sort_by, descending) or not _can_be(token.value, sort_by):
        raise CursorError(
            "cursor belongs to a listing in another order; repeat sort_by and sort_order of the page before",
            field="cursor",
        )
    return DatasetPlace(token.value, token.id)


def _can_be(value: str | int | None, sort_by: str) -> bool:
    if sort_by == "name":
        return isinstance(value, str)
    if value is None:
        return sort_by == "last_session_start_time"
    return isinstance(value, int) and abs(value) < 2**63


def _respelt(name: str, value: Any) -> Any:
    return f"{value}Z" if name in _TIMES and value is not None else value
