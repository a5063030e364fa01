"""The dotted order: a run's sortable path of start times and ids from the root of its trace down.

One segment per run on the path, ``YYYYMMDDTHHMMSSffffffZ<uuid>``, joined with full stops; comparing texts compares
execution order inside a trace. The first segment's id is the trace, the last one's the run, the one before it the
parent (documented upstream). Imports nothing of ours; errors are ``ValueError`` with a whole sentence.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SEGMENT: Final = re.compile(
    r"(\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3])[0-5]\d[0-5]\d)(\d{6})Z"
    r"([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})",
    re.ASCII,
)
_FRACTION: Final = re.compile(r"\d{8}T\d{6}(\d*)Z", re.ASCII)
_FRACTION_DIGITS: Final = 6
_EXCERPT_CHARS: Final = 80
_LAYOUT: Final = "a segment is YYYYMMDDTHHMMSSffffffZ followed by the run id with dashes"


class Segment(NamedTuple):
    """One run on the path: its start in microseconds since 1970 UTC and its id."""

    time_us: int
    id: UUID


def parse_dotted_order(text: str) -> tuple[Segment, ...]:
    """The segments from the root down, at least one. Raises ``ValueError`` that names the segment at fault."""
    segments: list[Segment] = []
    for index, part in enumerate(text.split("."), 1):
        match = _SEGMENT.fullmatch(part)
        if match is None:
            raise ValueError(_complaint(part, index))
        seconds, fraction, run_id = match.groups()
        try:
            since = datetime.fromisoformat(seconds).replace(tzinfo=UTC) - _EPOCH
        except ValueError:
            raise ValueError(_complaint(part, index)) from None
        time_us = (since.days * 86_400 + since.seconds) * 1_000_000 + int(fraction)
        # Several times faster than calling UUID, and this runs for every write.
        segments.append(Segment(time_us, msgspec.convert(run_id, UUID)))
    return tuple(segments)


def root_segment(start_time_us: int, run_id: UUID) -> str:
    """The whole dotted order of a root: one segment."""
    moment = _EPOCH + timedelta(microseconds=start_time_us)
    # Years below 1000 would lose their zeros in strftime on some platforms.
    return f"{moment.year:04d}{moment:%m%dT%H%M%S%f}Z{run_id}"


def append_segment(parent: str, start_time_us: int, run_id: UUID) -> str:
    """The dotted order of a child of the run whose dotted order is ``parent``."""
    return f"{parent}.{root_segment(start_time_us, run_id)}"


def ancestor_ids(segments: tuple[Segment, ...]) -> tuple[UUID, ...]:
    """The ids above the run itself, root first, parent last; empty for a root."""
    return tuple(segment.id for segment in segments[:-1])


def _complaint(part: str, index: int) -> str:
    shown = repr(part) if len(part) <= _EXCERPT_CHARS else f"{part[:_EXCERPT_CHARS]!r}..."
    fraction = _FRACTION.match(part)
    if fraction is not None and len(fraction[1]) != _FRACTION_DIGITS:
        problem = f"has a fraction of {len(fraction[1])} digits where 6 are needed"
    else:
        problem = "cannot be read"
    return f"segment {index} of the dotted order, {shown}, {problem}; {_LAYOUT}"
