"""A server killed in the middle of its work has lost nothing that it acknowledged."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from contract.server_process import ServerProcess

ROUNDS: Final = 3
SENDERS: Final = 4
RUNS_PER_BATCH: Final = 5
PROJECT: Final = "killed"
SECONDS_BEFORE_KILL: Final = (0.3, 1.2)
"""Bounds of the moment of the kill after the first acknowledgement."""


class Sender:
    """Posts batches until the server is gone; ``acknowledged`` holds the payload of every run that got a 2xx.

    Every second batch leaves its runs open and the next one ends all but one of them, so that open and finished runs
    are both at stake.
    """

    def __init__(self, url: str, number: int, seed: int) -> None:
        self._url = url
        self._random = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self._number = number
        self.acknowledged: dict[str, str] = {}
        self.ended: set[str] = set()
        self.refused: list[str] = []
        self.first = threading.Event()
        self._thread = threading.Thread(target=self._send_until_gone, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive(), "a sender hangs after the kill"

    def _send_until_gone(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            open_runs: list[dict[str, Any]] = []
            for turn in count():
                posts = [self._new_run(ended=turn % 2 == 1) for _ in range(RUNS_PER_BATCH)]
                patches = [_ending(run) for run in open_runs]
                try:
                    answer = client.post("/runs/batch", json={"post": posts, "patch": patches})
                except httpx.TransportError:
                    return
                if not answer.is_success:
                    self.refused.append(answer.text)
                    return
                self.acknowledged |= {run["id"]: run["inputs"]["text"] for run in posts}
                self.ended |= {run["id"] for run in (*posts, *patches) if "end_time" in run}
                open_runs = [run for run in posts[1:] if "end_time" not in run]
                self.first.set()

    def _new_run(self, *, ended: bool) -> dict[str, Any]:
        now = datetime.now(UTC)
        identity = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        run = {
            "id": identity,
            "trace_id": identity,
            "dotted_order": f"{now:%Y%m%dT%H%M%S%f}Z{identity}",
            "session_name": PROJECT,
            "name": f"sender {self._number}",
            "run_type": "chain",
            "start_time": now.isoformat(),
            "inputs": {"text": self._random.randbytes(self._random.randrange(20, 2000)).hex()},
        }
        return run | {"end_time": now.isoformat(), "outputs": {"ok": True}} if ended else run


def _ending(run: dict[str, Any]) -> dict[str, Any]:
    place = {key: run[key] for key in ("id", "trace_id", "dotted_order")}
    return place | {"end_time": datetime.now(UTC).isoformat(), "outputs": {"ok": True}}


def _stored_runs(url: str) -> Iterator[dict[str, Any]]:
    """Every run of the project, page by page."""
    with httpx.Client(base_url=url, timeout=30) as client:
        (project,) = client.get("/sessions", params={"name": PROJECT}).raise_for_status().json()
        body: dict[str, Any] = {"session": [project["id"]], "select": ["inputs", "status"], "limit": 100}
        while True:
            page = client.post("/runs/query", json=body).raise_for_status().json()
            yield from page["runs"]
            body["cursor"] = page["cursors"]["next"]
            if not body["cursor"]:
                return


def _send_and_kill(server: ServerProcess, round_number: int) -> list[Sender]:
    seeded = random.Random(round_number)  # noqa: S311 -- repeatable, not secret
    senders = [Sender(server.url, number, seeded.getrandbits(32)) for number in range(SENDERS)]
    assert all(sender.first.wait(10) for sender in senders), [sender.refused for sender in senders]
    time.sleep(seeded.uniform(*SECONDS_BEFORE_KILL))
    server.kill()
    for sender in senders:
        sender.join()
        assert sender.refused == []
    return senders


@pytest.mark.timeout(60)
def test_every_acknowledged_run_survives_kill_9_exactly_once(tmp_path: Path) -> None:
    """Three rounds over one data directory: after each kill every run acknowledged so far is there, whole, once."""
    acknowledged: dict[str, str] = {}
    ended: set[str] = set()
    server = ServerProcess(tmp_path / "data")
    try:
        for round_number in range(ROUNDS):
            for sender in _send_and_kill(server, round_number):
                acknowledged |= sender.acknowledged
                ended |= sender.ended
            server = ServerProcess(tmp_path / "data")
            stored = list(_stored_runs(server.url))
            counts = Counter(run["id"] for run in stored)
            assert [identity for identity in acknowledged if counts[identity] != 1] == []
            assert max(counts.values()) == 1
            texts = {run["id"]: run["inputs"]["text"] for run in stored}
            assert [identity for identity, text in acknowledged.items() if texts[identity] != text] == []
            states = {run["id"]: run["status"] for run in stored}
            assert {states[identity] for identity in ended} == {"success"}
            assert len(acknowledged) - len(ended) >= SENDERS * (round_number + 1)
    finally:
        server.kill()
