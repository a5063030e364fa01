"""A span as OTLP delivers it, whichever encoding it came in. Plain data between the decoders and the mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

Json = Any
Attributes = Mapping[str, Json]
"""Values are text, numbers, booleans, lists and objects; bytes are base64 text, as in OTLP's own JSON."""

NO_ATTRIBUTES: Final[Attributes] = {}


class StatusCode(IntEnum):
    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """``time_ns`` is nanoseconds since 1970 UTC."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanLink:
    """Another span that this one points to; ids are hex."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a group of spans: attributes of its resource, and its instrumentation scope."""

    resource: Attributes = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    scope: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span. Ids are raw bytes, empty where absent; times are nanoseconds since 1970 UTC, 0 where absent."""

    origin: Origin
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes = b""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    status: int = 0
    status_message: str = ""
    trace_state: str = ""
    dropped: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A span whose own part of the body makes no sense; its neighbours do."""

    reason: str


ReadSpans = Iterable[Span | Unreadable]
