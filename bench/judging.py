"""How fast judgements are taken: one a request, as users give them, and by the hundred, as evaluations send them."""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from bench.agentmix import iso_time
from bench.bodies import HEADERS, OPERATIONS_PER_BODY, BodyWriter, read_bodies
from bench.client import BenchError, Client
from bench.process import Server
from bench.queries import percentile

SECONDS: Final = 20.0
_RUNS: Final = 1_000
_VALUES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


class FeedbackRate(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback that was acknowledged, so on disk, and counted afterwards: ``size`` in a request.

    ``server_cpu_s`` is for all of it.
    """

    form: str
    size: int
    clients: int
    seconds: float
    feedback: int
    per_s: int
    request_p50_ms: float
    request_p99_ms: float
    server_cpu_s: float


@dataclass(frozen=True, slots=True)
class _Form:
    """``size`` judgements travel in one request; ``send`` returns the milliseconds until they are acknowledged."""

    name: str
    size: int
    clients: int
    send: Callable[[Client, Sequence[dict[str, Any]]], float]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is judged: ids of runs and their traces, under one key."""

    key: str
    runs: Sequence[tuple[str, str]]


def measure_feedback(server: Server, ids: Mapping[str, str], *, seconds: float = SECONDS) -> list[FeedbackRate]:
    """Each form for ``seconds``, on runs that are stored; BenchError when what was acknowledged is not found."""
    with Client(server.port) as client:
        runs = _some_runs(client, ids)
    rates = []
    for form in _FORMS:
        subject = _Subject(f"bench-{uuid.uuid4()}", runs)
        rates.append(_measured(server, form, subject, seconds))
        _check(server, ids, subject.key, rates[-1].feedback)
    return rates


def _some_runs(client: Client, ids: Mapping[str, str]) -> list[tuple[str, str]]:
    body = {"session": list(ids.values()), "limit": _RUNS, "select": ["id", "trace_id"]}
    return [(run["id"], run["trace_id"]) for run in client.post("/api/v1/runs/query", body).json()["runs"]]


def _measured(server: Server, form: _Form, subject: _Subject, seconds: float) -> FeedbackRate:
    cpu_s, started = server.cpu_s(), time.perf_counter()
    judges = [_Judge(server.port, form, subject, started + seconds, seed=seed) for seed in range(form.clients)]
    for judge in judges:
        judge.start()
    for judge in judges:
        judge.join()
        if judge.failure is not None:
            raise BenchError(f"a client failed while it sent feedback: {judge.failure}")
    lasted = time.perf_counter() - started
    took = sorted(ms for judge in judges for ms in judge.took_ms)
    sent = len(took) * form.size
    return FeedbackRate(
        form=form.name,
        size=form.size,
        clients=form.clients,
        seconds=round(lasted, 1),
        feedback=sent,
        per_s=round(sent / lasted),
        request_p50_ms=round(percentile(took, 0.5), 1),
        request_p99_ms=round(percentile(took, 0.99), 1),
        server_cpu_s=round(server.cpu_s() - cpu_s, 1),
    )


class _Judge(threading.Thread):
    """Sends judgements over one connection, the next as soon as the last is acknowledged, until a time."""

    def __init__(self, port: int, form: _Form, subject: _Subject, until: float, *, seed: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._form = form
        self._subject = subject
        self._until = until
        self._random = Random(seed)
        self.took_ms: list[float] = []
        self.failure: str | None = None

    def run(self) -> None:
        try:
            with Client(self._port) as client:
                while time.perf_counter() < self._until:
                    judgements = [self._judgement() for _ in range(self._form.size)]
                    self.took_ms.append(self._form.send(client, judgements))
        except (OSError, BenchError) as error:
            self.failure = str(error)

    def _judgement(self) -> dict[str, Any]:
        """What the Python SDK (0.15) sends of a judgement, every key present."""
        run_id, trace_id = self._random.choice(self._subject.runs)
        now = iso_time(time.time_ns() // 1000)
        return {
            "id": str(uuid.uuid4()),
            "created_at": now,
            "modified_at": now,
            "run_id": run_id,
            "trace_id": trace_id,
            "key": self._subject.key,
            "score": self._random.choice(_VALUES),
            "value": None,
            "comment": None,
            "correction": None,
            "feedback_source": {"type": "api", "metadata": {}, "user_id": None, "user_name": None},
            "session_id": None,
            "start_time": None,
            "comparative_experiment_id": None,
            "feedback_group_id": None,
            "extra": None,
            "feedback_config": None,
            "error": None,
        }


def _send_one(client: Client, judgements: Sequence[dict[str, Any]]) -> float:
    reply = client.post("/api/v1/feedback", judgements[0])
    reply.json()
    return reply.took_ms


def _send_many(client: Client, judgements: Sequence[dict[str, Any]]) -> float:
    with tempfile.NamedTemporaryFile() as out:
        writer = BodyWriter(out)
        for judgement in judgements:
            writer.add([(f"feedback.{judgement['id']}", msgspec.json.encode(judgement))])
        writer.close()
        out.flush()
        (body,) = read_bodies(Path(out.name))
    reply = client.send("POST", "/api/v1/runs/multipart", body, HEADERS)
    reply.json()
    return reply.took_ms


_FORMS: Final = (
    _Form("one a request", 1, 8, _send_one),
    _Form("one a request, many clients", 1, 32, _send_one),
    _Form(f"{OPERATIONS_PER_BODY} a request", OPERATIONS_PER_BODY, 8, _send_many),
)


def _check(server: Server, ids: Mapping[str, str], key: str, sent: int) -> None:
    body = {"project_ids": list(ids.values()), "query": f"SELECT count() FROM feedback WHERE key = '{key}'"}
    with Client(server.port) as client:
        found = client.post("/v2/sql/query", body).json()["rows"][0][0]
    if found != sent:
        raise BenchError(f"{sent} judgements were acknowledged, and {found} are found")
