"""What every law about filters does: write a population, ask, and hold the answer against the reference."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

from hypothesis import HealthCheck, assume, settings

from property.populations import EXAMPLE, Population
from property.reference import evaluate
from runlake.errors import FilterError
from runlake.fql import read_filter
from runlake.fql.bound import BoundExpr
from runlake.ingest.batch import IngestBatch
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from store.harness import OpenStore


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
