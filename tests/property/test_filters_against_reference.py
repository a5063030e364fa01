"""Law: a filter gives the ids that its specification gives, for the run, the root of its trace and any run of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property.checks import bound, check_filter, everything, found, quiet, write
from property.field_atoms import WORDS, every_generated_atom
from property.filter_texts import every_atom, filters, relations
from property.populations import START_US, Population, populations
from property.reference import Record, evaluate
from runlake.fql import parse_filter, read_filter
from runlake.fql.ast import Comparison, Value
from runlake.fql.bound import Constant, Phrase, Prefix, Substring, Word
from runlake.fql.fields import FIELDS, Kind
from runlake.fql.terms import read_terms
from runlake.fql.trace_sums import on_trace_sums
from runlake.query import candidates
from runlake.query.fetch import RunFetcher
from runlake.query.request import Order, QueryLimits
from store.harness import OpenStore, open_store

FILTERS_PER_POPULATION = 10
SUMMED_TOKENS = ("total_tokens", "prompt_tokens", "completion_tokens", "prompt_token_details.cache_read")
SUMMED_COSTS = ("total_cost", "prompt_cost", "completion_cost", "completion_cost_details.reasoning")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    with open_store(Path(tmp_path_factory.mktemp("filters")) / "engine") as opened:
        yield opened


def in_traces(records: tuple[Record, ...], text: str, *, roots_alone: bool = False) -> set[str]:
    return {run.trace_id for run in records if evaluate(text, run, records) and (run.is_root or not roots_alone)}


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


@quiet(10)
@given(population=populations(min_size=8, max_size=20), texts=st.lists(filters, min_size=5, max_size=10))
def test_a_filter_finds_the_same_where_candidates_are_read_some_at_a_time(
    store: OpenStore, population: Population, texts: list[str]
) -> None:
    write(store, population)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "READ_AT_ONCE", 1)
        patch.setattr(candidates, "MAX_BATCH_ROWS", 2)
        for text in texts:
            check_filter(store, population, text)


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


_SUMMED = (
    *((name, amount) for name in SUMMED_TOKENS for amount in ("0", "3", "999", "1000", "1003", "4003", "5000")),
    *((name, amount) for name in SUMMED_COSTS for amount in ("0.25", "0.5", "0.75", "1.5", "0.000125", "0.00025")),
)
_summed_atoms = st.one_of(
    st.builds(
        lambda function, pair: f"{function}({pair[0]}, {pair[1]})",
        st.sampled_from(("eq", "neq", "gt", "gte", "lt", "lte")),
        st.sampled_from(_SUMMED),
    ),
    st.builds(
        lambda function, name: f"{function}({name}, null)",
        st.sampled_from(("eq", "neq")),
        st.sampled_from((*SUMMED_COSTS, "prompt_token_details.cache_read", "first_token_time")),
    ),
    st.sampled_from(("neq(error, null)", 'eq(run_type, "llm")')),
)
summed_filters = st.recursive(
    _summed_atoms,
    lambda inner: st.one_of(
        st.builds(lambda parts: f"and({', '.join(parts)})", st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: f"or({', '.join(parts)})", st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda part: f"not({part})", inner),
    ),
    max_leaves=5,
)


def with_sums(root: Record, everyone: tuple[Record, ...]) -> Record:
    """The root as an answer with sums over its trace shows it."""
    zero = Decimal(0)
    runs = [run for run in everyone if run.trace_id == root.trace_id]
    costs = [run.costs for run in runs if run.costs is not None]
    details: dict[str, Decimal] = {}
    for name, amount in (item for run in runs for item in run.details.items()):
        details[name] = details.get(name, Decimal(0)) + amount
    return replace(
        root,
        tokens=(sum(run.tokens[0] for run in runs), sum(run.tokens[1] for run in runs)),
        costs=(sum((cost[0] for cost in costs), zero), sum((cost[1] for cost in costs), zero)) if costs else None,
        details=details,
        first_token_time=min((run.first_token_time for run in runs if run.first_token_time is not None), default=None),
    )


@quiet(15)
@given(
    population=populations(min_size=10, max_size=20),
    texts=st.lists(summed_filters, min_size=1, max_size=FILTERS_PER_POPULATION),
    is_root=st.sampled_from([None, True]),
)
def test_sums_of_a_trace_are_what_its_root_would_have_if_they_were_its_own(
    store: OpenStore, population: Population, texts: list[str], is_root: bool | None
) -> None:
    write(store, population)
    records = population.records
    for text in texts:
        on_roots = on_trace_sums(read_filter(text) or Constant(value=True))
        query = replace(everything(population), trace_filter=on_roots, is_root=is_root)
        traces = {run.trace_id for run in records if run.is_root and evaluate(text, with_sums(run, records), records)}
        expected = [run.id for run in records if run.trace_id in traces and (run.is_root or not is_root)]
        assert sorted(found(store, query)) == sorted(expected), text


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
