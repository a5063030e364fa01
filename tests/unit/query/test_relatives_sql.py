"""Statements of conditions on relatives announce change here; what they find is proved in the store tests."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from runlake.fql import read_filter
from runlake.query.plan import plan_page
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.engine import Statement
from runlake.store.moment import Moment

QUERY = RunQuery(tenant_id=UUID(int=0x7E), sessions=(UUID(int=0x51),))
QUIET = Moment(visible_version=9)
BUSY = replace(QUIET, open_rows=None)
CANDIDATES = "trace_id IN (SELECT trace_id FROM runs"


def statement(text: str, moment: Moment = QUIET, start_time_from: int | None = None) -> Statement:
    query = replace(QUERY, filter=read_filter(text), start_time_from=start_time_from)
    return plan_page(query, moment, QueryLimits(), rows=11).statement


def test_a_relative_is_looked_up_by_trace_and_id() -> None:
    found = statement('child(eq(status, "error"))')
    scope = "tenant_id = {p0:UUID} AND session_id = {p2:UUID} AND version <= {p1:UInt64}"
    inner = f"SELECT trace_id, parent_run_id FROM runs WHERE {scope} AND status = {{p3:String}}"
    assert f"(trace_id, id) IN ({inner} AND parent_run_id != toUUID('{UUID(int=0)}'))" in found.sql
    assert "enable_materialized_cte" not in found.settings


@pytest.mark.parametrize(
    "text",
    [
        'and(has(tags, "a"), parent(eq(run_type, "llm")))',
        'and(parent(eq(run_type, "llm")), eq(metadata.k, "v"))',
        'and(eq(status, "error"), not(or(eq(is_root, true), child(eq(run_type, "llm")))))',
        'and(eq(thread_id, "t"), child(parent(eq(run_type, "llm"))))',
    ],
)
def test_few_runs_beside_it_bound_the_search_for_relatives(text: str) -> None:
    assert CANDIDATES in statement(text).sql


def test_a_bound_on_time_bounds_it_too() -> None:
    sql = statement('parent(eq(run_type, "llm"))', start_time_from=1).sql
    assert CANDIDATES in sql
    assert sql.count("start_time >= ") == 2


@pytest.mark.parametrize(
    "text",
    [
        'parent(eq(run_type, "llm"))',
        'and(eq(is_root, true), parent(eq(run_type, "llm")))',
        'and(neq(status, "error"), parent(eq(run_type, "llm")))',
        'and(search("word"), parent(eq(run_type, "llm")))',
        'or(has(tags, "a"), parent(eq(run_type, "llm")))',
    ],
)
def test_nothing_narrow_and_cheap_beside_it_leaves_it_alone(text: str) -> None:
    assert CANDIDATES not in statement(text).sql


def test_a_search_that_stands_twice_runs_once() -> None:
    """The candidates of a condition on relatives are named once, and used by name."""
    found = statement('and(has(tags, "a"), child(eq(run_type, "llm")))', BUSY)
    assert found.sql.startswith("WITH shared_0 AS MATERIALIZED (SELECT trace_id FROM runs")
    assert found.sql.count("(trace_id, id) IN (SELECT * FROM shared_1)") == 1
    assert found.settings["enable_materialized_cte"] == 1
    assert statement('sibling(eq(run_type, "llm"))').sql.startswith("WITH shared_0 AS MATERIALIZED")
