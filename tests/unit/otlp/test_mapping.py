"""What each convention's attributes become, one table of spans a convention."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from otlp_bodies import START_NS, SpanSource, as_protobuf
from runlake.ingest.costs import CostBook
from runlake.ingest.derive import derive_run
from runlake.model.run import RunField, RunWrite, fold_writes
from runlake.otlp.answers import Encoding
from runlake.otlp.conventions import TABLES
from runlake.otlp.read import read_traces

Json = Any


def run(attributes: Json, **members: Any) -> RunWrite:
    body = as_protobuf(SpanSource(number=7, attributes=attributes, **members), resource={"service.name": "shop"})
    batch = read_traces(body, Encoding.PROTOBUF)
    assert batch.refused == ()
    return batch.writes[0]


def payload(write: RunWrite, field: RunField) -> Json:
    data = write.fields.get(field)
    return msgspec.json.decode(data) if isinstance(data, bytes) else None


def read(write: RunWrite) -> Json:
    """The parts of a run that the tables speak of."""
    extra = payload(write, RunField.EXTRA)
    return {
        "name": write.fields[RunField.NAME],
        "run_type": write.fields[RunField.RUN_TYPE],
        "inputs": payload(write, RunField.INPUTS),
        "outputs": payload(write, RunField.OUTPUTS),
        "metadata": extra["metadata"],
        "params": extra.get("invocation_params"),
        "tags": write.fields.get(RunField.TAGS),
        "project": write.session_name,
        "error": write.fields.get(RunField.ERROR),
    }


ASKED = {"role": "user", "content": "hi"}
ANSWERED = {"role": "assistant", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":1}'}}
USAGE = {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}

CASES: dict[str, tuple[Json, Json]] = {
    "LangSmith, as the Python SDK writes it": (
        {
            "langsmith.trace.name": "answer",
            "langsmith.span.kind": "llm",
            "langsmith.trace.session_name": "mine",
            "langsmith.span.tags": "a, b",
            "langsmith.metadata.depth": 3,
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt": json.dumps({"messages": [ASKED]}),
            "gen_ai.completion": json.dumps({"role": "assistant", "content": "hello"}),
        },
        {
            "name": "answer",
            "run_type": "llm",
            "project": "mine",
            "tags": ("a", "b"),
            "metadata": {"depth": 3, "ls_model_name": "gpt-4o", "ls_provider": "openai"},
            "params": {"model": "gpt-4o"},
            "inputs": {"messages": [ASKED]},
            "outputs": ANSWERED,
        },
    ),
    "LangSmith: usage given as one object": (
        {"langsmith.span.kind": "llm", "langsmith.usage_metadata": json.dumps(USAGE)},
        {"metadata": {"usage_metadata": USAGE}},
    ),
    "GenAI, current": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": "claude",
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.request.temperature": 0.5,
            "gen_ai.conversation.id": "thread-1",
            "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "look"}]),
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "be kind"}]),
            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]),
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "text", "content": "hello"},
                            {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"q": 1}},
                        ],
                        "finish_reason": "tool_call",
                    }
                ]
            ),
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 4,
            "gen_ai.usage.cache_read.input_tokens": 3,
            "gen_ai.usage.cache_creation.input_tokens": 2,
            "gen_ai.usage.reasoning.output_tokens": 1,
        },
        {
            "run_type": "llm",
            "inputs": {"messages": [{"role": "system", "content": "be kind"}, ASKED]},
            "outputs": {"messages": [{**ANSWERED, "tool_calls": [CALL], "finish_reason": "tool_call"}]},
            "params": {
                "model": "claude",
                "stop": ["END"],
                "temperature": 0.5,
                "tools": [{"type": "function", "name": "look"}],
            },
            "metadata": {
                "ls_provider": "amazon_bedrock",
                "ls_model_name": "claude",
                "conversation_id": "thread-1",
                "usage_metadata": {
                    "input_tokens": 10,
                    "output_tokens": 4,
                    "input_token_details": {"cache_read": 3, "cache_creation": 2},
                    "output_token_details": {"reasoning": 1},
                },
            },
        },
    ),
    "GenAI: messages as structured attributes": (
        {"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]},
        {"inputs": {"messages": [ASKED]}},
    ),
    "GenAI: a tool": (
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "look",
            "gen_ai.tool.call.arguments": '{"q": 1}',
            "gen_ai.tool.call.result": "found",
        },
        {"run_type": "tool", "inputs": {"q": 1}, "outputs": {"output": "found"}, "params": {"tool_name": "look"}},
    ),
    "GenAI: an agent's sums are no tokens of its own": (
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 10},
        {"run_type": "chain", "metadata": {"gen_ai.usage.input_tokens": 10, "gen_ai.operation.name": "invoke_agent"}},
    ),
    "GenAI of 2024, indexed": (
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "be kind",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "hi",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "hello",
            "gen_ai.completion.0.finish_reason": "stop",
            "gen_ai.completion.0.tool_calls.0.id": "c1",
            "gen_ai.completion.0.tool_calls.0.name": "look",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"q":1}',
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.completion_tokens": 4,
            "llm.usage.total_tokens": 14,
        },
        {
            "run_type": "llm",
            "inputs": {"messages": [{"role": "system", "content": "be kind"}, ASKED]},
            "outputs": {"messages": [{**ANSWERED, "tool_calls": [CALL], "finish_reason": "stop"}]},
            "metadata": {"usage_metadata": USAGE},
        },
    ),
    "OpenInference: a model call": (
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.provider": "openai",
            "llm.invocation_parameters": '{"temperature": 0}',
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "hi",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "hello",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"q":1}',
            "llm.tools.0.tool.json_schema": '{"name": "look"}',
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 4,
            "llm.token_count.total": 14,
            "llm.cost.total": 0.5,
            "session.id": "thread-1",
            "user.id": "ada",
            "tag.tags": ["a", "b"],
            "metadata": '{"depth": 3}',
            "input.value": '{"messages": "whole"}',
        },
        {
            "run_type": "llm",
            "inputs": {"messages": [ASKED]},
            "outputs": {"messages": [{**ANSWERED, "tool_calls": [CALL]}]},
            "params": {"temperature": 0, "tools": [{"name": "look"}]},
            "tags": ("a", "b"),
            "metadata": {
                "session_id": "thread-1",
                "user_id": "ada",
                "depth": 3,
                "openinference.span.kind": "LLM",
                "ls_provider": "openai",
                "usage_metadata": {**USAGE, "total_cost": 0.5},
                "input.value": {"messages": "whole"},
            },
        },
    ),
    "OpenInference: parts with a picture": (
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "what is it",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.input_messages.0.message.contents.1.message_content.image.image.url": "http://x/y.png",
        },
        {
            "inputs": {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "what is it"},
                            {"type": "image_url", "image_url": {"url": "http://x/y.png"}},
                        ],
                    }
                ]
            }
        },
    ),
    "OpenInference: a retriever": (
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "why",
            "retrieval.documents.0.document.content": "because",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.0.document.metadata": '{"page": 2}',
            "retrieval.documents.1.document.content": "so",
        },
        {
            "run_type": "retriever",
            "inputs": {"query": "why"},
            "outputs": {
                "documents": [
                    {"page_content": "because", "metadata": {"page": 2, "score": 0.5}, "type": "Document"},
                    {"page_content": "so", "metadata": {}, "type": "Document"},
                ]
            },
        },
    ),
    "OpenInference: an embedding": (
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.embeddings.0.embedding.text": "hi",
            "embedding.embeddings.0.embedding.vector": [0.5, 0.25],
        },
        {"run_type": "embedding", "inputs": {"texts": ["hi"]}, "outputs": {"embeddings": [[0.5, 0.25]]}},
    ),
    "OpenLLMetry: a workflow": (
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.name": "joke",
            "traceloop.entity.input": '{"args": [1]}',
            "traceloop.entity.output": '"done"',
            "traceloop.association.properties.session_id": "thread-1",
        },
        {
            "name": "joke",
            "run_type": "chain",
            "inputs": {"args": [1]},
            "outputs": {"output": '"done"'},
            "metadata": {"session_id": "thread-1", "traceloop.span.kind": "workflow"},
        },
    ),
    "Vercel: the inner call": (
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.id": "gpt-4o",
            "ai.model.provider": "openai.chat",
            "ai.settings.maxOutputTokens": 100,
            "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
            "ai.prompt.tools": ['{"name": "look"}'],
            "ai.response.text": "hello",
            "ai.response.toolCalls": json.dumps([{"toolCallId": "c1", "toolName": "look", "input": {"q": 1}}]),
            "ai.usage.promptTokens": 10,
            "ai.usage.completionTokens": 4,
            "ai.telemetry.metadata.sessionId": "thread-1",
            "ai.telemetry.metadata.plan": "free",
        },
        {
            "run_type": "llm",
            "inputs": {"messages": [ASKED]},
            "outputs": {"messages": [{**ANSWERED, "tool_calls": [CALL]}]},
            "params": {"maxOutputTokens": 100, "tools": [{"name": "look"}]},
            "metadata": {
                "ls_provider": "openai",
                "ls_model_name": "gpt-4o",
                "session_id": "thread-1",
                "plan": "free",
                "usage_metadata": {"input_tokens": 10, "output_tokens": 4},
            },
        },
    ),
    "Vercel: calls and results inside messages": (
        {
            "ai.prompt.messages": json.dumps(
                [
                    {"role": "user", "content": "hi"},
                    {
                        "role": "assistant",
                        "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "look", "input": {"q": 1}}],
                    },
                    {
                        "role": "tool",
                        "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "look", "result": "found"}],
                    },
                ]
            )
        },
        {
            "inputs": {
                "messages": [
                    ASKED,
                    {"role": "assistant", "content": "", "tool_calls": [CALL]},
                    {"role": "tool", "content": "found", "tool_call_id": "c1"},
                ]
            }
        },
    ),
    "Vercel: a tool": (
        {
            "ai.operationId": "ai.toolCall",
            "ai.toolCall.name": "look",
            "ai.toolCall.args": '{"q": 1}',
            "ai.toolCall.result": "[1]",
        },
        {"name": "look", "run_type": "tool", "inputs": {"q": 1}, "outputs": {"output": [1]}},
    ),
    "a plain span, every type of value": (
        {
            "http.request.method": "GET",
            "ok": True,
            "n": 5,
            "f": 0.5,
            "l": ["a", 1],
            "o": {"k": {"d": 2}},
            "b": b"\x00\x01",
        },
        {
            "name": "span",
            "run_type": "chain",
            "inputs": None,
            "metadata": {
                "service.name": "shop",
                "otel.scope.name": "tests",
                "http.request.method": "GET",
                "ok": True,
                "n": 5,
                "f": 0.5,
                "l": ["a", 1],
                "o": {"k": {"d": 2}},
                "b": "AAE=",
                "OTEL_TRACE_ID": "0102030405060708090a0b0c0d0e0f10",
                "OTEL_SPAN_ID": "0000000000000007",
            },
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_attributes_become_the_parts_of_a_run(name: str) -> None:
    attributes, expected = CASES[name]
    found = read(run(attributes))
    metadata = expected.get("metadata", {})
    assert {part: found[part] for part in expected if part != "metadata"} == {
        part: value for part, value in expected.items() if part != "metadata"
    }
    assert {key: found["metadata"].get(key) for key in metadata} == metadata


def test_unmapped_attributes_are_the_whole_metadata_of_a_plain_span() -> None:
    name = "a plain span, every type of value"
    assert read(run(CASES[name][0]))["metadata"] == CASES[name][1]["metadata"]


def test_every_rule_finds_its_own_attribute() -> None:
    """A rule that another one hides, or that no value reaches, would be a row of the page that is not true."""
    from runlake.otlp.conventions import RULES  # noqa: PLC0415 - beside its use

    for rules in TABLES.values():
        for rule in rules:
            name = f"{rule.attribute}0" if rule.attribute.endswith(".") else rule.attribute
            assert rule in RULES.find(name)[0]


EXCEPTION = ("exception", {"exception.type": "ValueError", "exception.message": "bad", "exception.stacktrace": "at x"})


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"status": 2, "events": [EXCEPTION]}, "ValueError: bad\n\nat x"),
        ({"status": 0, "events": [EXCEPTION]}, "ValueError: bad\n\nat x"),
        ({"status": 1, "events": [EXCEPTION]}, None),
        ({"status": 2, "status_message": "timed out"}, "timed out"),
        ({"status": 2, "attributes": {"error.type": "Timeout"}}, "Timeout"),
        ({"status": 2}, "the span ended with status error"),
        ({"status": 0}, None),
    ],
)
def test_errors_come_from_status_and_exceptions(members: Any, error: str | None) -> None:
    attributes = members.pop("attributes", {})
    assert read(run(attributes, **members))["error"] == error


def test_messages_in_events_are_the_inputs_and_outputs() -> None:
    found = read(
        run(
            {"gen_ai.operation.name": "chat"},
            events=[
                ("gen_ai.system.message", {"content": "be kind"}),
                ("gen_ai.user.message", {"content": "hi"}),
                ("gen_ai.tool.message", {"id": "c1", "content": "found"}),
                ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "hello"}}),
            ],
        )
    )
    assert found["inputs"] == {
        "messages": [
            {"role": "system", "content": "be kind"},
            ASKED,
            {"role": "tool", "content": "found", "tool_call_id": "c1"},
        ]
    }
    assert found["outputs"] == {"messages": [{**ANSWERED, "finish_reason": "stop"}]}


def test_other_events_stay_events_and_the_first_chunk_is_the_first_token() -> None:
    write = run({}, events=[("cache miss", {"key": "k"}), ("ai.stream.firstChunk", {})])
    derived = derive_run(fold_writes(write.run_id, [write]), now_us=0, prices=CostBook())
    assert derived.first_token_time == (START_NS + 500_000_000) // 1000
    assert payload(write, RunField.EVENTS)[0]["kwargs"] == {"key": "k"}


@pytest.mark.parametrize(
    "attributes",
    [{"gen_ai.response.time_to_first_chunk": 0.25}, {"ai.response.msToFirstChunk": 250.0}],
)
def test_a_delay_to_the_first_chunk_counts_from_the_start(attributes: Json) -> None:
    write = run(attributes)
    derived = derive_run(fold_writes(write.run_id, [write]), now_us=0, prices=CostBook())
    assert derived.first_token_time == START_NS // 1000 + 250_000


def test_tokens_model_and_provider_give_a_cost() -> None:
    for name in ("GenAI, current", "Vercel: the inner call"):
        write = run({**CASES[name][0], "gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai"})
        derived = derive_run(fold_writes(write.run_id, [write]), now_us=0, prices=CostBook())
        assert (derived.prompt_tokens, derived.completion_tokens) == (10, 4)
        assert derived.total_cost is not None


@pytest.mark.parametrize(
    ("attributes", "thread"),
    [
        ({"session.id": "t"}, "t"),
        ({"gen_ai.conversation.id": "t"}, "t"),
        ({"traceloop.association.properties.thread_id": "t"}, "t"),
        ({"ai.telemetry.metadata.threadId": "t"}, "t"),
        ({"langfuse.session.id": "t"}, "t"),
        ({"langsmith.metadata.session_id": "t", "session.id": "other"}, "t"),
    ],
)
def test_each_convention_names_the_thread(attributes: Json, thread: str) -> None:
    write = run(attributes)
    assert derive_run(fold_writes(write.run_id, [write]), now_us=0, prices=CostBook()).thread_id == thread


def test_attachments_are_decoded() -> None:
    sent = [{"name": "note", "content": "c2Vlbg==", "mime_type": "text/plain"}]
    (attachment,) = run({"langsmith.attachments": json.dumps(sent)}).attachments
    assert (attachment.name, attachment.mime_type, attachment.data) == ("note", "text/plain", b"seen")


def test_a_project_id_that_is_none_stays_in_the_metadata() -> None:
    write = run({"langsmith.trace.session_id": "chat-5"})
    assert RunField.SESSION_ID not in write.fields
    assert read(write)["metadata"]["langsmith.trace.session_id"] == "chat-5"
    known = run({"langsmith.trace.session_id": str(UUID(int=9))})
    assert known.fields[RunField.SESSION_ID] == UUID(int=9)
