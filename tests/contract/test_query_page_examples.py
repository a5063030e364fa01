"""Every example of the hosted service's query pages, through two releases of the SDK, gives exactly the right runs."""

from __future__ import annotations

import pytest

from contract.scenarios.page_cases import CASES, Case
from contract.sdk_runner import Outcome, Sdk, run_scenario


@pytest.fixture(scope="module", params=list(Sdk), ids=str)
def page(request: pytest.FixtureRequest, live_server: str) -> Outcome:
    """The population seeded and all examples asked, once for each SDK."""
    return run_scenario("query_page", request.param, live_server)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_finds_exactly_its_runs(page: Outcome, case: Case) -> None:
    ids: dict[str, str] = page["seed"]
    answer: list[str] | str = page["ask"][case.name]
    assert isinstance(answer, list), answer
    keys: dict[str, str] = {identity: key for key, identity in ids.items()}
    found: list[str] = [keys.get(identity, identity) for identity in answer]
    expected = list(case.expected)
    assert (found if case.ordered else sorted(found)) == expected


def test_seeding_and_asking_draws_no_complaint(page: Outcome) -> None:
    assert page.complaints == ""


def test_a_single_run_is_fetched_by_id(page: Outcome) -> None:
    assert page["single_run"] == {
        "name": "RetrieveDocs",
        "inputs": {"query": "gloves"},
        "outputs": {"documents": [{"page_content": "Wool gloves are warm.", "type": "Document"}]},
        "parent": page["seed"]["good"],
    }


def test_flattened_traces_name_the_tools_of_each_tree(page: Outcome) -> None:
    ids = page["seed"]
    inputs = {"question": "anything"}
    assert page["tools_by_trace"] == {
        ids["good"]: {"name": "Pipeline", "inputs": inputs, "tools": ["search_catalog"]},
        ids["bad"]: {"name": "Pipeline", "inputs": inputs, "tools": ["add_to_cart", "search_catalog"]},
        ids["failed"]: {"name": "Checkout", "inputs": inputs, "tools": ["charge_card"]},
    }


def test_retriever_export_covers_scored_traces_alone(page: Outcome) -> None:
    ids = page["seed"]
    silk = [{"page_content": "Silk is light.", "type": "Document"}]
    wool = [{"page_content": "Wool gloves are warm.", "type": "Document"}]
    assert page["retriever_io"] == {
        ids["good"]: {"query": "gloves", "documents": wool, "feedback": {"user_score": 1}},
        ids["bad"]: {"query": "hats", "documents": [], "feedback": {"user_score": 0, "star_rating": 4}},
        ids["plain"]: {"query": "scarves", "documents": silk, "feedback": {"user_score": 1}},
    }
