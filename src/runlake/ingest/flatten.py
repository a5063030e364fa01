"""JSON payloads as flat entries: what metadata, input and output conditions of a filter can find.

Object keys join with dots, positions in arrays vanish, nulls and empty containers give no entry (documented upstream).
Entries nearer to the top come first, so that a cut leaves the deepest out. Not recursive: payloads nest as deep as
senders like.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from runlake.ingest.payloads import Json
from runlake.model.pairs import CUT_MARK, MAX_KEY_CHARS, MAX_PAIRS, SEPARATOR, pair_of, text_of

MAX_NUMBERS: Final = 64
"""A longer array that starts with a number (an embedding, token ids) is not indexed number by number."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Leaves of one payload; ``keys`` and ``values`` run in parallel. ``cut`` says that some were left out."""

    keys: list[str]
    values: list[str]
    cut: bool


@dataclass(frozen=True, slots=True)
class EntryColumns:
    """Distinct entries as parallel ``keys`` and ``values``, and what the index over them holds."""

    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()


_NO_ENTRIES: Final = EntryColumns()


def flatten(payload: Json) -> Entries:
    """At most ``MAX_PAIRS`` leaves of ``payload``. A scalar that is not inside an object has no key and gives none."""
    keys: list[str] = []
    values: list[str] = []
    queue: list[tuple[str, Json]] = [("", payload)]
    cut = False
    for path, container in queue:
        if len(keys) > MAX_PAIRS:
            cut = True
            break
        if isinstance(container, dict):
            cut = _collect_object(path, container, keys, values, queue) or cut
        elif isinstance(container, list):
            cut = _collect_array(path, container, keys, values, queue) or cut
    if len(keys) > MAX_PAIRS:
        del keys[MAX_PAIRS:], values[MAX_PAIRS:]
        cut = True
    if SEPARATOR in "".join(keys):
        keys = [key.replace(SEPARATOR, "") for key in keys]
    return Entries(keys, values, cut)


def flatten_pairs(payload: Json) -> tuple[str, ...]:
    """What the column of inputs or outputs holds: see ``index_items``."""
    entries = flatten(payload)
    return index_items(entries.keys, entries.values, cut=entries.cut)


def index_items(keys: Iterable[str], values: Iterable[str], *, cut: bool) -> tuple[str, ...]:
    """The distinct pairs, then the distinct keys alone, then the mark of a cut.

    Keys stand in the column of the pairs, so that one index answers for both: a second one made an insert 11 % dearer.
    No pair is mistaken for a key, because a pair holds a NUL and a key does not.
    """
    keys = tuple(keys)
    items = dict.fromkeys(map(pair_of, keys, values))
    items |= dict.fromkeys(keys)
    if cut:
        items[CUT_MARK] = None
    return tuple(items)


def flatten_entries(payload: Json) -> EntryColumns:
    """What the columns of metadata hold."""
    entries = flatten(payload)
    if not entries.keys and not entries.cut:
        return _NO_ENTRIES
    distinct = dict.fromkeys(zip(entries.keys, entries.values, strict=True))
    keys, values = zip(*distinct, strict=True) if distinct else ((), ())
    return EntryColumns(keys, values, index_items(keys, values, cut=entries.cut))


def _collect_object(
    path: str, members: dict[str, Json], keys: list[str], values: list[str], queue: list[tuple[str, Json]]
) -> bool:
    """Add the leaves of an object and queue its containers; true when something had to be left out."""
    prefix = f"{path}." if path else ""
    cut = len(members) > MAX_PAIRS
    for name, value in islice(members.items(), MAX_PAIRS):
        key = prefix + name
        if len(key) > MAX_KEY_CHARS:
            cut = True
        elif type(value) is str and key:
            keys.append(key)
            values.append(value)
        elif isinstance(value, dict | list):
            if value:
                queue.append((key, value))
        elif value is not None and key:
            keys.append(key)
            values.append(text_of(value))
    return cut


def _collect_array(
    path: str, items: list[Json], keys: list[str], values: list[str], queue: list[tuple[str, Json]]
) -> bool:
    """As ``_collect_object`` for an array, whose elements go by the array's own key."""
    if len(items) > MAX_NUMBERS and type(items[0]) in {int, float}:
        return True
    for value in islice(items, MAX_PAIRS):
        if isinstance(value, dict | list):
            if value:
                queue.append((path, value))
        elif value is not None and path:
            keys.append(path)
            values.append(text_of(value))
    return len(items) > MAX_PAIRS
