"""Replays prepared bodies with several connections and stops the clock when a query sees every run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from bench.bodies import HEADERS, Material, read_bodies
from bench.client import BenchError, Client
from bench.process import Server
from bench.shapes import Workload

CONNECTIONS: Final = 4
_VISIBLE_LIMIT_S: Final = 120.0
_RETRY_STATUSES: Final = (429, 503)


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """One load. Times are seconds of wall clock; raw bytes are the JSON of all operations before compression.

    ``disk_bytes`` is taken at the end of the load, when parts that a merge has replaced still lie there.
    """

    runs: int
    raw_bytes: int
    sent_bytes: int
    acknowledged_s: float
    visible_s: float
    runs_per_s: float
    raw_mb_per_s: float
    request_p50_ms: float
    request_p99_ms: float
    retries: int
    server_cpu_s: float
    peak_mb: float
    disk_bytes: int


def load(server: Server, material: Material) -> LoadResult:
    """Send everything; raises BenchError when a body is refused or a run stays unseen."""
    exam = material.exam
    cpu_before = server.cpu_s()
    started = time.perf_counter()
    sender = _Sender(server.port, read_bodies(material.bodies))
    sender.run()
    acknowledged_s = time.perf_counter() - started
    wait_until_visible(server.port, exam.projects, exam.runs)
    visible_s = time.perf_counter() - started
    cpu_s = server.cpu_s() - cpu_before
    took = sorted(sender.took_ms)
    return LoadResult(
        runs=exam.runs,
        raw_bytes=exam.raw_bytes,
        sent_bytes=sender.sent_bytes,
        acknowledged_s=round(acknowledged_s, 2),
        visible_s=round(visible_s, 2),
        runs_per_s=round(exam.runs / visible_s),
        raw_mb_per_s=round(exam.raw_bytes / visible_s / 1e6, 1),
        request_p50_ms=round(took[len(took) // 2], 1),
        request_p99_ms=round(took[int(len(took) * 0.99)], 1),
        retries=sender.retries,
        server_cpu_s=round(cpu_s, 1),
        peak_mb=round(server.peak_mb()),
        disk_bytes=server.disk_bytes(),
    )


def project_ids(client: Client, names: Sequence[str]) -> dict[str, str]:
    """The server's id of each project that it knows, by name."""
    out: dict[str, str] = {}
    for name in names:
        for project in client.get(f"/api/v1/sessions?name={name}&limit=1").json():
            out[project["name"]] = project["id"]
    return out


def wait_until_visible(port: int, projects: Sequence[str], runs: int) -> None:
    """Return when the statistics of the projects count ``runs`` runs."""
    seen: Any = None
    with Client(port) as client:
        deadline = time.perf_counter() + _VISIBLE_LIMIT_S
        while time.perf_counter() < deadline:
            ids = project_ids(client, projects)
            seen = client.post("/api/v1/runs/stats", {"session": list(ids.values())}).json()["run_count"]
            if seen == runs:
                return
            if seen > runs:
                break
            time.sleep(0.02)
    raise BenchError(f"{runs} runs were acknowledged, but the statistics count {seen}")


class _Sender:
    """The connections of one load; each takes the next body as soon as its last one is answered."""

    def __init__(self, port: int, bodies: Iterator[bytes]) -> None:
        self._port = port
        self._bodies = bodies
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self.took_ms: list[float] = []
        self.sent_bytes = 0
        self.retries = 0

    def run(self) -> None:
        threads = [threading.Thread(target=self._work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _next(self) -> bytes | None:
        with self._lock:
            return None if self._failure else next(self._bodies, None)

    def _work(self) -> None:
        try:
            with Client(self._port) as client:
                while (body := self._next()) is not None:
                    self._send(client, body)
        except (OSError, BenchError) as error:
            with self._lock:
                self._failure = error

    def _send(self, client: Client, body: bytes) -> None:
        while True:
            reply = client.send("POST", "/runs/multipart", body, HEADERS)
            if reply.status in _RETRY_STATUSES:
                with self._lock:
                    self.retries += 1
                time.sleep(0.2)
                continue
            reply.json()
            with self._lock:
                self.took_ms.append(reply.took_ms)
                self.sent_bytes += len(body)
            return


SIZES: Final = {"S": 100_000, "M": 1_000_000}


def workload_of(size: str, seed: int) -> Workload:
    """``S``, ``M``, or a number of runs."""
    return Workload(runs=SIZES.get(size.upper()) or int(size), seed=seed)
