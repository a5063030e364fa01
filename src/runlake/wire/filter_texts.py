"""Bodies of the routes that help with filters (our choice): a text, its language, and what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.wire.json_text import decode_object
from runlake.wire.members import MemberReader, choice_member, ids_member, whole_member

LANGUAGES: Final = ("filter", "search")
MODES: Final = ("lenient", "strict")


class FilterTextBody(msgspec.Struct, kw_only=True):
    """``POST /filters/validate``, ``/translate`` and ``/complete``; each reads the members it knows."""

    text: Any = None
    language: Any = None
    mode: Any = None
    to: Any = None
    position: Any = None
    session: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterTextSpec:
    """``text`` is in ``language``: a filter, or a search in the words of a search bar.

    ``to`` is the language wanted, ``position`` the character offset of the cursor, ``sessions`` the projects to take
    names from (None: all).
    """

    text: str
    language: str
    is_strict: bool
    to: str
    position: int
    sessions: tuple[UUID, ...] | None


_DECODER: Final = msgspec.json.Decoder(FilterTextBody)


def read_filter_text(data: bytes) -> FilterTextSpec:
    """The members with their defaults; the first that cannot be read is a ``UserError`` that names it."""
    body = decode_object(data, _DECODER)
    reader = MemberReader(body)
    text = reader.read("text", _text)
    language = reader.read("language", lambda value, name: choice_member(value, name, LANGUAGES))
    mode = reader.read("mode", lambda value, name: choice_member(value, name, MODES))
    to = reader.read("to", lambda value, name: choice_member(value, name, LANGUAGES))
    position = reader.read("position", lambda value, name: whole_member(value, name, "a character offset"))
    sessions = reader.read("session", ids_member)
    if reader.problems:
        raise reader.problems[0]
    if text is None:
        raise InvalidError("text is missing; it holds the filter or search", field="text")
    return FilterTextSpec(
        text=text,
        language=language or "filter",
        is_strict=mode == "strict",
        to=to or "search",
        position=len(text) if position is None else min(max(0, position), len(text)),
        sessions=sessions,
    )


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidError(f"{field} must be a text", field=field)
    return value
