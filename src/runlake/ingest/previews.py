"""One short human-readable line per side of a run, for lists. Total: any payload gives a text, which may be empty.

Shapes are those that the SDK's own wrappers, LangChain and OpenAI-like clients produce (seen in the SDK); the choice
among them is ours.
"""

from __future__ import annotations

from typing import Final

from runlake.ingest.payloads import Json, member

PREVIEW_CHARS: Final = 250
"""Longest preview."""

_RAW_CHARS: Final = 2_000
_MAX_VISITS: Final = 500
_USER_ROLES: Final = frozenset({"user", "human", "HumanMessage", "HumanMessageChunk"})
_ASSISTANT_ROLES: Final = frozenset({"assistant", "ai", "model", "AIMessage", "AIMessageChunk"})
_INPUT_KEYS: Final = ("input", "question", "query", "prompt", "prompts", "text", "user_input", "message", "content")
_OUTPUT_KEYS: Final = ("output", "output_text", "answer", "content", "text", "response", "result", "message")
_TEXT_KEYS: Final = ("parts", "text")
_MESSAGE_KEYS: Final = ("messages", "contents", "chat_history")


def preview_inputs(payload: Json) -> str:
    """The last thing the user said, else the first text."""
    if isinstance(payload, dict):
        text = _from_messages(payload, _USER_ROLES) or _from_keys(payload, _INPUT_KEYS)
        if text:
            return _line(text)
    return _line(_first_text(payload))


def preview_outputs(payload: Json) -> str:
    """What the assistant answered, else the first text."""
    if isinstance(payload, dict):
        text = (
            _from_generations(payload.get("generations"))
            or _from_choice(member(payload.get("choices"), 0))
            or _from_messages(payload, _ASSISTANT_ROLES)
            or _from_keys(payload, _OUTPUT_KEYS)
        )
        if text:
            return _line(text)
    return _line(_first_text(payload))


def _from_generations(generations: Json) -> str:
    """LangChain: a list of candidates per prompt, each with its text and, for chat models, its message."""
    if generations is None:
        return ""
    candidate = member(generations, 0)
    return _from_choice(member(candidate, 0) if isinstance(candidate, list) else candidate)


def _from_choice(choice: Json) -> str:
    """OpenAI and LangChain: a chat message, or the text of a plain completion."""
    if not isinstance(choice, dict):
        return ""
    text = choice.get("text")
    return text if isinstance(text, str) and text else _content(choice.get("message"))


def _from_messages(payload: dict[str, Json], roles: frozenset[str]) -> str:
    for key in _MESSAGE_KEYS:
        messages = payload.get(key)
        # LangChain sends a list of messages for each of several prompts.
        if isinstance(messages, list) and messages and isinstance(messages[0], list) and not _is_role_pair(messages[0]):
            messages = messages[0]
        if isinstance(messages, list) and messages:
            recent = messages[: -_MAX_VISITS - 1 : -1]
            chosen = next((message for message in recent if _role(message) in roles), recent[0])
            text = _content(chosen)
            if text:
                return text
    return ""


def _from_keys(payload: dict[str, Json], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = payload.get(key)
        text = value if isinstance(value, str) else _content(value) if value else ""
        if text:
            return text
    return ""


def _role(message: Json) -> str:
    """Of ``{"role": ...}``, ``{"type": ...}``, a serialised LangChain object, or a pair of role and text."""
    if isinstance(message, list):
        role = message[0] if _is_role_pair(message) else None
    else:
        if not isinstance(message, dict):
            return ""
        role = message.get("role") or member(message.get("kwargs"), "type")
        if role is None and isinstance(path := message.get("id"), list) and path:
            role = path[-1]
        role = role or message.get("type")
    return role if isinstance(role, str) else ""


def _is_role_pair(item: Json) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(word, str) for word in item)  # noqa: PLR2004 - a pair


def _content(message: Json) -> str:
    """The text of a message in any of its shapes, or of a list of content blocks."""
    if isinstance(message, str):
        return message
    if isinstance(message, list):
        return str(message[1]) if _is_role_pair(message) else _first_block(message)
    if not isinstance(message, dict):
        return ""
    for content in (message.get("content"), member(message.get("kwargs"), "content"), *map(message.get, _TEXT_KEYS)):
        text = content if isinstance(content, str) else _first_block(content) if isinstance(content, list) else ""
        if text:
            return text
    return ""


def _first_block(blocks: list[Json]) -> str:
    for block in blocks[:_MAX_VISITS]:
        text = block if isinstance(block, str) else member(block, "text") or member(block, "content")
        if isinstance(text, str) and text:
            return text
    return ""


def _first_text(payload: Json) -> str:
    """The first non-blank text nearest to the top."""
    queue: list[Json] = [payload]
    for visits, value in enumerate(queue):
        if visits >= _MAX_VISITS:
            break
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, list):
            queue.extend(value[:_MAX_VISITS])
    return ""


def _line(text: str) -> str:
    return " ".join(text[:_RAW_CHARS].split())[:PREVIEW_CHARS]
