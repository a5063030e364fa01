"""Bodies and parameters of the v2 API to the query that every version shares."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from runlake.errors import InvalidError, NotOfferedError, UserError
from runlake.model.run_record import RunSelect
from runlake.model.usage import UsageOf
from runlake.wire.v2_projects import read_offset, v1_body, write_offset
from runlake.wire.v2_queries import (
    DAY_US,
    read_run_query_v2,
    read_thread_query_v2,
    read_trace_query_v2,
    read_trace_runs_query,
    read_turn_query,
)
from runlake.wire.v2_selects import ThreadSelect, V2Select, run_selects, thread_run_selects

PROJECT = UUID(int=7)


def body(**members: Any) -> bytes:
    return msgspec.json.encode(members)


def test_a_run_query_is_the_same_request_as_in_v1() -> None:
    query = read_run_query_v2(
        body(
            project_ids=[str(PROJECT)],
            ids=[str(UUID(int=1))],
            run_type="LLM",
            has_error=False,
            max_start_time="2026-01-02T00:00:00Z",
            selects=["ID", "latency_seconds"],
            include_subtree_usage=True,
        )
    )
    spec = query.spec
    assert (spec.sessions, spec.among, spec.ids) == ((PROJECT,), (UUID(int=1),), None)
    assert (spec.run_type, spec.error, spec.usage_of, spec.limit) == ("llm", False, UsageOf.SUBTREE, 100)
    assert spec.start_time_to == 1_767_312_000_000_000 - 1, "the upper bound is exclusive"
    assert spec.window_us == DAY_US
    assert query.selects == frozenset({V2Select.ID, V2Select.LATENCY_SECONDS})
    assert spec.select == frozenset({RunSelect.ID, RunSelect.END_TIME})


def test_a_dataset_stands_for_its_experiments_whenever_they_ran() -> None:
    query = read_run_query_v2(body(reference_dataset_id=str(PROJECT)))
    assert (query.reference_dataset, query.spec.window_us) == (PROJECT, None)


def test_every_field_is_read_from_something() -> None:
    """A field that named no column would fail here and not in a request."""
    assert run_selects(V2Select) <= frozenset(RunSelect)
    assert thread_run_selects(ThreadSelect) <= frozenset(RunSelect)


@pytest.mark.parametrize(
    ("members", "field", "kind"),
    [
        ({}, "project_ids", InvalidError),
        ({"project_ids": ["x"]}, "project_ids", UserError),
        ({"project_ids": [str(PROJECT)], "page_size": 1001}, "page_size", InvalidError),
        ({"project_ids": [str(PROJECT)], "page_size": 0}, "page_size", InvalidError),
        ({"project_ids": [str(PROJECT)], "selects": ["INPUT"]}, "selects", InvalidError),
        ({"project_ids": [str(PROJECT)], "reference_dataset_id": str(PROJECT)}, "project_ids", InvalidError),
        ({"reference_dataset_id": "x"}, "reference_dataset_id", UserError),
        ({"project_ids": [str(PROJECT)], "sem_filter": "angry"}, "sem_filter", NotOfferedError),
        ({"project_ids": [str(PROJECT)], "has_error": "maybe"}, "has_error", InvalidError),
    ],
)
def test_what_cannot_be_meant_is_named(members: dict[str, Any], field: str, kind: type[UserError]) -> None:
    with pytest.raises(kind) as caught:
        read_run_query_v2(body(**members))
    assert caught.value.field == field


def test_traces_and_threads_ask_for_roots() -> None:
    traces = read_trace_query_v2(body(project_id=str(PROJECT), trace_ids=[str(UUID(int=2))]))
    assert (traces.spec.is_root, traces.spec.traces, traces.spec.limit) == (True, (UUID(int=2),), 20)
    threads, _ = read_thread_query_v2(body(project_id=str(PROJECT), trace_filter="eq(error, null)"))
    assert (threads.has_thread, threads.thread_trace_filter, threads.trace_filter) == (True, "eq(error, null)", None)
    with pytest.raises(NotOfferedError, match="thread_filter"):
        read_thread_query_v2(body(project_id=str(PROJECT), thread_filter="gt(count, 1)"))


def test_parameters_of_a_url_are_repeated_or_joined() -> None:
    parameters = {"project_id": [str(PROJECT)], "selects": ["NAME,TURN_NUMBER", "OP"]}
    turns = read_turn_query("t", parameters)
    assert turns.selects == frozenset({ThreadSelect.NAME, ThreadSelect.TURN_NUMBER, ThreadSelect.OP})
    assert (turns.spec.thread, turns.spec.ascending) == ("t", True)
    with pytest.raises(InvalidError, match="go together"):
        read_trace_runs_query(PROJECT, {**parameters, "selects": ["ID"], "min_start_time": ["2026-01-02"]})


def test_a_project_says_what_it_is() -> None:
    made = msgspec.json.decode(v1_body(body(type="PROJECT", name="n", trace_tier="SHORT_LIVED"), needs_type=True))
    assert made == {"name": "n", "trace_tier": "shortlived"}
    for members, kind in (
        ({"name": "n"}, InvalidError),
        ({"type": "AGENT"}, NotOfferedError),
        ({"type": "EXPERIMENT"}, InvalidError),
    ):
        with pytest.raises(kind):
            v1_body(body(**members), needs_type=True)


@pytest.mark.parametrize("token", ["nonsense", "b2Zmc2V0Oi0x", "-", "\xff"])
def test_only_our_own_tokens_lead_on(token: str) -> None:
    assert read_offset(write_offset(40)) == 40
    with pytest.raises(UserError, match="cursor"):
        read_offset(token)
