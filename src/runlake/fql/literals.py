"""Values as written to values as typed, one function per kind of field.

Each takes a value of the unbound tree and returns the Python value that ``bound`` promises, or raises ``Refusal``
with the reason. Lenient on purpose: numbers in quotes, UUIDs without dashes, times without a zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import assert_never
from uuid import UUID

from runlake.fql.ast import BooleanValue, ListValue, NullValue, NumberValue, ObjectValue, TextValue, Value
from runlake.fql.bound import ScalarValue
from runlake.fql.fields import FieldRow, Kind
from runlake.fql.numeric import read_number
from runlake.fql.printer import print_value
from runlake.fql.source import Span, quoted


class Refusal(Exception):  # noqa: N818 - not an error of the program; the binder turns it into a diagnostic
    """Why a value or a name is not accepted; the place is the value's unless given."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "type",
        span: Span | None = None,
        suggestion: str | None = None,
        expected: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.span = span
        self.suggestion = suggestion
        self.expected = tuple(expected)


_DASHED_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII
)
_DURATION = re.compile(r"(?P<number>\S+?)\s*(?P<unit>us|ms|s|m|h|d)?")
_MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_LARGEST_INTEGER = 2**63 - 1


def shown(value: Value) -> str:
    """A value as a message names it."""
    match value:
        case TextValue(value=text):
            return quoted(text)
        case ListValue():
            return "a list"
        case ObjectValue():
            return "a JSON object"
        case NullValue() | BooleanValue() | NumberValue():
            return print_value(value)
        case _:
            assert_never(value)


def read_text(value: Value, field: str) -> str:
    """Text; numbers and booleans stand for their spelling."""
    match value:
        case TextValue(value=text):
            return text
        case NumberValue() | BooleanValue():
            return print_value(value)
        case NullValue() | ListValue() | ObjectValue():
            raise _wrong(value, field, "text")
        case _:
            assert_never(value)


def read_pattern(value: Value, field: str) -> str:
    """The pattern of ``like``."""
    if isinstance(value, TextValue):
        return value.value
    raise _wrong(value, field, "a pattern in quotes", suggestion='like(field, "%text%")')


def read_uuid(value: Value, field: str) -> UUID:
    """A UUID of any case, with its four dashes or with none."""
    if isinstance(value, TextValue) and _DASHED_UUID.fullmatch(value.value.strip()):
        return UUID(value.value.strip())
    raise _wrong(value, field, "a UUID")


def read_choice(value: Value, field: str, choices: tuple[str, ...]) -> str:
    """One of an enumeration, in any case."""
    text = value.value.strip().lower() if isinstance(value, TextValue) else ""
    if text in choices:
        return text
    near = next(iter(get_close_matches(text[:40], choices, n=1)), None)
    raise _wrong(value, field, f"one of {', '.join(choices)}", suggestion=near, expected=choices)


def read_bool(value: Value, field: str) -> bool:
    """True or false; also their names in quotes, and 1 and 0."""
    match value:
        case BooleanValue(value=flag):
            return flag
        case TextValue(value=text) if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case NumberValue(value=number) if number in (0, 1):
            return bool(number)
        case _:
            raise _wrong(value, field, "true or false")


def read_time(value: Value, field: str) -> datetime:
    """ISO 8601 in UTC; without a zone it is UTC already, a date alone is its midnight."""
    text = value.value.strip() if isinstance(value, TextValue) else ""
    if _TIME.fullmatch(text):
        try:
            time = datetime.fromisoformat("".join(text.upper().replace(" ", "T", 1).split()))
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _wrong(value, field, "a time such as 2024-01-31T12:00:00Z")


def read_duration(value: Value, field: str) -> int:
    """Microseconds, from seconds as a number or from text with a unit; finer parts are rounded."""
    number, unit = _number(value), "s"
    if number is None and isinstance(value, TextValue):
        found = _DURATION.fullmatch(value.value.strip())
        number = read_number(found["number"]) if found else None
        unit = (found and found["unit"]) or "s"
    if number is None:
        raise _wrong(value, field, 'seconds as a number, or text such as "1.5s", "500ms", "2m", "1h", "1d"')
    microseconds = round(Decimal(number) * _MICROSECONDS[unit])
    return _within_range(microseconds, value, field)


def read_integer(value: Value, field: str) -> int:
    """A whole number, in quotes or not."""
    number = _number(value)
    if number is None or number != int(number):
        raise _wrong(value, field, "a whole number")
    return _within_range(int(number), value, field)


def read_decimal(value: Value, field: str) -> Decimal:
    """A number, in quotes or not."""
    number = _number(value)
    if number is None:
        raise _wrong(value, field, "a number")
    return Decimal(number)


def read_score(value: Value, field: str) -> Decimal:
    """A number, in quotes or not; true and false are 1 and 0."""
    if isinstance(value, BooleanValue):
        return Decimal(value.value)
    return read_decimal(value, field)


def read_entry_value(value: Value, field: str) -> str | Decimal:
    """What an entry's value equals: a number stays a number, anything in quotes is text."""
    if isinstance(value, NumberValue):
        return Decimal(value.value)
    return read_text(value, field)


def read_entry_bound(value: Value, field: str) -> str | Decimal:
    """What an entry's value is ordered against: numbers in quotes are numbers here."""
    number = _number(value)
    if number is not None:
        return Decimal(number)
    if isinstance(value, TextValue):
        return value.value
    raise _wrong(value, field, "a number or text to be ordered against")


def read_scalar(value: Value, row: FieldRow) -> ScalarValue:
    """The value of a field of which a run has one."""
    if row.kind is Kind.ENUM:
        return read_choice(value, row.name, row.values)
    return _SCALAR_READERS.get(row.kind, read_text)(value, row.name)


_SCALAR_READERS: dict[Kind, Callable[[Value, str], ScalarValue]] = {
    Kind.UUID: read_uuid,
    Kind.BOOL: read_bool,
    Kind.TIME: read_time,
    Kind.DURATION: read_duration,
    Kind.INTEGER: read_integer,
    Kind.ORDINAL: read_integer,
    Kind.DECIMAL: read_decimal,
}


def _number(value: Value) -> int | Decimal | None:
    match value:
        case NumberValue(value=number):
            return number
        case TextValue(value=text):
            return read_number(text.strip())
        case _:
            return None


def _within_range(number: int, value: Value, field: str) -> int:
    if abs(number) > _LARGEST_INTEGER:
        raise Refusal(f"{shown(value)} is out of range for {field}", span=value.span)
    return number


def _wrong(
    value: Value, field: str, wanted: str, *, suggestion: str | None = None, expected: Iterable[str] = ()
) -> Refusal:
    message = f"{field} takes {wanted}, not {shown(value)}"
    return Refusal(message, span=value.span, suggestion=suggestion, expected=expected)
