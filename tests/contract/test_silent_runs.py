"""Open runs whose senders have gone: every answer says so in a field that clients may ignore."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario
from contract.server_process import ServerProcess


@pytest.fixture(scope="module")
def impatient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that calls a run silent after a second."""
    server = ServerProcess(tmp_path_factory.mktemp("impatient") / "data", "--silent-after-seconds", "1")
    yield server.url
    server.stop()


@pytest.fixture(scope="module", params=list(Sdk), ids=str)
def called(request: pytest.FixtureRequest, impatient_server: str) -> Outcome:
    return run_scenario("silent_runs", request.param, impatient_server)


def test_the_sdk_reads_a_silent_run_as_any_pending_one(called: Outcome) -> None:
    assert called["never_ended"] == [["never ended", "pending", None, {"q": 1}]] * 2
    assert called.complaints == ""


def test_every_api_says_how_long_nothing_was_heard(called: Outcome, impatient_server: str) -> None:
    project = httpx.get(f"{impatient_server}/sessions", params={"name": called.project}).json()[0]["id"]
    body = {"session": [project], "select": ["status"]}
    (listed,) = httpx.post(f"{impatient_server}/runs/query", json=body).json()["runs"]
    alone = httpx.get(f"{impatient_server}/runs/{listed['id']}").json()
    chosen = {"project_ids": [project], "selects": ["STATUS"]}
    (second,) = httpx.post(f"{impatient_server}/v2/runs/query", json=chosen).json()["items"]
    assert [run["status"] for run in (listed, alone, second)] == ["pending", "pending", "PENDING"]
    assert all(1 <= run["silent_seconds"] < 60 for run in (listed, alone, second))


def test_a_run_that_ends_after_all_is_like_any_other(called: Outcome, impatient_server: str) -> None:
    project = httpx.get(f"{impatient_server}/sessions", params={"name": called.project}).json()[0]["id"]
    (run,) = httpx.post(f"{impatient_server}/runs/query", json={"session": [project]}).json()["runs"]
    ended = {"end_time": "2099-01-01T00:00:00", "outputs": {"a": 1}}
    assert httpx.patch(f"{impatient_server}/runs/{run['id']}", json=ended).status_code == 202
    found = httpx.get(f"{impatient_server}/runs/{run['id']}").json()
    assert (found["status"], "silent_seconds" in found) == ("success", False)
