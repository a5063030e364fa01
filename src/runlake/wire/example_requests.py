"""Small bodies about examples: which to delete, which splits to change (documented upstream)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.wire.examples import SPLIT_KEY, read_splits
from runlake.wire.json_text import decode_object
from runlake.wire.members import choice_member, flag_member, ids_member

MAX_IDS: Final = 10_000
"""Most examples of one request (documented upstream)."""
_OPERATIONS: Final = ("array_add", "array_remove")


class DeleteBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /platform/datasets/examples/delete``."""

    example_ids: list[UUID]
    hard_delete: bool = False


class SplitsBody(msgspec.Struct, kw_only=True):
    """Body of ``PUT /datasets/{id}/splits``."""

    split_name: str
    examples: list[UUID]
    remove: bool = False


class OperationBody(msgspec.Struct, kw_only=True):
    """One operation of a ``MetadataBody``."""

    key: str
    operation: str
    values: list[str]


class MetadataBody(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /platform/datasets/{id}/examples/metadata``."""

    example_ids: list[UUID]
    operations: list[OperationBody]


class _Sent(msgspec.Struct, gc=False):
    example_ids: Any = None
    hard_delete: Any = None
    split_name: Any = None
    examples: Any = None
    remove: Any = None
    operations: Any = None


_SENT: Final = msgspec.json.Decoder(_Sent)


def read_delete(body: bytes) -> tuple[tuple[UUID, ...], bool]:
    """Which examples, and whether for good."""
    sent = decode_object(body, _SENT)
    is_hard = sent.hard_delete is not None and flag_member(sent.hard_delete, "hard_delete")
    return _ids(sent.example_ids, "example_ids"), is_hard


def read_splits_body(body: bytes) -> tuple[tuple[UUID, ...], tuple[str, ...], tuple[str, ...]]:
    """Which examples, the splits to put them into, the splits to take them out of."""
    sent = decode_object(body, _SENT)
    names = read_splits(sent.split_name, "split_name") if sent.split_name is not None else ()
    if not names:
        raise InvalidError("split_name is missing; name the split to change", field="split_name")
    ids = _ids(sent.examples, "examples")
    removes = sent.remove is not None and flag_member(sent.remove, "remove")
    return (ids, (), names) if removes else (ids, names, ())


def read_metadata_operations(body: bytes) -> tuple[tuple[UUID, ...], tuple[str, ...], tuple[str, ...]]:
    """As ``read_splits_body``."""
    sent = decode_object(body, _SENT)
    ids = _ids(sent.example_ids, "example_ids")
    if not isinstance(sent.operations, list) or not sent.operations:
        raise InvalidError("operations must be a list of at least one operation", field="operations")
    names: dict[str, list[str]] = {"array_add": [], "array_remove": []}
    for item in sent.operations:
        if not isinstance(item, dict) or item.get("key") != SPLIT_KEY:
            raise InvalidError(f"operations must each be an object whose key is {SPLIT_KEY}", field="operations.key")
        kind = choice_member(item.get("operation"), "operations.operation", _OPERATIONS)
        names[kind] += read_splits(item.get("values") or (), "operations.values")
    return ids, tuple(names["array_add"]), tuple(names["array_remove"])


def _ids(value: object, field: str) -> tuple[UUID, ...]:
    found = () if value is None else ids_member(value, field)
    if not 0 < len(found) <= MAX_IDS:
        raise InvalidError(f"{field} must name 1 to {MAX_IDS} examples", field=field)
    return found
