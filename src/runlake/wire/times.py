"""Times on the wire: ISO-8601 text or epoch milliseconds in, microseconds since 1970 UTC inside, ISO text out.

The Python SDK sends ISO-8601 with an offset, the JavaScript SDK ISO text or a number of milliseconds, the collector
proxy RFC 3339 with up to nine digits (seen in the SDKs). Answers print naive UTC with microseconds, as the hosted
service does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from runlake.errors import MalformedError

EARLIEST_US: Final = -2_208_988_800_000_000
"""1900-01-01, the first moment the store can hold."""

LATEST_US: Final = 10_413_791_999_999_999
"""2299-12-31T23:59:59.999999, the last moment the store can hold."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - prints without an offset
_BASIC_DATE_DIGITS: Final = 8
_ACCEPTED: Final = "use ISO-8601 such as 2026-01-02T03:04:05.000006Z or epoch milliseconds"


def parse_time(value: object) -> int:
    """Microseconds since 1970 UTC of ISO-8601 text (no offset means UTC) or of a number of epoch milliseconds.

    More than six digits of a fraction are cut off. Raises ``MalformedError`` for anything else and outside the years
    1900 to 2299.
    """
    if isinstance(value, str):
        moment_us = _parse_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        moment_us = _parse_milliseconds(value)
    else:
        raise MalformedError(f"{type(value).__name__} value is not a time; {_ACCEPTED}")
    if not EARLIEST_US <= moment_us <= LATEST_US:
        raise MalformedError(f"time {_excerpt(value)} is out of range; accepted are the years 1900 to 2299")
    return moment_us


def format_time(moment_us: int, separator: str = "T") -> str:
    """``2026-01-02T03:04:05.000006``: naive UTC, always six digits (as the hosted service prints)."""
    return (_NAIVE_EPOCH + timedelta(microseconds=moment_us)).isoformat(separator, "microseconds")


def _parse_text(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _parse_unusual(text)
    # A run of digits would be read as a basic-format date and time by luck; only YYYYMMDD is meant as a date.
    if text.isdigit() and len(text) != _BASIC_DATE_DIGITS:
        raise MalformedError(f"time {_excerpt(text)} is digits in a text; {_ACCEPTED}, the latter as a number")
    try:
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except OverflowError:
        raise MalformedError(f"time {_excerpt(text)} is out of range; accepted are the years 1900 to 2299") from None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _parse_unusual(text: str) -> datetime:
    """Lower-case ``t`` and ``z`` and surrounding blanks, which RFC 3339 and hand-written bodies contain."""
    try:
        return datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise MalformedError(f"{_excerpt(text)} is not a time; {_ACCEPTED}") from None


def _parse_milliseconds(value: float) -> int:
    if isinstance(value, int):
        return value * 1000
    try:
        return round(value * 1000)
    except (ValueError, OverflowError):
        raise MalformedError(f"{value} is not a time; {_ACCEPTED}") from None


def _excerpt(value: object) -> str:
    text = repr(value) if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else _number(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 - enough to recognise it


def _number(value: object) -> str:
    """An integer's text; a gigantic one has none that is worth its time."""
    return str(value) if isinstance(value, int) and value.bit_length() < 256 else "of that size"  # noqa: PLR2004 - ditto
