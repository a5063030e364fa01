"""Threads and statistics over random populations, held against the same told a second time in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any
from uuid import UUID, uuid5

import pytest

from runlake.model.quantiles import quantile
from runlake.model.run import RunWrite
from runlake.model.run_record import RunSelect
from runlake.model.run_stats import (
    DEFAULT_STATS,
    GroupAttribute,
    Interval,
    IntervalUnit,
    RunStats,
    StatsSelect,
)
from runlake.model.thread import ThreadSummary
from runlake.model.usage import UsageOf
from runlake.query.fetch import RunFetcher
from runlake.query.request import Order, PageKey, QueryLimits, RunQuery
from runlake.query.stats import Grouping, StatsReader
from runlake.query.threads import ThreadReader
from store.harness import START_US, TENANT, OpenStore, create, open_store, run_id

PROJECT = uuid5(TENANT, "p")
LIMITS = QueryLimits()
HOUR_US = 3_600_000_000
USAGE = (
    b'{"usage_metadata":{"input_tokens":%d,"output_tokens":1,"total_tokens":%d,"input_cost":0.25,"output_cost":0.5,'
    b'"total_cost":0.75,"input_token_details":{"cache_read":%d}}}'
)


@dataclass
class Root:
    """A root and what its trace adds up to."""

    number: int
    thread: str
    start: int
    end: int | None
    error: bool
    tokens: int
    calls: int

    @property
    def id(self) -> UUID:
        return run_id(self.number)

    @property
    def place(self) -> tuple[int, int, int]:
        return self.start, self.id.int & 0xFFFF_FFFF_FFFF_FFFF, self.id.int >> 64


def random_roots(seed: int) -> tuple[list[Root], list[RunWrite]]:
    """Roots in few threads with few distinct times, some still running, and below them model calls, ended or not."""
    random = Random(seed)  # noqa: S311 - a population, not a secret
    roots, writes = [], []
    for number in range(0, 60, 3):
        start = START_US + random.randrange(8) * HOUR_US // 2
        end = start + random.choice([500_000, 1_000_000, 7_000_000]) if random.random() < 0.7 else None
        root = Root(number, random.choice(["", "a", "b", "c", "d"]), start, end, random.random() < 0.3, 0, 0)
        metadata = b'{"metadata":{"thread_id":"%s"}}' % root.thread.encode()
        more: dict[str, Any] = {"end_time": end} if end is not None else {}
        more |= {"error": f"error {number}"} if root.error else {}
        writes.append(create(number, start_time=start, extra=metadata, **more))
        for child in range(1, random.randrange(1, 4)):
            tokens = random.randrange(1, 50)
            root.tokens += tokens + 1
            root.calls += 1
            ended: dict[str, Any] = {"end_time": start + 2_000_000} if random.random() < 0.6 else {}
            writes.append(
                create(
                    number + child,
                    start_time=start,
                    run_type="llm",
                    trace_id=root.id,
                    parent_run_id=root.id,
                    outputs=USAGE % (tokens, tokens + 1, child),
                    **ended,
                )
            )
        roots.append(root)
    random.shuffle(writes)
    return roots, writes


@pytest.fixture(scope="module", params=range(3))
def populated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OpenStore, list[Root]]]:
    roots, writes = random_roots(request.param)
    with open_store(Path(tmp_path_factory.mktemp("threads")) / "engine") as store:
        store.write(*writes[: len(writes) // 2])
        store.write(*writes[len(writes) // 2 :])
        yield store, roots


def query(**more: Any) -> RunQuery:
    return RunQuery(tenant_id=TENANT, sessions=(PROJECT,), **more)


def expected_threads(roots: list[Root]) -> list[tuple[str, list[Root]]]:
    """Threads with their roots from first to last, the thread with the newest root first."""
    found: dict[str, list[Root]] = defaultdict(list)
    for root in sorted(roots, key=lambda root: root.place):
        if root.thread:
            found[root.thread].append(root)
    return sorted(found.items(), key=lambda item: item[1][-1].place, reverse=True)


def reader(store: OpenStore) -> ThreadReader:
    return ThreadReader(store.engine, RunFetcher(store.engine, LIMITS), LIMITS)


def facts(thread: ThreadSummary) -> tuple[Any, ...]:
    return (
        thread.thread_id,
        thread.turns,
        thread.errored_turns,
        thread.first_trace_id,
        thread.last_trace_id,
        thread.max_start_time,
        thread.max_end_time,
        thread.latency_p50,
        thread.usage.total_tokens,
        thread.usage.total_cost,
        thread.last_error,
    )


def told_again(name: str, roots: list[Root]) -> tuple[Any, ...]:
    took = [(root.end - root.start) / 1e6 for root in roots if root.end is not None]
    calls = sum(root.calls for root in roots)
    failed = [root for root in roots if root.error]
    return (
        name,
        len(roots),
        len(failed),
        str(roots[0].id),
        str(roots[-1].id),
        roots[-1].start,
        max((root.end for root in roots if root.end is not None), default=None),
        quantile(took, 0.5),
        sum(root.tokens for root in roots),
        Decimal("0.75") * calls if calls else None,
        f"error {failed[-1].number}" if failed else None,
    )


@pytest.mark.parametrize("has_names", [True, False], ids=["open rows named", "open rows looked for"])
def test_threads_are_those_of_their_roots(populated: tuple[OpenStore, list[Root]], has_names: bool) -> None:
    store, roots = populated
    moment = store.moments.current(TENANT)
    if not has_names:
        moment = moment.__class__(moment.visible_version, replaced_rows=None, open_rows=None)
    page = reader(store).page(query(page_rows=10), moment)
    assert [facts(thread) for thread in page.threads] == [told_again(*item) for item in expected_threads(roots)]
    assert page.next_after is None
    assert reader(store).count(query(), moment) == len(expected_threads(roots))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_pages_of_threads_joined_are_the_list(populated: tuple[OpenStore, list[Root]], rows: int) -> None:
    store, roots = populated
    moment, names, after = store.moments.current(TENANT), [], None
    while True:
        page = reader(store).page(query(page_rows=rows, after=after), moment)
        names += [facts(thread) for thread in page.threads]
        after = page.next_after
        if after is None:
            break
    assert names == [told_again(*item) for item in expected_threads(roots)]
    by_offset = [
        thread.thread_id
        for offset in range(0, 6, rows)
        for thread in reader(store).page(query(page_rows=rows), moment, offset=offset).threads
    ]
    assert by_offset == [name for name, _ in expected_threads(roots)]


def test_a_window_counts_the_turns_inside_it(populated: tuple[OpenStore, list[Root]]) -> None:
    store, roots = populated
    since, until = START_US + HOUR_US, START_US + 3 * HOUR_US
    inside = [root for root in roots if since <= root.start <= until]
    page = reader(store).page(query(start_time_from=since, start_time_to=until), store.moments.current(TENANT))
    assert [facts(thread) for thread in page.threads] == [told_again(*item) for item in expected_threads(inside)]


def test_turns_are_numbered_in_the_whole_thread(populated: tuple[OpenStore, list[Root]]) -> None:
    store, roots = populated
    numbers = reader(store).turn_numbers(query(thread="a", error=True), store.moments.current(TENANT))
    of_a = next(found for name, found in expected_threads(roots) if name == "a")
    assert numbers == {str(root.id): number for number, root in enumerate(of_a, start=1)}


def test_roots_show_what_their_traces_took(populated: tuple[OpenStore, list[Root]]) -> None:
    store, roots = populated
    wanted = query(is_root=True, usage_of=UsageOf.ROOTS_TRACE, select=frozenset({RunSelect.TOTAL_TOKENS}))
    page = RunFetcher(store.engine, LIMITS).page(wanted, store.moments.current(TENANT))
    assert {run.id: run.total_tokens for run in page.runs} == {str(root.id): root.tokens for root in roots}


def test_a_page_with_a_whole_trace_adds_up_what_a_statement_adds_up(populated: tuple[OpenStore, list[Root]]) -> None:
    """One trace is added up from its page; of a list of traces, and of a page that is cut, the store is asked."""
    store, roots = populated
    fetcher, moment = RunFetcher(store.engine, LIMITS), store.moments.current(TENANT)
    select = frozenset(RunSelect) - {RunSelect.CHILD_RUN_IDS, RunSelect.DIRECT_CHILD_RUN_IDS}
    of_roots = {"usage_of": UsageOf.ROOTS_TRACE, "select": select}
    for root in roots:
        whole = fetcher.page(query(trace=root.id, **of_roots), moment)
        assert whole == fetcher.page(query(traces=(root.id,), **of_roots), moment)
        assert whole.runs[-1].total_tokens == root.tokens
        cut = fetcher.page(query(trace=root.id, page_rows=1, order=Order.OLDEST_FIRST, **of_roots), moment)
        assert cut.runs == whole.runs[-1:]


def stats_of(store: OpenStore, wanted: RunQuery, selects: frozenset[StatsSelect] = DEFAULT_STATS) -> RunStats:
    return StatsReader(store.engine, LIMITS).stats(wanted, store.moments.current(TENANT), selects)


def test_statistics_of_both_tables_are_those_of_one_set(populated: tuple[OpenStore, list[Root]]) -> None:
    """Model calls have tokens in either table, so their quantiles cannot be merged; those of roots can."""
    store, roots = populated
    calls = stats_of(store, query(run_type="llm"))
    rows = store.select("total_tokens, duration_us", where="run_type = 'llm'")
    tokens, took = [int(str(row[0])) for row in rows], [int(str(row[1])) for row in rows if row[1] is not None]
    assert (calls.run_count, calls.total_tokens) == (len(rows), sum(tokens))
    assert (calls.tokens_p50, calls.tokens_p99) == (
        round(quantile(tokens, 0.5) or 0),
        round(quantile(tokens, 0.99) or 0),
    )
    assert calls.latency_avg == pytest.approx(mean(took) / 1e6)
    assert (calls.total_cost, calls.cost_p50) == (Decimal("0.75") * len(rows), Decimal("0.75"))
    ended = [(root.end - root.start) / 1e6 for root in roots if root.end is not None]
    of_roots = stats_of(store, query(is_root=True))
    assert of_roots.run_count == len(roots)
    assert of_roots.latency_p99 == pytest.approx(quantile(ended, 0.99))
    assert of_roots.error_rate == pytest.approx(sum(root.error for root in roots) / len(roots))
    assert of_roots.total_tokens == sum(tokens), "tokens of roots are those of their traces"
    assert of_roots.tokens_p50 == round(quantile([root.tokens for root in roots if root.tokens], 0.5) or 0)


def test_details_add_up_by_name(populated: tuple[OpenStore, list[Root]]) -> None:
    store, _ = populated
    selects = frozenset({StatsSelect.PROMPT_TOKEN_DETAILS, StatsSelect.PROMPT_COST_DETAILS})
    expected = sum(1 if (UUID(str(row[0])).int - run_id(0).int) % 3 == 1 else 2 for row in _calls(store))
    for wanted in (query(), query(is_root=True)):
        assert stats_of(store, wanted, selects).details["prompt_token_details"] == {"cache_read": expected}


def _calls(store: OpenStore) -> list[Any]:
    return store.select("id", where="run_type = 'llm'")


@pytest.mark.parametrize("is_root", [None, True])
def test_spans_of_time_and_groups_add_up_to_the_whole(
    populated: tuple[OpenStore, list[Root]], is_root: bool | None
) -> None:
    store, _ = populated
    wanted, moment = query(is_root=is_root), store.moments.current(TENANT)
    stats = StatsReader(store.engine, LIMITS)
    whole = stats.stats(wanted, moment, DEFAULT_STATS)
    spans = stats.over_time(wanted, moment, Interval(count=1, unit=IntervalUnit.HOUR), DEFAULT_STATS)
    assert sum(span.stats.run_count for span in spans) == whole.run_count
    assert sum(span.stats.total_tokens for span in spans) == whole.total_tokens
    assert [span.start_time % HOUR_US for span in spans] == [0] * len(spans)
    by_type = Grouping(attribute=GroupAttribute.RUN_TYPE)
    groups = stats.grouped(wanted, moment, by_type, DEFAULT_STATS)
    both = stats.over_time(wanted, moment, Interval(count=2, unit=IntervalUnit.HOUR), DEFAULT_STATS, by_type)
    for name, group in groups.items():
        parts = [span.stats for span in both if span.group == name]
        assert sum(part.run_count for part in parts) == group.run_count
        assert sum(part.total_tokens for part in parts) == group.total_tokens
    assert sum(group.run_count for group in groups.values()) == whole.run_count


def test_facets_count_the_runs_that_their_filter_finds(populated: tuple[OpenStore, list[Root]]) -> None:
    store, roots = populated
    facets = stats_of(store, query(), frozenset({StatsSelect.RUN_FACETS})).facets
    threads = {facet.value: facet.count for facet in facets if facet.key == "thread_id"}
    assert threads == {name: len(found) for name, found in expected_threads(roots)}
    assert 'and(eq(metadata_key, "thread_id"), eq(metadata_value, "a"))' in {facet.query for facet in facets}


def test_a_page_key_that_no_thread_has_is_a_place_all_the_same(populated: tuple[OpenStore, list[Root]]) -> None:
    store, roots = populated
    after = PageKey(start_time=START_US + HOUR_US, run_id=UUID(int=0))
    page = reader(store).page(query(after=after), store.moments.current(TENANT))
    expected = [name for name, found in expected_threads(roots) if found[-1].start < after.start_time]
    assert [thread.thread_id for thread in page.threads] == expected
