"""How an entry of metadata, inputs or outputs becomes one indexed text.

Written by ``ingest.flatten`` and rebuilt by the query side for equality conditions, so both must call the functions
here. Changing them changes the meaning of stored rows. Imports nothing of ours.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

SEPARATOR: Final = "\0"
"""Between key and value; a NUL inside a key is left out, so no key can pose as another key with a value."""

LONG_VALUE_CHARS: Final = 250
"""Values longer than this are indexed by their head and a digest."""

LONG_VALUE_HEAD_CHARS: Final = 200
LONG_VALUE_MARK: Final = "\1"

MAX_PAIRS: Final = 2_000
"""Most entries indexed per side (metadata, inputs, outputs) of one run; the payload itself is always whole."""

MAX_KEY_CHARS: Final = 500
"""Entries below a longer path are not indexed; bounds what deep nesting can cost."""

CUT_MARK: Final = "\2"
"""The last pair of a side of which some entries are not indexed, so that readers can tell and look into the payload."""


def pair_of(key: str, value: str) -> str:
    """The indexed text of one entry: key, NUL, value; a long value as its head, byte 1 and 16 hex digits of BLAKE2b."""
    if "\0" in key:
        key = key.replace("\0", "")
    if len(value) > LONG_VALUE_CHARS:
        digest = blake2b(value.encode("utf-8", "replace"), digest_size=8).hexdigest()
        value = f"{value[:LONG_VALUE_HEAD_CHARS]}{LONG_VALUE_MARK}{digest}"
    return f"{key}\0{value}"


def text_of(value: str | float | bool) -> str:
    """The text of a JSON scalar: text itself, ``true``, ``false``, numbers in shortest form (``1``, ``1.0``)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
