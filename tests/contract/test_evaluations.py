"""Datasets and evaluations with unmodified SDKs, end to end."""

from __future__ import annotations

import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario


@pytest.fixture(scope="module", params=list(Sdk), ids=str)
def called(request: pytest.FixtureRequest, live_server: str) -> Outcome:
    """Every call of the scenario made once, with each SDK."""
    return run_scenario("evaluation_calls", request.param, live_server)


def test_datasets_are_made_found_and_told_apart(called: Outcome) -> None:
    assert called["dataset_methods"] == {
        "same": True,
        "has": [True, False],
        "metadata": "a",
        "conflict": "conflict",
        "missing": "missing",
        "by metadata": 1,
        "by name": [True],
    }


def test_examples_come_back_as_they_were_sent(called: Outcome) -> None:
    facts = called["examples_come_back"]
    assert facts["count"] == facts["dataset count"] == 5
    assert facts["questions"] == [0, 1, 2, 3, 9]
    assert facts["answers"] == [{"a": 2 * q} for q in facts["questions"]]
    assert facts["metadata"][1] == {"dataset_split": ["train"], "odd": True}
    assert facts["metadata"][4] == {"dataset_split": ["base"]}
    assert facts["attachment"] == ["text/plain", "read me"]


def test_listings_choose_by_split_metadata_and_filter(called: Outcome) -> None:
    facts = called["examples_come_back"]
    assert [facts["train"], facts["odd"], facts["filter"]] == [4, 2, 1]
    assert facts["splits"] == ["base", "train"]
    assert facts["page"] == [3, 2]


def test_an_experiment_runs_and_its_results_can_be_read(called: Outcome) -> None:
    facts = called["an_experiment"]
    assert facts["of dataset"]
    assert facts["name"] in facts["listed"]
    assert [facts["runs"], facts["references"], facts["result stats"]] == [5, 5, 5]
    assert facts["correct"] == [5, 0.8]
    assert facts["pass rate"] == 0.8
    assert facts["version"]
    assert facts["splits"] == ["base", "train"]
    assert facts["of example"] == 1
    assert facts["results"] == [[0, 0, 0, 1.0], [1, 2, 2, 1.0], [2, 4, 4, 1.0], [3, 6, 0, 0.0], [9, 18, 18, 1.0]]


def test_an_asynchronous_experiment(called: Outcome) -> None:
    assert called["an_asynchronous_experiment"] == [5, 1.0]


def test_an_experiment_that_is_there_is_judged_again(called: Outcome) -> None:
    assert called["an_experiment_judged_again"] == [5, ["correct", "length"]]


def test_two_experiments_are_compared(called: Outcome) -> None:
    assert called["two_experiments_compared"] == [5, [2]]


def test_results_as_a_data_frame(called: Outcome) -> None:
    frame = called["frame_of_results"]
    if called.sdk is Sdk.CURRENT:
        assert frame == [[0, 0, 0, 1.0], [1, 2, 2, 1.0], [2, 4, 4, 1.0], [3, 0, 6, 0.0], [9, 18, 18, 1.0]]


def test_versions_stay_what_they_were(called: Outcome) -> None:
    facts = called["versions_and_tags"]
    assert facts["then"] == [0, 1, 2, 3, 9]
    assert facts["now"] == [2, 3, 7, 9, 100]
    assert facts["diff"] == [1, 2, 1]
    assert facts["old"] == {"q": 1}
    assert facts["tagged"] == [False, False, False, False, True]


def test_a_change_leaves_what_it_does_not_name(called: Outcome) -> None:
    facts = called["versions_and_tags"]
    assert facts["kept outputs"] == {"a": 0}
    assert facts["kept splits"] == {"dataset_split": ["train"], "new": 1}
    assert facts["hard"] == [2, 7]


def test_results_show_the_examples_that_the_experiment_ran_on(called: Outcome) -> None:
    assert called["versions_and_tags"]["results"] == [0, 1, 2, 3, 9]


def test_attachments_are_kept_renamed_added_and_dropped(called: Outcome) -> None:
    assert called["attachments_change"] == {"four": "4", "two": "2", "uno": "1"}


def test_a_dataset_is_shared_cloned_and_closed_again(called: Outcome) -> None:
    assert called["shared_and_cloned"] == [True, True, "closed"]


def test_a_dataset_from_a_file(called: Outcome) -> None:
    assert called["from_csv"] == [["1", "two, or so"], ["multi\nline", "4"]]


def test_tests_of_a_user_are_an_experiment(called: Outcome) -> None:
    facts = called["pytest_plugin"]
    if called.sdk is Sdk.CURRENT:
        assert facts == {"exit": [1, True], "examples": 2, "runs": 2, "pass": [2, 0.5], "half": 0.5}


def test_a_deleted_dataset_is_gone(called: Outcome) -> None:
    assert called["deleted"] is False
