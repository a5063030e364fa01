"""Law 7: one tenant never sees or changes another's data, by any route of the application.

Routes are enumerated, so a new one fails here until ``tenants.yaml`` knows what a stranger would send it.
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
import yaml
from litestar.handlers import HTTPRouteHandler

from contract.server_process import ServerProcess
from runlake.access_admin import DirectoryAdmin
from runlake.api.auth import Access, declared_access
from runlake.model.access import KeyScope, with_implied
from runlake.wiring.http import API_HANDLERS

NEED_NOT_EXIST: Final = re.compile(r"\{(thread|trace)_id|/share|/url")
"""Anybody may have a thread of that name; what is not shared stays so; a URL only repeats what was sent."""
CREATES_WITH_AN_ID: Final = {
    ("POST", path) for path in ("/sessions", "/v2/sessions", "/datasets", "/annotation-queues")
}
SECRET: Final = "zebracrossing"
"""In every text that the first tenant stores; in no answer to anybody else."""
SENT: Final = yaml.safe_load(Path(__file__).with_name("tenants.yaml").read_text("utf-8"))
_NAME: Final = re.compile(r"\{(\w+)\}")

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
    run_id = str(uuid.uuid4())
    house.ids.update(run_id=run_id, trace_id=run_id, thread_id="thread-1", name="no-such-snapshot")
    for step in SENT["made"]:
        method = "POST" if "post" in step else "PUT"
        named = {**house.ids, "secret": SECRET, "exports": str(exports)}
        path, body = filled(step[method.lower()], named), filled(step.get("json"), named)
        answer = house.ask("owner", method, path, json=body)
        assert answer.status_code < 300, (path, answer.text)
        if "as" in step:
            house.ids[step["as"]] = answer.json()[step.get("take", "id")]
    wait_until_done(house)
    export_run, *_ = house.ask("owner", "GET", f"/bulk-exports/{house.ids['bulk_export_id']}/runs").json()
    house.ids["export_run_id"] = export_run["id"]


def filled(value: Any, named: Mapping[str, str]) -> Any:
    """``value`` of the file with what it names put in."""
    match value:
        case dict():
            return {key: filled(item, named) for key, item in value.items()}
        case list():
            return [filled(item, named) for item in value]
        case str():
            return _NAME.sub(lambda found: str(uuid.uuid4()) if found[1] == "new_id" else named[found[1]], value)
        case _:
            return value


def wait_until_done(house: House) -> None:
    """The export is over, so that nothing changes by itself any more."""
    ends = time.monotonic() + 30
    while house.ask("owner", "GET", f"/bulk-exports/{house.ids['bulk_export_id']}").json()["status"] != "Completed":
        assert time.monotonic() < ends
        time.sleep(0.1)


def body_of(path: str, ids: Mapping[str, str]) -> dict[str, Any] | None:
    """What a stranger who has learnt all ids would send."""
    return cast("dict[str, Any] | None", filled(SENT["bodies"].get(path), ids))


def parameters_of(path: str, ids: Mapping[str, str]) -> dict[str, str]:
    """Query parameters, where a route finds things by them."""
    return cast("dict[str, str]", filled(SENT["parameters"].get(path, {}), ids))


def fill(path: str, ids: Mapping[str, str]) -> str:
    if "{bulk_export_id" in path:
        ids = {**ids, "run_id": ids["export_run_id"]}
    for name, value in {**ids, "index": "0"}.items():
        path = path.replace(f"{{{name}:str}}", value).replace(f"{{{name}:int}}", value)
    if "{" in path:
        pytest.fail(f"nothing in tenants.yaml makes what {path} could name", pytrace=False)
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
        assert body_of(path, house.ids) is not None, "add to bodies in tenants.yaml what a stranger would send"
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
