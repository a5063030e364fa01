"""Several processes export from one ledger; those that are killed are replaced by those that live."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from faults.export_process import ROWS_A_DAY, STEPS
from store.export_harness import ExportBench, open_bench, until

SCRIPT = Path(__file__).with_name("export_process.py")
TESTS = Path(__file__).parents[1]


def start_process(path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def owners(bench: ExportBench, export_id: object) -> Counter[str]:
    runs = bench.service.ledger.list_runs(bench.tenant_id, export_id)  # type: ignore[arg-type]  # an id
    return Counter(run.lease_owner.split("/")[1] for run in runs if run.lease_owner is not None)


@pytest.mark.slow
def test_processes_share_an_export_and_one_finishes_it_when_the_others_are_killed(tmp_path: Path) -> None:
    with open_bench(tmp_path / "data") as bench:
        export_id = bench.export(days=40)
        processes = [start_process(tmp_path / "data") for _ in range(3)]
        try:
            until(lambda: len(owners(bench, export_id)) == 3, timeout_s=20)
            time.sleep(1)
            for process in processes[:2]:
                end(process)
            # Their leases would last a minute; that the processes are gone is seen long before.
            assert bench.wait(export_id, timeout_s=30) == "Completed"
        finally:
            end(processes[2])
            for process in processes[:2]:
                process.kill()
        assert sorted(bench.rows()) == sorted(bench.expected_rows(40))
        runs = bench.service.list_runs(bench.tenant_id, export_id)
        lost = [run for run in runs if run.errors]
        assert lost
        assert {error for run in lost for error in run.errors.values()} == {"the worker stopped without a word"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "number"),
    [
        pytest.param(step, number, marks=[] if (step, number) == ("publish", 2) else pytest.mark.slow)
        for step in STEPS
        for number in ((1,) if step in ("settle", "manifest") else (1, 2))
    ],
)
def test_what_a_process_killed_at_any_step_leaves_another_ends(
    tmp_path: Path, step: str, number: int, when: str
) -> None:
    with open_bench(tmp_path / "data") as bench:
        bench.reader.rows_per_day = ROWS_A_DAY
        export_id = bench.export(days=3)
        environment = os.environ | {"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"}
        killed = subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path / "data"), step, when, str(number)],
            check=False,
            timeout=30,
            env=environment,
            capture_output=True,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        bench.workers()
        assert bench.wait(export_id, timeout_s=30) == "Completed"
        assert sorted(bench.rows()) == sorted(bench.expected_rows())
        assert len(bench.paths("manifest.json")) == 1
