"""Clients that write until told to stop or until the server is gone, and know what was acknowledged to them."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import httpx

PROJECT: Final = "under fault"
RUNS_PER_BATCH: Final = 5


@dataclass
class Acknowledged:
    """What the server said it has: payloads by run id, and the runs whose end it has too."""

    texts: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def add(self, other: Acknowledged) -> None:
        self.texts |= other.texts
        self.ended |= other.ended

    def copy(self) -> Acknowledged:
        return Acknowledged(dict(self.texts), set(self.ended))


class Sender:
    """One client. Every second batch leaves its runs open and the next one ends all but one of them.

    A batch that was answered with an error is sent again, as SDKs do, whatever the server stored of it before.
    """

    def __init__(self, url: str, number: int, seed: int, *, end_with: threading.Event) -> None:
        self._url = url
        self._random = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self._number = number
        self._end_with = end_with
        self.acknowledged = Acknowledged()
        self.refusals: Counter[int] = Counter()
        self.first = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _send(self) -> None:
        open_runs: list[dict[str, Any]] = []
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for turn in count():
                posts = [self._new_run(ended=turn % 2 == 1) for _ in range(RUNS_PER_BATCH)]
                patches = [_ending(run) for run in open_runs]
                if not self._deliver(client, {"post": posts, "patch": patches}):
                    return
                self.acknowledged.texts.update({run["id"]: run["inputs"]["text"] for run in posts})
                self.acknowledged.ended.update(run["id"] for run in (*posts, *patches) if "end_time" in run)
                open_runs = [run for run in posts[1:] if "end_time" not in run]
                self.first.set()

    def _deliver(self, client: httpx.Client, body: dict[str, Any]) -> bool:
        """Send until it is acknowledged; False when the server is gone or the load shall end."""
        while not self._end_with.is_set():
            try:
                answer = client.post("/runs/batch", json=body)
            except httpx.TransportError:
                return False
            if answer.status_code == httpx.codes.ACCEPTED:
                return True
            self.refusals[answer.status_code] += 1
            if answer.status_code not in {429, 503}:
                return False
            self._end_with.wait(0.05)
        return False

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


class Load:
    """Several senders at once."""

    def __init__(self, url: str, *, clients: int, seed: int) -> None:
        seeds = random.Random(seed)  # noqa: S311 -- as above
        self._end = threading.Event()
        self.senders = [Sender(url, number, seeds.getrandbits(32), end_with=self._end) for number in range(clients)]

    def wait_for_first(self) -> None:
        """Return when every client has been acknowledged something."""
        waiting = [sender for sender in self.senders if not sender.first.wait(20)]
        assert not waiting, [sender.refusals for sender in waiting]

    def acknowledged(self) -> Acknowledged:
        """What was acknowledged until now. Copied item by item, so it may miss the very last one but never invents."""
        total = Acknowledged()
        for sender in self.senders:
            ended = set(sender.acknowledged.ended.copy())
            total.add(Acknowledged(sender.acknowledged.texts.copy(), ended))
        return total

    def end(self) -> Acknowledged:
        """Stop the clients, whether or not the server is gone; what was acknowledged in all."""
        self._end.set()
        for sender in self.senders:
            sender.thread.join(40)
            assert not sender.thread.is_alive(), "a client hangs"
        return self.acknowledged()

    def refusals(self) -> Counter[int]:
        return sum((sender.refusals for sender in self.senders), Counter())


def stored_runs(url: str) -> Iterator[dict[str, Any]]:
    """Every run of the project, page by page."""
    with httpx.Client(base_url=url, timeout=60) as client:
        (project,) = client.get("/sessions", params={"name": PROJECT}).raise_for_status().json()
        body: dict[str, Any] = {"session": [project["id"]], "select": ["inputs", "status"], "limit": 100}
        while True:
            page = client.post("/runs/query", json=body).raise_for_status().json()
            yield from page["runs"]
            body["cursor"] = page["cursors"]["next"]
            if not body["cursor"]:
                return


def assert_nothing_lost(url: str, acknowledged: Acknowledged) -> int:
    """Every acknowledged run is there, whole and once, and nothing is there twice; the number of runs stored."""
    stored = list(stored_runs(url))
    counts = Counter(run["id"] for run in stored)
    assert [identity for identity, number in counts.items() if number != 1] == []
    assert [identity for identity in acknowledged.texts if identity not in counts] == []
    texts = {run["id"]: run["inputs"]["text"] for run in stored}
    assert [identity for identity, text in acknowledged.texts.items() if texts[identity] != text] == []
    states = {run["id"]: run["status"] for run in stored}
    assert [identity for identity in acknowledged.ended if states[identity] != "success"] == []
    return len(stored)
