"""Exports give way: their threads, and the engine's for them, have a low priority, and nobody else's do."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid5

import pytest

from runlake.export.background import give_way
from runlake.export.content import ExportSelection
from runlake.export.source import ExportSource, read_ahead
from runlake.query.bulk import LOW_PRIORITY
from store.harness import TENANT, create, end, open_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")


def own_priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_thread_that_reads_ahead_gives_way_and_the_one_that_asked_does_not() -> None:
    before = own_priority()
    with read_ahead(own_priority() for _ in range(3)) as ahead:
        assert set(ahead) == {max(before, LOW_PRIORITY)}
    assert own_priority() == before


def test_a_read_by_an_export_leaves_its_thread_where_it_was(tmp_path: Path) -> None:
    """The engine sets and resets priorities of threads for a statement, and must not raise ours."""
    with open_store(tmp_path / "engine") as store:
        store.write(create(1), end(1))
        project = uuid5(TENANT, "p")
        source = ExportSource(engine=store.engine, moments=store.moments, live_projects=lambda _: (project,))
        selection = ExportSelection(tenant_id=TENANT, project_ids=(project,))

        def work() -> tuple[int, int, int]:
            give_way()
            rows = source.count(selection)
            with source.batches(selection) as batches:
                read = sum(batch.num_rows for batch in batches)
            return rows, read, own_priority()

        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(work).result() == (1, 1, LOW_PRIORITY)
