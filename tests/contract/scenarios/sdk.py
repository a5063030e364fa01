"""What every scenario shares: a client, ids, strictness, and the JSON result.

A scenario is a plain program that talks to a server through the ``langsmith`` package of whatever interpreter runs it,
so that one program checks several SDK releases. It gets the address and the project from ``LANGSMITH_*`` variables and
prints one JSON object: for each step either ``{"ok": facts}`` or ``{"failed": traceback}``. Judging the facts is up to
the tests. Nothing here needs pytest.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import sys
import traceback
import uuid
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from langsmith import Client
from langsmith.run_trees import get_cached_client

Facts = Any
Step = Callable[[], Facts]

V1_DEPRECATION = r"\w+\(\) is deprecated and will be removed after Jan 31, 2027"
"""What the v1 methods of newer SDKs warn about: the hosted service's end date, not ours."""

PROJECT = os.environ["LANGSMITH_PROJECT"]


def be_strict() -> None:
    """Make every warning but the announced end of the v1 methods an error, and log what the SDK complains about."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=V1_DEPRECATION)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def run_id(start_time: datetime, label: str) -> uuid.UUID:
    """A version 7 id: the start time in milliseconds, the rest from the project and ``label``, so known beforehand."""
    digest = hashlib.sha256(f"{PROJECT} {label}".encode()).digest()
    milliseconds = int(start_time.timestamp() * 1000)
    value = (milliseconds << 80) | int.from_bytes(digest[:10], "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def order_segment(start_time: datetime, identity: uuid.UUID) -> str:
    """One segment of a dotted order."""
    return f"{start_time.astimezone(UTC):%Y%m%dT%H%M%S%f}Z{identity}"


def give_feedback(client: Client, **arguments: Any) -> uuid.UUID:
    """``create_feedback`` in the form that the running SDK does not warn about; returns the id of the feedback.

    From 0.8 on the SDK wants the project's id beside the run's, before that it warns about an unknown argument.
    """
    if "session_id" in inspect.signature(Client.create_feedback).parameters and "project_id" not in arguments:
        arguments.setdefault("session_id", client.read_project(project_name=PROJECT).id)
    return client.create_feedback(**arguments).id


def default_client() -> Client:
    """The client that ``@traceable`` uses when it is given none."""
    return get_cached_client()


def main(steps: Sequence[Step]) -> None:
    """Run ``steps`` in order and print what came of each."""
    be_strict()
    results: dict[str, Facts] = {}
    for step in steps:
        try:
            results[step.__name__] = {"ok": step()}
        except Exception:  # noqa: BLE001 -- every failure is a result, told to the test that asks for the step
            results[step.__name__] = {"failed": traceback.format_exc()}
    print(json.dumps(results, default=str))  # noqa: T201 -- the result of the program
