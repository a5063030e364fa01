"""A server killed at any moment of its work has lost nothing that it acknowledged, and doubled nothing."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

import httpx
import pytest

from contract.server_process import ServerProcess
from faults.faulty_server import KILL_VARIABLE, POINTS
from faults.load import PROJECT, Acknowledged, Load, assert_nothing_lost
from faults.servers import start_faulty

FEEDBACK_POINTS: Final = frozenset({"before feedback", "after feedback"})
PROJECT_POINTS: Final = frozenset({"before project", "after project"})
RUN_POINTS: Final = tuple(point for point in POINTS if point not in FEEDBACK_POINTS | PROJECT_POINTS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(("after runs", "before settled", "before visible"), id="the three narrowest"),
        pytest.param(RUN_POINTS, id="every", marks=pytest.mark.slow),
    ],
)
def test_a_kill_at_a_step_of_a_commit_loses_and_doubles_nothing(tmp_path: Path, points: tuple[str, ...]) -> None:
    """One data directory goes through all of them; each start recovers from the kill before it."""
    data = tmp_path / "data"
    acknowledged = Acknowledged()
    for point in points:
        server = start_faulty(data, **{KILL_VARIABLE: f"{point}:7"})
        if acknowledged.texts:
            assert_nothing_lost(server.url, acknowledged)
        load = Load(server.url, clients=2, seed=len(acknowledged.texts))
        assert server.wait() == -9, point
        acknowledged.add(load.end())
        assert set(load.refusals()) <= {503}
    server = ServerProcess(data)
    try:
        assert assert_nothing_lost(server.url, acknowledged) >= len(acknowledged.texts) > 0
    finally:
        assert server.stop() == 0


def kill_at_random_moments(data: Path, *, rounds: int, clients: int, seed: int) -> None:
    moments = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    acknowledged = Acknowledged()
    server = ServerProcess(data)
    try:
        for _ in range(rounds):
            load = Load(server.url, clients=clients, seed=moments.getrandbits(32))
            load.wait_for_first()
            time.sleep(moments.uniform(0.0, 1.0))
            server.kill()
            acknowledged.add(load.end())
            server = ServerProcess(data)
            assert_nothing_lost(server.url, acknowledged)
    finally:
        server.kill()


@pytest.mark.timeout(120)
def test_kills_at_three_random_moments_lose_nothing(tmp_path: Path) -> None:
    kill_at_random_moments(tmp_path / "data", rounds=3, clients=8, seed=3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_at_fifty_random_moments_lose_nothing(tmp_path: Path) -> None:
    kill_at_random_moments(tmp_path / "data", rounds=50, clients=8, seed=50)


@pytest.mark.slow
@pytest.mark.parametrize("point", sorted(FEEDBACK_POINTS))
def test_a_kill_around_the_insert_of_feedback_keeps_what_was_acknowledged(tmp_path: Path, point: str) -> None:
    data = tmp_path / "data"
    server = start_faulty(data, **{KILL_VARIABLE: f"{point}:3"})
    run_id = "00000000-0000-4000-8000-00000000000a"
    acknowledged: set[str] = set()
    with httpx.Client(base_url=server.url, timeout=10) as client:
        client.post("/runs", json={"id": run_id, "name": "judged", "run_type": "chain"}).raise_for_status()
        try:
            for number in range(5):
                feedback_id = f"00000000-0000-4000-8000-{number:012d}"
                body = {"id": feedback_id, "run_id": run_id, "key": f"key {number}", "score": number}
                client.post("/feedback", json=body).raise_for_status()
                acknowledged.add(feedback_id)
        except httpx.TransportError:
            pass
    assert server.wait() == -9
    assert len(acknowledged) == 2
    again = ServerProcess(data)
    try:
        found = [item["id"] for item in httpx.get(f"{again.url}/feedback", params={"run": run_id}).json()]
        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
    finally:
        again.stop()


@pytest.mark.slow
@pytest.mark.parametrize("point", sorted(PROJECT_POINTS))
def test_a_kill_while_a_project_is_made_leaves_one_project_or_none(tmp_path: Path, point: str) -> None:
    data = tmp_path / "data"
    server = start_faulty(data, **{KILL_VARIABLE: f"{point}:1"})
    run = {"id": "00000000-0000-4000-8000-00000000000b", "name": "first", "run_type": "chain", "session_name": PROJECT}
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{server.url}/runs", json=run)
    assert server.wait() == -9
    again = ServerProcess(data)
    try:
        httpx.post(f"{again.url}/runs", json=run).raise_for_status()
        assert len(httpx.get(f"{again.url}/sessions", params={"name": PROJECT}).json()) == 1
        assert httpx.get(f"{again.url}/runs/{run['id']}").json()["name"] == "first"
    finally:
        again.stop()
