"""Objects under kill -9 and load: nothing acknowledged names an object that is not there, memory stays bounded."""

from __future__ import annotations

import json
import random
import re
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from contract.server_process import ServerProcess

SECRET = random.Random(3)  # noqa: S311 -- repeatable, not secret
WORDS = ["".join(SECRET.choices("abcdefghij", k=7)) for _ in range(5000)]


def text_of(size_bytes: int) -> str:
    some = " ".join(SECRET.choices(WORDS, k=20_000))
    return (some * (size_bytes // len(some) + 1))[:size_bytes]


def run_body(run_id: str, text: str, **more: object) -> bytes:
    run = {"id": run_id, "name": "n", "run_type": "chain", "session_name": "p", "inputs": {"text": text}}
    times = {"start_time": "2026-11-23T10:00:00Z", "end_time": "2026-11-23T10:00:01Z"}
    return json.dumps({**run, **times, **more}).encode()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_between_objects_and_commits(tmp_path: Path) -> None:
    """Each round kills at another moment; every acknowledged run then has its payload and its file."""
    acknowledged: dict[str, str] = {}
    for round_number in range(4):
        server = ServerProcess(tmp_path / "data")
        senders = [threading.Thread(target=send_until_gone, args=(server.url, acknowledged)) for _ in range(3)]
        for sender in senders:
            sender.start()
        time.sleep(1.0 + 0.37 * round_number)
        server.kill()
        for sender in senders:
            sender.join(20)
    assert len(acknowledged) > 10
    server = ServerProcess(tmp_path / "data")
    try:
        for run_id, text in acknowledged.items():
            run = httpx.get(f"{server.url}/runs/{run_id}", timeout=60).raise_for_status().json()
            assert run["inputs"] == {"text": text}
            assert httpx.get(run["s3_urls"]["attachment.a"]["presigned_url"]).content == run_id.encode()
    finally:
        server.stop()


def send_until_gone(url: str, acknowledged: dict[str, str]) -> None:
    with httpx.Client(timeout=20) as client:
        while True:
            run_id, text = str(uuid.uuid4()), text_of(1_200_000)
            file = {"a": ["text/plain", b64encode(run_id.encode()).decode()]}
            try:
                answer = client.post(f"{url}/runs", content=run_body(run_id, text, attachments=file))
            except httpx.TransportError:
                return
            if answer.status_code == 202:
                acknowledged[run_id] = text


class Memory:
    """Peak of a process's resident memory above where it was, in MB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._base = self._resident()

    def _resident(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())
        assert found is not None
        return int(found[1]) / 1000

    def peak_during(self, work: Callable[[], object]) -> float:
        peak, done = 0.0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.005):
                peak = max(peak, self._resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            work()
        finally:
            done.set()
            watcher.join()
        return peak - self._base


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_payload_of_100_mb_takes_less_than_six_times_its_size(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    run_id, text = str(uuid.uuid4()), text_of(100_000_000 - 20) + " needle zebra at end"
    body = run_body(run_id, text)
    with httpx.Client(base_url=server.url, timeout=120) as client:
        memory = Memory(server._process.pid)
        try:

            def post() -> None:
                assert client.post("/runs", content=body).status_code == 202

            def read() -> None:
                answer = client.get(f"/runs/{run_id}", headers={"user-agent": "langsmith-py/0"})
                assert answer.json()["inputs"] == {"text": text}

            def search(select: list[str]) -> None:
                query = {"filter": 'search("needle zebra at end")', "select": select}
                (run,) = client.post("/runs/query", json=query).raise_for_status().json()["runs"]
                assert run["id"] == run_id

            assert memory.peak_during(post) < 600
            assert memory.peak_during(read) < 600
            assert memory.peak_during(lambda: search(["id", "inputs"])) < 600
            time.sleep(1)
            memory = Memory(server._process.pid)
            assert memory.peak_during(lambda: search(["id", "name"])) < 300
        finally:
            server.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_large_bodies_beyond_the_budget_are_told_to_come_back(tmp_path: Path) -> None:
    """Each is taken in the end; none is lost, and no answer is anything but 202 and 429."""
    server = ServerProcess(tmp_path / "data", "--max-pending-bytes", "60 MiB")
    text = text_of(25_000_000)
    seen: list[int] = []

    def send() -> None:
        body = run_body(str(uuid.uuid4()), text)
        while True:
            answer = httpx.post(f"{server.url}/runs", content=body, timeout=60)
            seen.append(answer.status_code)
            if answer.status_code != 429:
                return
            time.sleep(float(answer.headers["retry-after"]) / 2)

    try:
        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(120)
        assert set(seen) == {202, 429}
        assert seen.count(202) == 8
        listed = httpx.post(f"{server.url}/runs/query", json={"select": ["id"]}).json()["runs"]
        assert len(listed) == 8
    finally:
        server.stop()
