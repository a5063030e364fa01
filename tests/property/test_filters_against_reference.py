"""Law: a filter gives the ids that its specification gives, for the run, the root of its trace and any run of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from property.populations import START_US, Population, every_atom, filters, populations, relations
from property.reference import Record, evaluate
from runlake.errors import FilterError
from runlake.fql import read_filter
from runlake.fql.bound import BoundExpr
from runlake.ingest.batch import IngestBatch
from runlake.query.fetch import RunFetcher
from runlake.query.request import Order, QueryLimits, RunQuery
from store.harness import OpenStore, open_store

FILTERS_PER_POPULATION = 10


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    with open_store(Path(tmp_path_factory.mktemp("filters")) / "engine") as opened:
        yield opened


def write(store: OpenStore, population: Population) -> None:
    for runs, feedback in zip(population.batches, population.feedback, strict=True):
        batch = IngestBatch(tenant_id=population.tenant_id, runs=runs, feedback=feedback)
        asyncio.run(store.writer.write(batch))


def everything(population: Population) -> RunQuery:
    return RunQuery(tenant_id=population.tenant_id, sessions=(population.session_id,), page_rows=1000)


def found(store: OpenStore, query: RunQuery) -> list[str]:
    """Ids of one page; a run that occurs twice shows as twice."""
    page = RunFetcher(store.engine, QueryLimits()).page(query, store.moments.current(query.tenant_id))
    assert page.next_after is None
    return [run.id for run in page.runs]


def bound(text: str | None) -> BoundExpr | None:
    """The bound filter; an example with an ambiguous one, which is refused, is not tried."""
    try:
        return None if text is None else read_filter(text)
    except FilterError as error:
        assume(error.diagnostics[0].code != "ambiguous")
        raise


def in_traces(records: tuple[Record, ...], text: str, *, roots_alone: bool = False) -> set[str]:
    return {run.trace_id for run in records if evaluate(text, run, records) and (run.is_root or not roots_alone)}


def check_filter(store: OpenStore, population: Population, text: str) -> None:
    try:
        query = replace(everything(population), filter=read_filter(text))
    except FilterError as error:
        if error.diagnostics[0].code != "ambiguous":
            raise
        return
    expected = sorted(run.id for run in population.records if evaluate(text, run, population.records))
    assert sorted(found(store, query)) == expected, text


def quiet(max_examples: int) -> settings:
    """Examples write to a store, so they are slow and large by nature."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=max_examples, deadline=None, suppress_health_check=checks)


@quiet(2)
@given(population=populations(min_size=30, max_size=40))
def test_every_atom_means_what_the_reference_says(store: OpenStore, population: Population) -> None:
    write(store, population)
    for text in every_atom:
        check_filter(store, population, text)


@quiet(20)
@given(population=populations(), texts=st.lists(filters, min_size=1, max_size=FILTERS_PER_POPULATION))
def test_a_filter_finds_what_the_reference_finds(store: OpenStore, population: Population, texts: list[str]) -> None:
    write(store, population)
    for text in texts:
        check_filter(store, population, text)


@pytest.mark.slow
@pytest.mark.timeout(0)
@quiet(2000)
@given(population=populations(), texts=st.lists(filters, min_size=10, max_size=10))
def test_twenty_thousand_filters_find_what_the_reference_finds(
    store: OpenStore, population: Population, texts: list[str]
) -> None:
    write(store, population)
    for text in texts:
        check_filter(store, population, text)


@quiet(25)
@given(
    population=populations(min_size=10, max_size=20),
    texts=st.lists(relations, min_size=1, max_size=FILTERS_PER_POPULATION),
)
def test_conditions_on_relatives_find_what_the_reference_finds(
    store: OpenStore, population: Population, texts: list[str]
) -> None:
    write(store, population)
    for text in texts:
        check_filter(store, population, text)


@quiet(15)
@given(population=populations(min_size=10, max_size=20), text=relations, start_s=st.integers(0, 10))
def test_relatives_outside_the_window_count(store: OpenStore, population: Population, text: str, start_s: int) -> None:
    """A bound on time is about the returned run; its relatives may have begun before."""
    write(store, population)
    start_time = START_US + start_s * 1_000_000
    query = replace(everything(population), filter=bound(text), start_time_from=start_time)
    late = (run for run in population.records if run.start_time >= start_time)
    expected = sorted(run.id for run in late if evaluate(text, run, population.records))
    assert sorted(found(store, query)) == expected


@quiet(15)
@given(
    population=populations(min_size=10, max_size=20),
    own=filters | relations,
    root=st.none() | filters | relations,
    some=st.none() | filters | relations,
    is_root=st.sampled_from([None, True]),
)
def test_three_scopes_hold_together(
    *, store: OpenStore, population: Population, own: str, root: str | None, some: str | None, is_root: bool | None
) -> None:
    """``filter`` is about the run, ``trace_filter`` about its root, ``tree_filter`` about some run of its trace."""
    write(store, population)
    query = replace(
        everything(population),
        filter=bound(own),
        trace_filter=bound(root),
        tree_filter=bound(some),
        is_root=is_root,
    )
    records = population.records
    expected = [run for run in records if evaluate(own, run, records) and (run.is_root or not is_root)]
    if root is not None:
        expected = [run for run in expected if run.trace_id in in_traces(records, root, roots_alone=True)]
    if some is not None:
        expected = [run for run in expected if run.trace_id in in_traces(records, some)]
    assert sorted(found(store, query)) == sorted(run.id for run in expected)


@quiet(10)
@given(
    population=populations(min_size=10, max_size=20),
    text=filters,
    page_rows=st.integers(1, 7),
    order=st.sampled_from(Order),
)
def test_pages_joined_are_the_unpaged_result(
    store: OpenStore, population: Population, text: str, page_rows: int, order: Order
) -> None:
    """Many runs start at the same time, so the order among those matters too."""
    write(store, population)
    query = replace(everything(population), filter=bound(text), order=order)
    fetcher = RunFetcher(store.engine, QueryLimits())
    moment = store.moments.current(population.tenant_id)
    whole = [run.id for run in fetcher.page(query, moment).runs]
    joined: list[str] = []
    after = None
    while True:
        page = fetcher.page(replace(query, page_rows=page_rows, after=after), moment)
        assert len(page.runs) <= page_rows
        joined += [run.id for run in page.runs]
        after = page.next_after
        if after is None:
            break
    assert joined == whole
    assert len(set(whole)) == len(whole)
