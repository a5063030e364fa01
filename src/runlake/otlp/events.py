"""The events of one span: messages, errors, the first token; all others are kept as the run's events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from runlake.otlp.attributes import Offer, Sorted
from runlake.otlp.messages import input_messages, output_messages
from runlake.otlp.rules import Json, Target
from runlake.otlp.spans import Span, SpanEvent, StatusCode
from runlake.wire.times import EARLIEST_US, LATEST_US, format_time

MESSAGE_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
"""Events of which each is one message of the input (GenAI up to 1.36)."""

CHOICE_EVENT: Final = "gen_ai.choice"
"""One answer of the model (GenAI up to 1.36)."""

ATTRIBUTE_EVENTS: Final = frozenset(
    {"gen_ai.content.prompt", "gen_ai.content.completion", "gen_ai.client.inference.operation.details"}
)
"""Events whose attributes count as the span's own."""

CHUNK_EVENTS: Final = frozenset(
    {
        "gen_ai.content.completion.chunk",
        "llm.content.completion.chunk",
        "ai.stream.firstChunk",
        "First Token Stream Event",
        "new_token",
    }
)
"""Events that mark the arrival of a token; the first gives ``first_token_time``."""

EXCEPTION_EVENT: Final = "exception"
MESSAGES_RANK: Final = 15
NANOSECONDS_PER_US: Final = 1000


@dataclass(slots=True)
class ReadEvents:
    """``kept`` is the run's list of events, in the form of LangSmith's SDKs."""

    error: str | None = None
    kept: list[Json] = field(default_factory=list)


def read_events(span: Span, found: Sorted) -> ReadEvents:
    """Sort the events; messages and attributes in them are offered to ``found``."""
    events = ReadEvents()
    said: list[Json] = []
    answered: list[Json] = []
    exceptions: list[SpanEvent] = []
    first_token_ns = 0
    for event in span.events:
        if event.name in MESSAGE_ROLES:
            said.append(_message(event, MESSAGE_ROLES[event.name]))
        elif event.name == CHOICE_EVENT:
            answered.append(_choice(event))
        elif event.name in ATTRIBUTE_EVENTS:
            found.add(event.attributes)
        else:
            if event.name == EXCEPTION_EVENT:
                exceptions.append(event)
            elif event.name in CHUNK_EVENTS and event.time_ns:
                first_token_ns = min(first_token_ns or event.time_ns, event.time_ns)
            events.kept.append(_event(event))
    found.settle()
    _offer_messages(found, Target.INPUTS, "gen_ai.*.message", input_messages(said))
    _offer_messages(found, Target.OUTPUTS, CHOICE_EVENT, output_messages(answered))
    _add_first_token(events.kept, first_token_ns or _first_token_ns(span, found))
    events.error = error_of(span, exceptions)
    return events


def error_of(span: Span, exceptions: Iterable[SpanEvent]) -> str | None:
    """Why the span failed: the last exception with its stack, else the status message; None when it did not.

    A status of OK wins over exceptions, which then were handled; without any status an exception counts.
    """
    last = next(reversed(list(exceptions)), None)
    if span.status == StatusCode.OK or (span.status != StatusCode.ERROR and last is None):
        return None
    if last is None:
        return span.status_message or _text(span.attributes.get("error.type")) or "the span ended with status error"
    message = _text(last.attributes.get("exception.message")) or span.status_message
    kind = _text(last.attributes.get("exception.type"))
    head = message if not kind or message.startswith(kind) else f"{kind}: {message}" if message else kind
    stack = _text(last.attributes.get("exception.stacktrace"))
    return "\n\n".join(part for part in (head, stack) if part) or "the span recorded an exception"


def _offer_messages(found: Sorted, target: Target, name: str, messages: Json) -> None:
    if messages is not None:
        found.offer(target, "", Offer(MESSAGES_RANK, name, messages))


def _message(event: SpanEvent, role: str) -> Json:
    """The attributes are the members of the message; ``id`` is that of the tool call it answers."""
    message: dict[str, Any] = {"role": role}
    message |= {name.removeprefix("gen_ai.event."): value for name, value in event.attributes.items()}
    message.pop("gen_ai.system", None)
    if isinstance(event.attributes.get("gen_ai.event.content"), str | dict):
        message["content"] = event.attributes["gen_ai.event.content"]
    if role == "tool" and "id" in message:
        message.setdefault("tool_call_id", message.pop("id"))
    return message


def _choice(event: SpanEvent) -> Json:
    inner = event.attributes.get("message")
    choice = dict(inner) if isinstance(inner, dict) else {"content": inner if isinstance(inner, str) else ""}
    choice.setdefault("role", "assistant")
    for name in ("content", "tool_calls", "finish_reason"):
        if name in event.attributes:
            choice[name] = event.attributes[name]
    return choice


def _event(event: SpanEvent) -> Json:
    kept: dict[str, Any] = {"name": event.name}
    time = _time(event.time_ns)
    if time is not None:
        kept["time"] = time
    if event.attributes:
        kept["kwargs"] = dict(event.attributes)
    return kept


def _first_token_ns(span: Span, found: Sorted) -> int:
    """The start plus the delay that an attribute tells, 0 when none does."""
    for target, unit_ns in ((Target.FIRST_TOKEN_S, 1_000_000_000), (Target.FIRST_TOKEN_MS, 1_000_000)):
        delay = found.first(target)
        if isinstance(delay, int | float) and 0 < delay * unit_ns < 2**62 and span.start_ns:
            return span.start_ns + int(delay * unit_ns)
    return 0


def _add_first_token(kept: list[Json], time_ns: int) -> None:
    """The event that ``first_token_time`` is read from, unless the span has it."""
    time = _time(time_ns)
    if time is not None and not any(event["name"] == "new_token" for event in kept):
        kept.append({"name": "new_token", "time": time})


def _time(time_ns: int) -> str | None:
    time_us = time_ns // NANOSECONDS_PER_US
    return format_time(time_us) + "+00:00" if time_ns and EARLIEST_US <= time_us <= LATEST_US else None


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
