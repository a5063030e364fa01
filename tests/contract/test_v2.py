"""The generated client of the current SDK against the v2 API: what it is given is what it can read."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario


@pytest.fixture(scope="module")
def called(live_server: str) -> Outcome:
    """Every call of the scenario made once."""
    return run_scenario("v2_calls", Sdk.CURRENT, live_server)


def test_the_sdk_has_nothing_to_complain_of(called: Outcome) -> None:
    """Among its complaints would be that the server is too old for this API."""
    assert called.complaints == ""


def test_runs_come_in_pages_with_the_fields_chosen(called: Outcome) -> None:
    facts = called["runs_query"]
    assert facts["names"] == ["turn 3", "turn 2", "turn 1", "turn 0"]
    assert facts["status"] == ["ERROR", "SUCCESS", "SUCCESS", "SUCCESS"]
    assert (facts["type"], facts["metadata"]["kind"]) == ("CHAIN", "v2")
    assert facts["own tokens"] == [0, 0, 0, 0]
    assert facts["only id"] == ["id", "query_metadata"]


def test_a_subtree_adds_up_when_asked(called: Outcome) -> None:
    assert called["subtree"] == {"tokens": 7, "cost": 0.5, "details": {"cache_read": 2}, "first token": True}


def test_a_run_is_read_alone(called: Outcome) -> None:
    facts = called["retrieve"]
    assert facts["is it"]
    assert facts["url"]
    assert facts["events"] == [["new_token", None], ["retry", {"n": 1}]]
    assert (facts["latency"], facts["zone"]) == (1.0, "UTC")


def test_a_stream_of_patches_builds_the_page(called: Outcome) -> None:
    assert called["streaming"] == {"names": ["turn 3", "turn 2", "turn 1"]}


def test_traces_carry_their_sums_beside_the_root(called: Outcome) -> None:
    facts = called["traces"]
    assert (facts["names"], facts["tokens"], facts["cost"]) == (["turn 3"], 7, 0.5)
    assert sorted(facts["runs"]) == ["model", "turn 0"]


def test_a_trace_filter_compares_the_sums_that_traces_show(called: Outcome) -> None:
    """Roots here have no tokens or costs of their own."""
    assert called["traces"]["with seven tokens"] == ["turn 2", "turn 1", "turn 0"]
    assert called["traces"]["costly"] == [3, 0]


def test_threads_are_listed_with_their_ends_and_sums(called: Outcome) -> None:
    facts = called["threads"]
    assert facts["threads"] == [["a", 3, 1], ["b", 1, 0]]
    assert (facts["inputs"], facts["outputs"], facts["error"]) == ("question 0", [None, "answer 2"], "Boom: no more")
    assert (facts["tokens"], facts["cost"], facts["details"]) == ([21, 7], 1.5, {"cache_read": 6})
    assert (facts["liked"], facts["p50"]) == (1, 2.0)


def test_a_filter_leaves_turns_out_and_a_trace_filter_threads(called: Outcome) -> None:
    assert called["threads"]["failed only"] == ["a"]
    assert called["threads"]["turns that went well"] == [["b", 1], ["a", 2]]


def test_the_turns_of_a_thread_know_their_place(called: Outcome) -> None:
    facts = called["turns"]
    assert facts["turns"] == [["turn 0", 1, 7, 1.0], ["turn 1", 2, 7, 2.0]]
    assert (facts["preview"], facts["trace"]) == ("question 0", True)


def test_threads_have_statistics(called: Outcome) -> None:
    facts = called["thread_stats"]
    assert facts["one"] == [3, 21, 1.5, 2.0, {"cache_read": 6}]
    assert facts["liked"] == 1
    assert facts["every"] == [2, 4, 28, 0.25, 2.5, 7]


def test_a_thread_is_judged_as_a_whole(called: Outcome) -> None:
    """Its feedback stands beside that on its runs, and is none of the project's."""
    facts = called["thread_feedback"]
    assert facts["b"] == [["solved", 0.75, True]]
    assert facts["a"] == [["liked", 2, 0.5, True]]
    assert (facts["stats"], facts["every"], facts["of some"]) == (0.75, {"liked": 1, "solved": 1}, ["liked"])
    assert facts["shown"] == [None, None, 0.75, "b"]
    assert facts["levels"] == {"thread": ["liked", "solved"], "session": []}
    assert not facts["project"]
    assert facts["after"] == []


def test_feedback_on_a_thread_needs_its_project(live_server: str) -> None:
    answer = httpx.post(f"{live_server}/feedback", json={"key": "solved", "feedback_thread_id": "b"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "session_id"


def test_a_shared_trace_can_be_read_until_it_is_unshared(called: Outcome) -> None:
    assert called["shares"] == {
        "same token": True,
        "shared": True,
        "public": ["model", "turn 0"],
        "one": "model",
        "v1 run": "turn 0",
        "v1 runs": ["model", "turn 0"],
        "gone": "NotFoundError",
        "shared then": False,
    }


def test_a_shared_thread_opens_its_traces_alone(called: Outcome) -> None:
    assert called["shared_thread"] == {"runs": ["model", "turn 2"], "known": True, "gone": None}


def test_projects_are_made_changed_and_listed(called: Outcome) -> None:
    facts = called["projects"]
    assert facts["read"] == [True, "changed", "LONG_LIVED", "PROJECT"]
    assert (facts["listed"], facts["counts"], facts["costs"]) == (2, [0, 8], [0, 2.0])


def test_runs_stand_in_a_queue_in_the_order_in_which_they_came(called: Outcome) -> None:
    facts = called["annotation_queues"]
    assert facts["read"] == ["changed", "look", [{"feedback_key": "liked", "description": "was it?"}]]
    assert facts["listed"] == [["turn 0", True], ["turn 1", True], ["turn 2", True]]
    assert (facts["second"], facts["left"], facts["beyond"]) == ("turn 1", ["turn 0"], "LangSmithNotFoundError")
    assert (facts["done"], facts["found"], facts["gone"]) == (0, [[True], [True]], [])


def test_a_queue_takes_runs_that_are_there_and_forgets_those_that_are_deleted(live_server: str) -> None:
    with httpx.Client(base_url=live_server) as http:
        queue = http.post("/annotation-queues", json={"name": "to judge"}).json()["id"]
        project, ids = str(uuid4()), [str(uuid4()) for _ in range(3)]
        for identity in ids:
            run = {"id": identity, "name": identity, "run_type": "chain", "session_id": project}
            http.post("/runs", json={**run, "start_time": "2026-01-02T03:04:05Z"}).raise_for_status()
        refused = http.post(f"/annotation-queues/{queue}/runs", json=[*ids, str(uuid4())])
        assert (refused.status_code, http.get(f"/annotation-queues/{queue}/size").json()) == (404, {"size": 0})
        assert len(http.post(f"/annotation-queues/{queue}/runs", json=[*ids, ids[0]]).json()) == len(ids)
        http.delete(f"/sessions/{project}").raise_for_status()
        assert http.get(f"/annotation-queues/{queue}/runs").json() == []
        assert http.get(f"/annotation-queues/{queue}/run/0").status_code == 404
        for body in ("{}", "[]", '["x"]', '[{"session_id": null}]', "[[]]"):
            assert http.post(f"/annotation-queues/{queue}/runs", content=body).status_code in (400, 422)
        assert http.post("/annotation-queues", json={"id": queue, "name": "again"}).status_code == 409
        assert http.post("/annotation-queues", json={"name": " "}).status_code == 422
        assert http.patch(f"/annotation-queues/{uuid4()}", json={"name": "x"}).status_code == 404


def test_a_project_that_its_runs_made_holds_its_first_run(called: Outcome) -> None:
    assert called["nested_traces"] == {"loaded": [["turn 0", ["model"]]], "starts with its first run": True}


def test_datasets_are_walked_in_any_order(called: Outcome) -> None:
    facts = called["datasets"]
    assert (facts["walk"], facts["by name"]) == (["c", "b", "a"], ["a", "b", "c", "d"])
    assert facts["by experiment"][0] == "b"
    assert sorted(facts["by experiment"]) == ["a", "b", "c", "d"]
    assert (facts["examples"], facts["excluded"]) == ([1], [[None, 1]])
    assert facts["wanted"] == [["c", "c", "UTC"]]


@pytest.mark.parametrize(
    "query",
    ["cursor=garbage", "cursor=WyJuYW1lIix0cnVlLCJhIiwxXQ", "exclude=name", "sort_by=size", "page_size=0"],
)
def test_a_list_of_datasets_refuses_what_it_cannot_read(live_server: str, query: str) -> None:
    answer = httpx.get(f"{live_server}/v2/datasets?{query}")
    assert answer.status_code in (400, 422)
    assert query.partition("=")[0] in answer.text


def test_a_cursor_of_datasets_belongs_to_one_order(live_server: str) -> None:
    for number in range(2):
        assert httpx.post(f"{live_server}/datasets", json={"name": f"in order {number}"}).status_code == 200
    page = httpx.get(f"{live_server}/v2/datasets?page_size=1&sort_by=name").json()
    other = httpx.get(f"{live_server}/v2/datasets", params={"cursor": page["next_cursor"], "sort_by": "created_at"})
    assert other.status_code in (400, 422)
    assert "another order" in other.json()["detail"]


def test_runs_of_all_experiments_on_a_dataset_are_one_list(live_server: str) -> None:
    dataset = "01990000-0000-7000-8000-00000000da7a"
    body = {"reference_dataset_id": dataset, "selects": ["NAME"]}
    assert httpx.post(f"{live_server}/v2/runs/query", json=body).json() == {"items": [], "next_cursor": None}
    for name in ("first", "second"):
        made = {"type": "EXPERIMENT", "name": f"{name} on a dataset", "reference_dataset_id": dataset}
        project = httpx.post(f"{live_server}/v2/sessions", json=made).json()
        assert project["type"] == "EXPERIMENT"
        run = {"id": str(uuid4()), "name": name, "run_type": "chain", "session_id": project["id"]}
        assert httpx.post(f"{live_server}/runs", json={**run, "start_time": "2026-01-02T03:04:05Z"}).status_code == 202
    items = httpx.post(f"{live_server}/v2/runs/query", json=body).json()["items"]
    assert sorted(item["name"] for item in items) == ["first", "second"]


def test_mistakes_come_as_problem_documents(called: Outcome) -> None:
    kinds = [kind for kind, _ in called["mistakes"]]
    assert kinds[:2] == ["BadRequestError", "UnprocessableEntityError"]
    for _, keys in called["mistakes"]:
        assert {"type", "title", "status", "detail", "instance", "remedy"} <= set(keys)


@pytest.fixture(scope="module")
def thread(live_server: str) -> dict[str, Any]:
    """Two turns of one conversation, each root with the messages so far."""
    said: list[dict[str, str]] = []
    for number in range(2):
        said.append({"role": "user", "content": f"question {number}"})
        answer = {"role": "assistant", "content": f"answer {number}"}
        run = {
            "id": f"01990000-0000-7000-8000-0000000000{number:02}",
            "name": "chat",
            "run_type": "chain",
            "session_name": "threads of v1",
            "start_time": f"2026-01-02T03:04:0{number}Z",
            "end_time": f"2026-01-02T03:04:0{number}.5Z",
            "inputs": {"messages": list(said)},
            "outputs": {"choices": [{"message": answer}]},
            "extra": {"metadata": {"session_id": 'says "a"'}},
        }
        said.append(answer)
        assert httpx.post(f"{live_server}/runs", json=run).status_code == 202
    project = httpx.get(f"{live_server}/sessions", params={"name": "threads of v1"}).json()[0]["id"]
    return {"project": project, "said": said}


def test_groups_of_runs_name_the_filter_that_finds_them(live_server: str, thread: dict[str, Any]) -> None:
    body = {"session_id": thread["project"], "group_by": "conversation"}
    answer = httpx.post(f"{live_server}/runs/group", json=body).json()
    (group,) = answer["groups"]
    assert (answer["total"], group["count"], group["thread_id"]) == (1, 2, 'says "a"')
    assert (group["first_inputs"], group["last_outputs"]) == ("question 0", "answer 1")
    found = httpx.post(f"{live_server}/runs/query", json={"filter": group["filter"], "limit": 10}).json()["runs"]
    assert len(found) == 2
    stats = httpx.post(f"{live_server}/runs/group/stats", json=body).json()
    assert (stats["group_count"], stats["run_count"], stats["latency_p50"]) == (1, 2, 0.5)


def test_the_messages_of_a_thread_occur_once(live_server: str, thread: dict[str, Any]) -> None:
    """Read as the command line client reads them: JSON objects with a blank line between two."""
    params = {"session_id": thread["project"], "select": "all_messages,first_human_last_ai"}
    answer = httpx.get(f"{live_server}/runs/threads/says%20%22a%22", params=params).json()
    lines = answer["previews"]["all_messages"].split("\n\n")
    assert [httpx.Response(200, text=line).json() for line in lines] == thread["said"]
    assert len(answer["previews"]["first_human_last_ai"].split("\n\n")) == 2
    missing = httpx.get(f"{live_server}/runs/threads/nobody", params=params)
    assert (missing.status_code, missing.json()["field"]) == (404, "thread_id")


def test_statistics_over_time_name_their_spans(live_server: str, thread: dict[str, Any]) -> None:
    body = {"session": [thread["project"]], "interval": "hour", "timezone": "Asia/Kolkata", "select": ["run_count"]}
    answer = httpx.post(f"{live_server}/runs/stats", json=body).json()
    assert answer == {"buckets": [{"start_time": "2026-01-02T02:30:00.000000", "stats": {"run_count": 2}}]}


@pytest.mark.parametrize(
    ("method", "path", "status", "hint"),
    [
        ("GET", "/runz/threads/x", 404, "/runs/threads/{thread_id}"),
        ("POST", "/v2/thread/query", 404, "/v2/threads/query"),
        ("GET", "/repos/", 501, "prompt hub"),
        ("GET", "/api/v1/platform/annotation-queues/1/items", 501, "/annotation-queues"),
    ],
)
def test_an_unknown_route_says_what_there_is(live_server: str, method: str, path: str, status: int, hint: str) -> None:
    answer = httpx.request(method, live_server + path)
    assert answer.status_code == status
    assert hint in answer.json()["detail"]


def test_a_token_opens_nothing_but_its_trace(live_server: str, thread: dict[str, Any]) -> None:
    """Whatever a request names, it is looked for within the trace of the token."""
    mine, other = (f"01990000-0000-7000-8000-0000000000{number:02}" for number in range(2))
    token = httpx.put(f"{live_server}/runs/{mine}/share", json={"share_token": "11111111-1111-1111-1111-111111111111"})
    token = token.json()["share_token"]
    assert token != "11111111-1111-1111-1111-111111111111", "a token that is no random one could be guessed"
    assert httpx.get(f"{live_server}/runs/{mine}").json()["share_token"] == token
    public = f"{live_server}/public/{token}"
    assert httpx.get(f"{public}/run/{other}").status_code == 404
    bodies: list[dict[str, Any]] = [
        {"id": [other]},
        {"trace": other},
        {"session": [thread["project"]], "filter": f'eq(id, "{other}")'},
        {"trace_filter": f'eq(id, "{other}")'},
    ]
    for body in bodies:
        found = httpx.post(f"{public}/runs/query", json=body).json()["runs"]
        assert [run["id"] for run in found] in ([], [mine])
    assert httpx.get(f"{public}/runs", params={"id": [mine, other]}).json()[0]["app_path"] == f"/public/{token}/r"
    assert httpx.get(f"{live_server}/public/nonsense/run").status_code == 404
