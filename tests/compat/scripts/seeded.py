"""A small population for clients that only read, written with the Python SDK that they bring along.

Two turns of one thread; in each a root with messages, below it a model call with tokens and a tool; the second tool
call failed. One feedback on the first root.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from langsmith import Client

from compat.scripts.verdicts import PROJECT

THREAD = "thread seeded"
USAGE = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What there is to find: the project and the two traces, older first."""

    project_id: str
    traces: tuple[str, str]


def _run(start_time: datetime, *, parent: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    identity = str(uuid4())
    segment = f"{start_time:%Y%m%dT%H%M%S%f}Z{identity}"
    return {
        "id": identity,
        "trace_id": parent["trace_id"] if parent else identity,
        "dotted_order": f"{parent['dotted_order']}.{segment}" if parent else segment,
        "parent_run_id": parent["id"] if parent else None,
        "session_name": PROJECT,
        "start_time": start_time.isoformat(),
        "end_time": (start_time + timedelta(seconds=1)).isoformat(),
        **fields,
    }


def _turn(number: int, *, error: str | None) -> list[dict[str, Any]]:
    start_time = datetime.now(UTC) - timedelta(minutes=10 - number)
    said = [{"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": f"answer {number}"}]
    metadata = {"thread_id": THREAD, "ls_provider": "openai", "ls_model_name": "gpt-4o"}
    root = _run(
        start_time,
        name="seeded agent",
        run_type="chain",
        inputs={"messages": said[:1]},
        outputs={"messages": said},
        extra={"metadata": metadata},
        tags=["kind:seeded"],
    )
    call = _run(
        start_time + timedelta(milliseconds=10),
        parent=root,
        name="seeded model",
        run_type="llm",
        inputs={"messages": said[:1]},
        outputs={"choices": [{"message": said[1]}], "usage_metadata": USAGE},
        extra={"metadata": metadata},
    )
    tool = _run(
        start_time + timedelta(milliseconds=20),
        parent=root,
        name="seeded tool",
        run_type="tool",
        inputs={"word": f"word{number}"},
        outputs=None if error else {"output": "found"},
        error=error,
    )
    return [root, call, tool]


def seed() -> Seeded:
    """Write the population and wait until it is stored."""
    logging.getLogger("langsmith").setLevel(logging.ERROR)
    client = Client()
    turns = [_turn(1, error=None), _turn(2, error="ValueError('no luck')")]
    client.batch_ingest_runs(create=[dict(run) for turn in turns for run in turn])
    project = client.read_project(project_name=PROJECT)
    client.create_feedback(turns[0][0]["id"], key="quality", score=0.5, session_id=project.id)
    client.flush()
    first, second = (turn[0]["id"] for turn in turns)
    return Seeded(project_id=str(project.id), traces=(first, second))
