"""Law: whether payloads lie in rows or in objects, every filter finds the same runs, every read the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from property.checks import bound, everything
from property.filter_texts import filters
from property.populations import Population, populations
from runlake.ingest.batch import BatchWriter, IngestBatch
from runlake.model.run_record import RunRecord
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from store.object_harness import PAYLOADS, ObjectHarness, open_object_store


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectHarness]:
    with open_object_store(Path(tmp_path_factory.mktemp("objects")), threshold_bytes=3) as opened:
        yield opened


def write(writer: BatchWriter, population: Population, tenant_id: UUID) -> None:
    for runs, feedback in zip(population.batches, population.feedback, strict=True):
        asyncio.run(writer.write(IngestBatch(tenant_id=tenant_id, runs=runs, feedback=feedback)))


def read(harness: ObjectHarness, query: RunQuery) -> list[RunRecord]:
    fetcher = RunFetcher(harness.store.engine, QueryLimits(), harness.objects)
    return fetcher.page(query, harness.store.moments.current(query.tenant_id)).runs


def payloads(run: RunRecord) -> tuple[str, str]:
    return run.id, repr((run.inputs, run.outputs, run.extra, run.events, run.serialized, run.status, run.total_tokens))


@settings(max_examples=4, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(population=populations(), data=st.data())
def test_objects_change_nothing(harness: ObjectHarness, population: Population, data: st.DataObject) -> None:
    together, apart = uuid4(), uuid4()
    write(harness.store.writer, population, together)
    write(harness.writer, population, apart)
    query = replace(everything(population), tenant_id=together, select=PAYLOADS)
    inline = sorted(payloads(run) for run in read(harness, query))
    assert sorted(payloads(run) for run in read(harness, replace(query, tenant_id=apart))) == inline
    for text in data.draw(st.lists(filters, min_size=5, max_size=5)):
        narrowed = replace(query, filter=bound(text), select=frozenset())
        found = sorted(run.id for run in read(harness, narrowed))
        assert sorted(run.id for run in read(harness, replace(narrowed, tenant_id=apart))) == found, text
