"""What may stand at a place in an unfinished filter or search: functions, fields, or values of a field.

Tolerant by nature, because text before the cursor is seldom whole. Which names the store knows is not decided here:
a ``Wanted`` says of which sort they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from runlake.fql.ast import Function
from runlake.fql.axes import AXES, Axis
from runlake.fql.fields import FIELDS, FUNCTIONS, DottedField, FieldRow, Kind, find_field
from runlake.fql.vocabulary import PairFamily

_TOKEN: Final = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)|(?P<name>[\w.]+)|(?P<sign>[(),\[\]])|\s+|.""", re.DOTALL
)
_CLAUSE: Final = re.compile(r"(?P<start>[-(\s]|^)(?P<field>[\w.]+):(?P<sign>[<>]=?|~)?(?P<value>\"?[^\s\"]*)$")
_WORD: Final = re.compile(r"[\w.]*$")
_LOGIC: Final = {"and": "All conditions hold.", "or": "Some condition holds.", "not": "The condition does not hold."}
_COUNT: Final = "count"
_COMPARATORS: Final = ("eq", "neq", "gt", "gte", "lt", "lte")


class Sort(StrEnum):
    """Whose names are wanted. ``LISTED`` means that ``Wanted.choices`` has all of them."""

    LISTED = "listed"
    METADATA_KEY = "metadata_key"
    INPUT_KEY = "input_key"
    OUTPUT_KEY = "output_key"
    FEEDBACK_KEY = "feedback_key"
    METADATA_VALUE = "metadata_value"
    TAG = "tags"
    RUN_NAME = "name"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Choice:
    """One completion: the text to put in, what it is, and a line about it."""

    text: str
    kind: str
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What fits between ``start`` and the cursor, where ``prefix`` stands so far.

    ``lead`` is what the text put in begins with, such as the opening quote; ``key`` the key whose values are wanted.
    """

    sort: Sort
    start: int
    prefix: str
    lead: str = ""
    tail: str = ""
    key: str = ""
    choices: tuple[Choice, ...] = ()


@dataclass(slots=True)
class _Call:
    """An open parenthesis: what was called, and its arguments up to the cursor as written."""

    name: str
    arguments: list[str] = field(default_factory=lambda: [""])
    keys: list[str] = field(default_factory=list)


def wanted_in_filter(text: str, position: int) -> Wanted:
    """What may stand at ``position``, a character offset, of a filter."""
    before = text[: max(0, position)]
    calls, last = _open_calls(before)
    call = calls[-1] if calls else None
    if call is None or call.name in _LOGIC or call.name in frozenset(Axis):
        return _functions(before)
    if call.name == _COUNT:
        return _functions(before) if len(call.arguments) == 1 else _listed(before, _COMPARATORS, "comparator")
    if len(call.arguments) == 1 and call.name != Function.SEARCH:
        return _fields(before, call.name)
    if last.startswith(('"', "'")) and len(last) > 1 and last.endswith(last[0]):
        return _nothing(position)
    above = calls[-2] if len(calls) > 1 else None
    keys = above.keys if above is not None and above.name in ("and", "or") else []
    return _values(call.arguments[0].strip().strip("\"'"), last, position, keys)


def wanted_in_search(text: str, position: int) -> Wanted:
    """What may stand at ``position`` of the text of a search bar."""
    before = text[: max(0, position)]
    clause = _CLAUSE.search(before)
    if clause is None:
        word = _WORD.search(before)
        sort, prefix = _keys_wanted(word[0] if word is not None else "")
        if sort is not None:
            return Wanted(sort=sort, start=len(before) - len(prefix), prefix=prefix, tail=":")
        names = (Choice(row.name, "field", row.doc) for row in FIELDS if row.kind is not Kind.PAIR_PART)
        return _word(before, names, tail=":")
    return _values(clause["field"], clause["value"], position, [])


def _open_calls(before: str) -> tuple[list[_Call], str]:
    """The calls that the cursor stands in, outermost first, and the token that ends at the cursor."""
    calls: list[_Call] = []
    name = last = ""
    for found in _TOKEN.finditer(before):
        last = found[0]
        if found["sign"] == "(":
            calls.append(_Call(name))
        elif found["sign"] == ")" and calls:
            _close(calls)
        elif found["sign"] == "," and calls:
            calls[-1].arguments.append("")
        elif calls:
            calls[-1].arguments[-1] += last
        name = found["name"] or ""
    return calls, last


def _close(calls: list[_Call]) -> None:
    """A finished call that asks for a key tells its neighbours which."""
    done = calls.pop()
    if calls and done.name == Function.EQ and done.arguments[0].strip().endswith("_key"):
        calls[-1].keys.append(done.arguments[-1].strip().strip("\"'"))


def _functions(before: str) -> Wanted:
    choices = (
        *(Choice(str(row.function), "function", row.doc) for row in FUNCTIONS),
        *(Choice(name, "function", doc) for name, doc in _LOGIC.items()),
        *(Choice(str(row.axis), "function", row.doc) for row in AXES),
        Choice(_COUNT, "function", "The number of relatives compares so."),
    )
    return _word(before, choices, tail="(")


def _fields(before: str, function: str) -> Wanted:
    word = _WORD.search(before)
    sort, prefix = _keys_wanted(word[0] if word is not None else "")
    if sort is not None:
        return Wanted(sort=sort, start=len(before) - len(prefix), prefix=prefix, tail=", ")
    choices = tuple(Choice(row.name, "field", row.doc) for row in FIELDS if function in row.functions)
    return _word(before, choices, tail=", ")


def _keys_wanted(word: str) -> tuple[Sort | None, str]:
    """Whose keys a dotted name asks for, and what is there of one."""
    for root, sort in _KEY_SORTS.items():
        if word.startswith(f"{root}."):
            return sort, word[len(root) + 1 :]
    return None, word


_KEY_SORTS: Final = {
    "metadata": Sort.METADATA_KEY,
    "extra.metadata": Sort.METADATA_KEY,
    "input": Sort.INPUT_KEY,
    "inputs": Sort.INPUT_KEY,
    "output": Sort.OUTPUT_KEY,
    "outputs": Sort.OUTPUT_KEY,
    "feedback": Sort.FEEDBACK_KEY,
}
_NAME_SORTS: Final = {sort.value: sort for sort in Sort}


def _values(name: str, last: str, position: int, keys: list[str]) -> Wanted:
    """Values of the field ``name``; ``last`` is what was begun of one."""
    begun = "" if last in (",", "[", "(") or last.isspace() else last
    quote = begun[0] if begun.startswith(('"', "'")) else '"'
    start, prefix = position - len(begun), begun.lstrip("\"'")
    base = Wanted(sort=Sort.NOTHING, start=start, prefix=prefix, lead=quote, tail=quote)
    found = find_field(tuple(name.split("."))) if name else None
    if isinstance(found, DottedField) and found.family is PairFamily.METADATA:
        return replace(base, sort=Sort.METADATA_VALUE, key=found.key)
    if not isinstance(found, FieldRow):
        return base
    if found.kind is Kind.ENUM:
        return replace(base, sort=Sort.LISTED, choices=_with([Choice(v, "value") for v in found.values], prefix))
    if found.kind is Kind.BOOL:
        both = _with([Choice("true", "value"), Choice("false", "value")], prefix)
        return replace(base, sort=Sort.LISTED, lead="", tail="", choices=both)
    if found.name == "metadata_value":
        return replace(base, sort=Sort.METADATA_VALUE, key=keys[-1]) if keys else base
    return replace(base, sort=_NAME_SORTS.get(found.name, Sort.NOTHING))


def _listed(before: str, texts: Iterable[str], kind: str) -> Wanted:
    return _word(before, [Choice(text, kind) for text in texts])


def _word(before: str, choices: Iterable[Choice], *, tail: str = "") -> Wanted:
    """The choices that begin like the word at the cursor."""
    word = _WORD.search(before)
    prefix = word[0] if word is not None else ""
    start = len(before) - len(prefix)
    return Wanted(sort=Sort.LISTED, start=start, prefix=prefix, tail=tail, choices=_with(choices, prefix))


def _with(choices: Iterable[Choice], prefix: str) -> tuple[Choice, ...]:
    return tuple(choice for choice in choices if choice.text.startswith(prefix.lower()))


def _nothing(position: int) -> Wanted:
    return Wanted(sort=Sort.NOTHING, start=position, prefix="")
