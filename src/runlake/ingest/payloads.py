"""Payload JSON as Python values, for deriving columns. Total: what cannot be read is None, never an error.

``wire.json_text`` has checked the bytes, so what msgspec still refuses is legal but odd: lone surrogates, numbers
beyond the range of a float, integers of thousands of digits.
"""

from __future__ import annotations

import json
import math
from typing import Final, TypeAlias

import msgspec

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_DECODER: Final = msgspec.json.Decoder()
_MAX_INTEGER_DIGITS: Final = 1_000


def decode_payload(data: object) -> Json:
    """The value of raw JSON; None when there is none or it cannot be read."""
    if not isinstance(data, bytes) or not data:
        return None
    try:
        value: Json = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_odd(data)
    return value


def member(value: Json, *path: str | int) -> Json:
    """The value at ``path`` of keys and positions, None where the path leaves the data."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _decode_odd(data: bytes) -> Json:
    """Once more with forgiveness; odd numbers become their text, lone surrogates question marks."""
    try:
        value = json.loads(data, parse_constant=_nothing, parse_float=_number, parse_int=_integer)
        clean: Json = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return clean


def _nothing(_: str) -> None:
    return None


def _number(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else digits
