"""Projects and feedback over plain HTTP: what the SDK does not show, or shows only in part."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=10) as client:
        yield client


def make(client: httpx.Client, name: str, **more: Any) -> Json:
    answer = client.post("/sessions", json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def store_run(client: httpx.Client, project: str, **more: Any) -> str:
    """A finished run that took two seconds."""
    run_id = str(uuid.uuid4())
    body = {
        "id": run_id,
        "name": "step",
        "run_type": "chain",
        "session_name": project,
        "start_time": "2026-01-02T03:04:05Z",
        "end_time": "2026-01-02T03:04:07Z",
        **more,
    }
    assert client.post("/runs", json=body).status_code == 202
    return run_id


def judge(client: httpx.Client, **body: Any) -> Json:
    answer = client.post("/feedback", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def listed(client: httpx.Client, path: str, **params: Any) -> list[Json]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()
    return found


def unique(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def test_a_null_leaves_a_project_as_it_is(client: httpx.Client) -> None:
    made = make(client, unique("kept"), description="d", extra={"metadata": {"a": 1}})
    path = f"/sessions/{made['id']}"
    changed = client.patch(path, json={"description": None, "extra": None, "name": None, "trace_tier": "longlived"})
    assert changed.json() == {**made, "trace_tier": "longlived"}
    assert client.get(path).json() == changed.json()


def test_renaming_to_a_taken_name_is_a_conflict(client: httpx.Client) -> None:
    first, second = make(client, unique("first")), make(client, unique("second"))
    assert client.patch(f"/sessions/{second['id']}", json={"name": first["name"]}).status_code == 409


def test_names_ids_and_parts_of_names_list_projects(client: httpx.Client) -> None:
    stem = uuid.uuid4().hex
    names = [f"{stem} {letter}" for letter in "abc"]
    made = {name: make(client, name)["id"] for name in names}
    assert [p["name"] for p in listed(client, "/sessions", name_contains=stem.upper())] == names[::-1]
    assert [p["id"] for p in listed(client, "/sessions", name=names[1])] == [made[names[1]]]
    both = listed(client, "/sessions", id=f"{made[names[0]]},{made[names[2]]}", sort_by="name", sort_by_desc=False)
    assert [p["name"] for p in both] == [names[0], names[2]]
    assert len(listed(client, "/sessions", id=[made[names[0]], made[names[1]]])) == 2
    pages = [listed(client, "/sessions", name_contains=stem, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [[p["name"] for p in page] for page in pages] == [names[:0:-1], names[:1], []]


def test_metadata_and_offset_work_together(client: httpx.Client) -> None:
    tag = uuid.uuid4().hex
    for number in range(3):
        make(client, f"{tag} {number}", extra={"metadata": {"tag": tag, "n": number, "deep": {"x": [1, number]}}})
    make(client, f"{tag} other", extra={"metadata": {"tag": "other"}})
    wanted = f'{{"tag": "{tag}"}}'
    assert [p["name"][-1] for p in listed(client, "/sessions", metadata=wanted, offset=1, limit=1)] == ["1"]
    deep = f'{{"tag": "{tag}", "deep": {{"x": [2]}}}}'
    assert [p["name"][-1] for p in listed(client, "/sessions", metadata=deep)] == ["2"]


def test_experiments_are_set_apart_by_their_dataset(client: httpx.Client) -> None:
    stem, dataset = uuid.uuid4().hex, str(uuid.uuid4())
    make(client, f"{stem} plain")
    make(client, f"{stem} experiment", reference_dataset_id=dataset)
    names = {
        key: [p["name"].split()[1] for p in listed(client, "/sessions", name_contains=stem, **{key: value})]
        for key, value in {"reference_free": "true", "reference_dataset": dataset}.items()
    }
    assert names == {"reference_free": ["plain"], "reference_dataset": ["experiment"]}


def test_statistics_sum_up_runs_and_feedback(client: httpx.Client) -> None:
    name = unique("counted")
    usage = {"usage_metadata": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
    good = store_run(client, name, run_type="llm", outputs=usage)
    store_run(client, name, error="it broke", start_time="2026-01-02T03:04:06Z")
    judge(client, key="good", run_id=good, score=1)
    judge(client, key="good", run_id=good, score=0)
    (project,) = listed(client, "/sessions", name=name)
    judge(client, key="overall", session_id=project["id"], score=0.5, value="fine")
    (stats,) = listed(client, "/sessions", name=name, include_stats=True)
    assert stats["run_count"] == 2
    assert (stats["total_tokens"], stats["prompt_tokens"], stats["completion_tokens"]) == (7, 3, 4)
    assert stats["error_rate"] == 0.5
    assert stats["latency_p50"] == pytest.approx(1.5)
    assert stats["last_run_start_time"] == "2026-01-02T03:04:06.000000"
    assert (stats["feedback_stats"]["good"]["n"], stats["feedback_stats"]["good"]["avg"]) == (2, 0.5)
    assert stats["session_feedback_stats"]["overall"]["values"] == {"fine": 1}
    assert client.get(f"/sessions/{project['id']}?include_stats=1").json() == stats
    later = client.get(f"/sessions/{project['id']}?include_stats=1&stats_start_time=2026-01-02T03:04:06Z").json()
    assert (later["run_count"], later["feedback_stats"]) == (1, {})


def test_projects_sort_by_their_statistics(client: httpx.Client) -> None:
    stem = uuid.uuid4().hex
    for runs in (2, 0, 1):
        make(client, f"{stem} {runs}")
        for _ in range(runs):
            store_run(client, f"{stem} {runs}", start_time=f"2026-01-0{runs}T00:00:00Z")
    for key, expected in {"runs_count": "210", "last_run_start_time": "210"}.items():
        found = listed(client, "/sessions", name_contains=stem, sort_by=key)
        assert "".join(p["name"][-1] for p in found) == expected
        assert "run_count" not in found[0]
    upwards = listed(client, "/sessions", name_contains=stem, sort_by="runs_count", sort_by_desc="false", limit=2)
    assert "".join(p["name"][-1] for p in upwards) == "01"


def test_a_deleted_project_is_gone_from_every_read_at_once(client: httpx.Client) -> None:
    name = unique("doomed")
    finished = store_run(client, name)
    started = store_run(client, name, end_time=None)
    mark = judge(client, key="k", run_id=finished, score=1)
    (project,) = listed(client, "/sessions", name=name)
    assert client.delete(f"/sessions/{project['id']}").status_code == 202
    assert client.get(f"/sessions/{project['id']}").status_code == 404
    assert listed(client, "/sessions", name=name) == []
    for run_id in (finished, started):
        assert client.get(f"/runs/{run_id}").status_code == 404
    assert client.post("/runs/query", json={"id": [finished, started]}).json()["runs"] == []
    deadline = time.monotonic() + 10
    while client.get(f"/feedback/{mark['id']}").status_code != 404:
        assert time.monotonic() < deadline, "rows of a deleted project were not removed"
        time.sleep(0.1)


def test_a_run_after_the_deletion_opens_the_project_anew(client: httpx.Client) -> None:
    name = unique("reborn")
    store_run(client, name)
    (project,) = listed(client, "/sessions", name=name)
    assert client.delete("/sessions", params={"session_ids": project["id"]}).status_code == 202
    late = store_run(client, name)
    later = store_run(client, name, session_id=project["id"])
    (successor,) = listed(client, "/sessions", name=name, include_stats=True)
    assert successor["id"] != project["id"]
    assert successor["run_count"] == 2
    assert {client.get(f"/runs/{run}").json()["session_id"] for run in (late, later)} == {successor["id"]}


def test_deleting_many_is_all_or_nothing(client: httpx.Client) -> None:
    made = [make(client, unique("many"))["id"] for _ in range(2)]
    stranger = str(uuid.uuid4())
    assert client.delete("/sessions", params={"session_ids": [*made, stranger]}).status_code == 404
    assert len(listed(client, "/sessions", id=made)) == 2
    assert client.delete("/sessions", params={"session_ids": made}).status_code == 202
    assert listed(client, "/sessions", id=made) == []


def test_many_clients_make_one_project(client: httpx.Client) -> None:
    name = unique("crowd")

    def create(_: int) -> str:
        found: str = httpx.post(f"{client.base_url}/sessions?upsert=true", json={"name": name}).json()["id"]
        return found

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(16)))) == 1


def test_posting_feedback_twice_stores_it_once(client: httpx.Client) -> None:
    run, mark = str(uuid.uuid4()), str(uuid.uuid4())
    first = judge(client, id=mark, key="k", run_id=run, score=1, comment="a")
    second = judge(client, id=mark, key="k", run_id=run, score=0)
    assert second["created_at"] == first["created_at"]
    (found,) = listed(client, "/feedback", run=run)
    assert (found["score"], found["comment"]) == (0, None)


def test_feedback_posted_again_under_another_key_or_run_moves(client: httpx.Client) -> None:
    first, second, mark = str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4())
    judge(client, id=mark, key="old", run_id=first, score=1)
    judge(client, id=mark, key="new", run_id=second, score=1)
    assert listed(client, "/feedback", run=first) == []
    assert [found["key"] for found in listed(client, "/feedback", run=second)] == ["new"]
    assert client.get(f"/feedback/{mark}").json()["run_id"] == second


def test_values_come_back_as_they_were_sent(client: httpx.Client) -> None:
    sent: Json = {
        "key": "all",
        "run_id": str(uuid.uuid4()),
        "value": {"a": [1, "zwei", None]},
        "correction": {"outputs": {"y": 2}},
        "comment": "ünï ☃",
        "extra": {"n": 1.5},
        "feedback_source": {"type": "model", "metadata": {"__run": {"run_id": "x"}}},
        "feedback_config": {"type": "continuous", "min": 0, "max": 1},
        "start_time": "2026-01-02T03:04:05.000006",
        "comparative_experiment_id": str(uuid.uuid4()),
        "feedback_group_id": str(uuid.uuid4()),
        "error": True,
    }
    made = judge(client, **sent)
    assert {key: made[key] for key in sent if key != "feedback_source"} == {
        key: value for key, value in sent.items() if key != "feedback_source"
    }
    assert made["feedback_source"]["metadata"] == {"__run": {"run_id": "x"}}
    assert client.get(f"/feedback/{made['id']}").json() == made


@pytest.fixture(scope="module")
def marks(client: httpx.Client) -> Json:
    """Five judgements on two runs and a project, which two more runs lie in; the key names each."""
    runs = [str(uuid.uuid4()), str(uuid.uuid4())]
    project = str(uuid.uuid4())
    inside = store_run(client, "", session_name=None, session_id=project)
    begun = store_run(client, "", session_name=None, session_id=project, end_time=None)
    judge(client, key="inside", run_id=inside, feedback_source={"type": "app", "user_id": "u1"})
    judge(client, key="begun", run_id=begun, feedback_source={"type": "app", "ls_user_id": "u2"})
    experiment = str(uuid.uuid4())
    judge(client, key="scored", run_id=runs[0], score=1, created_at="2026-01-01T00:00:00Z")
    judge(client, key="said", run_id=runs[0], comment="hm", created_at="2026-01-02T00:00:00Z")
    judge(client, key="valued", run_id=runs[1], value="v", feedback_source={"type": "model"}, session_id=project)
    judge(client, key="compared", run_id=runs[1], score=0, comparative_experiment_id=experiment)
    judge(client, key="whole", session_id=project, score=0.5)
    return {"runs": runs, "project": project, "experiment": experiment}


LISTINGS: dict[str, tuple[Json, set[str]]] = {
    "one run": ({"run": 0}, {"scored", "said"}),
    "runs repeated": ({"run": [0, 1]}, {"scored", "said", "valued", "compared"}),
    "runs by commas": ({"run": "both"}, {"scored", "said", "valued", "compared"}),
    "the alias of run": ({"run_id": 1}, {"valued", "compared"}),
    "a project": ({"session": "project"}, {"valued", "whole", "inside", "begun"}),
    "projects": ({"session": ["project", str(uuid.uuid4())], "source": "app"}, {"inside", "begun"}),
    "users": ({"session": "project", "user": ["u1", "u2", "u3"]}, {"inside", "begun"}),
    "a user": ({"session": "project", "user": "u2"}, {"begun"}),
    "a key": ({"run": 0, "key": "said"}, {"said"}),
    "keys": ({"run": 0, "key": ["said", "scored"]}, {"said", "scored"}),
    "a source": ({"run": [0, 1], "source": "model"}, {"valued"}),
    "with a comment": ({"run": [0, 1], "has_comment": True}, {"said"}),
    "without a comment": ({"run": [0], "has_comment": False}, {"scored"}),
    "with a score": ({"run": [0, 1], "has_score": True}, {"scored", "compared"}),
    "without a score": ({"run": [0, 1], "has_score": False}, {"said", "valued"}),
    "on runs": ({"session": "project", "level": "run"}, {"valued", "inside", "begun"}),
    "on projects": ({"session": "project", "level": "session"}, {"whole"}),
    "of an experiment": ({"comparative_experiment_id": "experiment"}, {"compared"}),
    "no such user": ({"session": "project", "user": "u"}, set()),
    "from a time on": ({"run": 0, "min_created_at": "2026-01-02T00:00:00Z"}, {"said"}),
    "up to a time": ({"run": 0, "max_created_at": "2026-01-01T00:00:00Z"}, {"scored"}),
    "no such run": ({"run": str(uuid.uuid4())}, set()),
}


def spelled(marks: Json, value: Any) -> Any:
    """The parameter with the names of the population put in."""
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [marks["runs"][number] for number in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return marks["runs"][value]
    if value == "both":
        return ",".join(marks["runs"])
    if isinstance(value, list):
        return [marks.get(item, item) for item in value]
    return marks.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(("params", "expected"), LISTINGS.values(), ids=LISTINGS)
def test_feedback_is_listed_by(client: httpx.Client, marks: Json, params: Json, expected: set[str]) -> None:
    sent = {name: spelled(marks, value) for name, value in params.items()}
    assert {found["key"] for found in listed(client, "/feedback", **sent)} == expected


def test_pages_of_feedback_join(client: httpx.Client, marks: Json) -> None:
    whole = listed(client, "/feedback", run=marks["runs"])
    pages = [listed(client, "/feedback", run=marks["runs"], limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [mark for page in pages for mark in page] == whole
    assert [len(page) for page in pages] == [3, 1, 0]


def test_changes_at_the_same_time_all_hold(client: httpx.Client) -> None:
    """A change reads before it writes; two at once must not undo each other."""
    made = judge(client, key="k", run_id=str(uuid.uuid4()))
    changes: list[Json] = [{"score": 1}, {"comment": "c"}, {"value": "v"}, {"correction": "x"}]

    def patch(change: Json) -> int:
        return httpx.patch(f"{client.base_url}/feedback/{made['id']}", json=change).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(patch, changes)) == [200] * 4
    found = client.get(f"/feedback/{made['id']}").json()
    assert (found["score"], found["comment"], found["value"], found["correction"]) == (1, "c", "v", "x")
    assert found["modified_at"] > made["modified_at"]


def test_deleted_feedback_is_gone_and_may_come_back(client: httpx.Client) -> None:
    made = judge(client, key="k", run_id=str(uuid.uuid4()), score=1)
    path = f"/feedback/{made['id']}"
    assert client.delete(path).status_code == 200
    assert [client.get(path).status_code, client.patch(path, json={}).status_code] == [404, 404]
    assert client.delete(path).status_code == 404
    assert listed(client, "/feedback", run=made["run_id"]) == []
    judge(client, id=made["id"], key="k", run_id=made["run_id"], score=0)
    assert client.get(path).json()["score"] == 0


def test_feedback_needs_no_run_and_is_found_when_the_run_comes(client: httpx.Client) -> None:
    name = unique("early")
    run_id = str(uuid.uuid4())
    judge(client, key="early bird", run_id=run_id, score=1)
    store_run(client, name, id=run_id)
    query = {"filter": 'and(eq(feedback_key, "early bird"), eq(feedback_score, 1))'}
    assert [run["id"] for run in client.post("/runs/query", json=query).json()["runs"]] == [run_id]
