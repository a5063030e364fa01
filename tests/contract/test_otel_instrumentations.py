"""Released instrumentations of a made-up model, unmodified, sending to a live server."""

from __future__ import annotations

import os
import subprocess
import uuid
from typing import Any, Final

import pytest
from langsmith import Client

from contract.otel_environment import otel_python
from contract.sdk_runner import TESTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:.*is deprecated and will be removed"),
]
ASKED: Final = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "Weather in Paris?"}]
KINDS: Final = ("openinference", "openinference-at-once", "traceloop", "gen-ai", "langsmith")
WITHOUT_MESSAGES: Final = frozenset({"gen-ai"})
"""Sends messages as log records, which are not taken."""


def traced(kind: str, url: str) -> dict[str, Any]:
    project = f"{kind} {uuid.uuid4().hex[:8]}"
    done = subprocess.run(
        [otel_python(), "-m", "contract.scenarios.otel_calls", kind, url, project],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = Client(api_url=url, api_key="any").list_runs(project_name=project)
    return {"turn" if run.name == "turn" else "call": run for run in runs}


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_of_a_model_is_a_run_below_its_turn(kind: str, live_server: str) -> None:
    runs = traced(kind, live_server)
    turn, call = runs["turn"], runs["call"]
    assert (turn.id, call.trace_id, call.parent_run_id) == (turn.trace_id, turn.id, turn.id)
    assert (call.run_type, call.status) == ("llm", "success")
    assert (call.prompt_tokens, call.completion_tokens) == (20, 3)
    assert call.total_cost > 0
    assert call.metadata["ls_provider"] == "openai"
    assert call.metadata["ls_model_name"].startswith("gpt-4o-mini")
    if kind not in WITHOUT_MESSAGES:
        assert call.inputs["messages"] == ASKED
        assert call.outputs["messages"][0]["content"] == "Sunny."
