"""Members of a request body read one by one, with errors that name the member and what it takes.

Seen in clients: null for whatever is absent, one bare string where a list belongs, 1 for true; so null is absence, and
a value is read when it can only mean one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar
from uuid import UUID

from runlake.errors import InvalidError, UserError
from runlake.wire.scalars import read_id

ValueT = TypeVar("ValueT")


class MemberReader:
    """Reads members and keeps what goes wrong."""

    def __init__(self, body: object) -> None:
        self._body = body
        self.problems: list[UserError] = []

    def read(self, name: str, convert: Callable[[Any, str], ValueT]) -> ValueT | None:
        """The member as ``convert`` reads it; None where it is absent, null or cannot be read."""
        value = getattr(self._body, name)
        if value is None:
            return None
        try:
            return convert(value, name)
        except UserError as error:
            self.problems.append(error)
            return None


def ids_member(value: Any, field: str) -> tuple[UUID, ...]:
    """Ids, or one, each once."""
    values = value if isinstance(value, list) else [value]
    found = (read_id(item, field) for item in values)
    return tuple(dict.fromkeys(item for item in found if item is not None))


def text_member(value: Any, field: str) -> str | None:
    """A text; None for a blank one."""
    if not isinstance(value, str):
        raise InvalidError(f"{field} must be a text", field=field)
    return value if value.strip() else None


def flag_member(value: Any, field: str) -> bool:
    """A boolean, 1 or 0, or one of them as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise InvalidError(f"{field} must be true or false", field=field)


def whole_member(value: Any, field: str, accepted: str) -> int:
    """A whole number, digits in a text included; ``accepted`` says in errors what it may be."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < len(str(2**63)):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise InvalidError(f"{field} must be {accepted}", field=field)
    return int(value)


def choice_member(value: Any, field: str, choices: tuple[str, ...]) -> str:
    """The choice that a text names, in whatever case."""
    text = value.strip().lower() if isinstance(value, str) else ""
    known = {str(choice).lower(): str(choice) for choice in choices}
    if text in known:
        return known[text]
    near = next((known[found] for found in get_close_matches(text[:40], known, n=1)), None)
    shown = repr(value)[:60] if isinstance(value, str) else f"of type {type(value).__name__}"
    hint = f", did you mean {near}" if near else ""
    raise InvalidError(
        f"{field} {shown} is not accepted{hint}; use one of {', '.join(choices)}", field=field, suggestion=near
    )


def names_member(value: Any, field: str) -> tuple[str, ...]:
    """Texts, or one."""
    values = value if isinstance(value, list | tuple) else [value]
    texts = tuple(item for item in values if isinstance(item, str))
    if len(texts) < len([item for item in values if item is not None]):
        raise InvalidError(f"{field} must be a list of texts", field=field)
    return texts
