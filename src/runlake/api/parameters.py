"""Reading path and query parameters, with errors that name the parameter and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from litestar.params import QueryParameter

from runlake.errors import MalformedError
from runlake.wire.scalars import read_id

MAX_LIST_ROWS: Final = 10_000
"""Most rows on one page of a list of anything but runs; clients ask for 100 (seen in the SDK)."""

Offset = Annotated[int, QueryParameter(ge=0, le=2**53)]
ListLimit = Annotated[int, QueryParameter(ge=0, le=MAX_LIST_ROWS)]
OnlyIds = Annotated[list[str] | None, QueryParameter(name="id", description="Only these.")]
ExactName = Annotated[str | None, QueryParameter(description="Exact, case-sensitive.")]
NamePart = Annotated[str | None, QueryParameter(description="Part of the name.")]
MetadataPart = Annotated[str | None, QueryParameter(description="A JSON object the metadata must contain.")]
AsOf = Annotated[str | None, QueryParameter(description="A time or a tag; the newest version without.")]
NotOffered = Annotated[list[str] | None, QueryParameter(description="Not offered.")]


def read_path_id(text: str, name: str) -> UUID:
    """An id in a path; MalformedError when it is none."""
    found = read_id(text, name)
    if found is None:
        raise MalformedError(f"{name} is the zero uuid, which names nothing", field=name)
    return found


def read_texts(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """A list parameter, repeated or joined by commas; None when it is absent, empty parts do not count."""
    if values is None:
        return None
    parts = (part.strip() for value in values for part in value.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def read_ids(values: Sequence[str] | None, name: str) -> tuple[UUID, ...] | None:
    """A list of ids, repeated or joined by commas; None when the parameter is absent."""
    texts = read_texts(values)
    return None if texts is None else tuple(read_path_id(text, name) for text in texts)
