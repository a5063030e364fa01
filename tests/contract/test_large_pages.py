"""Pages of many megabytes: whole and valid for every reader, while the server holds little more than the runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from contract.server_process import ServerProcess

PROJECT: Final = "large-pages"
RUNS: Final = 3_000
TEXT: Final = "word " * 1_500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Holds 3,000 runs of 7.5 kB, which is 22 MB; the inputs of one of them hold a NaN."""
    process = ServerProcess(tmp_path_factory.mktemp("large-pages") / "data")
    with httpx.Client(base_url=process.url, timeout=60) as client:
        _write(client, PROJECT, RUNS)
    yield process
    assert process.stop() == 0


def _query(client: httpx.Client, project: str, limit: int) -> dict[str, Any]:
    ids = [found["id"] for found in client.get("/sessions", params={"name": project}).json()]
    return {"session": ids, "select": ["id", "inputs", "outputs"], "limit": limit}


def _write(client: httpx.Client, project: str, runs: int) -> None:
    for start in range(0, runs, 500):
        body = {"post": [_run(project, number) for number in range(start, start + 500)], "patch": []}
        # Not through the client's own encoder, which refuses NaN.
        content, headers = json.dumps(body), {"Content-Type": "application/json"}
        client.post("/runs/batch", content=content, headers=headers).raise_for_status()


def _run(project: str, number: int) -> dict[str, Any]:
    hour, minute, second = 10 + number // 3600, number // 60 % 60, number % 60
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{project} {number}")),
        "name": "n",
        "run_type": "chain",
        "session_name": project,
        "start_time": f"2026-11-23T{hour}:{minute:02}:{second:02}Z",
        "end_time": f"2026-11-23T{hour + 1}:{minute:02}:{second:02}Z",
        "inputs": {"text": TEXT, "score": float("nan") if number == 7 else 0.5},
        "outputs": {"number": number},
    }


@pytest.mark.parametrize("agent", ["python-requests/2", "node"])
def test_a_streamed_page_equals_pages_that_are_not(server: ServerProcess, agent: str) -> None:
    with httpx.Client(base_url=server.url, timeout=60, headers={"User-Agent": agent}) as client:
        large = client.post("/runs/query", json=_query(client, PROJECT, RUNS)).raise_for_status()
        assert "content-length" not in large.headers, "it is streamed"
        joined, cursor, body = [], None, _query(client, PROJECT, 600)
        while True:
            page = client.post("/runs/query", json={**body, "cursor": cursor}).raise_for_status()
            assert "content-length" in page.headers
            joined += page.json()["runs"]
            cursor = page.json()["cursors"]["next"]
            if cursor is None:
                break
    answer = large.json()
    assert answer["cursors"]["next"] is None
    assert [run["outputs"]["number"] for run in answer["runs"]] == list(reversed(range(RUNS)))
    assert json.dumps(answer["runs"]) == json.dumps(joined)
    assert (b"NaN" in large.content) == agent.startswith("python")


def test_a_reader_that_leaves_half_way_harms_nobody(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        body = _query(client, PROJECT, RUNS)
        for _ in range(5):
            with client.stream("POST", "/runs/query", json=body) as answer:
                next(answer.iter_bytes())
        assert len(client.post("/runs/query", json=body).json()["runs"]) == RUNS
    log = Path(f"/proc/{server.pid}/fd/2").resolve().read_text()
    assert '"level": "error"' not in log


@pytest.mark.slow
def test_a_page_of_sixty_megabytes_is_held_about_once(server: ServerProcess) -> None:
    """Read in one statement it was held six times over, by the engine and by the reader of its answer."""
    runs, before = 8_000, 0
    with httpx.Client(base_url=server.url, timeout=60) as client:
        _write(client, "sixty", runs)
        body = _query(client, "sixty", runs)
        for _ in range(3):
            before = _memory_bytes(server, "VmRSS:")
            Path(f"/proc/{server.pid}/clear_refs").write_text("5")
            assert len(client.post("/runs/query", json=body).json()["runs"]) == runs
    growth = _memory_bytes(server, "VmHWM:") - before
    assert growth < 2.5 * len(TEXT) * runs


def _memory_bytes(server: ServerProcess, name: str) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition(name)[2].split()[0]) * 1024
