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
"""Most pairs, and most keys, that are indexed per side (metadata, inputs, outputs) of one run; the rest lies beside."""

MAX_ENTRIES: Final = 100_000
"""Most leaves of a side that count as entries; the payload itself is always whole."""

MAX_KEY_CHARS: Final = 500
"""Leaves below a longer path are no entries; bounds what deep nesting can cost."""

MORE_MARK: Final = "\0"
"""The last indexed item of a side whose other items lie in the column for the rest, so that readers look there too.

No key is empty, so nothing begins with a NUL but this and what ``valueless`` makes.
"""

METADATA_LETTER: Final = "m"
INPUT_LETTER: Final = "i"
OUTPUT_LETTER: Final = "o"
"""What stands before an item in the column for the rest, which the sides share."""


def pair_of(key: str, value: str) -> str:
    """The indexed text of one entry: key, NUL, value; a long value as its head, byte 1 and 16 hex digits of BLAKE2b."""
    if "\0" in key:
        key = key.replace("\0", "")
    if len(value) > LONG_VALUE_CHARS:
        digest = blake2b(value.encode("utf-8", "replace"), digest_size=8).hexdigest()
        value = f"{value[:LONG_VALUE_HEAD_CHARS]}{LONG_VALUE_MARK}{digest}"
    return f"{key}\0{value}"


def valueless(key: str) -> str:
    """The indexed text of an entry that has a key and no value: a NUL and the key."""
    return SEPARATOR + key


def text_of(value: str | float | bool) -> str:
    """The text of a JSON scalar: text itself, ``true``, ``false``, numbers in shortest form (``1``, ``1.0``)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
