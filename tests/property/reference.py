"""What a filter means, said a second time: filter text against plain records, straight from the specification.

Reads the untyped tree of the parser and nothing else of the product, so that a mistake in binding or compiling cannot
hide by being made twice.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from runlake.fql import parse_filter
from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    Expr,
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

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEGATIVE = {"neq": "eq", "nin": "in", "notlike": "like"}
MAX_NUMBERS = 64
ALIASES = {
    "project_id": "session_id",
    "session": "session_id",
    "input": "inputs",
    "output": "outputs",
    "extra.metadata": "metadata",
}
FAMILIES = ("metadata", "input", "output", "feedback")
ORDER = ("gt", "gte", "lt", "lte")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a family; parts that are missing are None."""

    key: str
    value: str | None = None
    score: float | None = None
    comment: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run as its sender knows it. Times are microseconds since 1970 UTC, payloads JSON text as sent."""

    id: str
    trace_id: str
    session_id: str
    start_time: int
    dotted_order: str
    parent_run_id: str | None = None
    name: str = ""
    run_type: str = "chain"
    end_time: int | None = None
    first_token_time: int | None = None
    error: str | None = None
    reference_example_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    inputs: str | None = None
    outputs: str | None = None
    feedback: tuple[Entry, ...] = ()
    tokens: tuple[int, int] = (0, 0)
    costs: tuple[Decimal, Decimal] | None = None
    details: Mapping[str, Decimal] = field(default_factory=dict)
    attachments: tuple[str, ...] = ()

    @property
    def is_root(self) -> bool:
        return self.parent_run_id is None

    def entries(self, family: str) -> tuple[Entry, ...]:
        if family == "feedback":
            return self.feedback
        bag: Any = self.metadata
        if family != "metadata":
            payload = self.inputs if family == "input" else self.outputs
            bag = json.loads(payload) if payload else None
        return tuple(Entry(key=key, value=value) for key, value in flat(bag))


def flat(node: Any, path: str = "") -> Iterable[tuple[str, str | None]]:
    """Leaves with the names on the way joined by dots; places in lists do not count. A vector has no value."""
    if isinstance(node, dict):
        for name, item in node.items():
            yield from flat(item, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        if len(node) > MAX_NUMBERS and isinstance(node[0], int | float) and not isinstance(node[0], bool):
            yield path, None
            return
        for item in node:
            yield from flat(item, path)
    elif node is not None and path:
        yield path, node if isinstance(node, str) else json.dumps(node)


def evaluate(text: str, run: Record, everyone: Sequence[Record] = ()) -> bool:
    """Whether the filter holds for the run, one of ``everyone``; a blank filter does."""
    expr = parse_filter(text)
    return expr is None or holds(expr, run, everyone)


def holds(expr: Expr, run: Record, everyone: Sequence[Record] = ()) -> bool:
    match expr:
        case Not(child=child):
            return not holds(child, run, everyone)
        case Or(children=children):
            return any(holds(child, run, everyone) for child in children)
        case Related(axis=axis, child=child, count=count):
            number = sum(holds(child, other, everyone) for other in relatives(str(axis), run, everyone))
            if count is None:
                return number > 0
            return (
                (number != count.number) if count.function == "neq" else compared(count.function, number, count.number)
            )
        case And(children=children):
            grouped = {family: [c for c in children if family_of(c) == family] for family in FAMILIES}
            rest = (child for child in children if family_of(child) is None)
            return all(holds(child, run, everyone) for child in rest) and all(
                group_holds(run.entries(family), members) for family, members in grouped.items() if members
            )
        case Comparison():
            return comparison_holds(expr, run)


def relatives(axis: str, run: Record, everyone: Sequence[Record]) -> list[Record]:
    """The runs that a function for relatives speaks of."""
    is_relative: dict[str, Callable[[Record], bool]] = {
        "child": lambda other: other.parent_run_id == run.id,
        "descendant": lambda other: other.dotted_order.startswith(run.dotted_order + "."),
        "parent": lambda other: other.id == run.parent_run_id,
        "ancestor": lambda other: run.dotted_order.startswith(other.dotted_order + "."),
        "sibling": lambda other: not run.is_root and other.parent_run_id == run.parent_run_id and other is not run,
        "root": lambda other: other.is_root,
        "trace": lambda _: True,
    }
    return [other for other in everyone if other.trace_id == run.trace_id and is_relative[axis](other)]


def comparison_holds(comparison: Comparison, run: Record) -> bool:  # noqa: PLR0911 - one return per documented case
    function = str(comparison.function)
    if comparison.field is None:
        return searched(raw(comparison.value), ALL_PLACES, run)
    name = ALIASES.get(str(comparison.field), str(comparison.field))
    family = family_of(comparison)
    if family is not None:
        return alone_holds(run.entries(family), comparison)
    if name in ("inputs", "outputs", "metadata"):
        return bag_holds(name, function, comparison.value, run)
    if function == "search":
        return searched(raw(comparison.value), (name,), run)
    if name == "tags":
        return tags_hold(function, comparison.value, run)
    if name == "execution_order":
        return run.is_root is (function == "eq")
    if "_details." in name:
        return scalar_holds(function, run.details.get(name), comparison.value, as_number)
    if name not in SCALARS:
        return dotted_holds(comparison, run)
    getter, read = SCALARS[name]
    return scalar_holds(function, getter(run), comparison.value, read, ignores_case=name == "error")


# Scalars


def latency(run: Record) -> int | None:
    return None if run.end_time is None else run.end_time - run.start_time


def first_token_delay(run: Record) -> int | None:
    return None if run.first_token_time is None else run.first_token_time - run.start_time


def status(run: Record) -> str:
    if run.error:
        return "error"
    return "pending" if run.end_time is None else "success"


def thread(run: Record) -> str | None:
    """The first of the three keys that holds a scalar; an empty text is none."""
    for key in ("session_id", "conversation_id", "thread_id"):
        value = run.metadata.get(key)
        if isinstance(value, str | int | float) and value != "":
            return value if isinstance(value, str) else json.dumps(value)
    return None


def cost(run: Record, index: int) -> Decimal | None:
    if run.costs is None:
        return None
    return sum(run.costs, Decimal(0)) if index == 2 else run.costs[index]


def raw(value: Value) -> Any:
    match value:
        case TextValue(value=text):
            return text
        case NumberValue(value=number):
            return number
        case BooleanValue(value=flag):
            return flag
        case NullValue():
            return None
        case ListValue(items=items):
            return [raw(item) for item in items]
        case ObjectValue(members=members):
            return {name: raw(item) for name, item in members}


def as_text(value: Any) -> str:
    """Numbers and truth stand for their spelling."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_lower(value: Any) -> Any:
    return value.strip().lower()


def as_id(value: Any) -> str:
    digits = value.strip().lower().replace("-", "")
    return "-".join(digits[low:high] for low, high in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def as_flag(value: Any) -> bool:
    return value.lower() == "true" if isinstance(value, str) else bool(value)


def as_number(value: Any) -> Decimal:
    return Decimal(value.strip() if isinstance(value, str) else value)


def as_time(value: Any) -> int:
    moment = datetime.fromisoformat(value.strip().upper())
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - EPOCH) // timedelta(microseconds=1)


UNITS = {"us": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


def as_duration(value: Any) -> Decimal:
    number, unit = re.fullmatch(r"(.*?)\s*([a-z]*)", str(value)).groups()  # type: ignore[union-attr]
    return Decimal(round(Decimal(number) * UNITS[unit or "s"]))


SCALARS: dict[str, tuple[Callable[[Record], Any], Callable[[Any], Any]]] = {
    "id": (lambda run: run.id, as_id),
    "trace_id": (lambda run: run.trace_id, as_id),
    "parent_run_id": (lambda run: run.parent_run_id, as_id),
    "session_id": (lambda run: run.session_id, as_id),
    "reference_example_id": (lambda run: run.reference_example_id, as_id),
    "reference_dataset_id": (lambda _: None, as_id),
    "name": (lambda run: run.name or None, as_text),
    "run_type": (lambda run: run.run_type, as_lower),
    "status": (status, as_lower),
    "error": (lambda run: run.error or None, as_text),
    "is_root": (lambda run: run.is_root, as_flag),
    "thread_id": (thread, as_text),
    "dotted_order": (lambda run: run.dotted_order, as_text),
    "attachments": (lambda run: run.attachments or None, as_text),
    "start_time": (lambda run: run.start_time, as_time),
    "end_time": (lambda run: run.end_time, as_time),
    "first_token_time": (lambda run: run.first_token_time, as_time),
    "last_queued_at": (lambda _: None, as_time),
    "latency": (latency, as_duration),
    "time_to_first_token": (first_token_delay, as_duration),
    "prompt_tokens": (lambda run: run.tokens[0], as_number),
    "completion_tokens": (lambda run: run.tokens[1], as_number),
    "total_tokens": (lambda run: sum(run.tokens), as_number),
    "prompt_cost": (lambda run: cost(run, 0), as_number),
    "completion_cost": (lambda run: cost(run, 1), as_number),
    "total_cost": (lambda run: cost(run, 2), as_number),
}


def scalar_holds(  # noqa: PLR0911 - one return per documented case
    function: str, stored: Any, value: Value, read: Callable[[Any], Any], *, ignores_case: bool = False
) -> bool:
    if function in NEGATIVE:
        return not scalar_holds(NEGATIVE[function], stored, value, read, ignores_case=ignores_case)
    wanted = raw(value)
    if wanted is None or (ignores_case and wanted == "" and function == "eq"):
        return stored is None
    if ignores_case and isinstance(wanted, bool):
        return (stored is not None) is wanted
    if stored is None:
        return False
    if function == "like":
        return like(stored, wanted.lower() if read is as_lower else wanted, ignores_case=ignores_case)
    if function == "in":
        return any(stored == read(item) for item in wanted)
    return compared(function, stored, read(wanted))


def compared(function: str, stored: Any, wanted: Any) -> bool:
    match function:
        case "eq" | "has":
            return bool(stored == wanted)
        case "gt":
            return bool(stored > wanted)
        case "gte":
            return bool(stored >= wanted)
        case "lt":
            return bool(stored < wanted)
        case "lte":
            return bool(stored <= wanted)
        case _:
            raise AssertionError(function)


def like(text: str, pattern: str, *, ignores_case: bool = False) -> bool:
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(next(characters, "\\") if character == "\\" else character))
    return re.fullmatch("".join(parts), text, re.DOTALL | (re.IGNORECASE if ignores_case else 0)) is not None


# Tags


def tags_hold(function: str, value: Value, run: Record) -> bool:
    if function in NEGATIVE:
        return not tags_hold(NEGATIVE[function], value, run)
    wanted = raw(value)
    if wanted is None:
        return not run.tags
    if function == "like":
        return any(like(tag, wanted) for tag in run.tags)
    listed = [as_text(item) for item in (wanted if isinstance(wanted, list) else [wanted])]
    return any(tag in listed for tag in run.tags)


# Entries


def family_of(expr: Expr) -> str | None:
    """The family to whose group a condition belongs: a part of an entry, or an ``or`` of nothing else."""
    if isinstance(expr, Comparison):
        family, _, part = str(expr.field or "").rpartition("_")
        return family if family in FAMILIES and part in ("key", "value", "score", "comment", "source") else None
    if isinstance(expr, Or):
        families = {family_of(child) for child in expr.children}
        denies_key = any(denies(child, "key") for child in comparisons(expr))
        return families.pop() if len(families) == 1 and not denies_key else None
    return None


def comparisons(expr: Expr) -> list[Comparison]:
    if isinstance(expr, Or):
        return [comparison for child in expr.children for comparison in comparisons(child)]
    return [expr] if isinstance(expr, Comparison) else []


def part_of(comparison: Comparison) -> str:
    return str(comparison.field).rpartition("_")[2]


def denies(comparison: Comparison, part: str | None = None) -> bool:
    is_negative = str(comparison.function) in NEGATIVE and not isinstance(comparison.value, NullValue)
    return is_negative and (part is None or part_of(comparison) == part)


def alone_holds(entries: tuple[Entry, ...], comparison: Comparison) -> bool:
    """Some entry fits; of a denial, none does."""
    if denies(comparison):
        return not any(entry_fits(entry, comparison, as_positive=True) for entry in entries)
    return any(entry_fits(entry, comparison) for entry in entries)


def group_holds(entries: tuple[Entry, ...], members: list[Expr]) -> bool:
    """The four documented cases: a denied key stands alone; the rest speaks of one entry where a key is asked for."""
    tests = [comparisons(member) for member in members]
    keys_denied = [t[0] for t in tests if len(t) == 1 and denies(t[0], "key")]
    rest = [t for t in tests if not (len(t) == 1 and denies(t[0], "key"))]
    if not all(alone_holds(entries, comparison) for comparison in keys_denied):
        return False
    if not rest:
        return True
    asks_key = any(all(part_of(c) == "key" and not denies(c) for c in t) for t in rest)
    if asks_key:
        return any(all(any(entry_fits(entry, c) for c in t) for t in rest) for entry in entries)
    positive = [t for t in rest if not any(denies(c) for c in t)]
    negative = [t for t in rest if any(denies(c) for c in t)]
    found = not positive or any(all(any(entry_fits(entry, c) for c in t) for t in positive) for entry in entries)
    return found and all(any(alone_holds(entries, c) for c in t) for t in negative)


def entry_fits(entry: Entry, comparison: Comparison, *, as_positive: bool = False) -> bool:
    function = str(comparison.function)
    if as_positive:
        function = NEGATIVE.get(function, function)
    return part_fits(getattr(entry, part_of(comparison)), part_of(comparison), function, raw(comparison.value))


def part_fits(stored: Any, part: str, function: str, wanted: Any) -> bool:  # noqa: PLR0911 - one return per documented case
    if wanted is None:
        return (stored is None) is (function == "eq")
    if function in NEGATIVE:
        return not part_fits(stored, part, NEGATIVE[function], wanted)
    if stored is None:
        return False
    if isinstance(wanted, list):
        return any(part_fits(stored, part, "eq", item) for item in wanted)
    if part == "score":
        return compared(function, stored, float(wanted))
    if function == "like":
        return like(stored, wanted)
    if part == "value":
        return value_fits(stored, function, wanted)
    return compared(function, stored, as_text(wanted))


def value_fits(stored: str, function: str, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        wanted = "true" if wanted else "false"
    is_order = function not in ("eq", "has")
    if isinstance(wanted, str) and not (is_order and NUMBER.fullmatch(wanted.strip())):
        return compared(function, stored, wanted)
    number = Decimal(wanted.strip() if isinstance(wanted, str) else wanted)
    if not is_order and stored == str(number):
        return True
    return NUMBER.fullmatch(stored) is not None and compared(function, Decimal(stored), number)


def dotted_holds(comparison: Comparison, run: Record) -> bool:
    """The value under one key; a denial holds without the key too."""
    assert comparison.field is not None
    root, *rest = comparison.field.segments
    if root == "extra":
        root, *rest = rest
    if root == "ls_user_id":
        root, rest = "metadata", [root]
    function, wanted = str(comparison.function), raw(comparison.value)
    if function in NEGATIVE:
        twin = Comparison(
            function=type(comparison.function)(NEGATIVE[function]), field=comparison.field, value=comparison.value
        )
        return not dotted_holds(twin, run)
    family = root.removesuffix("s") if root.endswith("puts") else root
    part = None
    if family == "feedback" and len(rest) > 1 and rest[-1] in ("score", "value", "comment", "source"):
        *rest, part = rest
    entries = [entry for entry in run.entries(family) if entry.key == ".".join(rest)]
    if wanted is None:
        return not any(part is None or getattr(entry, part) is not None for entry in entries)
    is_score = not isinstance(wanted, str) or (function in ORDER and NUMBER.fullmatch(wanted) is not None)
    part = part or ("score" if family == "feedback" and is_score else "value")
    return any(part_fits(getattr(entry, part), part, function, wanted) for entry in entries)


def bag_holds(name: str, function: str, value: Value, run: Record) -> bool:
    if function in NEGATIVE:
        return not bag_holds(name, NEGATIVE[function], value, run)
    family = name.removesuffix("s") if name != "metadata" else name
    wanted = raw(value)
    if function == "has" and isinstance(wanted, str) and wanted.startswith("{"):
        wanted = json.loads(wanted, parse_float=Decimal)
    if isinstance(wanted, dict):
        return has_all(run.entries(family), wanted)
    if function == "exists" or (function == "has" and name == "metadata"):
        return any(entry.key == wanted for entry in run.entries(family))
    if function == "like" and "%" in wanted:
        payload = run.inputs if name == "inputs" else run.outputs
        return payload is not None and like(payload, wanted, ignores_case=True)
    return searched(wanted, (name,), run)


def has_all(entries: tuple[Entry, ...], wanted: Any, key: str = "") -> bool:
    """Every leaf of the JSON is an entry; a null says that its key is none."""
    if isinstance(wanted, dict):
        return all(has_all(entries, item, f"{key}.{name}" if key else name) for name, item in wanted.items())
    if isinstance(wanted, list):
        return all(has_all(entries, item, key) for item in wanted)
    named = [entry for entry in entries if entry.key == key]
    if wanted is None:
        return not named
    return any(part_fits(entry.value, "value", "eq", wanted) for entry in named)


# Full text

ALL_PLACES = ("name", "error", "tags", "metadata", "inputs", "outputs")
SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI")


def normal(text: str) -> str:
    """Lower case; ideographs and emoji stand alone, other signs beyond ASCII are blank."""
    out = []
    for character in text.lower():
        category = unicodedata.category(character)
        if character.isascii():
            out.append(character)
        elif category == "So" or (category[0] in "LMN" and unicodedata.name(character, "").startswith(SCRIPTS)):
            out.append(f" {character} ")
        else:
            out.append(character if category[0] in "LMN" else " ")
    return "".join(out)


def flattened(text: str) -> str:
    return re.sub(r'[\s"\\\x00-\x1f]+', " ", text)


def words(text: str) -> set[str]:
    return set(re.findall("[0-9a-z\u0080-\U0010ffff]+", text))


def texts(place: str, run: Record) -> list[list[str]]:
    """Texts of a place, each a list of parts that a phrase may not span."""
    match place:
        case "name":
            return [[run.name]]
        case "error":
            return [[run.error or ""]]
        case "tags":
            return [list(run.tags)]
        case "metadata":
            entries = run.entries("metadata")
            return [[entry.key for entry in entries], [entry.value or "" for entry in entries]]
        case _:
            payload = run.inputs if place == "inputs" else run.outputs
            return [strings(json.loads(payload))] if payload else [[]]


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [part for name, item in node.items() for part in (name, *strings(item))]
    if isinstance(node, list):
        return [part for item in node for part in strings(item)]
    return [node if isinstance(node, str) else json.dumps(node)]


def searched(query: str, places: tuple[str, ...], run: Record) -> bool:
    found = [[normal(part) for part in text] for place in places for text in texts(place, run)]
    return all(any(term_found(term, text) for text in found) for term in terms(query))


def terms(query: str) -> list[tuple[str, str]]:
    """The documented forms: "phrase", prefix*, *anywhere, words-joined, word."""
    out = []
    for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', query.lower()):
        if quoted.strip():
            out.append(("phrase" if words(quoted) else "anywhere", quoted.strip()))
        elif not words(plain):
            continue
        elif plain.startswith("*"):
            out.append(("anywhere", plain.strip("*")))
        elif plain.endswith("*"):
            out.append(("prefix", plain.rstrip("*")))
        else:
            out.append(("phrase", re.sub(r"^[\x00-/:-`{-\x7f]+|[\x00-/:-`{-\x7f]+$", "", plain)))
    return out or [("anywhere", query.strip().lower())]


def term_found(term: tuple[str, str], text: list[str]) -> bool:
    kind, wanted = term[0], normal(term[1])
    have = set().union(*(words(part) for part in text)) if text else set()
    if kind == "prefix" and len(words(wanted)) == 1:
        return any(word.startswith(words_in_order(wanted)[0]) for word in have)
    if kind == "phrase" and words(wanted) == {wanted} and wanted.isascii():
        return wanted in have
    occurs = any(flattened(wanted) in flattened(part) for part in text)
    return occurs and (kind != "phrase" or words(wanted) <= have)


def words_in_order(text: str) -> list[str]:
    return re.findall("[0-9a-z\u0080-\U0010ffff]+", text)
