"""Which queries may be read candidate by candidate, and how many at a time."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from runlake.fql import read_filter
from runlake.query.candidates import MAX_BATCH_ROWS, has_candidates, next_batch_rows, plan_batch
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.scope import RunTable
from runlake.store.moment import Moment

QUERY = RunQuery(tenant_id=UUID(int=1), sessions=(UUID(int=2),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search('\"two words\"')", True),
        ('search("量子")', True),
        ('search(inputs, "word")', True),
        ('like(inputs, "%some long text%")', True),
        ("and(eq(input_key, 'a'), like(input_value, '%some text%'))", True),
        ('and(eq(status, "error"), search("*some text"))', True),
        # the index alone answers
        ('search("word")', False),
        ("and(eq(input_key, 'a'), eq(input_value, 'b'))", False),
        ('eq(name, "a")', False),
        # no index leaves candidates, so the whole scope is read in order as it is
        ('like(inputs, "%ab%")', False),
        ("not(search('\"two words\"'))", False),
        ('or(eq(status, "error"), search(\'"two words"\'))', False),
    ],
)
def test_candidates_are_what_indexes_leave_to_be_read(text: str, expected: bool) -> None:
    query = replace(QUERY, filter=read_filter(text))
    assert has_candidates(query) is expected
    assert not has_candidates(replace(query, ids=(UUID(int=3),)))


@pytest.mark.parametrize(
    "text",
    [
        "search('\"two words\"')",
        'search("量子")',
        'search(outputs, "word")',
        'like(inputs, "%some long text%")',
        "and(eq(input_key, 'a'), like(input_value, '%some text%'))",
        'and(search("*some text"), not(like(inputs, "%other text%")))',
        'and(search("*some text"), child(like(inputs, "%other text%")))',
    ],
)
def test_a_batch_is_named_without_reading_payloads(text: str) -> None:
    query = replace(QUERY, filter=read_filter(text))
    moment = Moment(visible_version=9)
    statement = plan_batch(query, moment, QueryLimits(), table=RunTable.RUNS, rows=7)
    assert "search_text" in statement.sql
    assert "inputs" not in statement.sql
    assert "outputs" not in statement.sql
    assert statement.sql.endswith("LIMIT 7")


def test_batches_grow_where_few_candidates_are_any_good() -> None:
    assert next_batch_rows(50, looked_at=0, found=0) == 76
    assert next_batch_rows(10, looked_at=76, found=66) == 17
    assert next_batch_rows(43, looked_at=76, found=7) == 304
    assert next_batch_rows(50, looked_at=3000, found=0) == MAX_BATCH_ROWS
