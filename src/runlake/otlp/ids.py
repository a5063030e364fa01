"""Ids of runs from ids of spans.

A run's id is its span id, right-aligned in a uuid of zeros: so LangSmith's SDKs compute it when they send feedback for
a span (seen in the SDK). The id of a trace is that of its root run, as everywhere in the protocol; so it follows from
spans alone, in whatever order they come. The trace id of OpenTelemetry is kept in the metadata.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from runlake.errors import InvalidError
from runlake.wire.scalars import read_id

SPAN_ID_BYTES: Final = 8
TRACE_ID_BYTES: Final = 16


def run_id_of(span_id: bytes) -> UUID:
    """The run of a span."""
    return UUID(int=int.from_bytes(span_id, "big"))


def named_id(value: object, name: str) -> UUID | None:
    """An id that an attribute gives: a uuid, or the 16 hex digits of a span; None where it is empty.

    Raises ``MalformedError`` for anything else, because a run in the wrong place would be worse than none.
    """
    if isinstance(value, str) and len(value) == 2 * SPAN_ID_BYTES:
        try:
            return run_id_of(bytes.fromhex(value))
        except ValueError:
            pass
    return read_id(value, name)


def check_length(value: bytes, size_bytes: int, name: str) -> None:
    """Raise ``InvalidError`` unless the id has its size and is not all zeros, which means none."""
    if len(value) != size_bytes or not any(value):
        problem = f"{name} {value.hex()[:40]!r} is not {size_bytes} bytes ({2 * size_bytes} hex digits), not all zero"
        raise InvalidError(problem, field=name)


def starts_trace(trace_id: bytes, parent_span_id: bytes) -> bool:
    """Whether the parent is the made-up one under which the Python SDK starts a trace.

    In its OpenTelemetry mode the parent of the first span is the first half of the trace id, and no such span exists
    (seen in the SDK).
    """
    return parent_span_id == trace_id[:SPAN_ID_BYTES]
