"""Spans over HTTP against a live server: paths, encodings, partial success, refusals, and what queries find of them."""

from __future__ import annotations

import gzip
import json
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from backports import zstd
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otlp_bodies import START_NS, SpanSource, as_json, as_protobuf

Json = dict[str, Any]
PROTOBUF = {"Content-Type": "application/x-protobuf"}
AS_JSON = {"Content-Type": "application/json"}
BAD = SpanSource(number=0)


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=30) as client:
        yield client


def numbers() -> Iterator[int]:
    base = uuid.uuid4().int >> 66
    while True:
        base += 1
        yield base


def tree() -> tuple[SpanSource, SpanSource, SpanSource]:
    """A root, a model call and a tool that failed, under ids of their own."""
    number = numbers()
    root, call, tool = next(number), next(number), next(number)
    asked = [{"role": "user", "parts": [{"type": "text", "content": "weather in Paris"}]}]
    return (
        SpanSource(number=root, name="turn", attributes={"session.id": f"thread {root}"}),
        SpanSource(
            number=call,
            parent=root,
            name="chat",
            start_ns=START_NS + 1000,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.input.messages": json.dumps(asked),
                "app.plan": "free",
            },
        ),
        SpanSource(
            number=tool,
            parent=call,
            name="look",
            start_ns=START_NS + 2000,
            status=2,
            attributes={"openinference.span.kind": "TOOL"},
            events=[("exception", {"exception.type": "KeyError", "exception.message": "paris"})],
        ),
    )


def project_of(client: httpx.Client, name: str) -> str:
    found: str = client.get("/sessions", params={"name": name}).raise_for_status().json()[0]["id"]
    return found


def runs_of(client: httpx.Client, project: str, **query: Any) -> list[Json]:
    body = {"session": [project_of(client, project)], **query}
    found: list[Json] = client.post("/runs/query", json=body).raise_for_status().json()["runs"]
    return found


@pytest.mark.parametrize("path", ["/otel/v1/traces", "/api/otel/v1/traces", "/api/v1/otel/v1/traces", "/v1/traces"])
def test_every_path_in_use_takes_spans(client: httpx.Client, path: str) -> None:
    project = f"otlp {uuid.uuid4()}"
    answer = client.post(path, content=as_protobuf(*tree()), headers={**PROTOBUF, "Langsmith-Project": project})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", PROTOBUF["Content-Type"])
    assert len(runs_of(client, project)) == 3


@pytest.mark.parametrize(
    ("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
@pytest.mark.parametrize("headers", [PROTOBUF, AS_JSON])
def test_compressed_bodies_are_read_in_both_encodings(
    client: httpx.Client, encoding: str, encode: Any, headers: Json
) -> None:
    project = f"otlp {uuid.uuid4()}"
    body = (as_json if headers is AS_JSON else as_protobuf)(*tree())
    sent = {**headers, "Content-Encoding": encoding, "Langsmith-Project": project}
    answer = client.post("/v1/traces", content=encode(body), headers=sent)
    assert (answer.status_code, answer.content) == (200, b"{}" if headers is AS_JSON else b"")
    assert len(runs_of(client, project)) == 3


def test_queries_find_the_tree_its_tokens_and_its_words(client: httpx.Client) -> None:
    project, spans = f"otlp {uuid.uuid4()}", tree()
    for span in reversed(spans):
        client.post("/v1/traces", content=as_json(span), headers={**AS_JSON, "Langsmith-Project": project})
    runs = {run["name"]: run for run in runs_of(client, project)}
    root, call, tool = runs["turn"], runs["chat"], runs["look"]
    assert root["id"] == str(uuid.UUID(int=spans[0].number))
    assert {run["trace_id"] for run in runs.values()} == {root["id"]}
    assert (call["parent_run_id"], tool["parent_run_id"]) == (root["id"], call["id"])
    assert (call["run_type"], call["prompt_tokens"], call["completion_tokens"]) == ("llm", 100, 50)
    assert float(call["total_cost"]) > 0
    assert (tool["status"], tool["error"]) == ("error", "KeyError: paris")
    filters = {
        'eq(run_type, "llm")': ["chat"],
        "eq(is_root, true)": ["turn"],
        'search("paris")': ["chat", "look"],
        'and(eq(metadata_key, "app.plan"), eq(metadata_value, "free"))': ["chat"],
        f'eq(thread_id, "thread {spans[0].number}")': ["turn"],
    }
    found = {text: sorted(run["name"] for run in runs_of(client, project, filter=text)) for text in filters}
    assert found == filters


def test_a_bad_span_is_told_and_its_neighbours_stored(client: httpx.Client) -> None:
    project = f"otlp {uuid.uuid4()}"
    spans = (*tree(), BAD)
    headers = {**PROTOBUF, "Langsmith-Project": project}
    answer = client.post("/v1/traces", content=as_protobuf(*spans), headers=headers)
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, told.rejected_spans) == (200, 1)
    assert "span[3]" in told.error_message
    assert "spanId" in told.error_message
    assert len(runs_of(client, project)) == 3


def test_only_bad_spans_are_a_partial_success_too(client: httpx.Client) -> None:
    answer = client.post("/v1/traces", content=as_json(BAD), headers=AS_JSON)
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "1")


def test_no_spans_are_a_success(client: httpx.Client) -> None:
    assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", AS_JSON, 400, 3),
        (b"\xff", PROTOBUF, 400, 3),
        (b"x", {"Content-Type": "text/plain"}, 400, 3),
        (b"x", {**AS_JSON, "Content-Encoding": "br"}, 400, 3),
    ],
)
def test_refusals_are_a_status_in_the_encoding_of_the_request(
    client: httpx.Client, content: bytes, headers: Json, status: int, code: int
) -> None:
    answer = client.post("/v1/traces", content=content, headers=headers)
    assert answer.status_code == status
    if headers["Content-Type"] == PROTOBUF["Content-Type"]:
        assert answer.content[:2] == bytes([8, code])
        assert answer.headers["content-type"] == PROTOBUF["Content-Type"]
    else:
        assert answer.json()["code"] == code
        assert answer.json()["message"]
