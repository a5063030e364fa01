"""Pages, single runs and statistics over a fixed population, read back through the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from runlake.errors import CursorError, FilterError, NotFoundError, TooMuchWorkError
from runlake.fql import read_filter
from runlake.ingest import open_set
from runlake.ingest.batch import IngestBatch
from runlake.model.project import Feedback
from runlake.model.run import FieldValue, RunWrite
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.run_stats import GroupAttribute, RunStats
from runlake.query import candidates
from runlake.query.explain import explain_filter
from runlake.query.fetch import FIRST_PIECE_ROWS, RunFetcher
from runlake.query.lanes import QueryLanes
from runlake.query.plan import plan_page
from runlake.query.request import Order, QueryLimits, RunQuery
from runlake.query.service import ListedRuns, RunQueries
from runlake.store import moment
from runlake.store.chdb import ChdbEngine
from runlake.store.columns import RUN_COLUMNS, decoded, normalised
from runlake.store.engine import Rows, Statement
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import DEFAULT_SELECT, GroupBy, RunQueryBody, RunQuerySpec
from store.harness import OTHER_TENANT, START_US, TENANT, OpenStore, create, end, open_store, patch, run_id

PROJECT = uuid5(TENANT, "p")
SECOND_US = 1_000_000
LONG = "word " * 80 + "last"


def child(number: int, parent: int, **fields: FieldValue) -> RunWrite:
    return create(number, parent_run_id=run_id(parent), **fields)


def mark(number: int, key: str, score: float | None, **more: Any) -> Feedback:
    mark_id = more.pop("id", uuid5(run_id(number), f"{key} {score}"))
    return Feedback(tenant_id=TENANT, id=mark_id, key=key, run_id=run_id(number), score=score, **more)


POPULATION = (
    # 1: a finished trace of three runs with metadata, tags and feedback
    create(1, tags=("prod", 'say "x"'), extra=b'{"metadata":{"env":"prod","thread_id":"t1","n":5}}'),
    child(2, 1, run_type="llm", name="ChatOpenAI", inputs=b'{"messages":[{"content":"The Capital of\\nFrance"}]}'),
    child(3, 1, run_type="tool", error="Timeout: disk", inputs=f'{{"q":"{LONG}"}}'.encode()),
    # 4: a finished root of another thread
    create(4, extra=b'{"metadata":{"env":"dev","conversation_id":"t1"}}', name="50%_off"),
    # 5: started, with a finished child
    create(5, tags=("prod",), extra=b'{"metadata":{}}'),
    child(6, 5, name="late \xe9tude"),
    # 7: finished, then changed
    create(7, name="before"),
)
ENDINGS = (
    end(1, extra=b'{"metadata":{"env":"prod","thread_id":"t1","n":5}}'),
    end(2, events=b'[{"name":"new_token","time":"2026-09-21T14:13:22.1"}]'),
    patch(
        3,
        end_time=START_US + 9 * SECOND_US,
        extra=(
            b'{"metadata":{"usage_metadata":{"input_tokens":3,"output_tokens":4,'
            b'"input_cost":0.1,"output_cost":0.2,"total_cost":0.3}}}'
        ),
    ),
    end(4),
    end(6),
    end(7),
)
FEEDBACK = (
    mark(1, "score", 1.0, comment="good", source_type="app"),
    mark(1, "label", None, value=b'"great"'),
    mark(2, "score", 0.25),
    mark(4, "score", 0.5, id=UUID(int=0xF1)),
)


@pytest.fixture(scope="module", params=[True, False], ids=["as it is", "as if it were large"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        open_store(Path(tmp_path_factory.mktemp("queries")) / "engine") as opened,
    ):
        if not request.param:
            monkeypatch.setattr(open_set, "OPEN_NAMED_AT_MOST", 0)
            monkeypatch.setattr(moment, "REPLACED_NAMED_AT_MOST", 0)
            monkeypatch.setattr(candidates, "READ_AT_ONCE", 1)
            monkeypatch.setattr(candidates, "MAX_BATCH_ROWS", 2)
        opened.write(*POPULATION)
        opened.write(*ENDINGS)
        opened.write(patch(7, end_time=START_US + 8 * SECOND_US, name="after"))
        asyncio.run(opened.writer.write(IngestBatch(tenant_id=TENANT, feedback=FEEDBACK)))
        changed = (mark(4, "score", 0.0, id=UUID(int=0xF1)), replace(FEEDBACK[1], deleted=True))
        asyncio.run(opened.writer.write(IngestBatch(tenant_id=TENANT, feedback=changed)))
        opened.write(create(1, name="of another tenant"), tenant_id=OTHER_TENANT)
        yield opened


@pytest.fixture(scope="module")
def queries(store: OpenStore) -> RunQueries:
    return make_queries(store)


def make_queries(store: OpenStore, limits: QueryLimits | None = None) -> RunQueries:
    return RunQueries(
        engine=store.engine,
        moments=store.moments,
        live_projects=lambda tenant_id: (uuid5(tenant_id, "p"),),
        cursors=CursorSigner(b"key"),
        limits=limits or QueryLimits(),
        lanes=QueryLanes(search_threads=2, max_waiting=10),
        now_us=store.clock.now_us,
    )


def page(queries: RunQueries, tenant_id: UUID = TENANT, **spec: Any) -> ListedRuns:
    return asyncio.run(queries.page(RunQuerySpec(**spec), tenant_id=tenant_id))


def numbers(listed: ListedRuns) -> list[int]:
    """Runs by the number they were made with, in the order of the page."""
    return [UUID(run.id).int - run_id(0).int for run in listed.runs]


def find(queries: RunQueries, **spec: Any) -> set[int]:
    found = numbers(page(queries, **spec))
    assert len(found) == len(set(found)), "a run occurs twice"
    return set(found)


def one(queries: RunQueries, number: int, select: frozenset[RunSelect] = DEFAULT_SELECT) -> RunRecord:
    return asyncio.run(queries.run(run_id(number), tenant_id=TENANT, select=select))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # threads, in both quotings
        ('and(in(metadata_key, ["session_id","conversation_id","thread_id"]), eq(metadata_value, \'t1\'))', {1, 4}),
        ("eq(thread_id, 't1')", {1, 4}),
        # the four documented negative cases
        ("and(neq(metadata_key, 'env'))", {2, 3, 5, 6, 7}),
        ("and(eq(metadata_key, 'env'), neq(metadata_value, 'prod'))", {4}),
        ("and(neq(metadata_key, 'conversation_id'), neq(metadata_value, 'prod'))", {2, 3, 5, 6, 7}),
        ("and(neq(metadata_key, 'thread_id'), eq(metadata_value, 't1'))", {4}),
        # two pairs of one run
        (
            (
                "and(and(eq(metadata_key,'env'), eq(metadata_value,'prod')), "
                "and(eq(metadata_key,'n'), eq(metadata_value,5)))"
            ),
            {1},
        ),
        ("gt(metadata_value, 4.5)", {1}),
        # feedback: changed, deleted, absent parts
        ("and(eq(feedback_key, 'score'), eq(feedback_score, 0))", {4}),
        ("eq(feedback_score, 0.5)", set()),
        ("eq(feedback_key, 'label')", set()),
        ("neq(feedback_key, 'score')", {3, 5, 6, 7}),
        ("eq(feedback_comment, 'good')", {1}),
        ("and(eq(feedback_key, 'score'), eq(feedback_comment, null))", {2, 4}),
        # latency as number and as text; runs that are open have none
        ("gt(latency, 5)", {3}),
        ('gt(latency, "5s")', {3}),
        ("lte(latency, 5)", {1, 2, 4, 6, 7}),
        ("eq(latency, null)", {5}),
        ("neq(latency, 6)", {1, 2, 4, 5, 6, 7}),
        # errors, status, times
        ("neq(error, null)", {3}),
        ("eq(error, null)", {1, 2, 4, 5, 6, 7}),
        ('like(error, "%DISK%")', {3}),
        ("eq(status, 'pending')", {5}),
        ('neq(status, "error")', {1, 2, 4, 5, 6, 7}),
        ("eq(end_time, null)", {5}),
        ("neq(first_token_time, null)", {2}),
        ('gte(start_time, "2026-09-21T14:13:25Z")', {5, 6, 7}),
        # tags and names; wildcards that are meant literally
        ("has(tags, 'prod')", {1, 5}),
        ('has(tags, "say \\"x\\"")', {1}),
        ("neq(tags, 'prod')", {2, 3, 4, 6, 7}),
        ('like(name, "50\\\\%\\\\_%")', {4}),
        ("and(or(has(tags, 'prod'), eq(name, 'after')), eq(is_root, true))", {1, 5, 7}),
        # full text
        ('search("capital")', {2}),
        ("search('\"capital of france\"')", {2}),
        ("search('\"of capital\"')", set()),
        ('search("étude")', {6}),
        ('search("timeou*")', {3}),
        ('search("*apita")', {2}),
        ('search(inputs, "capital")', {2}),
        ('search(outputs, "capital")', set()),
        # inputs by path, short and cut
        ("and(eq(input_key, 'messages.content'), like(input_value, '%Capital%'))", {2}),
        (f"and(eq(input_key, 'q'), eq(input_value, '{LONG}'))", {3}),
        ("and(eq(input_key, 'q'), like(input_value, '%word last'))", {3}),
        ("and(eq(input_key, 'q'), like(input_value, '%word first'))", set()),
        ('like(inputs, "%CAPITAL of%")', {2}),
        # amounts
        ("gt(total_tokens, 6)", {3}),
        ("eq(total_cost, 0.3)", {3}),
        ("neq(total_cost, 0.3)", {1, 2, 4, 5, 6, 7}),
        # ids
        (f'eq(id, "{run_id(4)}")', {4}),
        (f'eq(parent_run_id, "{run_id(1)}")', {2, 3}),
        (f'in(trace_id, ["{run_id(1)}", "{run_id(5)}"])', {1, 2, 3, 5, 6}),
        # a replaced row is gone
        ("eq(name, 'before')", set()),
        ("eq(name, 'after')", {7}),
    ],
)
def test_a_filter_finds_exactly_these_runs(queries: RunQueries, text: str, expected: set[int]) -> None:
    assert find(queries, filter=text) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {1, 2, 3, 4, 5, 6, 7}),
        ({"is_root": True}, {1, 4, 5, 7}),
        ({"is_root": False}, {2, 3, 6}),
        ({"error": True}, {3}),
        ({"error": False, "is_root": False}, {2, 6}),
        ({"run_type": "tool"}, {3}),
        ({"trace": run_id(1)}, {1, 2, 3}),
        ({"parent_run": run_id(1)}, {2, 3}),
        ({"start_time_from": START_US + 5 * SECOND_US}, {5, 6, 7}),
        ({"start_time_to": START_US + 2 * SECOND_US}, {1, 2}),
        ({"ids": (run_id(2), run_id(5)), "run_type": "tool"}, {2, 5}),
        ({"reference_examples": (UUID(int=1),)}, set()),
        ({"sessions": (UUID(int=1),)}, set()),
        ({"query": "capital"}, {2}),
        ({"query": 'eq(name, "after")'}, {7}),
        ({"search_filter": "timeout disk"}, {3}),
        ({"trace_filter": "has(tags, 'prod')"}, {1, 2, 3, 5, 6}),
        ({"trace_filter": "has(tags, 'prod')", "is_root": True}, {1, 5}),
        ({"trace_filter": "and(eq(feedback_key, 'score'), eq(feedback_score, 1))", "run_type": "llm"}, {2}),
        ({"tree_filter": "eq(status, 'error')", "is_root": True}, {1}),
        (
            {
                "tree_filter": "eq(status, 'error')",
                "trace_filter": "has(tags, 'prod')",
                "filter": "eq(run_type, 'llm')",
            },
            {2},
        ),
        ({"tree_filter": "and(eq(run_type, 'llm'), eq(status, 'error'))"}, set()),
    ],
    ids=str,
)
def test_conditions_of_the_body_find_exactly_these_runs(
    queries: RunQueries, spec: dict[str, Any], expected: set[int]
) -> None:
    assert find(queries, **spec) == expected


def test_pages_go_both_ways_and_join(queries: RunQueries) -> None:
    for ascending in (False, True):
        whole = numbers(page(queries, ascending=ascending))
        assert whole == sorted(whole, reverse=not ascending)
        joined, cursor = [], None
        while True:
            listed = page(queries, ascending=ascending, limit=2, cursor=cursor)
            joined += numbers(listed)
            cursor = listed.next_cursor
            if cursor is None:
                break
        assert joined == whole


def test_pages_show_the_moment_of_the_first(store: OpenStore, queries: RunQueries) -> None:
    """Runs that end, change or appear between two pages neither vanish nor come twice."""
    tenant_id = UUID(int=0x80)
    store.write(*(create(number) for number in range(1, 7)), tenant_id=tenant_id)
    store.write(*(end(number) for number in (2, 4, 6)), tenant_id=tenant_id)
    listed = page(queries, tenant_id, limit=2, ascending=True)
    seen = numbers(listed)
    store.write(create(8), create(0), end(8), *(end(number) for number in (1, 3, 5)), tenant_id=tenant_id)
    store.write(patch(4, end_time=START_US + 99 * SECOND_US, name="changed"), tenant_id=tenant_id)
    while listed.next_cursor is not None:
        listed = page(queries, tenant_id, limit=2, ascending=True, cursor=listed.next_cursor)
        seen += numbers(listed)
        assert "changed" not in [run.name for run in listed.runs]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert numbers(page(queries, tenant_id, ascending=True)) == [0, 1, 2, 3, 4, 5, 6, 8]


def test_a_cursor_serves_its_own_query_only(queries: RunQueries) -> None:
    cursor = page(queries, limit=2).next_cursor
    assert numbers(page(queries, limit=3, cursor=cursor, select=frozenset({RunSelect.ID})))
    with pytest.raises(CursorError, match="another query"):
        page(queries, cursor=cursor, is_root=True)
    with pytest.raises(CursorError, match="another query"):
        asyncio.run(queries.page(RunQuerySpec(cursor=cursor), tenant_id=OTHER_TENANT))


def test_no_cursor_where_none_is_wanted(queries: RunQueries) -> None:
    assert page(queries, limit=2, paginate=False).next_cursor is None
    assert page(queries, limit=7).next_cursor is None


def test_a_page_ends_where_its_bytes_end(store: OpenStore) -> None:
    """However small the budget, a page holds a run, and pages join to everything."""
    for budget in (1, 2_500):
        queries = make_queries(store, QueryLimits(max_page_bytes=budget))
        joined, cursor = [], None
        while True:
            listed = page(queries, cursor=cursor)
            assert listed.runs
            joined += numbers(listed)
            cursor = listed.next_cursor
            if cursor is None:
                break
        assert joined == [7, 6, 5, 4, 3, 2, 1]


def test_a_page_of_thousands_is_read_in_pieces(store: OpenStore, queries: RunQueries) -> None:
    tenant_id = UUID(int=0x81)
    store.write(*(write for number in range(700) for write in (create(number), end(number))), tenant_id=tenant_id)
    listed = page(queries, tenant_id, limit=600, ascending=True)
    assert numbers(listed) == list(range(600))
    rest = page(queries, tenant_id, limit=600, ascending=True, cursor=listed.next_cursor)
    assert numbers(rest) == list(range(600, 700))


def test_no_statement_brings_more_of_a_page_than_a_piece(store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant_id = UUID(int=0x82)
    store.write(*(write for number in range(500) for write in (create(number), end(number))), tenant_id=tenant_id)
    brought = []
    select = ChdbEngine.select

    def selecting(engine: ChdbEngine, statement: Statement) -> Rows:
        found = select(engine, statement)
        brought.append(len(found.rows))
        return found

    monkeypatch.setattr(ChdbEngine, "select", selecting)
    queries = make_queries(store, QueryLimits(max_piece_bytes=50_000))
    listed = page(queries, tenant_id, limit=500, ascending=True, select=frozenset({RunSelect.INPUTS}))
    assert numbers(listed) == list(range(500))
    first, *others = brought
    assert first == FIRST_PIECE_ROWS + 1
    assert max(others) < 100
    assert sum(brought) < 600


def test_a_run_comes_back_as_it_was_sent(queries: RunQueries) -> None:
    run = one(queries, 2)
    assert run.inputs == b'{"messages":[{"content":"The Capital of\\nFrance"}]}'
    assert (run.name, run.run_type, run.status, run.parent_run_id) == ("ChatOpenAI", "llm", "success", str(run_id(1)))
    assert (run.start_time, run.end_time) == (START_US + 2 * SECOND_US, START_US + 2 * SECOND_US + 250_000)
    assert run.feedback is not None
    assert run.feedback["score"].avg == 0.25
    tool = one(queries, 3)
    assert (tool.total_tokens, tool.total_cost, tool.error) == (7, Decimal("0.3"), "Timeout: disk")


def test_an_open_run_is_read_like_any_other(queries: RunQueries) -> None:
    run = one(queries, 5)
    assert (run.status, run.end_time, run.outputs, run.tags) == ("pending", None, None, ["prod"])


def test_feedback_is_summed_up_by_key(queries: RunQueries) -> None:
    """The deleted label is gone, and the changed score of 4 is the new one."""
    (run,) = page(queries, ids=(run_id(1),)).runs
    assert run.feedback is not None
    assert set(run.feedback) == {"score"}
    summary = run.feedback["score"]
    assert (summary.n, summary.avg, summary.stdev, summary.comments, summary.sources) == (
        1,
        1.0,
        0.0,
        ("good",),
        ("app",),
    )
    changed = one(queries, 4).feedback
    assert changed is not None
    assert changed["score"].avg == 0.0


def test_children_are_listed_where_asked_for(queries: RunQueries) -> None:
    select = frozenset({RunSelect.CHILD_RUN_IDS, RunSelect.DIRECT_CHILD_RUN_IDS})
    root = one(queries, 1, select)
    assert root.children == root.direct_children == [str(run_id(2)), str(run_id(3))]
    assert one(queries, 2, select).children == []
    assert one(queries, 1).children is None


def test_another_tenants_run_is_not_found(queries: RunQueries, store: OpenStore) -> None:
    with pytest.raises(NotFoundError, match="no run has the id"):
        one(queries, 99)
    found = asyncio.run(make_queries(store).run(run_id(1), tenant_id=OTHER_TENANT, select=DEFAULT_SELECT))
    assert found.name == "of another tenant"
    assert one(queries, 1).name == "run-1"


def test_statistics_count_what_the_filter_finds(queries: RunQueries) -> None:
    stats = asyncio.run(queries.stats(RunQuerySpec(), tenant_id=TENANT))
    assert isinstance(stats, RunStats)
    assert (stats.run_count, stats.total_tokens, stats.total_cost) == (7, 7, Decimal("0.3"))
    assert stats.error_rate == pytest.approx(1 / 7)
    assert stats.streaming_rate == pytest.approx(1 / 7)
    assert stats.latency_p50 == pytest.approx(0.25)
    assert stats.last_run_start_time == START_US + 7 * SECOND_US
    assert stats.feedback["score"].n == 3
    assert stats.feedback["score"].avg == pytest.approx(1.25 / 3)
    none = asyncio.run(queries.stats(RunQuerySpec(filter='eq(name, "nobody")'), tenant_id=TENANT))
    assert none == RunStats()


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        (GroupBy(attribute=GroupAttribute.RUN_TYPE, path=None, max_groups=5), {"chain": 5, "llm": 1, "tool": 1}),
        (GroupBy(attribute=GroupAttribute.RUN_TYPE, path=None, max_groups=1), {"chain": 5}),
        (GroupBy(attribute=GroupAttribute.TAG, path=None, max_groups=5), {"prod": 2, 'say "x"': 1}),
        (GroupBy(attribute=GroupAttribute.METADATA, path="env", max_groups=5), {"dev": 1, "prod": 1}),
    ],
    ids=str,
)
def test_statistics_group(queries: RunQueries, group_by: GroupBy, expected: dict[str, int]) -> None:
    found = asyncio.run(queries.stats(RunQuerySpec(group_by=group_by), tenant_id=TENANT))
    assert isinstance(found, dict)
    assert {group: stats.run_count for group, stats in found.items()} == expected


def test_grouped_statistics_carry_the_feedback_of_their_group(queries: RunQueries) -> None:
    group_by = GroupBy(attribute=GroupAttribute.RUN_TYPE, path=None, max_groups=5)
    found = asyncio.run(queries.stats(RunQuerySpec(group_by=group_by, groups=("llm",)), tenant_id=TENANT))
    assert isinstance(found, dict)
    assert {group: stats.feedback["score"].avg for group, stats in found.items()} == {"llm": 0.25}


def test_problems_are_told_by_field(queries: RunQueries) -> None:
    body = RunQueryBody(limit=-1, filter="eq(nmae, 'x')", tree_filter="eq(")
    problems = queries.problems(body, tenant_id=TENANT)
    assert [problem.field for problem in problems] == ["limit", "filter", "tree_filter"]
    with pytest.raises(FilterError) as caught:
        page(queries, trace_filter="eq(nmae, 'x')")
    assert caught.value.field == "trace_filter"


def test_an_explanation_comes_with_the_page_and_its_cost(queries: RunQueries, store: OpenStore) -> None:
    explanation = page(queries, filter="eq(name, 'after')", explain=True).explanation
    assert explanation is not None
    assert "name = {p" in explanation
    assert "rows and" in explanation
    explained = explain_filter("eq(name, 'after')", engine=store.engine, tenant_id=TENANT, sessions=(PROJECT,))
    assert explained is not None
    assert explained.stats is not None


def test_a_query_over_its_memory_is_stopped(store: OpenStore) -> None:
    query = RunQuery(tenant_id=TENANT, sessions=(PROJECT,), select=DEFAULT_SELECT, order=Order.OLDEST_FIRST)
    with pytest.raises(TooMuchWorkError, match="memory"):
        RunFetcher(store.engine, QueryLimits(max_memory_bytes=1)).page(query, store.moments.current(TENANT))


@pytest.mark.parametrize(
    "payload",
    [
        '{"a":"Plain \\"quoted\\" text\\nnext"}',
        '{"a":"caf\\u00e9 \\u91cf\\u5b50 x\\ty"}',
        '{"a":"naïve — 量子计算 🎉 C:\\\\temp"}',
        '{"a":"\\ud800 lone"}',
    ],
)
def test_terms_are_normalised_like_the_searched_text(store: OpenStore, payload: str) -> None:
    """The column of the schema and the expressions of the column map are one and the same."""
    literal = "'" + payload.replace("\\", "\\\\").replace("'", "\\'") + "'"
    joined = f"concat({decoded('p')}, '     ')"
    mine = f"arrayMap(p -> {normalised(joined)}, [concat({literal}, ' ')])[1]"
    (expression,) = store.engine.select(
        Statement("SELECT default_expression FROM system.columns WHERE table = 'runs' AND name = 'search_text'")
    ).rows[0]
    names = "inputs, '' AS outputs, '' AS error, '' AS name, [] :: Array(String) AS tags"
    row = f"SELECT {literal} AS {names}, [] :: Array(String) AS metadata_values, [] :: Array(String) AS metadata_keys"
    found = store.engine.select(Statement(f"SELECT {expression}, {mine} FROM ({row})")).rows[0]
    assert str(found[0]).split() == str(found[1]).split()


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("and(eq(metadata_key, 'env'), eq(metadata_value, 'prod'))", "metadata_pairs_index"),
        ("eq(metadata_key, 'env')", "metadata_pairs_index"),
        ("has(tags, 'prod')", "tags_index"),
        ('search("capital")', "search_index"),
        ('search("étude")', "search_index"),
        ("search('\"capital of france\"')", "search_index"),
        ('search("*apita")', "search_index"),
        ("and(eq(input_key, 'q'), eq(input_value, 'x'))", "input_pairs_index"),
        ("and(eq(input_key, 'q'), like(input_value, '%capital%'))", "search_index"),
        ('like(inputs, "%a capital%")', "search_index"),
        (f'eq(trace_id, "{run_id(1)}")', "trace_id_index"),
        (f'in(id, ["{run_id(1)}", "{run_id(2)}"])', "id_index"),
    ],
)
def test_a_condition_uses_its_index(store: OpenStore, text: str, index: str) -> None:
    query = RunQuery(tenant_id=TENANT, sessions=(PROJECT,), filter=read_filter(text))
    now = replace(store.moments.current(TENANT), open_rows=())
    statement = plan_page(query, now, QueryLimits(), rows=10).statement
    explained = store.engine.select(replace(statement, sql=f"EXPLAIN indexes = 1 {statement.sql}"))
    assert any(f"Name: {index}" in str(row[0]) for row in explained.rows)


def test_every_column_of_the_map_exists(store: OpenStore) -> None:
    scalars = [column.sql for column in RUN_COLUMNS.scalars.values()]
    places = [column.sql for column in RUN_COLUMNS.search.values()]
    for table in ("runs", "open_runs"):
        store.engine.select(Statement(f"SELECT {', '.join([*scalars, *places])} FROM {table} LIMIT 0"))
