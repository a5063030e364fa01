"""Measurements with writes going on: how soon a run is seen, and what ingest does to the latency of queries."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from bench.bodies import HEADERS, Material, read_bodies, single_run_body
from bench.client import BenchError, Client
from bench.load import project_ids
from bench.queries import Examiner, Outcome, percentile
from bench.questions import Exam, Question

FRESH_PROJECT: Final = "agentmix-fresh"
_SEEN_LIMIT_S: Final = 30.0
MIXED_CELLS: Final = (
    "run by id",
    "newest roots, 7 days",
    "trace of 20-60 runs",
    "errors slower than 5 s",
    "metadata, rare",
    "text, 0.1 %",
    "stats, 90 days",
)
_BODIES_PER_S: Final = 10.0
_PAUSE_S: Final = 0.1


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


class MixedCell(msgspec.Struct, frozen=True, kw_only=True):
    cell: str
    calls: int
    p50_ms: float
    p95_ms: float
    failures: tuple[str, ...] = ()


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """Queries while bodies of 100 operations arrive at a steady rate."""

    seconds: float
    bodies_per_s: float
    ingest_p50_ms: float
    ingest_p99_ms: float
    cells: tuple[MixedCell, ...]


class _Feeder(threading.Thread):
    """Sends bodies at a steady rate until told to stop or out of bodies."""

    def __init__(self, port: int, material: Material) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._material = material
        self.stopping = threading.Event()
        self.took_ms: list[float] = []
        self.failure: str | None = None

    def run(self) -> None:
        try:
            with Client(self._port) as client:
                due = time.perf_counter()
                for body in read_bodies(self._material.bodies):
                    reply = client.send("POST", "/runs/multipart", body, HEADERS)
                    reply.json()
                    self.took_ms.append(reply.took_ms)
                    due += 1 / _BODIES_PER_S
                    if self.stopping.wait(max(0.0, due - time.perf_counter())):
                        return
        except (OSError, BenchError) as error:
            self.failure = str(error)


def measure_mixed(
    port: int, ids: Mapping[str, str], exam: Exam, arriving: Material, *, seconds: float, seed: int = 11
) -> Mixed:
    """Questions about the loaded data, one after the other with short pauses, while other projects receive runs."""
    questions = [question for question in exam.questions if question.cell in MIXED_CELLS]
    Random(seed).shuffle(questions)
    feeder = _Feeder(port, arriving)
    with Client(port) as client:
        feeder.start()
        started = time.perf_counter()
        outcomes = _ask_for(Examiner(client, ids), questions, started + seconds, feeder)
        lasted = time.perf_counter() - started
        feeder.stopping.set()
        feeder.join()
    if feeder.failure is not None:
        raise BenchError(f"ingest failed while queries ran: {feeder.failure}")
    return Mixed(
        seconds=round(lasted, 1),
        bodies_per_s=round(len(feeder.took_ms) / lasted, 1),
        ingest_p50_ms=_at(feeder.took_ms, 0.5),
        ingest_p99_ms=_at(feeder.took_ms, 0.99),
        cells=tuple(_mixed_cell(cell, outcomes[cell]) for cell in MIXED_CELLS if outcomes[cell]),
    )


def _mixed_cell(cell: str, outcomes: Sequence[Outcome]) -> MixedCell:
    took = [outcome.took_ms for outcome in outcomes]
    wrong = dict.fromkeys(outcome.wrong for outcome in outcomes if outcome.wrong is not None)
    return MixedCell(
        cell=cell, calls=len(took), p50_ms=_at(took, 0.5), p95_ms=_at(took, 0.95), failures=tuple(wrong)[:3]
    )


def _ask_for(
    examiner: Examiner, questions: Sequence[Question], until: float, feeder: _Feeder
) -> dict[str, list[Outcome]]:
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for question in itertools.cycle(questions):
        if time.perf_counter() >= until or not feeder.is_alive():
            break
        outcomes[question.cell].append(examiner.put(question))
        time.sleep(_PAUSE_S)
    return outcomes
