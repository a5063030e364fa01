"""Protobuf bodies: ``ExportTraceServiceRequest`` to spans. The one place that knows the generated classes.

They load with the first such body (30 ms, 6 MB), so that a server without OpenTelemetry never pays for them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Final

from runlake.errors import MalformedError
from runlake.otlp.spans import NO_ATTRIBUTES, Attributes, Json, Origin, ReadSpans, Span, SpanEvent, SpanLink

Message = Any

_SCALARS: Final = frozenset({"string_value", "int_value", "bool_value", "double_value"})


def read_protobuf(body: bytes) -> ReadSpans:
    """Every span of the body, in order. Raises ``MalformedError`` when the body is no such message."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only servers that take spans load it
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - ditto
        ExportTraceServiceRequest,
    )

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise MalformedError("the body is not an ExportTraceServiceRequest in protobuf", field="body") from None
    return _spans(request)


def _spans(request: Message) -> ReadSpans:
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for part in group.scope_spans:
            scope = part.scope
            origin = Origin(resource, scope.name, scope.version, _attributes(scope.attributes))
            for span in part.spans:
                yield _span(span, origin)


def _span(span: Message, origin: Origin) -> Span:
    status = span.status
    return Span(
        origin=origin,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=tuple(SpanEvent(item.name, item.time_unix_nano, _attributes(item.attributes)) for item in span.events),
        links=tuple(
            SpanLink(item.trace_id.hex(), item.span_id.hex(), _attributes(item.attributes)) for item in span.links
        ),
        status=status.code,
        status_message=status.message,
        trace_state=span.trace_state,
        dropped=_dropped(span),
    )


def _dropped(span: Message) -> Attributes:
    if not (span.dropped_attributes_count or span.dropped_events_count or span.dropped_links_count):
        return NO_ATTRIBUTES
    counts = {
        "attributes": span.dropped_attributes_count,
        "events": span.dropped_events_count,
        "links": span.dropped_links_count,
    }
    return {name: count for name, count in counts.items() if count}


def _attributes(pairs: Iterable[Message]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Message) -> Json:
    kind = value.WhichOneof("value")
    if kind in _SCALARS:
        return getattr(value, kind)
    match kind:
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return b64encode(value.bytes_value).decode()
        case _:
            return None
