"""Deletions and retention over HTTP, beside the SDK: what it wrote is gone from everything it can ask."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from langsmith import Client
from langsmith.utils import LangSmithNotFoundError

from contract.server_process import ServerProcess

Json = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated and will be removed")


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def sdk(live_server: str) -> Client:
    return Client(api_url=live_server, api_key="any", auto_batch_tracing=False)


def trace(sdk: Client, project: str, **metadata: str) -> str:
    """A finished root with a child and feedback; the root's id."""
    root, child, now = uuid.uuid4(), uuid.uuid4(), datetime.now(UTC)
    for run_id, parent in ((root, None), (child, root)):
        sdk.create_run(
            "step",
            {"q": "delete me"},
            "chain",
            id=run_id,
            parent_run_id=parent,
            project_name=project,
            start_time=now,
            end_time=now + timedelta(seconds=1),
            extra={"metadata": metadata},
        )
    sdk.create_feedback(root, "good", score=1, session_id=sdk.read_project(project_name=project).id)
    return str(root)


def unique(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def order(client: httpx.Client, path: str, status: int = 202, **body: Any) -> Json:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


def project_id(client: httpx.Client, name: str) -> str:
    return str(client.get("/sessions", params={"name": name}).json()[0]["id"])


def listed(sdk: Client, project: str) -> set[str]:
    return {str(run.trace_id) for run in sdk.list_runs(project_name=project)}


def test_traces_by_id_are_gone_from_all_the_sdk_asks(client: httpx.Client, sdk: Client) -> None:
    project = unique("ids")
    gone, kept = trace(sdk, project), trace(sdk, project)
    found = order(client, "/runs/delete", trace_ids=[gone], session_id=project_id(client, project))
    assert (found["state"], found["traces"], found["runs"], found["feedback"]) == ("hidden", 1, 2, 1)
    assert listed(sdk, project) == {kept}
    assert [str(item.run_id) for item in sdk.list_feedback(run_ids=[gone, kept])] == [kept]
    with pytest.raises(LangSmithNotFoundError):
        sdk.read_run(gone)
    sdk.update_run(gone, outputs={"late": True}, end_time=datetime.now(UTC))
    assert listed(sdk, project) == {kept}
    assert sdk.read_project(project_name=project, include_stats=True).run_count == 2


def test_metadata_deletes_across_projects_and_any_value_is_enough(client: httpx.Client, sdk: Client) -> None:
    first, second, user = unique("first"), unique("second"), uuid.uuid4().hex
    trace(sdk, first, user=user)
    trace(sdk, second, user=user + "-2")
    kept = trace(sdk, second, user="other")
    counted = order(client, "/runs/delete", 200, metadata={"user": [user, user + "-2"]}, dry_run=True)
    assert (counted["dry_run"], counted["traces"], counted["runs"]) == (True, 2, 4)
    assert len(listed(sdk, first)) == 1
    assert order(client, "/runs/delete", metadata={"user": [user, user + "-2"]})["traces"] == 2
    assert (listed(sdk, first), listed(sdk, second)) == (set(), {kept})


def test_a_query_deletes_what_it_lists(client: httpx.Client, sdk: Client) -> None:
    project = unique("query")
    gone, kept = trace(sdk, project, env="dev"), trace(sdk, project, env="prod")
    body: Json = {"session": [project_id(client, project)], "filter": 'has(metadata, \'{"env": "dev"}\')'}
    assert {run["trace_id"] for run in client.post("/runs/query", json=body).json()["runs"]} == {gone}
    assert order(client, "/runs/delete/query", 200, **body, dry_run=True)["runs"] == 2
    assert order(client, "/runs/delete/query", **body)["runs"] == 2
    assert listed(sdk, project) == {kept}


NOBODYS = str(uuid.UUID(int=0x0B0D))
"""An id that nothing has."""


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/runs/delete", {}, 422, "trace_ids"),
        ("/runs/delete", {"trace_ids": []}, 422, "trace_ids"),
        ("/runs/delete", {"trace_ids": ["x"]}, 400, "trace_ids[0]"),
        ("/runs/delete", {"trace_ids": [str(uuid.UUID(int=n)) for n in range(1001)]}, 422, "trace_ids"),
        ("/runs/delete", {"trace_ids": [NOBODYS], "metadata": {"a": ["b"]}}, 422, "trace_ids"),
        ("/runs/delete", {"trace_ids": [NOBODYS], "dry_run": "yes"}, 422, "dry_run"),
        ("/runs/delete", {"metadata": {}}, 422, "metadata"),
        ("/runs/delete", {"metadata": {"a": [{"b": 1}]}}, 422, "metadata.a"),
        ("/runs/delete", {"trace_ids": [NOBODYS], "session_id": NOBODYS}, 404, "session_id"),
        ("/runs/delete/traces", {"trace_ids": [NOBODYS]}, 422, "session_id"),
        ("/runs/delete/query", {}, 422, "filter"),
        ("/runs/delete/query", {"filter": 'eq(name, "x")'}, 422, "session"),
        ("/runs/delete/query", {"filter": "eq(", "session": NOBODYS}, 404, "session_id"),
    ],
)
def test_what_cannot_be_deleted_is_told(client: httpx.Client, path: str, body: Json, status: int, field: str) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_an_unknown_deletion_is_not_found(client: httpx.Client) -> None:
    assert client.get(f"/runs/delete/{uuid.uuid4()}").status_code == 404


def test_retention_is_set_inherited_tried_and_shown(client: httpx.Client, sdk: Client) -> None:
    project = unique("kept")
    sdk.create_run(
        "old", {}, "chain", id=uuid.uuid4(), project_name=project, start_time=datetime(2025, 1, 1, tzinfo=UTC),
        end_time=datetime(2025, 1, 1, 0, 1, tzinfo=UTC),
    )  # fmt: skip
    path = f"/sessions/{project_id(client, project)}/retention"
    assert client.get(path).json() == {"days": None, "inherited": True}
    assert client.get(f"{path}/preview").json()["traces"] == 0
    assert client.get(f"{path}/preview", params={"days": 30}).json()["traces"] == 1
    assert client.put(path, json={"days": 4000}).json() == {"days": 4000, "inherited": False}
    assert client.put("/ttl-settings", json={"longlived_ttl_days": 5000}).json()["longlived_ttl_days"] == 5000
    assert client.get("/retention").json() == {"days": 5000, "inherited": False}
    assert client.delete(path).json() == {"days": 5000, "inherited": True}
    assert client.put("/retention", json={"days": None}).json() == {"days": None, "inherited": False}
    assert client.get("/ttl-settings").json()[0]["longlived_ttl_days"] is None
    for days in (0, -1, "7", 1.5, True, 10**9):
        assert client.put(path, json={"days": days}).status_code == 422
    assert client.put(path, json={}).status_code == 422


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_server_goes_on_deleting_until_no_file_holds_it(tmp_path: Path) -> None:
    """Killed right after the answer, again after the mask: nothing comes back, and in the end it is off the disk."""
    server = ServerProcess(tmp_path / "data")
    secret = uuid.uuid4().hex
    with httpx.Client(base_url=server.url, timeout=30) as client:
        sdk = Client(api_url=server.url, api_key="any", auto_batch_tracing=False)
        gone, kept = trace(sdk, "p", secret=secret), trace(sdk, "p")
        deletion = order(client, "/runs/delete", trace_ids=[gone])["id"]
    server.kill()
    state: Json = {}
    for wait_for in ("masked", "done"):
        server = ServerProcess(tmp_path / "data")
        with httpx.Client(base_url=server.url, timeout=30) as client:
            sdk = Client(api_url=server.url, api_key="any", auto_batch_tracing=False)
            assert listed(sdk, "p") == {kept}
            state = _wait_for(client, deletion, wait_for)
            assert listed(sdk, "p") == {kept}
            assert client.post("/runs", json={"id": gone, "name": "late", "run_type": "chain"}).status_code == 202
            assert listed(sdk, "p") == {kept}
        server.kill()
    assert state["left"] == {"runs": 0, "disk_bytes": 0}


def _wait_for(client: httpx.Client, deletion: str, state: str) -> Json:
    deadline = time.monotonic() + 180
    while True:
        found: Json = client.get(f"/runs/delete/{deletion}").json()
        if found["state"] in (state, "done"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
