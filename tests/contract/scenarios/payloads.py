"""Payloads of every kind through the SDK, compared byte for byte with what the server answers.

The facts say for each payload whether the SDK's own serialisation of it occurs in the raw answer, once as inputs and
once as outputs, and what the answer holds.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from functools import cache
from typing import Any

from langsmith import Client, uuid7
from langsmith._internal._serde import dumps_json

from contract.scenarios.sdk import PROJECT, Facts, main, order_segment, run_id


def _nested(depth: int) -> Any:
    return {"deeper": [_nested(depth - 1)]} if depth else "bottom"


PAYLOADS: dict[str, dict[str, Any]] = {
    "letters": {"text": "naïve Straße 日本語 العربية ไทย", "ключ": "значение"},
    "emoji": {"text": "👩‍👩‍👧‍👦 🇳🇴 👍🏽", "🔑": 1},
    "integers": {"a": 2**53 + 1, "b": 2**63 - 1, "c": -(2**63), "d": 2**64 - 1, "e": 0},
    "huge integer": {"n": 2**70, "text": "é"},
    "floats": {"a": 0.1, "b": 1e300, "c": 1.0, "d": -0.0, "e": 1e-7, "f": 123456789.123456789},
    "key order": {"z": 1, "a": 2, "m": {"b": 1, "a": 2}},
    "nested": {"tree": _nested(60)},
    "escapes": {"text": '"quoted" \\back\\ /slash/ \b\f\n\r\t \x00 \x1f \x7f \u2028'},
    "json in text": {"text": json.dumps({"a": [1, "é", {"b": None}]})},
    "empty values": {"text": "", "list": [], "object": {}, "nothing": None, "no": False},
    "not a number": {"score": math.nan, "limit": math.inf},
    "long": {"text": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 5000},
    "messages": {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": "data:,"}]},
        ]
    },
}
UNREADABLE: dict[str, dict[str, Any]] = {
    "lone surrogate": {"text": "half \ud83d pair"},
    "not a number beside a huge integer": {"n": 2**70, "score": math.nan},
}
"""What the SDK sends in a form that is not JSON, or alters; the facts tell what came of it."""


@cache
def client() -> Client:
    return Client()


def _store(name: str, payload: dict[str, Any]) -> bytes:
    """The server's raw answer for a run with ``payload`` as inputs, and as outputs under one key."""
    now = datetime.now(UTC)
    identity = run_id(now, name)
    place: dict[str, Any] = {"trace_id": identity, "dotted_order": order_segment(now, identity)}
    client().create_run(
        name,
        payload,
        "chain",
        id=identity,
        project_name=PROJECT,
        start_time=now,
        extra={"metadata": {"kind": name}},
        **place,
    )
    client().update_run(identity, outputs={"echo": payload}, end_time=now, **place)
    client().flush()
    return client().request_with_retries("GET", f"/runs/{identity}").content


def exact() -> Facts:
    facts: dict[str, Facts] = {}
    for name, payload in PAYLOADS.items():
        answer = _store(name, payload)
        sent = dumps_json(payload)
        facts[name] = [b'"inputs":' + sent in answer, b'"outputs":' + dumps_json({"echo": payload}) in answer]
    return facts


def listed() -> Facts:
    """The same through ``list_runs``: the decoded inputs, in the order of their keys."""
    runs = {run.name: run for run in client().list_runs(project_name=PROJECT, select=["inputs", "name"])}
    return {
        name: json.dumps(runs[name].inputs) == json.dumps(json.loads(dumps_json(payload)))
        for name, payload in PAYLOADS.items()
    }


def unreadable() -> Facts:
    facts: dict[str, Facts] = {}
    for name, payload in UNREADABLE.items():
        try:
            facts[name] = json.loads(_store(name, payload))["inputs"]
        except Exception as error:  # noqa: BLE001 -- told to the test
            facts[name] = repr(error)
    return facts


def still_alive() -> Facts:
    """A good run after bad ones is stored."""
    answer = _store(f"after {uuid7()}", {"fine": True})
    return json.loads(answer)["inputs"]


if __name__ == "__main__":
    main((exact, listed, unreadable, still_alive))
