"""Bodies as a whole: the two encodings agree, bad spans are refused alone, ids and places follow from the spans."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otlp_bodies import START_NS, TRACE_ID, SpanSource, as_json, as_protobuf, span_id
from runlake.errors import MalformedError
from runlake.model.run import RunField, RunWrite
from runlake.otlp.answers import Encoding, encode_failure, encode_success, encoding_of
from runlake.otlp.read import read_traces

START_US = START_NS // 1000
VALUES = {
    "s": "é☃",
    "i": -(2**63),
    "b": False,
    "f": 0.5,
    "l": [1, "a", [True]],
    "o": {"k": {"d": b"\x00"}},
    "y": b"\xff",
}
TREE = (
    SpanSource(number=1, name="root", attributes=VALUES, kind=2),
    SpanSource(number=2, parent=1, name="child", start_ns=START_NS + 1000, events=[("e", {"x": 1})]),
    SpanSource(number=3, parent=2, name="grandchild", start_ns=START_NS + 2000, status=2, status_message="bad"),
)


def read(body: bytes, encoding: Encoding = Encoding.PROTOBUF) -> dict[UUID, RunWrite]:
    batch = read_traces(body, encoding)
    assert batch.refused == ()
    return {write.run_id: write for write in batch.writes}


def refusals(body: bytes, encoding: Encoding = Encoding.JSON) -> list[tuple[str, str]]:
    return [(refusal.part, refusal.error.message) for refusal in read_traces(body, encoding).refused]


def test_both_encodings_of_a_request_are_the_same_runs() -> None:
    resource = {"service.name": "shop"}
    assert read(as_json(*TREE, resource=resource), Encoding.JSON) == read(as_protobuf(*TREE, resource=resource))


def test_a_run_id_is_the_span_id_and_the_trace_is_its_root() -> None:
    runs = read(as_protobuf(*reversed(TREE)))
    assert list(runs) == [UUID(int=3), UUID(int=2), UUID(int=1)]
    assert {write.fields[RunField.TRACE_ID] for write in runs.values()} == {UUID(int=1)}
    assert runs[UUID(int=3)].fields[RunField.PARENT_RUN_ID] == UUID(int=2)
    order = str(runs[UUID(int=3)].fields[RunField.DOTTED_ORDER])
    assert [segment.partition("Z")[2] for segment in order.split(".")] == [str(UUID(int=n)) for n in (1, 2, 3)]


def test_a_span_whose_parent_is_elsewhere_is_left_to_the_writer() -> None:
    (run,) = read(as_protobuf(TREE[2])).values()
    assert RunField.DOTTED_ORDER not in run.fields
    assert run.fields[RunField.PARENT_RUN_ID] == UUID(int=2)


def test_parents_in_a_circle_are_kept_as_they_are() -> None:
    runs = read(as_protobuf(SpanSource(number=1, parent=2), SpanSource(number=2, parent=1)))
    assert {write.fields.get(RunField.DOTTED_ORDER) for write in runs.values()} == {None}


ROOT_ID, RUN_ID = UUID(int=2**100 + 1), UUID(int=2**100 + 2)
ORDER = f"20260921T143320000000Z{ROOT_ID}.20260921T143321000000Z{RUN_ID}"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langsmith.span.id": str(RUN_ID)}, (RUN_ID, None)),
        ({"langsmith.span.id": RUN_ID.hex, "langsmith.span.parent_id": str(ROOT_ID)}, (RUN_ID, ROOT_ID)),
        ({"langsmith.span.id": "00000000000000ff"}, (UUID(int=255), None)),
        ({"langsmith.span.id": str(RUN_ID), "langsmith.span.dotted_order": ORDER}, (RUN_ID, ROOT_ID)),
        ({"langsmith.trace.id": str(ROOT_ID)}, (UUID(int=1), ROOT_ID)),
        ({"langsmith.trace.id": TRACE_ID.hex()}, (UUID(int=1), None)),
    ],
)
def test_langsmith_ids_win_over_those_of_the_span(attributes: Any, expected: tuple[UUID, UUID | None]) -> None:
    (run,) = read(as_protobuf(SpanSource(number=1, attributes=attributes))).values()
    assert (run.run_id, run.fields.get(RunField.PARENT_RUN_ID)) == expected


@pytest.mark.parametrize(
    ("source", "scope", "parent"),
    [
        (SpanSource(number=5, parent=9, attributes={"langsmith.is_root": True}), "x", None),
        (SpanSource(number=5, parent=int.from_bytes(TRACE_ID[:8], "big")), "langsmith", None),
        (SpanSource(number=5, parent=int.from_bytes(TRACE_ID[:8], "big")), "x", UUID(bytes=TRACE_ID)),
        (SpanSource(number=5, parent=0), "x", None),
    ],
)
def test_roots_that_name_a_parent(source: SpanSource, scope: str, parent: UUID | None) -> None:
    (run,) = read(as_protobuf(source, scope=scope)).values()
    assert run.fields.get(RunField.PARENT_RUN_ID) == parent


def test_the_header_wins_over_the_span_and_the_span_over_its_resource() -> None:
    said = SpanSource(number=1, attributes={"langsmith.trace.session_name": "span"})
    resource = {"openinference.project.name": "resource"}
    silent = SpanSource(number=2)
    body = as_protobuf(said, silent, resource=resource)
    assert [write.session_name for write in read_traces(body, Encoding.PROTOBUF, "header").writes] == ["header"] * 2
    assert [write.session_name for write in read_traces(body, Encoding.PROTOBUF).writes] == ["span", "resource"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"traceId": "00" * 16}, "traceId"),
        ({"traceId": "abc"}, "not hex"),
        ({"spanId": ""}, "spanId"),
        ({"spanId": "0102"}, "8 bytes"),
        ({"parentSpanId": "01"}, "parentSpanId"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano"),
        ({"startTimeUnixNano": str(2**64)}, "64-bit"),
        ({"endTimeUnixNano": str(2**64 - 1)}, "years up to 2299"),
        ({"kind": "SPAN_KIND_ODD"}, "kind"),
        ({"attributes": 5}, "not a span"),
        ({"attributes": [{"key": "k", "value": {"intValue": "x"}}]}, "intValue"),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "%"}}]}, "base64"),
        ({"attributes": [{"key": "k", "value": {"intValue": str(2**63)}}]}, "64-bit"),
        ({"attributes": [{"key": "k", "value": {"intValue": "9" * 5000}}]}, "64-bit"),
        ({"attributes": [{"key": "gen_ai.prompt" + ".0" * 5000, "value": {"stringValue": "x"}}]}, "too deeply"),
        ({"attributes": [{"key": "langsmith.span.id", "value": {"stringValue": "x"}}]}, "langsmith.span.id"),
        ({"attributes": [{"key": "langsmith.span.dotted_order", "value": {"stringValue": "x"}}]}, "dotted order"),
    ],
)
def test_a_bad_span_is_refused_and_its_neighbour_kept(change: Any, words: str) -> None:
    request = json.loads(as_json(*TREE[:2]))
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][1] |= change
    body = json.dumps(request).encode()
    ((part, message),) = refusals(body)
    assert part == "span[1]"
    assert words in message
    assert len(read_traces(body, Encoding.JSON).writes) == 1


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**64 - 1])
def test_gigantic_numbers_inside_json_texts_are_kept_or_refused(number: int) -> None:
    text = json.dumps({"x": number})
    span = SpanSource(number=1, attributes={"input.value": text, "gen_ai.usage.input_tokens": text})
    batch = read_traces(as_protobuf(span), Encoding.PROTOBUF)
    assert len(batch.writes) + len(batch.refused) == 1


def test_a_name_of_a_million_full_stops_is_read_at_once() -> None:
    started = time.perf_counter()
    read(as_protobuf(SpanSource(number=1, attributes={"gen_ai" + "." * 1_000_000: 1})))
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("word", ["SPAN_KIND_SERVER", "server", 2])
def test_names_and_plain_numbers_are_read_in_json(word: Any) -> None:
    request = json.loads(as_json(TREE[0]))
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"kind": word, "startTimeUnixNano": START_NS}
    assert read(json.dumps(request).encode(), Encoding.JSON) == read(as_protobuf(TREE[0]))


def test_a_span_without_an_end_is_a_run_that_goes_on() -> None:
    (run,) = read(as_protobuf(SpanSource(number=1, end_ns=0))).values()
    assert RunField.END_TIME not in run.fields
    assert run.fields[RunField.START_TIME] == START_US


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\xff\xff", Encoding.PROTOBUF),
        (b"", Encoding.JSON),
        (b"[]", Encoding.JSON),
        (b'{"resourceSpans": 5}', Encoding.JSON),
    ],
)
def test_a_body_that_is_no_request_is_malformed(body: bytes, encoding: Encoding) -> None:
    with pytest.raises(MalformedError):
        read_traces(body, encoding)


def test_answers_are_what_the_generated_classes_read() -> None:
    assert encode_success(Encoding.PROTOBUF) == ExportTraceServiceResponse().SerializeToString()
    answer = ExportTraceServiceResponse.FromString(encode_success(Encoding.PROTOBUF, rejected=300, reason="né"))
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (300, "né")
    assert json.loads(encode_success(Encoding.JSON)) == {}
    assert json.loads(encode_success(Encoding.JSON, rejected=2, reason="x")) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "x"}
    }


def test_failures_are_a_status_with_the_code_of_grpc() -> None:
    # Field 1 is the code, field 2 the message (google/rpc/status.proto).
    assert encode_failure(Encoding.PROTOBUF, 429, "busy") == b"\x08\x08\x12\x04busy"
    assert json.loads(encode_failure(Encoding.JSON, 503, "down")) == {"code": 14, "message": "down"}
    assert json.loads(encode_failure(Encoding.JSON, 500, "x"))["code"] == 13
    assert json.loads(encode_failure(Encoding.JSON, 418, "x"))["code"] == 3


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (None, Encoding.PROTOBUF),
        ("application/x-protobuf", Encoding.PROTOBUF),
        ("Application/JSON; charset=utf-8", Encoding.JSON),
    ],
)
def test_the_content_type_chooses_the_encoding(header: str | None, encoding: Encoding) -> None:
    assert encoding_of(header) is encoding


def test_another_content_type_is_refused_with_those_that_are_taken() -> None:
    with pytest.raises(MalformedError, match=r"application/x-protobuf, application/json"):
        encoding_of("text/plain")


def test_ids_of_spans_fill_the_last_eight_bytes() -> None:
    assert read(as_protobuf(SpanSource(number=0x0102)))[UUID("00000000-0000-0000-0000-000000000102")].run_id.bytes[
        8:
    ] == (span_id(0x0102))
