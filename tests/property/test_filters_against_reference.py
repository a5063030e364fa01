"""Law: a filter gives the ids that its specification gives, for the run, the root of its trace and any run of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from property.field_atoms import WORDS, every_generated_atom
from property.filter_texts import every_atom, filters, relations
from property.populations import EXAMPLE, START_US, Population, populations
from property.reference import Record, evaluate
from runlake.errors import FilterError
from runlake.fql import parse_filter, read_filter
from runlake.fql.ast import Comparison, Value
from runlake.fql.bound import BoundExpr, Phrase, Prefix, Substring, Word
from runlake.fql.fields import FIELDS, Kind
from runlake.fql.terms import read_terms
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
    """The bound filter; an example with an ambiguous one, which is refused, is not tried.

    Ids that were not filled in are those of no run.
    """
    try:
        return None if text is None else read_filter(re.sub(r"\$[A-Z]+", str(EXAMPLE), text))
    except FilterError as error:
        assume(error.diagnostics[0].code != "ambiguous")
        raise


def in_traces(records: tuple[Record, ...], text: str, *, roots_alone: bool = False) -> set[str]:
    return {run.trace_id for run in records if evaluate(text, run, records) and (run.is_root or not roots_alone)}


def check_filter(store: OpenStore, population: Population, text: str) -> None:
    text = population.fill_in(text)
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


@quiet(1)
@given(population=populations(min_size=20, max_size=25))
def test_every_atom_means_what_the_reference_says(store: OpenStore, population: Population) -> None:
    write(store, population)
    for text in every_atom:
        check_filter(store, population, text)


@pytest.mark.parametrize("part", [pytest.param(n, marks=pytest.mark.slow if n else ()) for n in range(12)])
@quiet(1)
@given(population=populations(min_size=20, max_size=25))
def test_every_field_function_and_literal_means_what_the_reference_says(
    store: OpenStore, part: int, population: Population
) -> None:
    write(store, population)
    for text in every_generated_atom[part::12]:
        check_filter(store, population, text)


@quiet(20)
@given(population=populations(), texts=st.lists(filters, min_size=1, max_size=FILTERS_PER_POPULATION))
def test_a_filter_finds_what_the_reference_finds(store: OpenStore, population: Population, texts: list[str]) -> None:
    write(store, population)
    for text in texts:
        check_filter(store, population, text)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("thousand", range(20))
def test_twenty_thousand_filters_find_what_the_reference_finds(tmp_path: Path, thousand: int) -> None:
    """In twenty parts with a store each, whose populations and filters depend on the number of the part alone."""
    with open_store(tmp_path / "engine") as store:

        @seed(thousand)
        @quiet(40)
        @given(population=populations(), texts=st.lists(filters, min_size=25, max_size=25))
        def check(population: Population, texts: list[str]) -> None:
            write(store, population)
            for text in texts:
                check_filter(store, population, text)

        check()


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_conditions_on_relatives_find_what_the_reference_finds(tmp_path: Path, part: int) -> None:
    """They cost more than others, in the reference too, so they are counted by themselves."""
    with open_store(tmp_path / "engine") as store:

        @seed(part)
        @quiet(25)
        @given(population=populations(min_size=10, max_size=20), texts=st.lists(relations, min_size=10, max_size=10))
        def check(population: Population, texts: list[str]) -> None:
            write(store, population)
            for text in texts:
                check_filter(store, population, text)

        check()


@quiet(12)
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
    text = population.fill_in(text)
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
    own = population.fill_in(own)
    root, some = (None if text is None else population.fill_in(text) for text in (root, some))
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
    query = replace(everything(population), filter=bound(population.fill_in(text)), order=order)
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


def test_the_generated_conditions_leave_out_no_field_function_or_literal() -> None:
    """What the tables of the language list is tried, in every form that a value can be written."""
    tried: dict[tuple[str, str], set[str]] = {}
    for text in every_generated_atom:
        comparison = parse_filter(text.replace("$HEX", "0" * 32).replace("$", ""))
        assert isinstance(comparison, Comparison)
        name = str(comparison.field) if comparison.field is not None else ""
        tried.setdefault((name, comparison.function), set()).add(type(comparison.value).__name__)
    for row in FIELDS:
        for name in (row.name, *row.aliases):
            assert {function for field, function in tried if field == name} == set(row.functions)
    by_kind = {row.kind: set().union(*(tried[row.name, function] for function in row.functions)) for row in FIELDS}
    assert by_kind[Kind.DECIMAL] == {"NumberValue", "TextValue", "ListValue", "NullValue"}
    assert by_kind[Kind.BOOL] == {"NumberValue", "TextValue", "BooleanValue"}
    assert by_kind[Kind.JSON] == {"TextValue", "ObjectValue"}
    assert set().union(*by_kind.values()) == {cls.__name__ for cls in Value.__args__}
    kinds = {type(term) for value in WORDS for term in read_terms(value.strip("\"'"))}
    assert kinds == {Word, Phrase, Prefix, Substring}
