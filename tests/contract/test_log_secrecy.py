"""Whatever goes wrong with a request, the log has its id and nothing of what it carried."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from contract.server_process import ServerProcess

SECRET = "s3cr3t-canary"


def test_no_payload_no_key_and_no_filter_reaches_the_log(tmp_path: Path) -> None:
    """At the most talkative level: accepted, refused and broken requests, with secrets wherever one can be."""
    server = ServerProcess(tmp_path / "data", "--log-level", "debug", "--log-format", "json")
    headers = {"x-api-key": f"{SECRET}-key", "authorization": f"Bearer {SECRET}-token"}
    run = {
        "id": str(uuid.uuid4()),
        "name": f"{SECRET} name",
        "run_type": "chain",
        "inputs": {"text": SECRET},
        "outputs": {"text": SECRET},
        "error": SECRET,
        "tags": [SECRET],
        "extra": {"metadata": {SECRET: SECRET}},
        "session_name": f"{SECRET} project",
        "end_time": "2026-01-01T00:00:00Z",
        "start_time": "2026-01-01T00:00:00Z",
    }
    try:
        with httpx.Client(base_url=server.url, headers=headers, timeout=20) as client:
            answers = [
                client.post("/runs", json=run),
                client.post("/runs", content=json.dumps(run)[:-20]),
                client.post("/runs", json=run | {"start_time": SECRET}),
                client.post("/runs/batch", json={"post": [run, {"id": SECRET}]}),
                client.post("/runs/multipart", content=SECRET, headers={"content-type": f"multipart/{SECRET}"}),
                client.patch(f"/runs/{SECRET}", json=run),
                client.post("/feedback", json={"run_id": run["id"], "key": SECRET, "comment": SECRET, "score": SECRET}),
                client.post("/runs/query", json={"filter": f'eq(nothing, "{SECRET}")'}),
                client.post("/runs/query", json={"filter": f'search("{SECRET}")'}),
                client.post("/runs/query", json={"cursor": SECRET}),
                client.get("/sessions", params={"name": SECRET}),
                client.get(f"/sessions/{SECRET}"),
            ]
    finally:
        server.stop()
    log = (tmp_path / "server.log").read_text()
    assert SECRET not in log
    ids = {json.loads(line).get("request_id") for line in log.splitlines() if line.startswith("{")}
    assert {answer.headers["x-request-id"] for answer in answers} <= ids


def test_the_recovery_at_a_start_is_logged_with_its_time(tmp_path: Path) -> None:
    started = time.monotonic()
    server = ServerProcess(tmp_path / "data", "--log-format", "json")
    waited_ms = (time.monotonic() - started) * 1000
    server.stop()
    events = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines() if line.startswith("{")]
    (recovered,) = [event for event in events if event["event"] == "recovered"]
    assert 0 < recovered["elapsed_ms"] < waited_ms
    assert (recovered["open_runs"], recovered["settled"]) == (0, 0)


def test_a_log_for_programs_holds_nothing_else(tmp_path: Path) -> None:
    """Also the greeting, where one place takes both streams, as containers do."""
    command = [sys.executable, "-m", "runlake.cli", "serve", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        events: list[dict[str, Any]] = []
        while not events or "url" not in events[-1]:
            events.append(json.loads(process.stdout.readline()))
        process.terminate()
        events += [json.loads(line) for line in process.stdout]
    assert re.match(r"Runlake .* at http://127.0.0.1:\d+ ", events[1]["event"])
    assert [event["event"] for event in events if "url" not in event] == ["recovered"]
