"""OTLP bodies for tests, made with the generated classes: independent of the code that reads them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Json = Any
TRACE_ID = bytes(range(1, 17))
START_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class SpanSource:
    """What a test says of a span; ``number`` makes its id."""

    number: int
    parent: int | None = None
    trace_id: bytes = TRACE_ID
    name: str = "span"
    kind: int = 1
    start_ns: int = START_NS
    end_ns: int = START_NS + SECOND_NS
    attributes: Mapping[str, Json] = field(default_factory=dict)
    events: Sequence[tuple[str, Mapping[str, Json]]] = ()
    status: int = 0
    status_message: str = ""


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def as_protobuf(*spans: SpanSource, resource: Mapping[str, Json] | None = None, scope: str = "tests") -> bytes:
    """An export request with one resource and one scope."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _add(group.resource.attributes, resource or {})
    part = group.scope_spans.add()
    part.scope.name = scope
    for source in spans:
        made = part.spans.add()
        made.trace_id, made.span_id, made.name, made.kind = (
            source.trace_id,
            span_id(source.number),
            source.name,
            source.kind,
        )
        made.parent_span_id = b"" if source.parent is None else span_id(source.parent)
        made.start_time_unix_nano, made.end_time_unix_nano = source.start_ns, source.end_ns
        made.status.code, made.status.message = source.status, source.status_message
        _add(made.attributes, source.attributes)
        for name, attributes in source.events:
            event = made.events.add()
            event.name, event.time_unix_nano = name, source.start_ns + SECOND_NS // 2
            _add(event.attributes, attributes)
    body: bytes = request.SerializeToString()
    return body


def as_json(*spans: SpanSource, resource: Mapping[str, Json] | None = None, scope: str = "tests") -> bytes:
    """The same request in OTLP's JSON, written by hand: hex ids, numbers of 64 bits as text."""
    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _pairs(resource or {})},
                    "scopeSpans": [{"scope": {"name": scope}, "spans": [_json_span(source) for source in spans]}],
                }
            ]
        }
    ).encode()


def _json_span(source: SpanSource) -> Json:
    return {
        "traceId": source.trace_id.hex(),
        "spanId": span_id(source.number).hex(),
        "parentSpanId": "" if source.parent is None else span_id(source.parent).hex(),
        "name": source.name,
        "kind": source.kind,
        "startTimeUnixNano": str(source.start_ns),
        "endTimeUnixNano": str(source.end_ns),
        "attributes": _pairs(source.attributes),
        "events": [
            {"name": name, "timeUnixNano": str(source.start_ns + SECOND_NS // 2), "attributes": _pairs(attributes)}
            for name, attributes in source.events
        ],
        "status": {"code": source.status, "message": source.status_message},
    }


def _pairs(attributes: Mapping[str, Json]) -> list[Json]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_value(value: Json) -> Json:
    if isinstance(value, bytes):
        return {"bytesValue": b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _pairs(value)}}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"intValue": str(value)}
    return {{bool: "boolValue", float: "doubleValue", str: "stringValue"}[type(value)]: value}


def _add(pairs: Any, attributes: Mapping[str, Json]) -> None:
    for key, value in attributes.items():
        pair = pairs.add()
        pair.key = key
        _set(pair.value, value)


def _set(target: Any, value: Json) -> None:
    match value:
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case bytes():
            target.bytes_value = value
        case list():
            target.array_value.SetInParent()
            for item in value:
                _set(target.array_value.values.add(), item)
        case dict():
            target.kvlist_value.SetInParent()
            _add(target.kvlist_value.values, value)
        case _:
            target.string_value = value
