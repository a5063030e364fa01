"""How soon a run is seen after it was sent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Final

import msgspec

from bench.bodies import HEADERS, single_run_body
from bench.client import BenchError, Client
from bench.load import project_ids
from bench.queries import percentile

FRESH_PROJECT: Final = "agentmix-fresh"
_SEEN_LIMIT_S: Final = 30.0


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from sending a run until it is seen; ``ack`` is until its write is answered."""

    runs: int
    ack_p50_ms: float
    ack_p99_ms: float
    by_id_p50_ms: float
    by_id_p99_ms: float
    by_search_p50_ms: float
    by_search_p99_ms: float


def measure_freshness(port: int, runs: int = 50) -> Freshness:
    """Write one run at a time; poll for it by id and by a word that only it contains, without pause."""
    acks: list[float] = []
    by_id: list[float] = []
    by_search: list[float] = []
    with Client(port) as client:
        for number in range(runs):
            run_id, word = uuid.uuid4(), f"freshword{uuid.uuid4().hex[:12]}"
            body = single_run_body(
                run_id=run_id, project=FRESH_PROJECT, start_us=time.time_ns() // 1000, text=f"look for {word} now"
            )
            started = time.perf_counter()
            reply = client.send("POST", "/runs/multipart", body, HEADERS)
            reply.json()
            acks.append(reply.took_ms)
            _poll_by_id(client, run_id)
            by_id.append((time.perf_counter() - started) * 1000)
            _poll_by_search(client, run_id, word)
            by_search.append((time.perf_counter() - started) * 1000)
            time.sleep(0.02 * (number % 5))
    return Freshness(
        runs=runs,
        ack_p50_ms=_at(acks, 0.5),
        ack_p99_ms=_at(acks, 0.99),
        by_id_p50_ms=_at(by_id, 0.5),
        by_id_p99_ms=_at(by_id, 0.99),
        by_search_p50_ms=_at(by_search, 0.5),
        by_search_p99_ms=_at(by_search, 0.99),
    )


def _at(values: Sequence[float], share: float) -> float:
    return round(percentile(sorted(values), share), 1)


def _poll_by_id(client: Client, run_id: uuid.UUID) -> None:
    deadline = time.perf_counter() + _SEEN_LIMIT_S
    while time.perf_counter() < deadline:
        if client.get(f"/api/v1/runs/{run_id}").status == 200:
            return
    raise BenchError(f"run {run_id} was acknowledged but not seen by id within {_SEEN_LIMIT_S:.0f} s")


def _poll_by_search(client: Client, run_id: uuid.UUID, word: str) -> None:
    project = project_ids(client, (FRESH_PROJECT,))[FRESH_PROJECT]
    body = {"session": [project], "filter": f"search('{word}')", "limit": 10, "select": ["id"]}
    deadline = time.perf_counter() + _SEEN_LIMIT_S
    while time.perf_counter() < deadline:
        runs = client.post("/api/v1/runs/query", body).json()["runs"]
        if [run["id"] for run in runs] == [str(run_id)]:
            return
    raise BenchError(f"run {run_id} was acknowledged but not found by search within {_SEEN_LIMIT_S:.0f} s")
