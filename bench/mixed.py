"""What ingest does to queries: the same questions at the same pace, alone and while clients send runs."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final, Generic, TypeVar

import msgspec

from bench.bodies import HEADERS, Material, read_bodies
from bench.client import BenchError, Client
from bench.process import Server
from bench.queries import Examiner, Outcome, percentile
from bench.questions import Exam, Question

MIXED_CELLS: Final = (
    "run by id",
    "newest roots, 7 days",
    "trace of 20-60 runs",
    "errors slower than 5 s",
    "metadata, rare",
    "text, 0.1 %",
    "stats, 90 days",
)
CLIENTS: Final = 8
BODIES_PER_S: Final = 4.0
"""Bodies of 100 operations, from all clients together."""

QUERIES_PER_S: Final = 10.0
_ASKERS: Final = 2
_ALONE_S: Final = 30.0


class MixedCell(msgspec.Struct, frozen=True, kw_only=True):
    cell: str
    calls: int
    alone_p50_ms: float
    alone_p95_ms: float
    p50_ms: float
    p95_ms: float
    failures: tuple[str, ...] = ()


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """Questions at a steady pace while bodies of 100 operations arrive at a steady pace.

    ``resident_mb`` is the server's memory after each tenth of the time; ``cpu_s`` the CPU seconds of the server over
    the time, for queries and runs together; ``p95_ratio`` compares the p95 over all questions with the one alone.
    """

    seconds: float
    clients: int
    bodies_per_s: float
    queries_per_s: float
    ingest_p50_ms: float
    ingest_p99_ms: float
    resident_mb: tuple[int, ...]
    cpu_s: float
    p95_ratio: float
    cells: tuple[MixedCell, ...]


class _Pace:
    """When the next of several workers may go on, so that together they keep a rate."""

    def __init__(self, per_s: float, *, seconds: float) -> None:
        self._lock = threading.Lock()
        self._step_s = 1 / per_s
        self._due = time.perf_counter()
        self._until = self._due + seconds

    def wait(self) -> bool:
        """Sleep until it is this worker's turn; false when the time is over. What is late is not made up for."""
        with self._lock:
            now = time.perf_counter()
            self._due = max(self._due + self._step_s, now - self._step_s)
            due = self._due
        if due >= self._until or now >= self._until:
            return False
        time.sleep(max(0.0, due - now))
        return True


class _Feeder:
    """Sends runs at a pace, taking turns at the bodies with others."""

    def __init__(self, pace: _Pace, bodies: Iterator[bytes], lock: threading.Lock) -> None:
        self._pace = pace
        self._bodies = bodies
        self._lock = lock
        self.took_ms: list[float] = []

    def work(self, client: Client) -> None:
        while self._pace.wait():
            with self._lock:
                body = next(self._bodies, None)
            if body is None:
                raise BenchError("there were too few bodies for the time")
            reply = client.send("POST", "/runs/multipart", body, HEADERS)
            reply.json()
            self.took_ms.append(reply.took_ms)


class _Asker:
    """Puts questions at a pace, one after the other and again from the first."""

    def __init__(self, pace: _Pace, ids: Mapping[str, str], questions: Sequence[Question]) -> None:
        self._pace = pace
        self._ids = ids
        self._questions = questions
        self.outcomes: dict[str, list[Outcome]] = defaultdict(list)

    def work(self, client: Client) -> None:
        examiner = Examiner(client, self._ids)
        number = 0
        while self._pace.wait():
            question = self._questions[number % len(self._questions)]
            self.outcomes[question.cell].append(examiner.put(question))
            number += 1


TaskT = TypeVar("TaskT", _Feeder, _Asker)


class _Worker(threading.Thread, Generic[TaskT]):
    """A thread that does a task with a connection of its own; ``failure`` is why it ended early."""

    def __init__(self, port: int, task: TaskT) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.task: TaskT = task
        self.failure: str | None = None

    def run(self) -> None:
        try:
            with Client(self._port) as client:
                self.task.work(client)
        except (OSError, BenchError) as error:
            self.failure = str(error)


def runs_needed(seconds: float) -> int:
    """Runs whose operations are enough to send in that time, with a tenth to spare."""
    return int(seconds * BODIES_PER_S * 110) + 1_000


def measure_mixed(server: Server, ids: Mapping[str, str], exam: Exam, arriving: Material, *, seconds: float) -> Mixed:
    """Ask alone for half a minute at most, then for ``seconds`` while other projects receive runs."""
    questions = [question for question in exam.questions if question.cell in MIXED_CELLS]
    Random(11).shuffle(questions)
    alone = _outcomes(_start_askers(server, ids, questions, min(seconds, _ALONE_S)))
    cpu_s, started = server.cpu_s(), time.perf_counter()
    feeders = _start_feeders(server, arriving, seconds)
    asking = _start_askers(server, ids, questions, seconds)
    resident = _sampled(server, seconds)
    loaded = _outcomes(asking)
    fed = _ended(feeders)
    lasted, cpu_s = time.perf_counter() - started, server.cpu_s() - cpu_s
    took = sorted(ms for feeder in fed for ms in feeder.took_ms)
    cells = tuple(_cell(cell, alone[cell], loaded[cell]) for cell in MIXED_CELLS if alone[cell] and loaded[cell])
    return Mixed(
        seconds=round(lasted, 1),
        clients=CLIENTS,
        bodies_per_s=round(len(took) / lasted, 1),
        queries_per_s=round(sum(map(len, loaded.values())) / lasted, 1),
        ingest_p50_ms=round(percentile(took, 0.5), 1),
        ingest_p99_ms=round(percentile(took, 0.99), 1),
        resident_mb=resident,
        cpu_s=round(cpu_s, 1),
        p95_ratio=round(_p95(loaded) / _p95(alone), 2),
        cells=cells,
    )


def _start_askers(
    server: Server, ids: Mapping[str, str], questions: Sequence[Question], seconds: float
) -> list[_Worker[_Asker]]:
    pace = _Pace(QUERIES_PER_S, seconds=seconds)
    tasks = [_Asker(pace, ids, questions[number::_ASKERS]) for number in range(_ASKERS)]
    return _start([_Worker(server.port, task) for task in tasks])


def _start_feeders(server: Server, arriving: Material, seconds: float) -> list[_Worker[_Feeder]]:
    pace, bodies, lock = _Pace(BODIES_PER_S, seconds=seconds), read_bodies(arriving.bodies), threading.Lock()
    return _start([_Worker(server.port, _Feeder(pace, bodies, lock)) for _ in range(CLIENTS)])


def _start(workers: list[_Worker[TaskT]]) -> list[_Worker[TaskT]]:
    for worker in workers:
        worker.start()
    return workers


def _outcomes(askers: Sequence[_Worker[_Asker]]) -> dict[str, list[Outcome]]:
    """What all of them found when they have ended, by cell."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    for asker in _ended(askers):
        for cell, outcomes in asker.outcomes.items():
            found[cell] += outcomes
    return found


def _ended(workers: Sequence[_Worker[TaskT]]) -> list[TaskT]:
    """The tasks, when all are done; BenchError when one failed."""
    for worker in workers:
        worker.join()
        if worker.failure is not None:
            raise BenchError(f"a client failed while queries and runs were mixed: {worker.failure}")
    return [worker.task for worker in workers]


def _sampled(server: Server, seconds: float) -> tuple[int, ...]:
    """The server's memory after each tenth of the time, in MB."""
    sizes = []
    for _ in range(10):
        time.sleep(seconds / 10)
        sizes.append(round(server.resident_mb()))
    return tuple(sizes)


def _cell(cell: str, alone: Sequence[Outcome], loaded: Sequence[Outcome]) -> MixedCell:
    before, after = (sorted(outcome.took_ms for outcome in outcomes) for outcomes in (alone, loaded))
    wrong = dict.fromkeys(outcome.wrong for outcome in (*alone, *loaded) if outcome.wrong is not None)
    return MixedCell(
        cell=cell,
        calls=len(after),
        alone_p50_ms=round(percentile(before, 0.5), 1),
        alone_p95_ms=round(percentile(before, 0.95), 1),
        p50_ms=round(percentile(after, 0.5), 1),
        p95_ms=round(percentile(after, 0.95), 1),
        failures=tuple(wrong)[:3],
    )


def _p95(outcomes: Mapping[str, Sequence[Outcome]]) -> float:
    return percentile(sorted(outcome.took_ms for found in outcomes.values() for outcome in found), 0.95)
