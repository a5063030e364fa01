"""Run queries over plain HTTP: what is on the wire, byte by byte where it matters."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

INPUTS = '{"b": 1.50, "a": "caf\\u00e9 \U0001f389", "big": 12345678901234567890123}'


@pytest.fixture(scope="module")
def project(live_server: str) -> str:
    """A project of five finished runs and their feedback; its id."""
    project_id = str(uuid4())
    for number in range(5):
        run_id = str(uuid4())
        body = (
            f'{{"id": "{run_id}", "name": "run {number}", "run_type": "llm", "session_id": "{project_id}",'
            f' "start_time": "2026-01-02T03:04:0{number}.000006", "end_time": "2026-01-02T03:04:0{number}.500006",'
            f' "inputs": {INPUTS}, "tags": ["t{number % 2}"],'
            ' "outputs": {"messages": [{"role": "ai"}], "usage_metadata": {"input_tokens": 3, "output_tokens": 4,'
            ' "input_token_details": {"cache_read": 1},'
            ' "input_cost": 0.001, "output_cost": 0.002, "total_cost": 0.003}}}'
        )
        assert httpx.post(f"{live_server}/runs", content=body).status_code == 202
        mark = {"run_id": run_id, "key": "score", "score": number}
        assert httpx.post(f"{live_server}/feedback", json=mark).status_code == 200
    return project_id


def query(server: str, **body: Any) -> dict[str, Any]:
    answer = httpx.post(f"{server}/runs/query", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_answer_has_the_shape_that_clients_read(live_server: str, project: str) -> None:
    answer = query(live_server, session=[project], limit=1)
    assert set(answer) == {"runs", "cursors", "search_cursors", "parsed_query"}
    (run,) = answer["runs"]
    assert run["name"] == "run 4"
    assert run["start_time"] == "2026-01-02T03:04:04.000006"
    assert run["end_time"] == "2026-01-02T03:04:04.500006"
    assert (run["total_tokens"], run["total_cost"], run["prompt_cost"]) == (7, "0.003", "0.001")
    assert run["feedback_stats"]["score"]["avg"] == 4
    assert run["app_path"].startswith("/o/")
    assert (run["parent_run_id"], run["parent_run_ids"], run["error"], run["trace_tier"]) == (None, [], None, None)
    assert "child_run_ids" not in run
    assert str(UUID(run["id"])) == run["id"]
    assert run["prompt_token_details"] == {"cache_read": 1}
    assert run["completion_token_details"] is None


def test_details_come_along_with_their_numbers(live_server: str) -> None:
    """Unasked only where a run has some; a root's only when it is the only run of its trace that has any."""
    project_id, lonely, root, child, plain = (str(uuid4()) for _ in range(5))
    times = {"start_time": "2026-01-02T03:04:05Z", "end_time": "2026-01-02T03:04:06Z"}
    shared = {"session_id": project_id, "name": "n", "run_type": "llm", **times}
    usage = {"input_tokens": 3, "output_tokens": 4, "input_token_details": {"cache_read": 1}, "input_cost": 0.5}
    for run in (
        {"id": lonely, "outputs": {"usage_metadata": usage}},
        {"id": root, "outputs": {"usage_metadata": usage}},
        {"id": child, "trace_id": root, "parent_run_id": root, "outputs": {"usage_metadata": usage}},
        {"id": plain},
    ):
        assert httpx.post(f"{live_server}/runs", json={**shared, **run}).status_code == 202
    numbers = ["prompt_tokens", "completion_tokens"]
    along = {run["id"]: run for run in query(live_server, session=[project_id], select=numbers)["runs"]}
    assert {key: run.get("prompt_token_details", "absent") for key, run in along.items()} == {
        lonely: {"cache_read": 1},
        root: "absent",
        child: {"cache_read": 1},
        plain: "absent",
    }
    assert "completion_token_details" not in along[lonely]
    assert "prompt_cost_details" not in along[lonely]
    asked = query(live_server, session=[project_id], select=[*numbers, "prompt_token_details"])["runs"]
    assert {run["id"]: run["prompt_token_details"] for run in asked}[root] == {"cache_read": 2}
    assert query(live_server, id=[child], select=["total_tokens"])["runs"][0].get("prompt_token_details") is None


def test_payloads_come_back_byte_for_byte(live_server: str, project: str) -> None:
    text = httpx.post(f"{live_server}/runs/query", json={"session": [project], "select": ["inputs"]}).text
    assert text.count(INPUTS) == 5


def test_what_is_not_selected_is_left_out(live_server: str, project: str) -> None:
    (run,) = query(live_server, session=[project], limit=1, select=["tags", "messages"])["runs"]
    always = {"id", "name", "run_type", "trace_id", "dotted_order", "status", "session_id", "app_path", "start_time"}
    assert set(run) == {*always, "execution_order", "tags", "messages"}
    assert run["messages"] == [{"role": "assistant", "content": ""}]


def test_pages_are_walked_the_way_clients_walk_them(live_server: str, project: str) -> None:
    body = {"session": [project], "limit": 2, "order": "asc"}
    names = []
    while True:
        answer = query(live_server, **body)
        names += [run["name"] for run in answer["runs"]]
        if not answer["cursors"]["next"]:
            break
        body["cursor"] = answer["cursors"]["next"]
    assert names == [f"run {number}" for number in range(5)]


def test_a_run_is_read_alone(live_server: str, project: str) -> None:
    (listed,) = query(live_server, session=[project], filter='eq(name, "run 2")')["runs"]
    address = f"{live_server}/runs/{listed['id']}"
    assert httpx.get(address).json() == listed
    slim = httpx.get(address, params={"exclude_serialized": "true", "include_messages": "true"}).json()
    assert "serialized" not in slim
    assert slim["messages"] == [{"role": "assistant", "content": ""}]
    missing = httpx.get(f"{live_server}/runs/{uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_statistics_are_whole_or_by_group(live_server: str, project: str) -> None:
    whole = httpx.post(f"{live_server}/runs/stats", json={"session": [project]}).json()
    assert (whole["run_count"], whole["total_tokens"], whole["total_cost"]) == (5, 35, 0.015)
    assert (whole["latency_p50"], whole["error_rate"]) == (0.5, 0)
    assert whole["feedback_stats"]["score"]["n"] == 5
    body = {"session": [project], "group_by": {"attribute": "tag"}, "select": ["run_count"]}
    groups = httpx.post(f"{live_server}/runs/stats", json=body).json()
    assert {group: stats["run_count"] for group, stats in groups.items()} == {"t0": 3, "t1": 2}


@pytest.mark.parametrize(
    ("path", "body", "field", "hint"),
    [
        ("/runs/query", {"select": ["input"]}, "select", "did you mean inputs"),
        ("/runs/query", {"filter": 'eq(nmae, "x")'}, "filter", "^"),
        ("/runs/query", {"tree_filter": "eq("}, "tree_filter", "^"),
        ("/runs/query", {"cursor": "nonsense"}, "cursor", "start again"),
        ("/runs/query", {"start_time": "later"}, "start_time", "ISO-8601"),
        ("/runs/query", {"id": ["x"]}, "id", "not a uuid"),
        ("/runs/stats", {"group_by": {"attribute": "size"}}, "group_by.attribute", "use one of"),
    ],
)
def test_a_mistake_is_told_by_field(live_server: str, path: str, body: dict[str, Any], field: str, hint: str) -> None:
    answer = httpx.post(f"{live_server}{path}", json=body)
    assert 400 <= answer.status_code < 500
    told = answer.json()
    assert told["field"] == field
    assert hint in told["detail"]


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b'{"limit": 1e400}', b'{"filter": "\\u0000"}', b"\xff"])
def test_no_body_breaks_the_server(live_server: str, content: bytes) -> None:
    assert httpx.post(f"{live_server}/runs/query", content=content).status_code < 500
    assert httpx.post(f"{live_server}/runs/query/validate", content=content).status_code < 500
    assert httpx.post(f"{live_server}/runs/stats", content=content).status_code < 500


def test_validation_tells_every_problem(live_server: str) -> None:
    body = {"limit": 0, "filter": "eq(nmae, 1)", "order": "up"}
    answer = httpx.post(f"{live_server}/runs/query/validate", json=body).json()
    assert answer["valid"] is False
    assert {problem["field"] for problem in answer["errors"]} == {"limit", "filter", "order"}
    assert httpx.post(f"{live_server}/runs/query/validate", json={}).json() == {"valid": True, "errors": []}


def test_an_explanation_shows_statement_and_cost(live_server: str, project: str) -> None:
    answer = query(live_server, session=[project], filter='has(tags, "t1")', explain=True, limit=1)
    assert "has(tags, {p" in answer["explanation"]
    assert "bytes read in" in answer["explanation"]
