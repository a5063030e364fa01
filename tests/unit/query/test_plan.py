"""Statements announce change here; what they find is proved in the store tests and the property tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from runlake.fql import read_filter
from runlake.query.plan import ID_TIME_SLACK_US, near, plan_page, reads_in_order, rewrite_id_times, rewrite_root_filter
from runlake.query.request import Order, PageKey, QueryLimits, RunQuery
from runlake.query.scope import RunTable, tables_at
from runlake.store.moment import Moment, NamedRow, ReplacedRow

TENANT, PROJECT, OTHER, RUN = (UUID(int=number) for number in (0x7E, 0x51, 0x52, 0xA1))
QUERY = RunQuery(tenant_id=TENANT, sessions=(PROJECT,))
QUIET = Moment(visible_version=9)
BASE = "tenant_id = {p0:UUID} AND session_id = {p2:UUID} AND version <= {p1:UInt64}"
MORE = "(has(metadata_pairs, '\\0') AND has(more_pairs, concat('m', {p3:String})))"
NEWEST = " ORDER BY start_time DESC, id DESC LIMIT 11"


def where(query: RunQuery, moment: Moment = QUIET) -> str:
    """The conditions of a page of ten runs, after those on tenant, project and moment."""
    sql = plan_page(query, moment, QueryLimits(), rows=11).statement.sql
    assert sql.count(BASE) >= 1
    return sql.split(BASE, 1)[1].removesuffix(NEWEST).removeprefix(" AND ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('eq(name, "x")', "name = {p3:String}"),
        ('neq(status, "error")', "NOT (status = {p3:String})"),
        ("neq(error, null)", "has_error"),
        ('gt(latency, "5s")', "ifNull(duration_us > {p3:Int64}, false)"),
        ("eq(parent_run_id, null)", "parent_run_id = toUUID('00000000-0000-0000-0000-000000000000')"),
        ('has(tags, "a")', "has(tags, {p3:String})"),
        ("and(eq(metadata_key, 'k'), eq(metadata_value, 'v'))", f"(has(metadata_pairs, {{p3:String}}) OR {MORE})"),
        (
            "and(in(metadata_key, ['a', 'b']), eq(metadata_value, 'v'))",
            (
                "(hasAny(metadata_pairs, {p3:Array(String)}) OR (has(metadata_pairs, '\\0') AND"
                " hasAny(more_pairs, arrayMap(e -> concat('m', e), {p3:Array(String)}))))"
            ),
        ),
        ("neq(metadata_key, 'k')", f"NOT ((has(metadata_pairs, {{p3:String}}) OR {MORE}))"),
        ('search("word")', "(hasAllTokens(search_text, {p3:Array(String)}))"),
        ("eq(last_queued_at, null)", "true"),
        ("in(id, [])", "false"),
        ("gt(total_cost, 1e40)", "ifNull(false, false)"),
    ],
)
def test_a_filter_becomes_this_condition(text: str, expected: str) -> None:
    assert where(replace(QUERY, filter=read_filter(text))) == expected


def test_a_feedback_condition_asks_for_runs_by_their_latest_feedback() -> None:
    text = "and(eq(feedback_key, 'k'), lt(feedback_score, 0.5))"
    sql = where(replace(QUERY, filter=read_filter(text)))
    assert sql.startswith("id IN (SELECT run_id FROM (SELECT * FROM (SELECT key, run_id")
    assert "WHERE tenant_id = {p0:UUID} AND version <= {p1:UInt64} AND toString(key) IN" in sql
    assert "ORDER BY version DESC LIMIT 1 BY run_id, id) WHERE deleted = 0)" in sql


def test_values_never_stand_in_the_statement() -> None:
    """A filter of nothing but odd values leaves none of them in the text."""
    value = "x' OR 1=1 --"
    text = f'or(eq(name, "{value}"), has(tags, "{value}"), like(error, "%{value}%"), search("{value}"), '
    text += f'eq(metadata.k, "{value}"), like(inputs.k, "%{value}%"), eq(feedback_value, "{value}"))'
    plan = plan_page(replace(QUERY, filter=read_filter(text)), QUIET, QueryLimits(), rows=11)
    assert "1=1" not in plan.statement.sql
    assert value in [param.value for param in plan.statement.params]


def test_the_tenant_is_bound_once_and_used_everywhere() -> None:
    text = "and(eq(feedback_key, 'k'), eq(metadata_key, 'm'))"
    bound = read_filter(text)
    query = replace(QUERY, filter=bound, trace_filter=bound, tree_filter=bound)
    statement = plan_page(query, Moment(9, replaced_rows=None, open_rows=None), QueryLimits(), rows=11).statement
    assert [param.name for param in statement.params if param.value == TENANT] == ["p0"]
    for table in ("runs", "open_runs", "feedback"):
        reads = statement.sql.split(f"FROM {table} WHERE ")[1:]
        assert reads
        assert all(read.startswith("tenant_id = {p0:UUID}") for read in reads)


def test_no_project_means_no_run() -> None:
    assert "AND false AND" in plan_page(replace(QUERY, sessions=()), QUIET, QueryLimits(), rows=11).statement.sql


def test_replaced_rows_are_left_out_only_where_there_are_some() -> None:
    assert "version NOT IN (SELECT replaces FROM runs" in where(QUERY, Moment(9, replaced_rows=None))
    assert "version NOT IN {p3:Array(UInt64)}" in where(QUERY, Moment(9, replaced_rows=(ReplacedRow(4, by_version=7),)))
    assert "version NOT IN" not in where(QUERY)


def test_an_earlier_moment_shows_what_was_replaced_since() -> None:
    first, second = ReplacedRow(4, by_version=7), ReplacedRow(5, by_version=9)
    moment = Moment(9, replaced_rows=(first, second))
    assert moment.at(8).replaced_rows == (first,)
    assert moment.at(9).replaced_rows == (first, second)
    assert replace(moment, replaced_rows=None).at(8).replaced_rows is None


def test_both_tables_are_read_only_where_runs_are_open() -> None:
    busy = Moment(9, open_rows=None)
    assert tables_at(busy) == (RunTable.RUNS, RunTable.OPEN_RUNS)
    assert tables_at(QUIET) == (RunTable.RUNS,)
    for table in RunTable:
        sql = plan_page(QUERY, busy, QueryLimits(), rows=11, table=table).statement.sql
        assert f"FROM {table.value} WHERE tenant_id" in sql
        assert "UNION" not in sql


OPEN = NamedRow(
    version=3,
    run_id=UUID(int=1),
    trace_id=UUID(int=2),
    session_id=PROJECT,
    start_time=1000,
    is_root=False,
    has_error=True,
    run_type="tool",
    thread_id="t",
    objects_bytes=0,
)


@pytest.mark.parametrize(
    ("arguments", "is_near"),
    [
        ({}, True),
        ({"sessions": ()}, False),
        ({"start_time_from": 1000, "start_time_to": 1000}, True),
        ({"start_time_from": 1001}, False),
        ({"start_time_to": 999}, False),
        ({"ids": (UUID(int=1),)}, True),
        ({"ids": (UUID(int=2),)}, False),
        ({"ids": (UUID(int=1),), "run_type": "llm"}, True),
        ({"is_root": False, "error": True, "run_type": "tool", "trace": UUID(int=2), "thread": "t"}, True),
        ({"is_root": True}, False),
        ({"error": False}, False),
        ({"run_type": "llm"}, False),
        ({"trace": UUID(int=1)}, False),
        ({"thread": "u"}, False),
        ({"has_thread": True}, True),
        ({"traces": (UUID(int=2),), "among": (UUID(int=1),)}, True),
        ({"traces": (UUID(int=1),)}, False),
        ({"among": (UUID(int=2),)}, False),
        ({"filter": read_filter('eq(status, "success")')}, True),
    ],
)
def test_open_rows_that_the_arguments_leave_out_need_no_look(arguments: dict[str, Any], is_near: bool) -> None:
    query = replace(QUERY, **arguments)
    assert near(query, Moment(9, open_rows=(OPEN,))).has_open is is_near
    assert near(query, Moment(9, open_rows=None)).has_open


def test_rows_with_objects_are_near_as_open_rows_are() -> None:
    moment = Moment(9, object_rows=(OPEN, replace(OPEN, run_id=UUID(int=9), is_root=True)))
    assert near(replace(QUERY, is_root=False), moment).object_rows == (OPEN,)
    assert near(QUERY, Moment(9, object_rows=None)).object_rows is None


def test_open_rows_of_other_projects_are_not_looked_for() -> None:
    elsewhere = replace(OPEN, version=4, session_id=OTHER)
    moment = Moment(9, open_rows=(OPEN, elsewhere))
    statement = plan_page(QUERY, moment, QueryLimits(), rows=11, table=RunTable.OPEN_RUNS).statement
    assert [param.value for param in statement.params if param.type == "Array(UInt64)"] == [(OPEN.version,)]


@pytest.mark.parametrize(("order", "sign"), [(Order.NEWEST_FIRST, "<"), (Order.OLDEST_FIRST, ">")])
def test_a_page_goes_on_after_a_run(order: Order, sign: str) -> None:
    query = replace(QUERY, order=order, after=PageKey(start_time=5, run_id=RUN))
    sql = plan_page(query, QUIET, QueryLimits(), rows=11).statement.sql
    time = "fromUnixTimestamp64Micro({p3:Int64}, 'UTC')"
    assert f"start_time {sign}= {time} AND (start_time {sign} {time} OR id {sign} {{p4:UUID}})" in sql


def test_only_what_was_asked_for_is_read() -> None:
    statement = plan_page(QUERY, QUIET, QueryLimits(), rows=11).statement
    assert statement.sql.startswith(
        "SELECT id, toUnixTimestamp64Micro(start_time), version, dotted_order, card FROM runs"
    )
    assert "inputs" not in statement.sql


def test_limits_travel_with_the_statement() -> None:
    limits = QueryLimits(max_seconds=2.5, max_memory_bytes=1000)
    settings = plan_page(QUERY, QUIET, limits, rows=11).statement.settings
    assert (settings["max_execution_time"], settings["max_memory_usage"]) == ("2.5", 1000)


def test_ids_make_other_conditions_void() -> None:
    query = replace(QUERY, ids=(RUN, OTHER), run_type="llm", filter=read_filter('eq(name, "x")'))
    assert where(query) == "id IN {p3:Array(UUID)}"


def test_the_trace_filter_of_roots_is_tested_on_the_run_itself() -> None:
    query = replace(QUERY, is_root=True, trace_filter=read_filter('eq(name, "x")'))
    rewritten = rewrite_root_filter(query)
    assert (rewritten.filter, rewritten.trace_filter) == (query.trace_filter, None)
    by_filter = replace(QUERY, filter=read_filter("eq(is_root, true)"), trace_filter=query.trace_filter)
    assert rewrite_root_filter(by_filter).trace_filter is None
    assert rewrite_root_filter(replace(query, is_root=None)).trace_filter is not None


def test_ids_that_carry_their_time_are_looked_for_around_it() -> None:
    """The time of version 7 of UUID is its first 48 bits in milliseconds (RFC 9562)."""
    timed = UUID("019fee9a-1690-7ab2-833e-cc91315df58d")
    time_us = 0x019FEE9A1690 * 1000
    narrow = rewrite_id_times(replace(QUERY, ids=(timed,)))
    assert narrow is not None
    assert (narrow.start_time_from, narrow.start_time_to) == (time_us - ID_TIME_SLACK_US, time_us + ID_TIME_SLACK_US)
    assert rewrite_id_times(replace(QUERY, ids=(timed, RUN))) is None
    assert rewrite_id_times(replace(QUERY, ids=(timed,), start_time_from=1)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('search("word")', False),
        ('search("\\"two words\\"")', True),
        ('search(inputs, "word")', True),
        ('like(inputs, "%x%")', True),
        ('eq(name, "x")', False),
    ],
)
def test_rows_are_walked_in_order_where_looking_at_one_is_dear(text: str, *, expected: bool) -> None:
    assert reads_in_order(replace(QUERY, filter=read_filter(text))) is expected
    assert not reads_in_order(replace(QUERY, filter=read_filter(text), sessions=(PROJECT, OTHER)))
