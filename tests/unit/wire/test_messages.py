"""Every shape of chat messages that clients send, and the one shape that they are given back in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlake.wire.messages import first_and_last, human_and_ai, messages_of, new_messages

Json = Any


def read(inputs: Json, outputs: Json) -> Json:
    found = messages_of(msgspec.json.encode(inputs), msgspec.json.encode(outputs))
    return [msgspec.json.decode(message) for message in found]


def call(call_id: str | None, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


ASKED = {"role": "user", "content": "hi"}
ANSWERED = {"role": "assistant", "content": "hello"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [call("c1", "look", '{"q":1}')]}
FOUND = {"role": "tool", "content": "found", "tool_call_id": "c1"}

SHAPES: list[tuple[str, Json, Json, Json]] = [
    (
        "OpenAI chat",
        {"messages": [{"role": "system", "content": "be kind"}, ASKED]},
        {"choices": [{"index": 0, "message": ANSWERED}, {"message": {"role": "assistant", "content": "second"}}]},
        [{"role": "system", "content": "be kind"}, ASKED, ANSWERED],
    ),
    (
        "OpenAI chat with tools and a picture",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": "u"}]},
                {"role": "assistant", "content": None, "tool_calls": [call("c1", "look", '{"q":1}')]},
                {"role": "tool", "tool_call_id": "c1", "content": "found"},
            ]
        },
        {"choices": [{"message": ANSWERED}]},
        [
            {"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": "u"}]},
            CALLED,
            FOUND,
            ANSWERED,
        ],
    ),
    (
        "OpenAI Responses",
        {
            "instructions": "be kind",
            "input": [
                ASKED,
                {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"q":1}'},
                {"type": "function_call_output", "call_id": "c1", "output": "found"},
            ],
        },
        {
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thought"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]},
            ]
        },
        [
            {"role": "system", "content": "be kind"},
            ASKED,
            CALLED,
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
            {"role": "assistant", "content": "", "reasoning": "thought"},
            ANSWERED,
        ],
    ),
    (
        "Anthropic",
        {
            "system": [{"type": "text", "text": "be kind"}],
            "messages": [
                ASKED,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"q": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "found"}]},
            ],
        },
        {
            "role": "assistant",
            "type": "message",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hello"}],
        },
        [
            {"role": "system", "content": "be kind"},
            ASKED,
            CALLED,
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
            {**ANSWERED, "reasoning": "hm"},
        ],
    ),
    (
        "LangChain, serialized",
        {
            "messages": [
                [
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "schema", "messages", "HumanMessage"],
                        "kwargs": {"content": "hi"},
                    }
                ]
            ]
        },
        {
            "generations": [
                [
                    {
                        "text": "hello",
                        "message": {
                            "lc": 1,
                            "type": "constructor",
                            "id": ["langchain", "schema", "messages", "AIMessage"],
                            "kwargs": {
                                "content": "hello",
                                "tool_calls": [{"name": "look", "args": {"q": 1}, "id": "c1"}],
                            },
                        },
                    }
                ]
            ]
        },
        [ASKED, {**ANSWERED, "tool_calls": [call("c1", "look", '{"q":1}')]}],
    ),
    (
        "LangGraph, the whole conversation in the outputs",
        {"messages": [{"type": "human", "content": "hi"}]},
        {"messages": [{"type": "human", "content": "hi"}, {"type": "ai", "content": "hello"}]},
        [ASKED, ANSWERED],
    ),
    ("pairs", {"messages": [["human", "hi"]]}, {"messages": [["ai", "hello"]]}, [ASKED, ANSWERED]),
    (
        "Gemini",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        {
            "candidates": [
                {"content": {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"q": 1}}}]}}
            ]
        },
        [ASKED, {"role": "assistant", "content": "", "tool_calls": [call(None, "look", '{"q":1}')]}],
    ),
    (
        "Bedrock",
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": {"q": 1}}}],
                }
            }
        },
        [ASKED, CALLED],
    ),
    (
        "OpenTelemetry GenAI",
        {"messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"q": 1}}],
                }
            ]
        },
        [ASKED, CALLED],
    ),
    (
        "OpenInference",
        {"messages": [{"message.role": "user", "message.content": "hi"}]},
        {
            "messages": [
                {
                    "message.role": "assistant",
                    "message.tool_calls": [
                        {
                            "tool_call.id": "c1",
                            "tool_call.function.name": "look",
                            "tool_call.function.arguments": '{"q":1}',
                        }
                    ],
                }
            ]
        },
        [ASKED, CALLED],
    ),
    ("plain texts", {"question": "hi"}, {"answer": "hello"}, [ASKED, ANSWERED]),
    ("nothing said", {"n": 1}, {"n": 2}, []),
]


@pytest.mark.parametrize(("inputs", "outputs", "expected"), [shape[1:] for shape in SHAPES], ids=[s[0] for s in SHAPES])
def test_messages_have_one_shape(inputs: Json, outputs: Json, expected: Json) -> None:
    assert read(inputs, outputs) == expected


def test_a_later_turn_adds_what_is_new() -> None:
    said = [b'{"role":"user","content":"1"}', b'{"role":"assistant","content":"2"}']
    assert new_messages(said, [*said, b'{"role":"user","content":"3"}']) == [b'{"role":"user","content":"3"}']
    assert new_messages(said, [b'{"role":"user","content":"3"}']) == [b'{"role":"user","content":"3"}']
    assert new_messages([], said) == said
    assert new_messages(said, said) == []


def test_previews_of_a_thread_leave_out_what_nobody_said() -> None:
    said = [
        msgspec.json.encode(message) for message in ({"role": "system", "content": "x"}, ASKED, CALLED, FOUND, ANSWERED)
    ]
    assert [msgspec.json.decode(message) for message in human_and_ai(said)] == [ASKED, ANSWERED]
    assert [msgspec.json.decode(message) for message in first_and_last(said)] == [ASKED, ANSWERED]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "role",
                    "content",
                    "parts",
                    "type",
                    "kwargs",
                    "message",
                    "choices",
                    "output",
                    "tool_calls",
                    "id",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(inputs=JSON, outputs=JSON)
def test_odd_payloads_break_nothing(inputs: Json, outputs: Json) -> None:
    for message in read(inputs, outputs):
        assert isinstance(message["role"], str)


@pytest.mark.parametrize("payload", [None, b"", b"{", b'{"messages": "\xff"}', b"[1, 2]"])
def test_what_is_no_object_says_nothing(payload: bytes | None) -> None:
    assert messages_of(payload, payload) == []
