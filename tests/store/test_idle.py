"""A store that nobody writes to does not grow by itself."""

from __future__ import annotations

from pathlib import Path

from runlake.store.engine import Statement
from store.harness import create, end, open_store


def test_the_engine_keeps_no_logs_of_its_own(tmp_path: Path) -> None:
    """Tables such as query_log would take a part every few seconds, for ever."""
    with open_store(tmp_path) as store:
        store.write(create(1), end(1))
        logs = "database = 'system' AND engine LIKE '%MergeTree' AND name LIKE '%_log'"
        assert store.engine.select(Statement(f"SELECT name FROM system.tables WHERE {logs}")).rows == []
        store.engine.command(Statement("SYSTEM FLUSH LOGS"))
    assert not list((tmp_path / "data").glob("system"))
