"""Reading numbers, whether they stand bare in a filter or inside quotes."""

from __future__ import annotations

import re
from decimal import Decimal

MAX_NUMBER_LENGTH = 100
"""The most characters a number may have."""

MAX_NUMBER_EXPONENT = 308
"""The largest power of ten, up or down, that a number may reach: what a 64-bit float holds."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?P<point>\.[0-9]*)?|(?P<bare>\.[0-9]+))(?P<exponent>[eE][+-]?[0-9]+)?")


def looks_numeric(text: str) -> bool:
    """Whether the whole text has the form of a number, however large."""
    return _NUMBER.fullmatch(text) is not None


def read_number(text: str) -> int | Decimal | None:
    """The exact number, or None where the text is not one or is beyond the limits above.

    number = [ sign ] ( digits [ "." [ digits ] ] | "." digits ) [ ( "e" | "E" ) [ sign ] digits ]
    """
    if len(text) > MAX_NUMBER_LENGTH:
        return None
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    if found["point"] is None and found["bare"] is None and found["exponent"] is None:
        return int(text)
    if abs(int((found["exponent"] or "e0")[1:])) > MAX_NUMBER_EXPONENT:
        return None
    return Decimal(text)
