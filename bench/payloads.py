"""Inputs and outputs of the runs: chat messages, tool calls with JSON results, retrieved documents, chain texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from bench.wording import (
    AGENT,
    AIRPORTS,
    ARTICLE,
    CHINESE,
    FARES,
    POLICY,
    PRODUCTS,
    SLOTS,
    THOUGHT,
    USER,
    booking_code,
    sentences,
)

Json = dict[str, Any]
TOOLS: Final = (
    "search_flights",
    "get_reservation",
    "update_reservation",
    "issue_refund",
    "track_parcel",
    "send_email",
    "check_policy",
    "calculate",
)
_CHINESE_SHARE: Final = 0.02
_DECOY_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one payload has to be: rough size in bytes of inputs and outputs together, and sentences it must contain.

    ``path_text`` must be in a chat message, ``path_value`` must be the value of ``arguments.locker``; both only come
    with the run types that have such a place.
    """

    size_bytes: int
    input_notes: tuple[str, ...] = ()
    output_notes: tuple[str, ...] = ()
    path_text: str | None = None
    path_value: str | None = None
    decoy: str | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    inputs: Json
    outputs: Json


def make_payload(random: Random, run_type: str, name: str, brief: Brief) -> Payload:
    """Inputs and outputs in the shape of the run type; deterministic for the state of ``random``."""
    maker = _MAKERS.get(run_type, _chain)
    return maker(random, name, brief)


def _with_notes(text: str, notes: tuple[str, ...]) -> str:
    return " ".join((text, *notes)) if notes else text


def _llm(random: Random, name: str, brief: Brief) -> Payload:
    budget = int(brief.size_bytes * 0.78)
    policy = sentences(random, POLICY, min(1_800, budget // 3))
    messages: list[Json] = [{"role": "system", "content": policy}]
    left = budget - len(policy) - 80
    each = max(260, budget // 60)
    while left > 400:
        message = _turn(random, len(messages), min(each, left - 120))
        messages.append(message)
        left -= len(message.get("content", "")) + 120
    last = sentences(random, USER, min(160, max(40, left)))
    if random.random() < _CHINESE_SHARE:
        last += CHINESE[int(random.random() * len(CHINESE))]
    notes = brief.input_notes + ((brief.path_text,) if brief.path_text else ())
    messages.append({"role": "user", "content": _with_notes(last, notes)})
    answer = sentences(random, AGENT, int(brief.size_bytes * 0.17))
    reply: Json = {"role": "assistant", "content": _with_notes(answer, brief.output_notes)}
    if random.random() < 0.4:
        reply["tool_calls"] = [_tool_call(random)]
    inputs: Json = {
        "messages": messages,
        "model": name,
        "temperature": round(random.random(), 1),
        "tools": list(TOOLS[: 2 + int(random.random() * 6)]),
    }
    return Payload(inputs, {"choices": [{"index": 0, "finish_reason": "stop", "message": reply}]})


def _turn(random: Random, position: int, size: int) -> Json:
    match position % 4:
        case 1:
            return {"role": "user", "content": sentences(random, USER, size)}
        case 2:
            thought = sentences(random, THOUGHT, size)
            return {"role": "assistant", "content": thought, "tool_calls": [_tool_call(random)]}
        case 3:
            return {"role": "tool", "content": sentences(random, ARTICLE, size), "tool_call_id": _call_id(random)}
        case _:
            return {"role": "assistant", "content": sentences(random, AGENT, size)}


def _call_id(random: Random) -> str:
    return f"call_{random.getrandbits(64):016x}"


def _tool_call(random: Random) -> Json:
    return {
        "id": _call_id(random),
        "type": "function",
        "function": {
            "name": TOOLS[int(random.random() * len(TOOLS))],
            "arguments": f'{{"code": "{booking_code(random)}"}}',
        },
    }


def _tool(random: Random, name: str, brief: Brief) -> Payload:
    note = sentences(random, THOUGHT, min(200, brief.size_bytes // 10))
    arguments: Json = {
        "reservation": booking_code(random),
        "from": AIRPORTS[int(random.random() * len(AIRPORTS))],
        "to": AIRPORTS[int(random.random() * len(AIRPORTS))],
        "passengers": 1 + int(random.random() * 5),
        "locker": brief.path_value or f"LOCKER-{int(random.random() * 7000)}",
        "note": _with_notes(note, brief.input_notes + ((brief.decoy,) if brief.decoy else ())),
    }
    records: list[Json] = []
    left = brief.size_bytes - len(note) - 300
    while left > 0:
        records.append(_record(random, len(records)))
        left -= 215
    outputs: Json = {"results": records, "total": len(records), "took_ms": int(random.random() * 900)}
    if brief.output_notes or not records:
        outputs["message"] = _with_notes(sentences(random, AGENT, 40), brief.output_notes)
    return Payload({"tool": name, "arguments": arguments}, outputs)


def _two_digits(random: Random, largest: int) -> str:
    return f"{1 + int(random.random() * largest):02d}"


def _record(random: Random, position: int) -> Json:
    if position % 3 == 2:
        return {
            "order": 100_000 + int(random.random() * 900_000),
            "item": PRODUCTS[int(random.random() * len(PRODUCTS))],
            "buyer": f"{SLOTS['name'](random)} {SLOTS['last'](random)}",
            "price": round(10 + random.random() * 900, 2),
            "delivered": random.random() < 0.7,
            "depot": {
                "city": SLOTS["city"](random),
                "shelf": f"{int(random.random() * 90)}-{int(random.random() * 9)}",
            },
        }
    return {
        "flight": SLOTS["flight"](random),
        "from": AIRPORTS[int(random.random() * len(AIRPORTS))],
        "to": AIRPORTS[int(random.random() * len(AIRPORTS))],
        "departure": f"2026-{_two_digits(random, 12)}-{_two_digits(random, 28)}T{SLOTS['clock'](random)}:00",
        "minutes": 40 + int(random.random() * 700),
        "fare": {"class": FARES[int(random.random() * len(FARES))], "price": round(30 + random.random() * 1500, 2)},
        "seats_left": int(random.random() * 40),
    }


def _retriever(random: Random, name: str, brief: Brief) -> Payload:
    query = _with_notes(sentences(random, USER, 60), brief.input_notes)
    documents: list[Json] = []
    left = brief.size_bytes - len(query) - 60
    each = max(500, brief.size_bytes // 20)
    while left > 0 or not documents:
        text = sentences(random, ARTICLE, min(each, max(left, 60)))
        if not documents:
            text = _with_notes(text, brief.output_notes)
        source = f"handbook/{int(random.random() * 400)}.md"
        documents.append(
            {"page_content": text, "metadata": {"source": source, "score": round(random.random(), 4), "index": name}}
        )
        left -= len(text) + 110
    return Payload({"query": query, "k": len(documents)}, {"documents": documents})


def _chain(random: Random, name: str, brief: Brief) -> Payload:
    history: list[Json] = []
    left = int(brief.size_bytes * 0.6)
    each = max(300, brief.size_bytes // 40)
    while left > 500:
        turn = _turn(random, 1 if len(history) % 2 else 4, min(each, left))
        history.append(turn)
        left -= len(turn["content"]) + 40
    asked = _with_notes(sentences(random, USER, max(40, left)), brief.input_notes)
    answer = _with_notes(sentences(random, AGENT, int(brief.size_bytes * 0.3)), brief.output_notes)
    inputs: Json = {"input": asked, "history": history, "step": name}
    return Payload(inputs, {"output": answer, "finished": random.random() < 0.9})


_MAKERS: Final[dict[str, Callable[[Random, str, Brief], Payload]]] = {
    "llm": _llm,
    "tool": _tool,
    "retriever": _retriever,
    "chain": _chain,
}
