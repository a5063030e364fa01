"""What programs trace through the SDK is what the server has: compressed and plain, current and older release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario

Facts = dict[str, Any]
USED = [11, 7, 18]


@dataclass(frozen=True, slots=True)
class Channel:
    """An SDK and how it sends."""

    sdk: Sdk
    compressed: bool

    def __str__(self) -> str:
        return f"{self.sdk}-{'zstd' if self.compressed else 'plain'}"


@pytest.fixture(
    scope="module", params=[Channel(sdk, compressed) for sdk in Sdk for compressed in (True, False)], ids=str
)
def channel(request: pytest.FixtureRequest) -> Channel:
    chosen: Channel = request.param
    return chosen


@pytest.fixture(scope="module")
def traced(channel: Channel, live_server: str) -> Outcome:
    """All programs of the scenario run once over the channel."""
    settings = {"LANGSMITH_DISABLE_RUN_COMPRESSION": str(not channel.compressed).lower()}
    return run_scenario("tracing_calls", channel.sdk, live_server, settings=settings)


def test_sends_the_way_it_is_meant_to(traced: Outcome, channel: Channel) -> None:
    """Without this the plain and the compressed round could be the same."""
    assert traced["transport"]["compressed"] is channel.compressed


def test_the_sdk_has_nothing_to_complain_of(traced: Outcome) -> None:
    assert traced.complaints == ""


def test_nested_functions_become_a_tree(traced: Outcome) -> None:
    facts = traced["nested"]
    assert facts["run count"] == 3
    agent, tool, model = facts["Agent"], facts["Lookup"], facts["Model"]
    assert [agent["type"], tool["type"], model["type"]] == ["chain", "tool", "llm"]
    assert [agent["parent"], tool["parent"], model["parent"]] == [None, "Agent", "Agent"]
    assert [tool["path"], model["path"]] == [["Agent", "Lookup"], ["Agent", "Model"]]
    assert {run["status"] for run in (agent, tool, model)} == {"success"}
    assert agent["inputs"] == {"question": "zebra"}
    assert tool["outputs"] == {"definition": "zebra is a word"}
    assert agent["outputs"]["answer"] == "1 read"


def test_tags_metadata_and_usage_arrive(traced: Outcome) -> None:
    facts = traced["nested"]
    agent, tool, model = facts["Agent"], facts["Lookup"], facts["Model"]
    assert agent["tags"] == ["outer"]
    assert tool["tags"] == ["inner", "outer"]
    assert {"user_id": "u1", "thread_id": "th-1"}.items() <= agent["metadata"].items()
    assert {"shard": "7", "user_id": "u1"}.items() <= tool["metadata"].items()
    assert {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}.items() <= model["metadata"].items()
    assert model["tokens"] == USED


def test_coroutines_that_run_side_by_side_share_their_parent(traced: Outcome) -> None:
    facts = traced["asynchronous"]
    assert facts["run count"] == 3
    assert {facts[name]["parent"] for name in ("Async 1", "Async 2")} == {"Async agent"}
    assert [facts[name]["outputs"] for name in ("Async 1", "Async 2")] == [{"output": 2}, {"output": 4}]
    assert facts["Async agent"]["outputs"]["doubled"] == [2, 4]


@pytest.mark.parametrize(
    ("name", "content"), [("Streaming model", "Hello, world"), ("Async streaming model", "Good day, sir")]
)
def test_a_stream_is_stored_joined_with_its_first_token(traced: Outcome, name: str, content: str) -> None:
    run = traced["streaming"][name]
    assert run["outputs"]["content"] == content
    assert run["parent"] == "Streaming agent"
    assert "new_token" in run["events"]
    assert run["first_token"]
    assert run["tokens"] == USED


def test_an_error_marks_its_own_run_alone_when_caught(traced: Outcome) -> None:
    caught = traced["errors"]["caught"]
    assert caught["Broken tool"]["status"] == "error"
    assert "KeyError('A-17')" in caught["Broken tool"]["error"]
    assert "Traceback" in caught["Broken tool"]["error"]
    assert [caught["Patient agent"]["status"], caught["Patient agent"]["error"]] == ["success", None]


def test_an_error_passed_on_marks_every_run_it_leaves(traced: Outcome) -> None:
    raised = traced["errors"]["raised"]
    assert {raised[name]["status"] for name in ("Broken tool", "Failing agent")} == {"error"}
    assert "KeyError('B-18')" in raised["Failing agent"]["error"]
    assert raised["Failing agent"]["ended"]


def test_the_trace_context_manager(traced: Outcome) -> None:
    facts = traced["context_manager"]
    outer, inner = facts["Manual"], facts["Manual step"]
    assert [outer["inputs"], outer["outputs"], outer["tags"]] == [{"a": 1}, {"b": 2}, ["by hand"]]
    assert outer["metadata"]["env"] == "test"
    assert [inner["parent"], inner["type"], inner["metadata"]["late"]] == ["Manual", "retriever", "yes"]
    assert inner["outputs"] == {"documents": [{"page_content": "d", "type": "Document"}]}


def test_a_tree_sent_by_hand_is_visible_while_it_runs(traced: Outcome) -> None:
    running = traced["run_tree"]["running"]
    assert {name: running[name]["status"] for name in ("Tree", "Tree child")} == {
        "Tree": "pending",
        "Tree child": "pending",
    }
    assert running["Tree child"]["inputs"] == {"step": 1}
    assert not running["Tree"]["ended"]


def test_a_tree_sent_by_hand_ends_as_told(traced: Outcome) -> None:
    ended = traced["run_tree"]["ended"]
    assert ended["run count"] == 2
    assert [ended["Tree child"]["status"], ended["Tree child"]["outputs"]] == ["success", {"done": True}]
    assert [ended["Tree"]["status"], ended["Tree"]["error"], ended["Tree"]["tags"]] == ["error", "gave up", ["t"]]


def test_options_of_a_call_are_kept(traced: Outcome) -> None:
    facts = traced["call_options"]
    assert facts["id kept"]
    assert facts["in project"]
    assert facts["Renamed"]["tags"] == ["from call"]
    assert facts["Renamed"]["metadata"]["from"] == "call"


def test_a_trace_goes_on_in_another_program(traced: Outcome) -> None:
    facts = traced["distributed"]
    assert facts["run count"] == 2
    assert facts["Callee"]["path"] == ["Caller", "Callee"]


def test_nothing_is_stored_where_tracing_is_off(traced: Outcome) -> None:
    assert traced["disabled"] == []


def test_attachments_come_back_byte_for_byte(traced: Outcome) -> None:
    facts = traced["attachments"]
    assert facts["names"] == ["picture"]
    assert facts["types"] == ["image/png"]
    assert facts["same bytes"] == [True]
    assert facts["inputs"] == {"note": "see"}


def test_runs_are_listed_within_a_second_of_the_flush(traced: Outcome) -> None:
    assert max(traced["visible"]) < 1000
