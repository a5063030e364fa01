"""The filter language on examples, evaluated on each, because a dataset is small and its examples have no columns.

Fields are those of an example. ``metadata`` takes ``has`` (a JSON object it contains, as text) and ``exists`` (a key it
has); both forms are documented upstream. Paths into inputs, outputs and metadata are written with dots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, assert_never

import msgspec

from runlake.errors import FilterError, InvalidError, UserError
from runlake.fql import Expr, parse_filter
from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    FieldPath,
    Function,
    ListValue,
    Not,
    NullValue,
    NumberValue,
    ObjectValue,
    Or,
    Related,
    TextValue,
    Value,
)
from runlake.model.dataset import Example
from runlake.wire.containment import holds
from runlake.wire.examples import shown_metadata
from runlake.wire.json_text import decode_value
from runlake.wire.times import parse_time

Matcher = Callable[[Example], bool]

_FIELDS: Final[dict[str, Callable[[Example], Any]]] = {
    "id": lambda example: str(example.id),
    "dataset_id": lambda example: str(example.dataset_id),
    "source_run_id": lambda example: None if example.source_run_id is None else str(example.source_run_id),
    "created_at": lambda example: example.created_at,
    "modified_at": lambda example: example.modified_at,
    "split": lambda example: list(example.splits),
    "inputs": lambda example: _decoded(example.inputs),
    "outputs": lambda example: _decoded(example.outputs),
    "metadata": lambda example: _decoded(shown_metadata(example)),
}
_TIMES: Final = ("created_at", "modified_at")
_TREES: Final = ("inputs", "outputs", "metadata")


def example_matcher(text: str) -> Matcher:
    """What decides whether an example meets a filter; FilterError and InvalidError say what is wrong with it."""
    try:
        expr = parse_filter(text)
    except FilterError as error:
        raise FilterError(error.diagnostics, field="filter") from error
    return (lambda _: True) if expr is None else _matcher(expr)


def _matcher(expr: Expr) -> Matcher:
    match expr:
        case And(children=children):
            all_of = [_matcher(child) for child in children]
            return lambda example: all(matches(example) for matches in all_of)
        case Or(children=children):
            any_of = [_matcher(child) for child in children]
            return lambda example: any(matches(example) for matches in any_of)
        case Not(child=child):
            negated = _matcher(child)
            return lambda example: not negated(example)
        case Comparison():
            return _comparison(expr)
        case Related():
            raise InvalidError(f"{expr.axis}(...) speaks of runs, and examples have no relatives", field="filter")
        case _:
            assert_never(expr)


def _comparison(node: Comparison) -> Matcher:
    if node.function is Function.SEARCH:
        return _search(node)
    if node.field is None:
        raise InvalidError(f"{node.function} needs a field", field="filter")
    read = _reader(node.field)
    wanted = _value(node.value)
    name = node.field.segments[0]
    if name in _TIMES:
        wanted = _time(wanted, name)
    test = _test(node.function, wanted, name)
    return lambda example: test(read(example))


def _search(node: Comparison) -> Matcher:
    needle = str(_value(node.value)).casefold()
    reads = [_FIELDS[name] for name in _TREES] if node.field is None else [_reader(node.field)]
    return lambda example: any(
        needle in msgspec.json.encode(found).decode().casefold()
        for found in (read(example) for read in reads)
        if found is not None
    )


def _reader(path: FieldPath) -> Callable[[Example], Any]:
    name, *rest = path.segments
    if name not in _FIELDS or (rest and name not in _TREES):
        raise InvalidError(
            f"field {path} is not known on examples; use one of {', '.join(_FIELDS)}, or a path such as metadata.key",
            field="filter",
        )
    read = _FIELDS[name]
    return lambda example: _follow(read(example), rest)


def _follow(value: Any, path: list[str]) -> Any:
    for part in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _test(function: Function, wanted: Any, name: str) -> Callable[[Any], bool]:
    match function:
        case Function.EQ | Function.NEQ:
            return lambda found: _same(found, wanted) is (function is Function.EQ)
        case Function.GT | Function.GTE | Function.LT | Function.LTE:
            return lambda found: _ordered(function, found, wanted)
        case Function.IN | Function.NIN:
            options = wanted if isinstance(wanted, list) else [wanted]
            return lambda found: any(_same(found, option) for option in options) is (function is Function.IN)
        case Function.LIKE | Function.NOTLIKE:
            pattern = _like(str(wanted))
            return lambda found: bool(pattern.fullmatch(str(found))) is (function is Function.LIKE)
        case Function.HAS:
            part = _contained(wanted, name)
            return lambda found: holds(found, part)
        case Function.EXISTS:
            return lambda found: isinstance(found, Mapping) and wanted in found
        case Function.SEARCH:
            raise AssertionError("search is read elsewhere")
        case _:
            assert_never(function)


def _contained(wanted: Any, name: str) -> Any:
    """What ``has`` looks for: a JSON text within trees, an element of lists."""
    if name not in _TREES:
        return [wanted]
    if isinstance(wanted, str):
        try:
            return decode_value(wanted.encode("utf-8", "replace"))
        except UserError:
            raise InvalidError(
                f'has({name}, ...) takes a JSON object as text, such as has({name}, \'{{"key": "value"}}\')',
                field="filter",
            ) from None
    return wanted


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, list) and not isinstance(wanted, list):
        return any(_same(item, wanted) for item in found)
    return holds(found, wanted) and holds(wanted, found)


def _ordered(function: Function, found: Any, wanted: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (found, wanted))
    if not numbers and not (isinstance(found, str) and isinstance(wanted, str)):
        return False
    if function is Function.GT:
        return bool(found > wanted)
    if function is Function.GTE:
        return bool(found >= wanted)
    return bool(found < wanted) if function is Function.LT else bool(found <= wanted)


def _like(pattern: str) -> re.Pattern[str]:
    parts = ["." if part == "_" else ".*" if part == "%" else re.escape(part) for part in re.split(r"([%_])", pattern)]
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _time(wanted: Any, name: str) -> Any:
    if isinstance(wanted, list):
        return [_time(item, name) for item in wanted]
    try:
        return parse_time(wanted)
    except UserError as error:
        raise InvalidError(f"{name}: {error.message}", field="filter") from None


def _value(node: Value) -> Any:
    match node:
        case TextValue(value=value) | BooleanValue(value=value):
            return value
        case NumberValue(value=value):
            return float(value) if isinstance(value, Decimal) else value
        case NullValue():
            return None
        case ListValue(items=items):
            return [_value(item) for item in items]
        case ObjectValue(members=members):
            return {name: _value(item) for name, item in members}
        case _:
            assert_never(node)


def _decoded(payload: bytes | None) -> Any:
    return None if payload is None else decode_value(payload)
