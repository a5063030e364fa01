"""Single values of a decoded body: ids, texts and times, with errors that name their field."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from runlake.errors import MalformedError
from runlake.model.run import NO_ID
from runlake.wire.times import parse_time

_EXCERPT_CHARS: Final = 100


def read_id(value: object, field: str) -> UUID | None:
    """A uuid with or without dashes; None for null, empty text and the zero uuid, which some senders use for "none"."""
    if value is None or value == "":
        return None
    try:
        # Several times faster than calling UUID, and strict about braces and prefixes.
        found = msgspec.convert(value, UUID)
    except msgspec.ValidationError:
        raise MalformedError(f"{field} {_excerpt(value)} is not a uuid", field=field) from None
    return None if found == NO_ID else found


def read_text(value: object, field: str) -> str:
    """Text as it is; any other JSON value as its JSON text."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, RecursionError):
        raise MalformedError(f"{field} cannot be read; a text is expected", field=field) from None


def read_time(value: object, field: str) -> int:
    """Microseconds since 1970 UTC; see ``parse_time``."""
    try:
        return parse_time(value)
    except MalformedError as error:
        raise MalformedError(f"{field}: {error.message}", field=field) from None


def _excerpt(value: object) -> str:
    return repr(value)[:_EXCERPT_CHARS] if isinstance(value, str) else f"of type {type(value).__name__}"
