"""JSON payloads as flat entries: what metadata, input and output conditions of a filter can find.

Object keys join with dots, positions in arrays vanish, nulls and empty containers give no entry (documented upstream).
Entries nearer to the top come first, so that those beyond a limit are the deepest. Not recursive: payloads nest as
deep as senders like.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from runlake.ingest.payloads import Json
from runlake.model.pairs import MAX_ENTRIES, MAX_KEY_CHARS, MAX_PAIRS, MORE_MARK, SEPARATOR, pair_of, text_of, valueless

MAX_NUMBERS: Final = 64
"""A longer array that starts with a number (an embedding, token ids) is one entry without a value."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Leaves of one payload; ``keys`` and ``values`` run in parallel. ``bare_keys`` are entries without a value."""

    keys: list[str]
    values: list[str]
    bare_keys: list[str]


@dataclass(frozen=True, slots=True)
class IndexItems:
    """The distinct pairs and keys of one side: those in its indexed column, and those that lie beside."""

    indexed: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryColumns:
    """Distinct entries as parallel ``keys`` and ``values``, and what the index over them holds."""

    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    items: IndexItems = IndexItems()


_NO_ENTRIES: Final = EntryColumns()


def flatten(payload: Json) -> Entries:
    """At most ``MAX_ENTRIES`` leaves of ``payload``. A scalar outside of any object has no key and gives none."""
    found = Entries([], [], [])
    queue: list[tuple[str, Json]] = [("", payload)]
    for path, container in queue:
        if len(found.keys) + len(found.bare_keys) >= MAX_ENTRIES:
            break
        if isinstance(container, dict):
            _collect_object(path, container, found, queue)
        elif isinstance(container, list):
            _collect_array(path, container, found, queue)
    del found.keys[MAX_ENTRIES:], found.values[MAX_ENTRIES:]
    for keys in (found.keys, found.bare_keys):
        if SEPARATOR in "".join(keys):
            keys[:] = [key.replace(SEPARATOR, "") for key in keys]
    return found


def flatten_pairs(payload: Json) -> IndexItems:
    """What the columns of inputs or outputs hold."""
    return index_items(flatten(payload))


def flatten_entries(payload: Json) -> EntryColumns:
    """What the columns of metadata hold."""
    entries = flatten(payload)
    if not entries.keys and not entries.bare_keys:
        return _NO_ENTRIES
    distinct = dict.fromkeys(zip(entries.keys, entries.values, strict=True))
    keys, values = zip(*distinct, strict=True) if distinct else ((), ())
    return EntryColumns(keys, values, index_items(entries))


def index_items(entries: Entries) -> IndexItems:
    """The distinct pairs, then the distinct keys alone; a mark at the end says that there are more beside.

    Keys stand in the column of the pairs, so that one index answers for both: a second one made an insert 11 % dearer.
    Nothing is mistaken for a key, because a pair holds a NUL and a key does not.
    """
    pairs = dict.fromkeys(map(pair_of, entries.keys, entries.values))
    names = dict.fromkeys(entries.keys)
    if entries.bare_keys:
        pairs |= dict.fromkeys(map(valueless, entries.bare_keys))
        names |= dict.fromkeys(entries.bare_keys)
    if len(pairs) <= MAX_PAIRS >= len(names):
        return IndexItems((*pairs, *names))
    first = (*islice(pairs, MAX_PAIRS), *islice(names, MAX_PAIRS), MORE_MARK)
    return IndexItems(first, (*islice(pairs, MAX_PAIRS, None), *islice(names, MAX_PAIRS, None)))


def _collect_object(path: str, members: dict[str, Json], found: Entries, queue: list[tuple[str, Json]]) -> None:
    """Add the leaves of an object and queue its containers."""
    prefix = f"{path}." if path else ""
    keys, values = found.keys, found.values
    for name, value in islice(members.items(), MAX_ENTRIES):
        key = prefix + name
        if len(key) > MAX_KEY_CHARS:
            continue
        if type(value) is str and key:
            keys.append(key)
            values.append(value)
        elif isinstance(value, dict | list):
            if value:
                queue.append((key, value))
        elif value is not None and key:
            keys.append(key)
            values.append(text_of(value))


def _collect_array(path: str, items: list[Json], found: Entries, queue: list[tuple[str, Json]]) -> None:
    """As ``_collect_object`` for an array, whose elements go by the array's own key."""
    if len(items) > MAX_NUMBERS and type(items[0]) in {int, float}:
        if path:
            found.bare_keys.append(path)
        return
    for value in islice(items, MAX_ENTRIES):
        if isinstance(value, dict | list):
            if value:
                queue.append((path, value))
        elif value is not None and path:
            found.keys.append(path)
            found.values.append(text_of(value))
