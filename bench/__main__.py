"""Run the benchmark: ``python -m bench --size S`` (or ``M``, or a number of runs). ``make bench`` calls it.

Generates the workload once (kept under ``bench/.data``), starts a server of its own on an empty directory, loads, asks,
restarts, and writes ``bench/.data/report-<size>.json``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from bench.bodies import Material, prepare
from bench.client import Client
from bench.exports import measure_exports
from bench.judging import SECONDS as FEEDBACK_SECONDS
from bench.judging import measure_feedback
from bench.live import Freshness, measure_freshness
from bench.load import load, project_ids, workload_of
from bench.mixed import Mixed, measure_mixed, runs_needed
from bench.process import Server
from bench.pulls import measure_pulls
from bench.queries import LARGE_CELLS, Examiner, Timing, measure
from bench.questions import Exam
from bench.report import Report, Resting, print_report, these_versions, this_commit, this_machine, write_page
from bench.shapes import Workload

ROOT: Final = Path(__file__).parent.parent
DATA: Final = Path(__file__).parent / ".data"
LIVE_PROJECTS: Final = ("agentmix-live",)
_REST_S: Final = 10.0


def main() -> int:
    options = _options()
    console = Console()
    workload = workload_of(options.size, options.seed)
    folder = DATA / options.size
    material = prepare(workload, folder)
    exam = material.exam
    console.print(f"{exam.runs:,} runs, {exam.raw_bytes / 1e6:.0f} MB of JSON in {material.body_count:,} bodies")
    report = _run(options, material, folder, console)
    print_report(report, console)
    if options.write_docs:
        write_page(report, ROOT / "docs" / "performance.md")
    return 1 if any(timing.failures for timing in report.cells) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Load a server and measure its queries.")
    parser.add_argument("--size", default="S", help="S (100,000 runs), M (1,000,000) or a number of runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mixed-seconds", type=float, default=30.0, help="0 leaves the mixed measurement out")
    parser.add_argument("--feedback-seconds", type=float, default=FEEDBACK_SECONDS, help="for each form of feedback")
    parser.add_argument("--write-docs", action="store_true", help="update docs/performance.md")
    return parser.parse_args()


@contextmanager
def _serving(folder: Path) -> Iterator[Server]:
    server = Server(folder / "server", folder / "server.log")
    try:
        yield server
    finally:
        server.stop()


def _run(options: argparse.Namespace, material: Material, folder: Path, console: Console) -> Report:
    """Every phase, the report written after each: of an hour that ends early, what it found is not lost."""
    exam = material.exam
    shutil.rmtree(folder / "server", ignore_errors=True)
    (folder / "server.log").unlink(missing_ok=True)
    with _serving(folder) as server:
        report = _loaded(options, server, material, console)
        with Client(server.port) as client:
            ids = project_ids(client, exam.projects)
            cells = tuple(measure(client, ids, exam))
        report = _noted(report, cells=cells, query_peak_mb=round(server.peak_mb()))
        report = _noted(report, pulls=tuple(measure_pulls(server, exam.runs)))
        report = _noted(report, exports=measure_exports(server, ids))
    cold, resting = _after_restart(folder, exam)
    report = _noted(report, cold=tuple(cold), resting=resting)
    with _serving(folder) as server:
        freshness, mixed = _live(options, server, ids, exam, folder)
        report = _noted(report, freshness=freshness, mixed=mixed)
        feedback = tuple(measure_feedback(server, ids, seconds=options.feedback_seconds))
    return _noted(report, feedback=feedback, load_average=os.getloadavg()[0])


def _loaded(options: argparse.Namespace, server: Server, material: Material, console: Console) -> Report:
    """Load the server, and begin the report with what that cost."""
    fresh_start_s, fresh_idle_mb = server.start_s, server.resident_mb()
    loaded = load(server, material)
    console.print(loaded, highlight=False)
    server.reset_peak()
    report = Report(
        size=options.size,
        runs=material.exam.runs,
        seed=material.exam.seed,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=this_commit(ROOT),
        command=f"make bench SIZE={options.size}",
        versions=these_versions(),
        machine=this_machine(),
        fresh_start_s=round(fresh_start_s, 2),
        fresh_idle_mb=round(fresh_idle_mb),
        load=loaded,
        query_peak_mb=0,
        cells=(),
        cold=(),
        freshness=None,
        mixed=None,
        resting=None,
        load_average=os.getloadavg()[0],
    )
    return _noted(report)


def _noted(report: Report, **found: Any) -> Report:
    """The report with what was found, on disk."""
    report = msgspec.structs.replace(report, **found)
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    for name in ("report.json", f"report-{report.size}.json"):
        (DATA / name).write_bytes(text)
    return report


def _live(
    options: argparse.Namespace, server: Server, ids: dict[str, str], exam: Exam, folder: Path
) -> tuple[Freshness, Mixed | None]:
    freshness = measure_freshness(server.port)
    if not options.mixed_seconds:
        return freshness, None
    runs = runs_needed(options.mixed_seconds)
    arriving = prepare(Workload(runs=runs, seed=options.seed + 1, projects=LIVE_PROJECTS), folder / "live")
    return freshness, measure_mixed(server, ids, exam, arriving, seconds=options.mixed_seconds)


def _after_restart(folder: Path, exam: Exam) -> tuple[list[Timing], Resting]:
    """A start on the loaded data, the first call of every small cell, and ten seconds of rest."""
    with _serving(folder) as server:
        with Client(server.port) as client:
            examiner = Examiner(client, project_ids(client, exam.projects))
            asked = {question.cell: question for question in reversed(exam.questions)}
            cold = []
            for cell, question in asked.items():
                if cell not in LARGE_CELLS and cell != "page 200 by cursor":
                    took = round(examiner.put(question).took_ms, 1)
                    cold.append(
                        Timing(cell=cell, calls=1, p50_ms=took, p95_ms=took, max_ms=took, first_ms=took, answer_kb=0)
                    )
        start_s = server.start_s
    with _serving(folder) as server:
        time.sleep(2.0)
        before = server.cpu_s()
        time.sleep(_REST_S)
        idle_cpu = (server.cpu_s() - before) / _REST_S * 100
        return cold, Resting(
            start_s=round(start_s, 2),
            idle_mb=round(server.resident_mb()),
            idle_cpu_percent=round(idle_cpu, 2),
            disk_bytes=server.disk_bytes(),
        )


if __name__ == "__main__":
    sys.exit(main())
