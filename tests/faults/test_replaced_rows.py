"""A server killed while it removes replaced rows shows every run once, as it was last written, and ends the removal."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from faults.faulty_server import HURRY_VARIABLE, KILL_VARIABLE, REMOVAL_POINTS
from faults.servers import start_faulty

RUNS: Final = 5
STARTED: Final = "2026-11-01T10:00:00Z"
HURRIED: Final = {HURRY_VARIABLE: "1"}


def write(url: str, batch: int) -> dict[str, str]:
    """Five runs, each replaced twice after its end; what they are called last, by id. Ends early with the server."""
    names = {str(UUID(int=0xFA000 + batch * RUNS + number)): f"first {batch}.{number}" for number in range(RUNS)}
    bodies: list[dict[str, Any]] = [
        {"id": run, "name": name, "run_type": "chain", "start_time": STARTED, "end_time": STARTED, "session_name": "p"}
        for run, name in names.items()
    ]
    with httpx.Client(base_url=url, timeout=10) as client:
        for body in bodies:
            client.post("/runs", json=body).raise_for_status()
        for word in ("second", "third"):
            for run in names:
                try:
                    client.patch(f"/runs/{run}", json={"name": f"{word} {run}", "end_time": STARTED}).raise_for_status()
                except httpx.TransportError:
                    return names
                names[run] = f"{word} {run}"
    return names


def listed(url: str) -> list[tuple[str, str]]:
    sessions = [session["id"] for session in httpx.get(f"{url}/sessions", params={"name": "p"}).json()]
    answer = httpx.post(f"{url}/runs/query", json={"session": sessions, "limit": 100, "select": ["id", "name"]})
    return sorted((run["id"], run["name"]) for run in answer.raise_for_status().json()["runs"])


def gauge(url: str, name: str) -> int:
    found = re.search(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    assert found is not None, name
    return int(float(found[1]))


def wait_until_gone(url: str, runs: int) -> None:
    """The rows that do not count are on no disk any more."""
    ends = time.monotonic() + 60
    while gauge(url, "runlake_replaced_rows") or gauge(url, 'runlake_table_rows{table="runs"}') > runs:
        assert time.monotonic() < ends
        time.sleep(0.2)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(("after removal",), id="the narrowest"),
        pytest.param(REMOVAL_POINTS, id="every", marks=pytest.mark.slow),
    ],
)
def test_a_kill_while_replaced_rows_are_removed_shows_none_of_them_again(
    tmp_path: Path, points: tuple[str, ...]
) -> None:
    """One data directory goes through all of them; each start ends what the kill before it left undone."""
    data = tmp_path / "data"
    written: dict[str, str] = {}
    for number, point in enumerate(points):
        killed = start_faulty(data, **HURRIED, **{KILL_VARIABLE: f"{point}:1"})
        written |= write(killed.url, number)
        assert killed.wait() == -9, point
        again = start_faulty(data, **HURRIED)
        try:
            assert listed(again.url) == sorted(written.items()), point
            wait_until_gone(again.url, len(written))
            assert listed(again.url) == sorted(written.items()), point
        finally:
            assert again.stop() == 0
