"""Law: whoever reads runs does so through a scope, which binds the tenant, the moment, and what is deleted."""

from __future__ import annotations

import re
from pathlib import Path

import runlake

SOURCES = Path(runlake.__file__).parent
READERS = ("api", "export", "query")
TABLES = re.compile(r"\b(?:FROM|JOIN|INTO)\s+(?:open_)?runs\b", re.IGNORECASE)
SCOPE = SOURCES / "query" / "scope.py"


def test_only_the_scope_names_the_tables_of_runs() -> None:
    readers = [path for folder in READERS for path in (SOURCES / folder).rglob("*.py")]
    assert TABLES.search(SCOPE.read_text())
    assert [str(path) for path in readers if path != SCOPE and TABLES.search(path.read_text())] == []


def test_both_tables_leave_hidden_traces_out() -> None:
    """Each select of the scope on a table of runs holds the condition."""
    source = SCOPE.read_text()
    for function in ("_select_closed", "_select_open"):
        body = source.split(f"def {function}(")[1].split("\n    def ")[0]
        assert "*self._is_kept" in body, function
