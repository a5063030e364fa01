"""Law 7: one tenant never sees or changes another's data, by any route of the application.

Routes are enumerated, so a new one fails here until this file knows what a stranger would send it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from contract.server_process import ServerProcess
from runlake.access_admin import DirectoryAdmin
from runlake.api.auth import Access, declared_access
from runlake.app import API_HANDLERS
from runlake.model.access import KeyScope, with_implied

NEED_NOT_EXIST: Final = re.compile(r"\{(thread|trace)_id|/share|/url")
"""Anybody may have a thread of that name; what is not shared stays so; a URL only repeats what was sent."""
CREATES_WITH_AN_ID: Final = {
    ("POST", path) for path in ("/sessions", "/v2/sessions", "/datasets", "/annotation-queues")
}
NAMED_WITH_THEIR_PROJECT: Final = (
    "/runs/threads/{thread_id:str}",
    "/runs/{run_id:str}/share",
    "/v2/runs/{run_id:str}",
    "/v2/runs/{run_id:str}/url",
    "/v2/traces/{trace_id:str}/runs",
    "/v2/threads/{thread_id:str}/traces",
    "/v2/threads/{thread_id:str}/share",
)
SECRET: Final = "zebracrossing"
"""In every text that the first tenant stores; in no answer to anybody else."""

HANDLERS = [
    handler
    for handler in cast("list[HTTPRouteHandler]", list(API_HANDLERS))
    if not any("{rest:path}" in path for path in handler.paths)  # these only say that there is no such thing here
]
ROUTES: Final = [
    pytest.param(handler, method, path, id=f"{method} {path}")
    for handler in HANDLERS
    for path in sorted(handler.paths)
    for method in sorted(handler.http_methods - {"OPTIONS"})
]
READS: Final = [route for route in ROUTES if declared_access(cast("Any", route.values[0])) is Access.READ]
CLOSED: Final = [route for route in ROUTES if declared_access(cast("Any", route.values[0])) is not Access.PUBLIC]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A server with its tenants' ``keys``, ``ids`` of what the owner has by path parameter, and all the owner sees."""

    client: httpx.Client
    keys: Mapping[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    owned: dict[str, Any] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**options.pop("headers", {}), "X-API-Key": self.keys[who]}
        return self.client.request(method, path, headers=headers, **options)


def owned(house: House) -> dict[str, Any]:
    """What the first tenant has, as its own key shows it."""
    ids = house.ids
    run = {"session": [ids["session_id"]], "select": ["id", "name", "inputs", "outputs", "status", "feedback_stats"]}
    paths = {
        *("/sessions", "/feedback", "/api-key", "/retention", "/bulk-exports", "/bulk-exports/destinations"),
        *("/datasets", f"/datasets/{ids['dataset_id']}/versions", f"/datasets/{ids['dataset_id']}/comparative"),
        f"/datasets/{ids['dataset_id']}/share",
        f"/examples?dataset={ids['dataset_id']}",
        *("/feedback-configs", f"/feedback/tokens?run_id={ids['run_id']}"),
        f"/runs/{ids['run_id']}",
        f"/sessions/{ids['session_id']}/retention",
        *("/annotation-queues", f"/annotation-queues/{ids['queue_id']}/runs"),
    }
    found: dict[str, Any] = {path: house.ask("owner", "GET", path).json() for path in sorted(paths)}
    found["runs"] = house.ask("owner", "POST", "/runs/query", json=run).json()["runs"]
    for key in found["/api-key"]:
        key.pop("last_used_at")
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("two-tenants")
    data, exports = folder / "data", folder / "exports"
    exports.mkdir()
    keys = make_keys(data)
    server = ServerProcess(data, "--auth", "required", "--export-roots", str(exports))
    try:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            house = House(client=client, keys=keys)
            settle_in(house, exports)
            house.owned.update(owned(house))
            yield house
    finally:
        server.stop()


def make_keys(data: Path) -> dict[str, str]:
    """An admin of each tenant, and for the second one a key of each single scope."""
    wanted = {"owner": "owners", "stranger": "strangers", "writer": "writers", "namesake": "namesakes"}
    keys = {}
    with DirectoryAdmin.open(data, create=True) as admin:
        for who, tenant in wanted.items():
            admin.create_tenant(tenant)
            keys[who] = str(admin.create_key(tenant, {"scopes": ["admin"], "description": f"{who}'s"}).key)
        for scope in KeyScope:
            keys[scope.value] = str(admin.create_key("strangers", {"scopes": [scope.value]}).key)
    return keys


def settle_in(house: House, exports: Path) -> None:
    """One of everything for the first tenant."""

    def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = house.ask("owner", "POST", path, json=body)
        assert answer.status_code < 300, (path, answer.text)
        return cast("dict[str, Any]", answer.json())

    project = make("/sessions", {"name": f"{SECRET} project", "description": SECRET})
    times = {"start_time": "2026-01-02T03:04:05Z", "end_time": "2026-01-02T03:04:06Z"}
    run_id = str(uuid.uuid4())
    for identity in (run_id, str(uuid.uuid4())):
        make(
            "/runs",
            {
                "id": identity,
                "session_id": project["id"],
                "name": f"{SECRET} run",
                "run_type": "llm",
                "inputs": {"q": SECRET},
                "outputs": {"a": SECRET},
                "tags": [SECRET],
                "extra": {"metadata": {"user": SECRET, "thread_id": "thread-1"}},
                **times,
            },
        )
    dataset = make("/datasets", {"name": f"{SECRET} dataset", "data_type": "chat"})
    experiment = make("/sessions", {"name": f"{SECRET} experiment", "reference_dataset_id": dataset["id"]})
    example = make("/examples", {"dataset_id": dataset["id"], "inputs": {"q": SECRET}, "split": SECRET})
    answer = {"name": f"{SECRET} answer", "run_type": "chain", "outputs": {"a": SECRET}}
    make(
        "/runs",
        {
            "id": str(uuid.uuid4()),
            **answer,
            "session_id": experiment["id"],
            "reference_example_id": example["id"],
            **times,
        },
    )
    comparison = make("/datasets/comparative", {"name": SECRET, "experiment_ids": [experiment["id"]]})
    house.ask("owner", "PUT", f"/datasets/{dataset['id']}/share")
    feedback = make("/feedback", {"run_id": run_id, "key": "k", "comment": SECRET, "score": 1})
    token = make("/feedback/tokens", {"run_id": run_id, "feedback_key": f"{SECRET} key"})
    scale = {"type": "categorical", "categories": [{"value": 0, "label": SECRET}, {"value": 1}]}
    make("/feedback-configs", {"feedback_key": "k", "feedback_config": scale})
    key = make("/api-key", {"description": f"{SECRET} key"})
    place = {"path": str(exports)}
    destination = make(
        "/bulk-exports/destinations", {"destination_type": "local", "display_name": f"{SECRET} place", "config": place}
    )
    window = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-03T00:00:00Z"}
    export = make(
        "/bulk-exports", {"bulk_export_destination_id": destination["id"], "session_id": project["id"], **window}
    )
    share = house.ask(
        "owner", "PUT", f"/runs/{run_id}/share", json={"run_id": run_id, "share_token": str(uuid.uuid4())}
    )
    queue = make("/annotation-queues", {"name": f"{SECRET} queue", "rubric_instructions": SECRET})
    added = house.ask("owner", "POST", f"/annotation-queues/{queue['id']}/runs", json=[run_id])
    assert added.json()[0]["run_id"] == run_id
    deletion = make("/runs/delete", {"session_id": project["id"], "trace_ids": [str(uuid.uuid4())]})
    house.ids.update(
        session_id=project["id"],
        run_id=run_id,
        feedback_id=feedback["id"],
        dataset_id=dataset["id"],
        example_id=example["id"],
        experiment_id=experiment["id"],
        comparative_experiment_id=comparison["id"],
        feedback_token=token["id"],
        key_id=key["id"],
        destination_id=destination["id"],
        bulk_export_id=export["id"],
        deletion_id=deletion["id"],
        queue_id=queue["id"],
        trace_id=run_id,
        thread_id="thread-1",
        share_token=share.json()["share_token"],
        name="no-such-snapshot",
    )
    wait_until_done(house)
    export_run, *_ = house.ask("owner", "GET", f"/bulk-exports/{export['id']}/runs").json()
    house.ids["export_run_id"] = export_run["id"]


def wait_until_done(house: House) -> None:
    """The export is over, so that nothing changes by itself any more."""
    ends = time.monotonic() + 30
    while house.ask("owner", "GET", f"/bulk-exports/{house.ids['bulk_export_id']}").json()["status"] != "Completed":
        assert time.monotonic() < ends
        time.sleep(0.1)


def body_of(path: str, ids: Mapping[str, str]) -> Any:
    """What a stranger who has learnt all ids would send."""
    run, project, dataset, example = ids["run_id"], ids["session_id"], ids["dataset_id"], ids["example_id"]
    query = {"session": [project], "id": [run], "trace": run, "limit": 100}
    query_v2 = {
        "project_id": project,
        "min_start_time": "2026-01-01T00:00:00Z",
        "max_start_time": "2026-01-03T00:00:00Z",
    }
    bodies: dict[str, Any] = {
        "/runs/query": {**query, "select": ["id", "name", "inputs", "outputs", "feedback_stats", "child_run_ids"]},
        "/runs/query/validate": query,
        "/runs/query/explain": query,
        "/runs/stats": query,
        "/runs/group": {"session_id": project, "group_by": "conversation"},
        "/runs/group/stats": {"session_id": project, "group_by": "conversation"},
        "/v2/runs/query": {**query_v2, "project_ids": [project], "selects": ["ID", "NAME", "INPUTS"]},
        "/v2/traces/query": {**query_v2, "selects": ["NAME", "INPUTS"]},
        "/v2/threads/query": query_v2,
        "/v2/sql/query": {"project_ids": [project], "query": "SELECT name, inputs FROM runs"},
        "/v2/threads/stats": {**query_v2, "select": ["THREAD_COUNT"]},
        "/v2/sessions": {"name": "taken over", "id": project},
        "/v2/sessions/{session_id:str}": {"name": "taken over"},
        "/runs/{run_id:str}/share": {"run_id": run, "share_token": str(uuid.uuid4())},
        "/v2/runs/{run_id:str}/share": {"project_id": project, "trace_id": run},
        "/v2/threads/{thread_id:str}/share": {"project_id": project},
        "/public/{share_token:str}/runs/query": query,
        "/v2/public/{share_token:str}/runs/query": query_v2,
        "/export/stream": {"session": project, "format": "jsonl"},
        "/filters/validate": {"text": "x"},
        "/filters/translate": {"text": 'eq(name, "x")'},
        "/filters/complete": {"text": "eq(na", "session": [project]},
        "/runs/delete": {"session_id": project, "trace_ids": [run]},
        "/runs/delete/traces": {"session_id": project, "trace_ids": [run]},
        "/runs/delete/query": query,
        "/retention": {"days": 1},
        "/sessions/{session_id:str}/retention": {"days": 1},
        "/ttl-settings": {"longlived_ttl_days": 1},
        "/sessions": {"name": "taken over", "id": project},
        "/sessions/{session_id:str}": {"name": "taken over"},
        "/feedback": {"id": ids["feedback_id"], "run_id": run, "key": "k", "score": 0},
        "/feedback/eager": {"id": ids["feedback_id"], "run_id": run, "key": "k", "score": 0},
        "/feedback/{feedback_id:str}": {"score": 0},
        "/feedback/tokens": {"run_id": run, "feedback_key": "k", "id": ids["feedback_id"]},
        "/feedback/tokens/{feedback_token:str}": {"score": 1},
        "/feedback-configs": {"feedback_key": "k", "feedback_config": {"type": "freeform"}},
        "/bulk-exports/destinations": {},
        "/bulk-exports/destinations/{destination_id:str}": {"credentials": {}},
        "/bulk-exports": {
            "bulk_export_destination_id": ids["destination_id"],
            "session_id": project,
            "start_time": "2026-01-01T00:00:00Z",
            "end_time": "2026-01-03T00:00:00Z",
        },
        "/bulk-exports/{bulk_export_id:str}": {"status": "Cancelled"},
        "/datasets": {"name": "taken over", "id": dataset},
        "/datasets/{dataset_id:str}": {"name": "taken over"},
        "/datasets/{dataset_id:str}/tags": {"as_of": "2100-01-01T00:00:00Z", "tag": "taken over"},
        "/datasets/{dataset_id:str}/splits": {"split_name": "taken over", "examples": [example]},
        "/datasets/{dataset_id:str}/runs": {"session_ids": [ids["experiment_id"]]},
        "/v2/datasets/{dataset_id:str}/experiment-runs": {"experiment_ids": [ids["experiment_id"]]},
        "/datasets/comparative": {"experiment_ids": [ids["experiment_id"]]},
        "/examples": {"dataset_id": dataset, "inputs": {}},
        "/examples/bulk": {"id": example, "dataset_id": dataset, "inputs": {}},
        "/examples/{example_id:str}": {"inputs": {"taken": "over"}},
        "/platform/datasets/examples/delete": {"example_ids": [example], "hard_delete": True},
        "/platform/datasets/{dataset_id:str}/examples/metadata": {
            "example_ids": [example],
            "operations": [{"key": "dataset_split", "operation": "array_add", "values": ["taken over"]}],
        },
        "/annotation-queues": {"name": "taken over", "id": ids["queue_id"]},
        "/annotation-queues/{queue_id:str}": {"name": "taken over"},
        "/annotation-queues/{queue_id:str}/runs": [run],
        "/annotation-queues/{queue_id:str}/runs/by-key": [{"run_id": run, "session_id": project}],
        "/annotation-queues/{queue_id:str}/runs/delete": {"run_ids": [run]},
        "/workspaces": {"display_name": "third"},
        "/api-key": {"scopes": ["operator"]},
        "/runs": {"id": run, "session_id": project, "name": "taken over", "run_type": "chain"},
        "/runs/{run_id:str}": {"outputs": {"taken": "over"}},
        "/runs/batch": {"patch": [{"id": run, "trace_id": run, "outputs": {"taken": "over"}}]},
    }
    return bodies.get(path)


def parameters_of(path: str, ids: Mapping[str, str]) -> dict[str, str]:
    """Query parameters, where a route finds things by them."""
    project = ids["session_id"]
    whole = {"session_id": project, "project_id": project, "start_time": "2026-01-02T03:04:05Z"}
    return {
        "/sessions": {"id": ids["session_id"], "session_ids": ids["session_id"]},
        "/export/stream": {"session": ids["session_id"], "format": "jsonl"},
        "/feedback": {"run": ids["run_id"]},
        "/feedback/tokens": {"run_id": ids["run_id"]},
        **{path: {**whole, "trace_id": ids["run_id"]} for path in NAMED_WITH_THEIR_PROJECT},
        "/v2/threads/{thread_id:str}/stats": {**whole, "selects": "TURNS"},
        "/datasets": {"id": ids["dataset_id"], "dataset_ids": ids["dataset_id"]},
        "/datasets/{dataset_id:str}/version": {"tag": "latest"},
        "/datasets/{dataset_id:str}/versions/diff": {"from_version": "2026-01-01", "to_version": "latest"},
        "/examples": {"id": ids["example_id"], "example_ids": ids["example_id"]},
        "/examples/count": {"id": ids["example_id"]},
        "/annotation-queues": {"ids": ids["queue_id"]},
        "/bulk-exports/runs": {"source_bulk_export_id": ids["bulk_export_id"]},
        "/runs/delete": {"session_id": project},
    }.get(path, {})


def fill(path: str, ids: Mapping[str, str]) -> str:
    if "{bulk_export_id" in path:
        ids = {**ids, "run_id": ids["export_run_id"]}
    for name, value in {**ids, "index": "0"}.items():
        path = path.replace(f"{{{name}:str}}", value).replace(f"{{{name}:int}}", value)
    if "{" in path:
        pytest.fail(f"settle_in makes nothing that {path} could name", pytrace=False)
    return path


def send(house: House, who: str, method: str, path: str) -> httpx.Response:
    options: dict[str, Any] = {"params": parameters_of(path, house.ids)}
    body = body_of(path, house.ids)
    if body is not None and method in {"POST", "PUT", "PATCH"}:
        options["json"] = body
    return house.ask(who, method, fill(path, house.ids), **options)


def test_the_first_tenant_sees_what_it_has(house: House) -> None:
    """Else nothing below would prove anything."""
    seen = house.owned
    assert SECRET in seen[f"/runs/{house.ids['run_id']}"]["name"]
    assert len(seen["runs"]) == 2
    assert all(seen[path] for path in ("/sessions", "/feedback", "/api-key", "/bulk-exports"))


@pytest.mark.parametrize(("handler", "method", "path"), ROUTES)
def test_every_body_is_known_here(house: House, handler: HTTPRouteHandler, method: str, path: str) -> None:
    if handler.opt.get("request_body") is not None:
        assert body_of(path, house.ids) is not None, "add to body_of what a stranger would send"
    fill(path, house.ids)


@pytest.mark.parametrize(("handler", "method", "path"), READS)
def test_the_owner_is_answered(house: House, handler: HTTPRouteHandler, method: str, path: str) -> None:
    """What the stranger sends below is sound, so that it is refused for who it is."""
    answer = send(house, "owner", method, path)
    assert answer.status_code < 300, answer.text


def code_of(answer: httpx.Response) -> str:
    """The code of a refusal; spans are answered in protobuf, whose first field is the number of a gRPC status."""
    if answer.headers["content-type"].startswith("application/x-protobuf"):
        return {(0x08, 16): "unauthorized", (0x08, 7): "forbidden"}[answer.content[0], answer.content[1]]
    return str(answer.json()["code"])


@pytest.mark.parametrize(("handler", "method", "path"), CLOSED)
def test_without_a_key_every_route_is_closed(house: House, handler: HTTPRouteHandler, method: str, path: str) -> None:
    answer = house.client.request(method, fill(path, house.ids))
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("handler", "method", "path"), CLOSED)
def test_a_key_of_another_scope_opens_no_route(house: House, handler: HTTPRouteHandler, method: str, path: str) -> None:
    access = declared_access(handler)
    assert access is not None
    for scope in KeyScope:
        if not access.value <= with_implied(frozenset({scope})):
            answer = house.ask(scope.value, method, fill(path, house.ids))
            assert (answer.status_code, code_of(answer)) == (403, "forbidden"), scope


@pytest.mark.parametrize(("handler", "method", "path"), CLOSED)
def test_a_stranger_learns_and_changes_nothing(house: House, handler: HTTPRouteHandler, method: str, path: str) -> None:
    """Adding goes by a tenant of its own, because whoever adds under an id of another's has that id then as well."""
    adds = declared_access(handler) is Access.INGEST or (method, path) in CREATES_WITH_AN_ID
    answer = send(house, "writer" if adds else "stranger", method, path)
    assert answer.status_code < 500
    assert SECRET not in answer.text
    if "{" in path and not adds and not NEED_NOT_EXIST.search(path):
        assert answer.status_code in {403, 404}, answer.text
    sent = str(answer.request.url) + answer.request.content.decode()
    assert [identity for identity in house.ids.values() if identity in answer.text and identity not in sent] == []
    if method != "GET":
        assert owned(house) == house.owned


def test_what_is_added_under_the_same_ids_is_another_thing(house: House) -> None:
    run_id = house.ids["run_id"]
    added = {"id": run_id, "name": "mine", "run_type": "chain", "start_time": "2026-02-01T00:00:00Z"}
    assert house.ask("namesake", "POST", "/runs", json=added).status_code == 202
    mine = house.ask("namesake", "GET", f"/runs/{run_id}").json()
    assert mine["name"] == "mine"
    assert SECRET not in str(mine)
    assert owned(house) == house.owned


def test_a_cursor_of_another_tenant_is_refused(house: House) -> None:
    body = {"session": [house.ids["session_id"]], "limit": 1}
    cursor = house.ask("owner", "POST", "/runs/query", json=body).json()["cursors"]["next"]
    assert cursor
    answer = house.ask("stranger", "POST", "/runs/query", json={**body, "cursor": cursor})
    assert 400 <= answer.status_code < 500, answer.text
    everything = house.ask("stranger", "POST", "/runs/query", json={"is_root": True, "limit": 1, "cursor": cursor})
    assert everything.status_code == 400
    assert SECRET not in answer.text + everything.text


@pytest.mark.parametrize("text", [f'search("{SECRET}")', f'has(tags, "{SECRET}")', 'eq(feedback_key, "k")'])
def test_a_search_stays_within_the_tenant(house: House, text: str) -> None:
    for body in ({"filter": text}, {"trace_filter": text}, {"tree_filter": text}):
        for path in ("/runs/query", "/runs/stats"):
            answer = house.ask("stranger", "POST", path, json=body)
            assert answer.status_code == 200, answer.text
            assert SECRET not in answer.text
            if path == "/runs/query":
                assert answer.json()["runs"] == []


@pytest.mark.parametrize("header", ["X-Tenant-Id", "x-tenant-id"])
def test_the_tenant_cannot_be_chosen_by_a_header(house: House, header: str) -> None:
    owner = house.ask("owner", "GET", "/settings").json()["id"]
    own = house.ask("stranger", "GET", "/settings").json()["id"]
    assert house.ask("stranger", "GET", "/sessions", headers={header: own}).status_code == 200
    for other in (owner, str(uuid.uuid4()), "x"):
        answer = house.ask("stranger", "GET", "/sessions", headers={header: other})
        assert (answer.status_code, answer.json()["field"]) == (403, "X-Tenant-Id")
    seen = house.ask("operator", "GET", "/sessions", headers={header: owner}).json()
    assert [SECRET in project["name"] for project in seen] == [True, True]


def test_a_workspace_list_is_complete_for_the_operator_alone(house: House) -> None:
    assert [item["display_name"] for item in house.ask("stranger", "GET", "/workspaces").json()] == ["strangers"]
    names = {item["display_name"] for item in house.ask("operator", "GET", "/workspaces").json()}
    assert {"default", "owners", "strangers", "writers"} <= names
