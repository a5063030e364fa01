"""The client's own methods against the server: single writes, batches, feedback, projects, statistics, errors."""

from __future__ import annotations

import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario


@pytest.fixture(scope="module", params=list(Sdk), ids=str)
def called(request: pytest.FixtureRequest, live_server: str) -> Outcome:
    """Every call of the scenario made once, with each SDK."""
    return run_scenario("client_calls", request.param, live_server)


def test_the_two_sdks_are_two(called: Outcome) -> None:
    """The older release does not know the argument that the current one asks for."""
    assert called["sdk"] is (called.sdk is Sdk.CURRENT)


def test_the_sdk_has_nothing_to_complain_of(called: Outcome) -> None:
    assert called.complaints == ""


def test_a_single_create_and_update_need_no_place(called: Outcome) -> None:
    """Without trace id and dotted order a run is its own trace; nulls of the update change nothing."""
    before, after = called["single_writes"]["before"], called["single_writes"]["after"]
    assert [before["status"], after["status"]] == ["pending", "success"]
    assert [after["name"], after["inputs"], after["outputs"], after["tags"]] == ["Single", {"a": 1}, {"b": 2}, ["kept"]]
    assert after["trace is itself"]
    assert after["dotted order ends with id"]


def test_a_single_child_is_placed_below_its_parent(called: Outcome) -> None:
    assert called["single_child"] == {
        "children": ["Lone child"],
        "trace": True,
        "loaded": ["Lone child"],
        "order": True,
    }


def test_a_run_without_id_is_stored_once(called: Outcome) -> None:
    assert called["without_id"] == ["success"]


def test_an_update_may_come_before_its_create(called: Outcome) -> None:
    facts = called["update_first"]
    assert [facts["run"]["status"], facts["run"]["inputs"], facts["run"]["outputs"]] == [
        "success",
        {"a": 1},
        {"late": False},
    ]
    assert facts["latency"] == [2.0]


def test_a_batch_of_creates_and_patches(called: Outcome) -> None:
    facts = called["batch"]
    assert [facts[f"Batch {name}"]["status"] for name in ("one", "two", "three")] == ["success", "error", "success"]
    assert facts["Batch two"]["error"] == "no luck"
    assert [facts["Batch three"]["outputs"], facts["Batch three"]["tags"]] == [{"patched": True}, ["patched"]]
    assert facts["Batch three"]["inputs"] == {"name": "Batch three"}


def test_a_run_sent_twice_is_one_run(called: Outcome) -> None:
    assert called["sent_twice"] == {"ids": True, "inputs": [{"name": "Twice"}]}


def test_lists_longer_than_a_page(called: Outcome) -> None:
    assert called["many"] == {"limit 250": True, "all": True, "ascending": True, "counts": [250, 260, 120]}


def test_feedback_is_listed_with_what_was_said(called: Outcome) -> None:
    facts = called["feedback"]
    assert facts["ids"]
    assert facts["quick"] == [0.25, "ok", True]
    assert facts["slow"] == ["positive", {"by": "hand"}]
    assert facts["flag"] == 1
    assert facts["by key"]


def test_feedback_shows_in_the_statistics_of_its_run(called: Outcome) -> None:
    stats = called["feedback"]["stats"]
    assert sorted(stats) == ["flag", "quick", "slow"]
    assert [stats["quick"]["n"], stats["quick"]["avg"]] == [1, 0.25]
    assert stats["slow"]["values"] == {"positive": 1}


def test_feedback_is_changed_and_deleted(called: Outcome) -> None:
    facts = called["feedback"]
    assert facts["changed"] == [0.75, "better"]
    assert facts["left"] == ["flag", "quick"]
    assert facts["deleted"] == "LangSmithNotFoundError"


def test_feedback_may_come_before_its_run(called: Outcome) -> None:
    assert called["feedback_before_run"] == ["Judged early"]


def test_a_project_from_making_to_deleting(called: Outcome) -> None:
    assert called["projects"] == {
        "before": False,
        "again": "LangSmithConflictError",
        "ids": True,
        "description": ["first", "first", "second", "second"],
        "metadata": [{"team": "blue"}, {"team": "red"}],
        "ended": True,
        "listed": [True, True],
        "deleted": [False, "LangSmithNotFoundError"],
    }


def test_a_project_may_be_made_again_with_leave(called: Outcome) -> None:
    """The older SDK loses the leave on its way, so it is told of the conflict."""
    if called.sdk is Sdk.OLDER:
        expected = {"complaint": "LangSmithConflictError", "same": True, "description": "first"}
    else:
        expected = {"complaint": "no error", "same": True, "description": "second"}
    assert called["upsert"] == expected


def test_statistics_of_a_project(called: Outcome) -> None:
    facts = called["project_statistics"]
    assert facts["stats"] == {
        "run_count": 4,
        "error_rate": 0.25,
        "total_tokens": 30,
        "prompt_tokens": 20,
        "latency_p50": 1.0,
    }
    assert facts["bad"] == {"run_count": 1, "error_rate": 1.0}
    assert facts["project"] == [4, 30, 0.25]


def test_threads_are_listed_and_read(called: Outcome) -> None:
    """The current SDK alone has these methods."""
    if called.sdk is Sdk.OLDER:
        assert called["threads"] is None
    else:
        assert called["threads"] == {"listed": {"t1": 2, "t2": 1}, "read": ["Turn 0", "Turn 1"]}


@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        ("no run", "LangSmithNotFoundError", "run"),
        ("no project", "LangSmithNotFoundError", "no such project"),
        ("syntax", "LangSmithError", "column"),
        ("field", "LangSmithError", "name"),
        ("infix", "LangSmithError", "and("),
    ],
)
def test_our_errors_reach_the_caller_as_the_sdk_knows_them(called: Outcome, step: str, error: str, said: str) -> None:
    kind, text = called["complaints"][step]
    assert kind == error
    assert said in text
