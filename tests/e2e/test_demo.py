"""``make demo`` does what it promises, and notices when a result is wrong."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SPOILED: Final = """
import sys
from langsmith import Client
whole = Client.list_runs
def without_first(self, **arguments):
    runs = whole(self, **arguments)
    next(runs, None)
    return runs
Client.list_runs = without_first
from demo.__main__ import main
sys.exit(main([]))
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LANG")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_demo_ends_well_and_keeps_what_it_is_asked_to(tmp_path: Path) -> None:
    done = _run("-m", "demo", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert f"runlake serve --data {tmp_path / 'data'}" in done.stdout
    runs = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text(encoding="utf-8").splitlines()]
    with (tmp_path / "traces.csv").open(encoding="utf-8") as file:
        traces = list(csv.DictReader(file))
    assert len({run["id"] for run in runs}) == len(runs) == 36
    assert {line["trace_id"] for line in traces} == {run["id"] for run in runs if run["parent_run_id"] is None}
    assert "look_up_order, refund_payment" in {line["tools"] for line in traces}


def test_demo_fails_when_a_run_is_missing_from_a_result() -> None:
    """With a client that swallows the first run of every list."""
    done = _run("-c", SPOILED)
    assert done.returncode == 1
    assert "✗" in done.stdout
    assert "missing" in done.stdout
