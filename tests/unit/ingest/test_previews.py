"""Previews: the line a person would pick, from every shape of payload."""

from __future__ import annotations

import pytest

from runlake.ingest.payloads import Json
from runlake.ingest.previews import PREVIEW_CHARS, preview_inputs, preview_outputs

LC_MESSAGES: Json = [
    [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "SystemMessage"],
            "kwargs": {"content": "rules"},
        },
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "HumanMessage"], "kwargs": {"content": "ask"}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "AIMessage"], "kwargs": {"content": "reply"}},
    ]
]


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ({"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]}, "one"),
        ({"messages": [{"role": "user", "content": "one"}, {"role": "user", "content": "three"}]}, "three"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "see"}]}]}, "see"),
        ({"messages": [["system", "rules"], ["human", "hello"]]}, "hello"),
        ({"messages": [{"type": "human", "content": "hi"}, {"type": "ai", "content": "yes"}]}, "hi"),
        ({"messages": LC_MESSAGES}, "ask"),
        ({"messages": [{"role": "system", "content": "only rules"}]}, "only rules"),
        ({"contents": [{"role": "user", "parts": [{"text": "gemini"}]}]}, "gemini"),
        ({"model": "gpt-4o", "input": "direct"}, "direct"),
        ({"model": "gpt-4o", "input": [{"role": "user", "content": "response"}]}, "response"),
        ({"prompts": ["older"]}, "older"),
        ({"question": "why?", "id": "x"}, "why?"),
        ({"n": 5, "deep": {"x": [None, " ", "found"]}}, "found"),
        ({"messages": []}, ""),
        ({"messages": [5]}, ""),
        ("plain", "plain"),
        (["first", "second"], "first"),
        ({"a": 1}, ""),
        (None, ""),
        (5, ""),
    ],
)
def test_inputs_show_the_last_thing_the_user_said(payload: Json, line: str) -> None:
    assert preview_inputs(payload) == line


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ({"generations": [[{"text": "gen"}]]}, "gen"),
        ({"generations": [[{"text": "", "message": {"kwargs": {"content": "chat"}}}]]}, "chat"),
        ({"generations": [{"text": "flat"}]}, "flat"),
        ({"choices": [{"message": {"role": "assistant", "content": "choice"}}]}, "choice"),
        ({"choices": [{"text": "completion"}]}, "completion"),
        ({"choices": [{"message": {"content": None, "tool_calls": [{"name": "search"}]}}]}, "search"),
        ({"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": "claude"}]}, "claude"),
        (
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "a"},
                    {"role": "tool", "content": "t"},
                ]
            },
            "a",
        ),
        ({"messages": LC_MESSAGES}, "reply"),
        ({"output": "done"}, "done"),
        ({"output": {"content": "nested"}}, "nested"),
        ({"answer": "42"}, "42"),
        ({"documents": [{"page_content": "doc"}]}, "doc"),
        ({"generations": [], "choices": []}, ""),
        ({"generations": 5, "choices": "x"}, "x"),
        ("text", "text"),
        (None, ""),
    ],
)
def test_outputs_show_what_the_assistant_answered(payload: Json, line: str) -> None:
    assert preview_outputs(payload) == line


def test_blanks_collapse_and_length_is_bounded() -> None:
    assert preview_inputs("  a\n\n b\t c ") == "a b c"
    assert len(preview_inputs({"input": "wörd " * 1000})) == PREVIEW_CHARS
