"""Slow queries take the threads that are theirs, and nothing else; who finds no place is told so at once."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from faults.faulty_server import SLOW_VARIABLE
from faults.load import PROJECT
from faults.servers import start_faulty

NEEDLE = "slowneedle"
SLOW_S = 4.0


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[str]:
    """A server on which a search for the needle takes seconds; two such run, four may wait."""
    server = start_faulty(
        tmp_path / "data",
        "--search-threads",
        "2",
        "--max-waiting-queries",
        "4",
        **{SLOW_VARIABLE: f"{NEEDLE}:{SLOW_S}"},
    )
    yield server.url
    server.stop()


def test_a_storm_of_slow_searches_leaves_reads_and_writes_alone(slow_server: str) -> None:
    run_id = str(uuid.uuid4())
    run = {"id": run_id, "name": "light", "run_type": "chain", "session_name": PROJECT}
    search = {"filter": f'search("{NEEDLE}")'}
    with httpx.Client(base_url=slow_server, timeout=30, limits=httpx.Limits(max_connections=50)) as client:
        client.post("/runs", json=run).raise_for_status()
        with ThreadPoolExecutor(20) as storm:
            started = time.monotonic()
            searches = [storm.submit(client.post, "/runs/query", json=search) for _ in range(20)]
            time.sleep(0.5)
            slowest = max(_seconds(client, *call) for call in _light_calls(run_id))
            assert slowest < 1.0
            assert time.monotonic() - started < SLOW_S, "the storm was over before the light calls were"
            answers = [search.result() for search in searches]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 6, 429: 14}
    for answer in answers:
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "1"
            assert "max_waiting_queries" in answer.json()["detail"]


def _light_calls(run_id: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    new = {"id": str(uuid.uuid4()), "name": "new", "run_type": "chain", "session_name": PROJECT}
    return [
        ("GET", f"/runs/{run_id}", None),
        ("POST", "/runs", new),
        ("POST", "/runs/query", {"limit": 10}),
        ("POST", "/runs/query", {"trace": run_id}),
        ("GET", "/readyz", None),
        ("GET", "/metrics", None),
    ]


def _seconds(client: httpx.Client, method: str, path: str, body: dict[str, Any] | None) -> float:
    started = time.monotonic()
    answer = client.request(method, path, json=body)
    assert answer.is_success, (path, answer.text)
    return time.monotonic() - started


def test_a_search_that_nobody_waits_for_is_stopped(slow_server: str) -> None:
    """Its thread is free long before the search would have ended."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{slow_server}/runs/query", json={"filter": f'search("{NEEDLE}")'}, timeout=0.5)
    started = time.monotonic()
    while 'runlake_queries_running{lane="search"} 0.0' not in httpx.get(f"{slow_server}/metrics").text:
        assert time.monotonic() - started < SLOW_S / 2
        time.sleep(0.1)


@pytest.mark.slow
def test_writes_beyond_what_may_wait_are_told_to_come_back(tmp_path: Path) -> None:
    """The smallest bound that can be set, and writes larger than it: one goes in at a time, others get a 429."""
    server = start_faulty(tmp_path / "data", "--max-pending-bytes", "1MiB")
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def write() -> None:
        run = {"id": str(uuid.uuid4()), "name": "n", "run_type": "chain", "inputs": {"text": "x" * 900_000}}
        answer = httpx.post(f"{server.url}/runs", json=run, timeout=30)
        with lock:
            statuses[answer.status_code] += 1
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "1"
            assert "max_pending_bytes" in answer.json()["detail"]

    try:
        with ThreadPoolExecutor(8) as clients:
            for done in [clients.submit(write) for _ in range(40)]:
                done.result()
    finally:
        server.stop()
    assert set(statuses) == {202, 429}
