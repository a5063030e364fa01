"""Messages as the conventions spell them, in the form that LangSmith's readers know: role, content, tool calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runlake.otlp.rules import Json
from runlake.otlp.values import as_lists, read_json
from runlake.wire.messages import normal_messages

_USER: Final = "user"
_ASSISTANT: Final = "assistant"


def input_messages(value: Json) -> Json:
    """``{"messages": [...]}`` of a list of messages, or None."""
    found = _messages(value, _USER)
    return {"messages": found} if found else None


def output_messages(value: Json) -> Json:
    found = _messages(value, _ASSISTANT)
    return {"messages": found} if found else None


def system_messages(value: Json) -> Json:
    """System instructions of GenAI: a list of parts, or text."""
    parts = read_json(value)
    return list(normal_messages([{"role": "system", "content": parts}], "system")) if parts else None


def indexed_inputs(tree: Json) -> Json:
    """Messages gathered from ``<prefix>.<n>.<member>`` attributes."""
    return input_messages([_unwrapped(item) for item in _items(tree)])


def indexed_outputs(tree: Json) -> Json:
    return output_messages([_unwrapped(item) for item in _items(tree)])


def _items(tree: Json) -> list[Json]:
    items = as_lists(tree)
    return items if isinstance(items, list) else []


def _messages(value: Json, role: str) -> list[Json]:
    """Messages of a list or of one message. A message keeps why it ended, which the common form has no place for."""
    found = read_json(value)
    items = found if isinstance(found, list) else [found] if isinstance(found, dict) else []
    messages: list[Json] = []
    for item in map(read_json, items):
        normal = list(normal_messages([item], role))
        if normal and isinstance(item, dict) and isinstance(item.get("finish_reason"), str):
            normal[-1]["finish_reason"] = item["finish_reason"]
        messages += normal
    return messages


def _unwrapped(item: Json) -> Json:
    """One indexed message: OpenInference wraps each in ``message`` and each part in ``message_content``."""
    if not isinstance(item, dict):
        return item
    inner = item.get("message")
    if isinstance(inner, dict):
        item = {**{name: value for name, value in item.items() if name != "message"}, **inner}
    message: dict[str, Any] = {name: read_json(value) if name == "content" else value for name, value in item.items()}
    if isinstance(message.get("contents"), list):
        message["content"] = [_part(part) for part in message.pop("contents")]
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = [_tool_call(call) for call in message["tool_calls"]]
    called = message.pop("function_call_name", None)
    if called:
        arguments = message.pop("function_call_arguments_json", "")
        message.setdefault("tool_calls", []).append({"function": {"name": called, "arguments": arguments}})
    return message


def _tool_call(call: Json) -> Json:
    inner = call.get("tool_call") if isinstance(call, dict) else None
    return inner if isinstance(inner, dict) else call


def _part(part: Json) -> Json:
    """One part of an OpenInference message, with images in the form of OpenAI."""
    inner = part.get("message_content") if isinstance(part, dict) else None
    if not isinstance(inner, dict):
        return part
    image = inner.get("image")
    if isinstance(image, dict):
        found = image.get("image", image)
        return {"type": "image_url", "image_url": {"url": found.get("url") if isinstance(found, dict) else found}}
    return inner


def answer_of(text: Json, tool_calls: Json, reasoning: Json = None) -> Json:
    """One answer given as separate texts and calls (AI SDK)."""
    message: dict[str, Any] = {"role": _ASSISTANT, "content": text if isinstance(text, str) else ""}
    calls = list(_ai_calls(read_json(tool_calls)))
    if calls:
        message["tool_calls"] = calls
    if isinstance(reasoning, str) and reasoning:
        message["reasoning"] = reasoning
    return {"messages": list(normal_messages([message], _ASSISTANT))}


def ai_messages(value: Json) -> Json:
    """``{"messages": [...]}`` of the AI SDK's messages, whose calls and results are parts of its own spelling."""
    found = read_json(value)
    return input_messages([_ai_message(item) for item in found]) if isinstance(found, list) else None


def _ai_message(item: Json) -> Json:
    content = item.get("content") if isinstance(item, dict) else None
    return {**item, "content": [_ai_part(part) for part in content]} if isinstance(content, list) else item


def _ai_part(part: Json) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "tool-call":
        arguments = part.get("input", part.get("args", {}))
        return {"type": "tool_call", "id": part.get("toolCallId"), "name": part.get("toolName"), "arguments": arguments}
    if kind == "tool-result":
        result = part.get("output", part.get("result"))
        return {"type": "tool_call_response", "id": part.get("toolCallId"), "response": result}
    return part


def _ai_calls(calls: Json) -> Iterator[Json]:
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            arguments = call.get("args", call.get("input", {}))
            yield {"id": call.get("toolCallId"), "name": call.get("toolName"), "arguments": arguments}


def documents(tree: Json) -> Json:
    """Retrieved documents as LangChain shapes them, from ``<prefix>.<n>.document.<member>``."""
    found: list[Json] = []
    for item in _items(tree):
        inner = item.get("document") if isinstance(item, dict) else None
        if not isinstance(inner, dict):
            continue
        metadata = read_json(inner.get("metadata"))
        kept = dict(metadata) if isinstance(metadata, dict) else {}
        kept |= {name: inner[name] for name in ("id", "score") if name in inner}
        found.append({"page_content": inner.get("content", ""), "metadata": kept, "type": "Document"})
    return found or None


def plain_documents(value: Json) -> Json:
    """Documents given as one list (GenAI)."""
    found = read_json(value)
    return found if isinstance(found, list) and found else None


def items_of(*path: str) -> Any:
    """A reader of a gathered list that picks one member of each item, for texts, vectors and tools."""

    def read(tree: Json) -> Json:
        found = []
        for item in _items(tree):
            value = item
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                found.append(read_json(value))
        return found or None

    return read
