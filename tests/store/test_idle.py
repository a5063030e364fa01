"""A server that nobody uses costs next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runlake.ingest.open_set import BUCKET_US
from runlake.ingest.sweep import KEPT_US
from runlake.store.engine import Statement
from store.harness import Clock, create, end, open_store


def test_the_engine_keeps_no_logs_of_its_own(tmp_path: Path) -> None:
    """Tables such as query_log would take a part every few seconds, for ever."""
    with open_store(tmp_path) as store:
        store.write(create(1), end(1))
        logs = "database = 'system' AND engine LIKE '%MergeTree' AND name LIKE '%_log'"
        assert store.engine.select(Statement(f"SELECT name FROM system.tables WHERE {logs}")).rows == []
        store.engine.command(Statement("SYSTEM FLUSH LOGS"))
    assert not list((tmp_path / "data").glob("system"))


def test_a_restart_rewrites_nothing_for_open_runs_that_were_swept_before(tmp_path: Path) -> None:
    mutations = Statement("SELECT count() FROM system.mutations WHERE table = 'open_runs'")
    clock = Clock()
    with open_store(tmp_path, clock) as store:
        store.write(create(1), create(2), create(3))
        store.write(end(2))
        clock.us += KEPT_US + 2 * BUCKET_US
        store.sweep()
        made = store.engine.select(mutations).rows
        assert made != [[0]]
    with open_store(tmp_path, clock) as store:
        store.sweep()
        assert store.engine.select(mutations).rows == made
        store.write(end(3))
        clock.us += KEPT_US + 2 * BUCKET_US
        store.sweep()
        assert store.engine.select(Statement("SELECT count() FROM open_runs")).rows == [[1]]


@pytest.mark.parametrize(
    "package",
    [
        "pyarrow",
        "numpy",
        "pydantic",
        "alembic",
        "genai_prices",
        "google.protobuf",
        "obstore",
        "sqlglot",
        "cryptography",
    ],
)
def test_a_server_starts_without_what_few_requests_need(loaded_at_start: frozenset[str], package: str) -> None:
    assert package not in loaded_at_start
    assert "runlake.app" in loaded_at_start


@pytest.fixture(scope="module")
def loaded_at_start(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Modules of a server that has opened a data directory for the second time: the first makes the ledger."""
    build = (
        "import os, sys\nfrom pathlib import Path\nfrom runlake.app import build\nfrom runlake.config import Settings\n"
        f"build(Settings(data=Path({str(tmp_path_factory.mktemp('idle'))!r}))).close()\n"
        "print(*sys.modules)\nimport pyarrow, pydantic\nsys.stdout.flush()\nos._exit(0)"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", build], capture_output=True, text=True, check=True).stdout for _ in "12"
    ]
    return frozenset(outputs[-1].split())
