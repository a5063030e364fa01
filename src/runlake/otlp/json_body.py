"""JSON bodies: OTLP's JSON encoding to spans.

It differs from the JSON of protobuf elsewhere: ids are hex, not base64; keys are lowerCamelCase; enums are numbers
(documented upstream). Names of enums, which many senders write, and 64-bit numbers with or without quotes are read too.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from runlake.errors import MalformedError
from runlake.otlp.spans import (
    NO_ATTRIBUTES,
    Attributes,
    Json,
    Origin,
    ReadSpans,
    Span,
    SpanEvent,
    SpanLink,
    Unreadable,
)

_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES: Final = ("UNSET", "OK", "ERROR")
_MAX_UINT64: Final = 2**64 - 1
_INT64_END: Final = 2**63

Nanoseconds = Annotated[int, msgspec.Meta(ge=0)] | str
"""A 64-bit number; OTLP writes it as text, many senders do not."""


class _Body(msgspec.Struct, rename="camel", gc=False):
    resource_spans: list[_ResourceSpans] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel", gc=False):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _ScopeSpans(msgspec.Struct, rename="camel", gc=False):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None


class _Value(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: _Values | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Values(msgspec.Struct, gc=False):
    values: list[_Value] | None = None


class _Pair(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Pairs(msgspec.Struct, gc=False):
    values: list[_Pair] | None = None


class _Resource(msgspec.Struct, gc=False):
    attributes: list[_Pair] | None = None


class _Scope(msgspec.Struct, gc=False):
    name: str | None = None
    version: str | None = None
    attributes: list[_Pair] | None = None


class _Event(msgspec.Struct, rename="camel", gc=False):
    name: str | None = None
    time_unix_nano: Nanoseconds | None = None
    attributes: list[_Pair] | None = None


class _Link(msgspec.Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[_Pair] | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | str | None = None
    message: str | None = None


class _Span(msgspec.Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: Nanoseconds | None = None
    end_time_unix_nano: Nanoseconds | None = None
    attributes: list[_Pair] | None = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None
    trace_state: str | None = None
    dropped_attributes_count: int | None = None
    dropped_events_count: int | None = None
    dropped_links_count: int | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_SPAN: Final = msgspec.json.Decoder(_Span)


def read_json(body: bytes) -> ReadSpans:
    """Every span of the body, in order. Raises ``MalformedError`` when the body is no such object."""
    try:
        request = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"the body is not an OTLP trace request in JSON ({error})"
        raise MalformedError(problem, field="body") from None
    return _spans(request)


def _spans(request: _Body) -> ReadSpans:
    for group in request.resource_spans or ():
        for part in group.scope_spans or ():
            try:
                origin = _origin(group.resource or _Resource(), part.scope or _Scope())
            except _ValueError as problem:
                yield from (Unreadable(f"its resource or scope: {problem}") for _ in part.spans or ())
                continue
            for raw in part.spans or ():
                yield _span(bytes(raw), origin)


def _origin(resource: _Resource, scope: _Scope) -> Origin:
    return Origin(
        _attributes(resource.attributes), scope.name or "", scope.version or "", _attributes(scope.attributes)
    )


class _ValueError(ValueError):
    """One value that cannot be read."""


def _span(raw: bytes, origin: Origin) -> Span | Unreadable:
    try:
        return _built(_SPAN.decode(raw), origin)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(f"not a span ({error})")
    except _ValueError as problem:
        return Unreadable(str(problem))


def _built(span: _Span, origin: Origin) -> Span:
    status = span.status or _Status()
    counts = {
        "attributes": span.dropped_attributes_count,
        "events": span.dropped_events_count,
        "links": span.dropped_links_count,
    }
    return Span(
        origin=origin,
        trace_id=_hex(span.trace_id, "traceId"),
        span_id=_hex(span.span_id, "spanId"),
        parent_span_id=_hex(span.parent_span_id, "parentSpanId"),
        name=span.name or "",
        kind=_enum(span.kind, _KINDS, "kind"),
        start_ns=_number(span.start_time_unix_nano, "startTimeUnixNano"),
        end_ns=_number(span.end_time_unix_nano, "endTimeUnixNano"),
        attributes=_attributes(span.attributes),
        events=tuple(
            SpanEvent(item.name or "", _number(item.time_unix_nano, "timeUnixNano"), _attributes(item.attributes))
            for item in span.events or ()
        ),
        links=tuple(
            SpanLink(item.trace_id or "", item.span_id or "", _attributes(item.attributes)) for item in span.links or ()
        ),
        status=_enum(status.code, _STATUSES, "status.code"),
        status_message=status.message or "",
        trace_state=span.trace_state or "",
        dropped={name: count for name, count in counts.items() if count},
    )


def _hex(text: str | None, name: str) -> bytes:
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        raise _ValueError(f"{name} {text!r:.60} is not hex") from None


def _number(value: Nanoseconds | None, name: str) -> int:
    try:
        number = int(value or 0)
    except ValueError:
        number = -1
    if not 0 <= number <= _MAX_UINT64:
        raise _ValueError(f"{name} {value!r:.60} is not a 64-bit number of nanoseconds")
    return number


def _enum(value: int | str | None, names: Sequence[str], field: str) -> int:
    if isinstance(value, int):
        return value
    word = (value or names[0]).upper()
    found = next((number for number, name in enumerate(names) if word == name or word.endswith(f"_{name}")), None)
    if found is None:
        raise _ValueError(f"{field} {value!r:.60} is not known; numbers from 0 to {len(names) - 1} are accepted")
    return found


def _attributes(pairs: list[_Pair] | None) -> Attributes:
    if not pairs:
        return NO_ATTRIBUTES
    return {pair.key: None if pair.value is None else _value(pair.value) for pair in pairs}


def _value(value: _Value) -> Json:
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    if value.int_value is not None or value.double_value is not None:
        return _float(value.double_value) if value.int_value is None else _int(value.int_value)
    if value.array_value is not None:
        return [_value(item) for item in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return dict(_attributes(value.kvlist_value.values))
    return None if value.bytes_value is None else _base64(value.bytes_value)


def _int(value: int | str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = _MAX_UINT64
    if not -_INT64_END <= number < _INT64_END:
        raise _ValueError(f"intValue {str(value)[:60]!r} is not a 64-bit number")
    return number


def _float(value: float | str | None) -> float:
    try:
        return float(value or 0)
    except ValueError:
        raise _ValueError(f"doubleValue {value!r:.60} is not a number") from None


def _base64(text: str) -> str:
    try:
        return b64encode(b64decode(text, validate=True)).decode()
    except ValueError:
        raise _ValueError("bytesValue is not base64") from None
