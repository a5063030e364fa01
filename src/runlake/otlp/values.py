"""Readers of attribute values: what an attribute must look like to count. Total: odd values read as None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runlake.otlp.rules import Json, Reader

_DECODER: Final = msgspec.json.Decoder()
_JSON_STARTS: Final = ("{", "[")
_TRUE: Final = (True, "true", "True", 1)


def read_text(value: Json) -> Json:
    """Text that is not empty."""
    return value if isinstance(value, str) and value else None


def read_true(value: Json) -> Json:
    """True, or None; some senders write booleans as text."""
    return True if value in _TRUE else None


def read_number(value: Json) -> Json:
    """A number, also one written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if isinstance(value, int):
        return value
    return int(number) if number.is_integer() else number


def read_json(value: Json) -> Json:
    """The value inside a text that is JSON of an object or a list; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in _JSON_STARTS:
        try:
            return _DECODER.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def read_object(value: Json) -> Json:
    """An object, given as one or as its JSON."""
    found = read_json(value)
    return found if isinstance(found, dict) else None


def read_list(value: Json) -> Json:
    """A list, given as one or as its JSON; items that are JSON texts are read too."""
    found = read_json(value)
    return [read_json(item) for item in found] if isinstance(found, list) else None


def read_tags(value: Json) -> Json:
    """Tags as a list, as its JSON, or separated by commas."""
    found = read_json(value)
    items = found if isinstance(found, list) else str(found).split(",")
    tags = [text for item in items if item is not None and (text := str(item).strip())]
    return tags or None


def word_in(words: Mapping[str, str]) -> Reader:
    """A reader that looks a word up, whatever its case; None for words it does not know."""

    def read(value: Json) -> Json:
        return words.get(value.strip().lower()) if isinstance(value, str) else None

    return read


def payload_of(plain_key: str) -> Reader:
    """A reader of inputs or outputs: an object as it is, anything else as the member ``plain_key`` of one."""

    def read(value: Json) -> Json:
        found = read_json(value)
        if found is None or found == "":
            return None
        return found if isinstance(found, dict) else {plain_key: found}

    return read


def put_at(tree: dict[str, Any], path: str, value: Json) -> None:
    """Set the value at a path of names and numbers such as ``0.message.role``; a value in the way becomes ``""``."""
    *above, last = path.split(".")
    for step in above:
        below = tree.get(step)
        if not isinstance(below, dict):
            below = tree[step] = {} if below is None else {"": below}
        tree = below
    old = tree.get(last)
    if isinstance(old, dict):
        old[""] = value
    else:
        tree[last] = value


def as_lists(tree: Json) -> Json:
    """The tree with a list wherever all names of an object are numbers, in their order."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.isascii() and name.isdigit() and len(name) < 10 for name in tree):  # noqa: PLR2004 - an index
        return [as_lists(tree[name]) for name in sorted(tree, key=int)]
    return {name: as_lists(value) for name, value in tree.items()}
