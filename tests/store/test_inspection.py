"""Names, reports and limits of queries on a store with thousands of runs, of which each index leaves few."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from runlake.errors import TooMuchWorkError
from runlake.fql import read_filter
from runlake.fql.completion import wanted_in_filter
from runlake.ingest.batch import IngestBatch
from runlake.model.project import Feedback
from runlake.query.fetch import RunFetcher
from runlake.query.index_use import read_index_use
from runlake.query.inspection import QueryInspector
from runlake.query.lanes import QueryLanes
from runlake.query.listing import Listings
from runlake.query.names import NameKind, NameReader
from runlake.query.notes import notes_on
from runlake.query.plan import plan_page
from runlake.query.request import QueryLimits, RunQuery
from runlake.wire.cursor import CursorSigner
from runlake.wire.run_queries import RunQuerySpec
from store.harness import OTHER_TENANT, START_US, TENANT, OpenStore, create, open_store, run_id

PROJECT = uuid5(TENANT, "p")
RUNS = 3_000
DAY_US = 86_400_000_000
RARE = 1_234
QUERY = RunQuery(tenant_id=TENANT, sessions=(PROJECT,))


def payload(number: int) -> bytes:
    words = " ".join(f"word{(number * 7 + step) % 400}" for step in range(60))
    rare = " the Rarest needle of all, 量子" if number == RARE else ""
    return json.dumps({"question": words + rare, "user": f"u{number}"}).encode()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    """Finished runs over ninety days, one project, in one part."""
    with open_store(Path(tmp_path_factory.mktemp("inspection")) / "engine") as opened:
        opened.write(
            *(
                create(
                    number,
                    start_time=START_US + number * (90 * DAY_US // RUNS),
                    end_time=START_US + number * (90 * DAY_US // RUNS) + 1_000_000,
                    inputs=payload(number),
                    outputs=b'{"answer": "yes"}',
                    tags=("prod", f"t{number}"),
                    extra=json.dumps({"metadata": {"env": "prod", "uid": f"user-{number}", "n": number}}).encode(),
                    error="Timeout" if number == RARE else "",
                )
                for number in range(RUNS)
            )
        )
        marks = (Feedback(tenant_id=TENANT, id=UUID(int=9), key="correctness", run_id=run_id(RARE), score=0.0),)
        asyncio.run(opened.writer.write(IngestBatch(tenant_id=TENANT, feedback=marks)))
        opened.write(create(1, tags=("theirs",), extra=b'{"metadata":{"their_key":1}}'), tenant_id=OTHER_TENANT)
        yield opened


def inspector(store: OpenStore) -> QueryInspector:
    live = lambda tenant_id: (uuid5(tenant_id, "p"),)  # noqa: E731 - the ledger's part in one line
    lanes = QueryLanes(search_threads=2, max_waiting=10)
    listings = Listings(
        moments=store.moments, live_projects=live, cursors=CursorSigner(b"key"), now_us=store.clock.now_us
    )
    return QueryInspector(
        engine=store.engine,
        moments=store.moments,
        live_projects=live,
        listings=listings,
        limits=QueryLimits(),
        lanes=lanes,
    )


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("eq(metadata.uid, 'user-77')", "metadata_pairs_index"),
        ("and(eq(metadata_key, 'uid'), in(metadata_value, ['user-5', 'user-6']))", "metadata_pairs_index"),
        ("exists(metadata, 'nobody')", "metadata_pairs_index"),
        ("has(tags, 't77')", "tags_index"),
        ("eq(inputs.user, 'u77')", "input_pairs_index"),
        ("like(inputs.nothing, '%x%')", "input_pairs_index"),
        ("and(eq(output_key, 'none'), gt(output_value, 5))", "output_pairs_index"),
        ('search("needle")', "search_index"),
        ("search('\"rarest needle\"')", "search_index"),
        ('search("nee*")', None),
        ('search("need*")', "search_index"),
        ('search("*arest needl*")', "search_index"),
        ('search("量子")', "search_index"),
        ('search(inputs, "needle")', "search_index"),
        ('like(inputs, "%needle of%")', "search_index"),
        ('like(inputs, "%rest needle of%")', "search_index"),
        ("like(input_value, '%rest needle of%')", "search_index"),
        ("eq(input_value, 'the rarest of needles')", "search_index"),
        (f'eq(id, "{run_id(77)}")', "id_index"),
        (f'eq(trace_id, "{run_id(77)}")', "trace_id_index"),
        ("eq(feedback_key, 'correctness')", "id_index"),
        ('and(eq(is_root, true), trace(search("needle")))', "trace_id_index"),
        ('gte(start_time, "2026-12-15")', "primary key"),
    ],
)
def test_each_shape_reads_what_its_index_leaves(store: OpenStore, text: str, index: str | None) -> None:
    """Over ninety days; without FINAL, and without the payload columns of the blocks that the index leaves out."""
    plan = plan_page(replace(QUERY, filter=read_filter(text)), store.moments.current(TENANT), QueryLimits(), rows=100)
    assert "FINAL" not in plan.statement.sql
    narrow = [use for use in read_index_use(store.engine, plan.statement) if use.blocks_left < use.blocks]
    assert (index in {use.name for use in narrow}) is (index is not None)


def test_a_rare_word_reads_less_than_a_scan(store: OpenStore) -> None:
    reports = [
        asyncio.run(
            inspector(store).report(
                RunQuerySpec(sessions=(PROJECT,), select=frozenset(), filter=text), tenant_id=TENANT
            )
        )
        for text in ('search("needle")', 'search("→")', 'search("nowhere")')
    ]
    needle, scan, none = (report.bytes_read for report in reports)
    assert needle * 5 < scan
    assert none <= needle
    assert [len(report.notes) for report in reports] == [0, 1, 0]
    (statement,) = reports[0].statements
    assert statement.rows_read is not None
    assert statement.rows_read < RUNS
    assert "search_index leaves" in statement.render()


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        (NameKind.METADATA_KEY, {}, ["env", "n", "uid"]),
        (NameKind.METADATA_KEY, {"prefix": "U"}, ["uid"]),
        (NameKind.INPUT_KEY, {}, ["question", "user"]),
        (NameKind.OUTPUT_KEY, {}, ["answer"]),
        (NameKind.TAG, {"limit": 1}, ["prod"]),
        (NameKind.TAG, {"prefix": "t77"}, ["t77", *(f"t77{digit}" for digit in range(10))]),
        (NameKind.FEEDBACK_KEY, {}, ["correctness"]),
        (NameKind.KEY_VALUE, {"key": "env"}, ["prod"]),
        (NameKind.KEY_VALUE, {"key": "their_key"}, []),
        (NameKind.RUN_NAME, {"prefix": "run-2999"}, ["run-2999"]),
    ],
)
def test_names_are_those_of_the_scope(store: OpenStore, kind: NameKind, more: Any, expected: list[str]) -> None:
    names = NameReader(store.engine, QueryLimits())
    assert names.names(kind, QUERY, store.moments.current(TENANT), **more) == expected


@pytest.mark.parametrize(
    ("text", "suggestions"),
    [
        ("eq(metadata.udi, 'x')", ["uid"]),
        ("and(eq(feedback_key, 'corectness'), has(tags, 'prdo'))", ["correctness", "prod"]),
        ("has(tags, 'theirs')", [None]),
        ("eq(metadata.their_key, 1)", [None]),
        ("eq(metadata.uid, 'nobody')", []),
    ],
)
def test_an_empty_answer_tells_misspelt_names(store: OpenStore, text: str, suggestions: list[str | None]) -> None:
    """From the runs of the tenant alone."""
    names = NameReader(store.engine, QueryLimits())
    query = replace(QUERY, filter=read_filter(text))
    notes = notes_on(query, store.moments.current(TENANT), names, is_empty=True)
    assert [note.suggestion for note in notes] == suggestions
    assert notes_on(query, store.moments.current(TENANT), names, is_empty=False) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eq(metadata.u", ["uid"]),
        ("has(tags, 'pr", ["prod"]),
        ("eq(feedback_key, 'c", ["correctness"]),
        ("eq(st", ["status", "start_time"]),
        ("eq(latency, ", []),
    ],
)
def test_completions_come_from_the_language_and_the_store(store: OpenStore, text: str, expected: list[str]) -> None:
    wanted = wanted_in_filter(text, len(text))
    choices = asyncio.run(inspector(store).choices(wanted, tenant_id=TENANT, sessions=None))
    assert [choice.text for choice in choices] == expected
    others = asyncio.run(inspector(store).choices(wanted, tenant_id=UUID(int=5), sessions=(PROJECT,)))
    assert [choice.text for choice in others] == [choice.text for choice in wanted.choices]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (QueryLimits(max_memory_bytes=1 << 20), ["memory", "1 MiB", "query_max_memory_bytes"]),
        (QueryLimits(max_seconds=0.001), ["time", "query_max_seconds"]),
    ],
)
def test_a_query_over_a_limit_is_told_which(store: OpenStore, limits: QueryLimits, says: list[str]) -> None:
    slow = " ".join(f"*{left}{right}*" for left in "abcdefgh" for right in "xyzqw")
    query = replace(QUERY, filter=read_filter(f"not(search('{slow}'))"), page_rows=RUNS)
    with pytest.raises(TooMuchWorkError) as caught:
        RunFetcher(store.engine, limits).page(query, store.moments.current(TENANT))
    assert [word for word in says if word not in caught.value.message] == []
