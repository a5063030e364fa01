"""Chat messages of a run in one shape, from whichever shape its payloads have. Total: odd data gives fewer messages.

Read are OpenAI (chat and Responses), Anthropic, LangChain (messages, their serialized form, generations), Gemini,
Bedrock, OpenTelemetry GenAI and OpenInference (shapes documented by each). Given are objects with ``role`` (``system``,
``user``, ``assistant``, ``tool``, or what the sender wrote), ``content`` (text, or a list of parts where one is no
text), and where there are any ``tool_calls`` in the form of OpenAI, ``tool_call_id``, ``name`` and ``reasoning``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

Json = Any
MAX_MESSAGES: Final = 10_000
"""Most messages that are read from one run."""

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "function": "tool",
    "HumanMessage": "user",
    "HumanMessageChunk": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "SystemMessage": "system",
    "SystemMessageChunk": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
    "ChatMessage": "user",
}
_KNOWN_ROLES: Final = frozenset({"user", "assistant", "system", "developer", "tool", *_ROLES})
_TEXT_TYPES: Final = frozenset({"text", "input_text", "output_text"})
_REASONING_TYPES: Final = frozenset({"thinking", "reasoning", "summary_text"})
_INPUT_TEXTS: Final = ("input", "question", "query", "prompt", "text", "user_input", "message", "content")
_OUTPUT_TEXTS: Final = ("output", "answer", "output_text", "response", "result", "text", "content", "message")


def messages_of(inputs: bytes | None, outputs: bytes | None) -> list[bytes]:
    """What was said in a run, in order, each message as JSON; those that the outputs repeat occur once."""
    said = _encoded(_from_inputs(_decoded(inputs)))
    return said + new_messages(said, _encoded(_from_outputs(_decoded(outputs))))


def new_messages(known: Sequence[bytes], later: Sequence[bytes]) -> list[bytes]:
    """Those of ``later`` that do not repeat the conversation so far, which a later turn often begins with."""
    if list(later[: len(known)]) == list(known):
        return list(later[len(known) :])
    seen = set(known)
    start = next((index for index, message in enumerate(later) if message not in seen), len(later))
    return list(later[start:])


def human_and_ai(messages: Sequence[bytes]) -> list[bytes]:
    """What people said and the last that was answered to each: no tools, no instructions."""
    kept: list[bytes] = []
    last_role = ""
    for message in messages:
        role = _role_of(message)
        if role == "assistant" and last_role == "assistant":
            kept[-1] = message
        elif role in {"user", "assistant"}:
            kept.append(message)
            last_role = role
    return kept


def first_and_last(messages: Sequence[bytes]) -> list[bytes]:
    """The first that a person said and the last answer."""
    first = next((message for message in messages if _role_of(message) == "user"), None)
    last = next((message for message in reversed(messages) if _role_of(message) == "assistant"), None)
    return [message for message in (first, last) if message is not None]


def normal_messages(items: Sequence[Json], role: str) -> Iterator[dict[str, Json]]:
    """Messages already decoded, in the one shape; ``role`` is that of messages which name none."""
    return _list(items, role)


class _Role(msgspec.Struct):
    role: str = ""


_ROLE: Final = msgspec.json.Decoder(_Role)


def _role_of(message: bytes) -> str:
    return _ROLE.decode(message).role


def _decoded(payload: bytes | None) -> Json:
    try:
        return msgspec.json.decode(payload) if payload else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _encoded(messages: Iterator[dict[str, Json]]) -> list[bytes]:
    try:
        return [msgspec.json.encode(message) for message in islice(messages, MAX_MESSAGES)]
    except RecursionError:
        return []


def _from_inputs(inputs: Json) -> Iterator[dict[str, Json]]:
    if not isinstance(inputs, dict):
        return
    for key in ("system", "instructions", "systemInstruction", "system_instruction"):
        if inputs.get(key):
            yield {"role": "system", "content": _content(_parts_of(inputs[key]))}
    for key in ("messages", "contents", "chat_history", "input_messages", "input"):
        if isinstance(inputs.get(key), list) and inputs[key]:
            found = list(_list(inputs[key], "user"))
            yield from found
            if found:
                return
    yield from _plain(inputs, _INPUT_TEXTS, "user")


def _from_outputs(outputs: Json) -> Iterator[dict[str, Json]]:
    if not isinstance(outputs, dict):
        return
    answers: list[Json] = []
    for key in ("messages", "output_messages", "output", "choices", "candidates", "generations"):
        if isinstance(outputs.get(key), list) and outputs[key]:
            answers = outputs[key]
            break
    if answers and key in {"choices", "candidates", "generations"}:
        answers = answers[:1]
    output = outputs.get("output")
    if not answers and isinstance(output, dict):
        answers = [output]
    if not answers and isinstance(outputs.get("message"), dict):
        answers = [outputs["message"]]
    if not answers and ("role" in outputs or "parts" in outputs):
        answers = [outputs]
    found = list(_list(answers, "assistant"))
    yield from found or _plain(outputs, _OUTPUT_TEXTS, "assistant")


def _plain(payload: dict[str, Json], keys: tuple[str, ...], role: str) -> Iterator[dict[str, Json]]:
    """A payload without messages whose one text is the message."""
    text = next((payload[key] for key in keys if isinstance(payload.get(key), str) and payload[key]), None)
    if text is not None:
        yield {"role": role, "content": text}


def _list(items: Sequence[Json], role: str) -> Iterator[dict[str, Json]]:
    """Messages of a list; of several prompts (a list of lists) the first."""
    if items and isinstance(items[0], list) and not _is_pair(items[0]):
        items = items[0]
    for item in items:
        yield from _message(item, role)


def _is_pair(item: Sequence[Json]) -> bool:
    """``["human", "text"]``."""
    return len(item) == 2 and all(isinstance(part, str) for part in item) and item[0] in _KNOWN_ROLES  # noqa: PLR2004 - a pair


def _message(item: Json, role: str) -> Iterator[dict[str, Json]]:
    """One element of a list of messages, of choices, of candidates or of the items of a response."""
    if isinstance(item, str):
        yield {"role": role, "content": item}
    elif isinstance(item, list):
        if _is_pair(item):
            yield {"role": _ROLES.get(item[0], item[0]), "content": item[1]}
    elif isinstance(item, dict):
        wrapped = item.get("message") or item.get("kwargs") if _is_wrapper(item) else None
        if isinstance(wrapped, dict):
            yield from _message(_named(wrapped, item), role)
        elif _kind(item) in {"function_call", "function_call_output", "reasoning"}:
            yield _response_item(item)
        else:
            yield from _plain_message(item, role)


def _is_wrapper(item: dict[str, Json]) -> bool:
    """A choice, a generation, Bedrock's output, or LangChain's serialized constructor."""
    return isinstance(item.get("message"), dict) or (item.get("type") == "constructor" and "kwargs" in item)


def _named(inner: dict[str, Json], outer: dict[str, Json]) -> dict[str, Json]:
    """What a constructor makes is the last part of its id."""
    path = outer.get("id")
    if "role" in inner or "type" in inner or not isinstance(path, list) or not path:
        return inner
    return {**inner, "type": path[-1]}


def _plain_message(item: dict[str, Json], role: str) -> Iterator[dict[str, Json]]:
    if any(key.startswith("message.") for key in item):  # OpenInference
        item = {key.removeprefix("message."): value for key, value in item.items()}
    content = item.get("content", item.get("parts", item.get("text", item.get("contents"))))
    if isinstance(content, dict) and "parts" in content:  # Gemini's candidate
        item = {**content, **{key: value for key, value in item.items() if key != "content"}}
        content = content["parts"]
    parts = _parts_of(content)
    data = item.get("data")
    if content is None and isinstance(data, dict):  # LangChain's older dump
        yield from _message({**data, "type": item.get("type")}, role)
        return
    calls = [*_tool_calls(item), *(call for part in parts if (call := _called(part)) is not None)]
    results = [part for part in parts if _is_result(part)]
    shown = [part for part in parts if _called(part) is None and not _is_result(part)]
    for result in results:
        yield _tool_result(result)
    if results and not shown and not calls:
        return
    yield _assembled(item, role, shown, calls)


def _assembled(
    item: dict[str, Json], role: str, parts: Sequence[Json], calls: Sequence[dict[str, Json]]
) -> dict[str, Json]:
    said = item.get("role") or item.get("type")
    if not isinstance(said, str) or said == "message":
        said = role
    thought = [_text(part) for part in parts if isinstance(part, dict) and _kind(part) in _REASONING_TYPES]
    rest = [part for part in parts if not (isinstance(part, dict) and _kind(part) in _REASONING_TYPES)]
    message: dict[str, Json] = {"role": _ROLES.get(said, said), "content": _content(rest)}
    if calls:
        message["tool_calls"] = list(calls)
    for key in ("tool_call_id", "name"):
        if isinstance(item.get(key), str) and item[key]:
            message[key] = item[key]
    if any(thought):
        message["reasoning"] = "".join(thought)
    return message


def _parts_of(content: Json) -> list[Json]:
    if content is None or content == "":
        return []
    if isinstance(content, dict) and isinstance(content.get("parts"), list):
        return list(content["parts"])
    return list(content) if isinstance(content, list) else [content]


def _content(parts: Sequence[Json]) -> Json:
    """Text where all is text, else the list of parts."""
    if all(_is_text(part) for part in parts):
        return "".join(_text(part) for part in parts)
    return [{"type": "text", "text": _text(part)} if _is_text(part) else part for part in parts]


def _is_text(part: Json) -> bool:
    if isinstance(part, str):
        return True
    if not isinstance(part, dict):
        return False
    return _kind(part) in _TEXT_TYPES or set(part) == {"text"}


def _kind(part: dict[str, Json]) -> str:
    kind = part.get("type")
    return kind if isinstance(kind, str) else ""


def _text(part: Json) -> str:
    if isinstance(part, str):
        return part
    found = next((part[key] for key in ("text", "content", "thinking", "reasoning") if key in part), "")
    if isinstance(part.get("summary"), list):
        return "".join(_text(item) for item in part["summary"])
    return found if isinstance(found, str) else ""


def _tool_calls(item: dict[str, Json]) -> Iterator[dict[str, Json]]:
    extra = item.get("additional_kwargs")
    calls = item.get("tool_calls") or (extra.get("tool_calls") if isinstance(extra, dict) else None)
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            known = {key.removeprefix("tool_call."): value for key, value in call.items()}  # OpenInference
            function = known.get("function")
            called = function if isinstance(function, dict) else known
            name = called.get("name", known.get("function.name"))
            arguments = called.get("arguments", called.get("args", known.get("function.arguments")))
            yield _call(known.get("id"), name, arguments)


def _called(part: Json) -> dict[str, Json] | None:
    """The call in a part: Anthropic's tool_use, Bedrock's toolUse, Gemini's functionCall, OpenTelemetry's tool_call."""
    if not isinstance(part, dict):
        return None
    for key in ("toolUse", "functionCall", "function_call"):
        inner = part.get(key)
        if isinstance(inner, dict):
            return _call(
                inner.get("toolUseId", inner.get("id")), inner.get("name"), inner.get("input", inner.get("args"))
            )
    if _kind(part) in {"tool_use", "tool_call", "server_tool_use"}:
        arguments = part.get("input", part.get("arguments", part.get("args")))
        return _call(part.get("id"), part.get("name"), arguments)
    return None


def _call(call_id: Json, name: Json, arguments: Json) -> dict[str, Json]:
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def _is_result(part: Json) -> bool:
    return isinstance(part, dict) and (
        _kind(part) in {"tool_result", "tool_call_response"}
        or any(isinstance(part.get(key), dict) for key in ("toolResult", "functionResponse", "function_response"))
    )


def _tool_result(part: dict[str, Json]) -> dict[str, Json]:
    inner = next(
        (
            part[key]
            for key in ("toolResult", "functionResponse", "function_response")
            if isinstance(part.get(key), dict)
        ),
        part,
    )
    call_id = next((inner[key] for key in ("tool_use_id", "toolUseId", "id", "name") if inner.get(key)), None)
    result = next((inner[key] for key in ("content", "response", "result") if key in inner), None)
    return {"role": "tool", "tool_call_id": call_id, "content": _as_text(result)}


def _as_text(result: Json) -> Json:
    if isinstance(result, dict):
        return msgspec.json.encode(result).decode()
    return _content(_parts_of(result))


def _response_item(item: dict[str, Json]) -> dict[str, Json]:
    """An item of OpenAI's Responses API that is no message."""
    match item["type"]:
        case "function_call":
            call = _call(item.get("call_id", item.get("id")), item.get("name"), item.get("arguments"))
            return {"role": "assistant", "content": "", "tool_calls": [call]}
        case "function_call_output":
            return {"role": "tool", "tool_call_id": item.get("call_id"), "content": _as_text(item.get("output"))}
        case _:
            return {"role": "assistant", "content": "", "reasoning": _text(item)}
