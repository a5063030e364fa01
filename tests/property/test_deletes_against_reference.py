"""Law: after a deletion every query gives what the reference gives without the deleted traces, at every step of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from property.populations import Population, populations
from property.reference import Record, evaluate
from runlake.fql import read_filter
from runlake.ingest.batch import IngestBatch
from runlake.model.run_stats import StatsSelect
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.stats import StatsReader
from store.deleting import Deleting, open_deleting

FILTERS = (
    "",
    'eq(run_type, "llm")',
    'neq(metadata_key, "env")',
    'and(eq(feedback_key, "score"), gt(feedback_score, 0.1))',
    'search("quick")',
    'eq(status, "pending")',
    'child(eq(run_type, "tool"))',
    'root(has(tags, "prod"))',
    "count(trace(gt(latency, 0)), gte, 2)",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deleting]:
    with open_deleting(Path(tmp_path_factory.mktemp("deletes"))) as opened:
        yield opened


def check_filters(deleting: Deleting, population: Population, records: Sequence[Record]) -> None:
    for text in FILTERS:
        query = RunQuery(
            tenant_id=population.tenant_id,
            sessions=(population.session_id,),
            page_rows=1000,
            filter=read_filter(text),
        )
        moment = deleting.store.moments.current(population.tenant_id)
        page = RunFetcher(deleting.store.engine, QueryLimits()).page(query, moment)
        expected = sorted(run.id for run in records if evaluate(text, run, records))
        assert sorted(run.id for run in page.runs) == expected, text
        stats = StatsReader(deleting.store.engine, QueryLimits()).stats(
            query, moment, frozenset({StatsSelect.RUN_COUNT})
        )
        assert stats.run_count == len(expected), text


def write_population(deleting: Deleting, population: Population) -> None:
    for runs, feedback in zip(population.batches, population.feedback, strict=True):
        batch = IngestBatch(tenant_id=population.tenant_id, runs=runs, feedback=feedback)
        asyncio.run(deleting.store.writer.write(batch))


def check_random_deletions(shared: Deleting, drawn: Population, data: st.DataObject) -> None:
    salt = uuid4()
    population = _renamed(drawn, salt)
    write_population(shared, population)
    traces = sorted({run.trace_id for run in population.records})
    doomed = set(data.draw(st.lists(st.sampled_from(traces), unique=True), label="doomed"))
    living = [run for run in population.records if run.trace_id not in doomed]
    if not doomed:
        return
    deletion = shared.delete(*map(UUID, sorted(doomed)), tenant_id=population.tenant_id)
    assert deletion.contents.runs == len(population.records) - len(living)
    check_filters(shared, population, living)
    write_population(shared, population)  # every sender tries again
    check_filters(shared, population, living)
    shared.mask(deletion)
    check_filters(shared, population, living)
    write_population(shared, population)
    shared.rewrite(deletion)
    check_filters(shared, population, living)
    assert shared.left(deletion).runs == 0


def _renamed(population: Population, salt: UUID) -> Population:
    """The same runs in a tenant of their own, so that an example that is tried again starts from nothing."""
    tenant_id = uuid5(salt, "tenant")
    feedback = tuple(tuple(replace(item, tenant_id=tenant_id) for item in batch) for batch in population.feedback)
    return replace(population, tenant_id=tenant_id, feedback=feedback)


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@given(populations(), st.data())
@settings(max_examples=2, deadline=None, suppress_health_check=CHECKS)
def test_every_query_after_a_deletion_is_the_reference_without_it(
    shared: Deleting, population: Population, data: st.DataObject
) -> None:
    check_random_deletions(shared, population, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(populations(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)
def test_many_random_deletions(shared: Deleting, population: Population, data: st.DataObject) -> None:
    check_random_deletions(shared, population, data)
