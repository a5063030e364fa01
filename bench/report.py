"""Results beside the targets: the JSON report, the table on the terminal, the page in the documentation."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from bench.exports import ExportCosts
from bench.judging import FeedbackRate
from bench.live import Freshness
from bench.load import LoadResult
from bench.mixed import Mixed
from bench.pulls import PullResult
from bench.queries import Timing


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """The server after a restart on the loaded data: seconds until ready, then at rest."""

    start_s: float
    idle_mb: float
    idle_cpu_percent: float
    disk_bytes: int


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    cpu: str
    cores: int
    memory_gb: float
    system: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured in one run of the benchmark."""

    size: str
    runs: int
    seed: int
    date: str
    commit: str
    command: str
    versions: dict[str, str]
    machine: Machine
    fresh_start_s: float
    fresh_idle_mb: float
    load: LoadResult
    query_peak_mb: float
    cells: tuple[Timing, ...]
    cold: tuple[Timing, ...]
    freshness: Freshness | None
    mixed: Mixed | None
    resting: Resting | None
    load_average: float
    pulls: tuple[PullResult, ...] = ()
    exports: ExportCosts | None = None
    feedback: tuple[FeedbackRate, ...] = ()


class Target(NamedTuple):
    """What a cell has to reach at S and at M, in milliseconds at p50."""

    at_s: float
    at_m: float


TARGETS: Final = {
    "run by id": Target(8, 20),
    "trace of 20-60 runs": Target(15, 30),
    "trace of 2,000 runs": Target(200, 300),
    "trace of 10,000 runs": Target(1000, 1500),
    "newest roots, 7 days": Target(10, 25),
    "newest roots, 90 days": Target(12, 35),
    "errors slower than 5 s": Target(15, 50),
    "metadata, rare": Target(12, 50),
    "metadata, common": Target(12, 50),
    "metadata, unique": Target(12, 50),
    "feedback condition": Target(15, 60),
    "tree filter": Target(30, 150),
    "runs by feedback of their root": Target(30, 100),
    "text, rare": Target(30, 80),
    "text, 0.1 %": Target(30, 80),
    "text, 10 %": Target(30, 80),
    "text, phrase": Target(30, 80),
    "text, zero": Target(30, 80),
    "text, CJK": Target(30, 80),
    "JSON path, part of a text": Target(40, 120),
    "JSON path, whole value": Target(40, 120),
    "stats, 7 days": Target(15, 60),
    "stats, 90 days": Target(15, 60),
    "stats by model": Target(30, 250),
    "stats by model and hour": Target(30, 250),
    "thread list": Target(25, 100),
    "one thread": Target(12, 50),
}


class Line(NamedTuple):
    """One line of the summary: what, the target as text, the measured value as text, and whether it was met."""

    name: str
    target: str
    measured: str
    met: bool | None


def target_of(report: Report, timing: Timing) -> float | None:
    """Milliseconds that the cell may take at this size, or None where no target is set."""
    if timing.cell == "page 200 by cursor":
        first = next((t.p50_ms for t in report.cells if t.cell == "page 1 of all runs"), None)
        return None if first is None else first * 1.5
    target = TARGETS.get(timing.cell)
    if target is None:
        return None
    return target.at_m if report.runs > 300_000 else target.at_s


def summary_lines(report: Report) -> Iterator[Line]:
    """The rows of the table of targets that are no query cells."""
    big = report.runs > 300_000
    load = report.load
    yield Line("ingest to durable and visible, runs/s", "3000", f"{load.runs_per_s}", load.runs_per_s >= 3000)
    mb = f"{load.raw_mb_per_s} MB/s"
    yield Line("ingest, raw JSON", "15 MB/s" if big else "-", mb, load.raw_mb_per_s >= 15 if big else None)
    yield Line("disk / raw JSON, end of the load", "-", f"{load.disk_bytes / load.raw_bytes:.2f}", None)
    yield Line("peak memory, load", "-", f"{load.peak_mb:.0f} MB", None)
    limit = 2500 if big else 1000
    yield Line("peak memory, queries", f"{limit} MB", f"{report.query_peak_mb:.0f} MB", report.query_peak_mb <= limit)
    for pull in report.pulls:
        yield from _pull_lines(pull, big=big)
    if report.exports is not None:
        yield from _export_lines(report.exports)
    if (fresh := report.freshness) is not None:
        seen = max(fresh.by_id_p50_ms, fresh.by_search_p50_ms)
        last = max(fresh.by_id_p99_ms, fresh.by_search_p99_ms)
        measured = f"{seen} ms (p99 {last} ms)"
        yield Line("sent to visible", "250 ms (p99 1000 ms)", measured, seen <= 250 and last <= 1000)
    yield from _feedback_lines(report.feedback)
    if (rest := report.resting) is not None:
        disk = rest.disk_bytes / load.raw_bytes
        yield Line("disk / raw JSON, at rest", "0.5", f"{disk:.2f}", disk <= 0.5)
        start = 5.0 if big else 2.0
        yield Line("start on this data", f"{start:.0f} s", f"{rest.start_s:.1f} s", rest.start_s <= start)
        idle = None if big else rest.idle_mb <= 350
        yield Line("idle memory", "-" if big else "350 MB", f"{rest.idle_mb:.0f} MB", idle)
        cpu = 2.0 if big else 1.0
        yield Line("idle CPU", f"{cpu:.0f} %", f"{rest.idle_cpu_percent:.1f} %", rest.idle_cpu_percent <= cpu)


def print_report(report: Report, console: Console) -> None:
    """Two tables: numbers of the whole server, then every cell."""
    table = Table(title=f"Runlake, {report.runs:,} runs, {report.date[:16]}, load average {report.load_average:.1f}")
    for column in ("", "target", "measured", ""):
        table.add_column(column)
    for line in summary_lines(report):
        table.add_row(line.name, line.target, line.measured, _verdict(line.met))
    console.print(table)
    cells = Table(title="Queries, milliseconds over HTTP, hot, payloads included")
    for column in ("", "target", "p50", "p95", "max", "cold", "KB", "rows read", "MB read", ""):
        cells.add_column(column, justify="left" if not column else "right")
    cold = {timing.cell: timing.p50_ms for timing in report.cold}
    for timing in report.cells:
        limit = target_of(report, timing)
        met = None if limit is None else timing.p50_ms <= limit
        numbers = [f"{value:.1f}" for value in (timing.p50_ms, timing.p95_ms, timing.max_ms)]
        cold_text = f"{cold[timing.cell]:.1f}" if timing.cell in cold else "-"
        verdict = "[red]FAIL[/red]" if timing.failures else _verdict(met)
        limit_text = "-" if limit is None else f"{limit:.0f}"
        cells.add_row(timing.cell, limit_text, *numbers, cold_text, f"{timing.answer_kb:.0f}", *_costs(timing), verdict)
    console.print(cells)
    for timing in report.cells:
        for failure in timing.failures:
            console.print(f"[red]{timing.cell}[/red]: {failure}", highlight=False)
    _print_live(report, console)


def _print_live(report: Report, console: Console) -> None:
    if report.freshness is not None:
        console.print(report.freshness, highlight=False)
    if report.mixed is not None:
        mixed = report.mixed
        table = Table(title=f"{mixed.queries_per_s} queries/s, {mixed.bodies_per_s} bodies/s of 100 operations")
        for column in ("", "p50 alone", "p95 alone", "p50", "p95"):
            table.add_column(column)
        for cell in mixed.cells:
            row = (f"{cell.alone_p50_ms}", f"{cell.alone_p95_ms}", f"{cell.p50_ms}", f"{cell.p95_ms}")
            table.add_row(cell.cell, *row if not cell.failures else ("FAIL", cell.failures[0], "", ""))
        table.add_row("ingest request", "-", "-", f"{mixed.ingest_p50_ms}", f"p99 {mixed.ingest_p99_ms}")
        console.print(table)
        console.print(f"p95 {mixed.p95_ratio} times that alone; memory {mixed.resident_mb} MB; {mixed.cpu_s} s of CPU")


def _verdict(met: bool | None) -> str:
    return {True: "[green]met[/green]", False: "[yellow]missed[/yellow]", None: ""}[met]


PAGE_START: Final = "<!-- measured: {size} -->"
PAGE_END: Final = "<!-- end: {size} -->"


def write_page(report: Report, page: Path) -> None:
    """Replace the section of this size in the page; everything written by hand around it stays."""
    start, end = PAGE_START.format(size=report.size), PAGE_END.format(size=report.size)
    text = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
    section = "\n".join((start, *_page_lines(report), end))
    if start in text and end in text:
        before, rest = text.split(start, 1)
        text = before + section + rest.split(end, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    page.write_text(text, encoding="utf-8")


def _pull_lines(pull: PullResult, *, big: bool) -> Iterator[Line]:
    wanted = 30_000 if pull.form == "parquet" else 15_000 if big else 20_000
    name = f"pull as {pull.form}"
    yield Line(f"{name}, runs/s", f"{wanted}", f"{pull.rows_per_s} ({pull.mb:.0f} MB)", pull.rows_per_s >= wanted)
    yield Line(f"{name}, first byte", "-", f"{pull.first_byte_ms} ms", None)
    yield Line(f"{name}, memory beside it", "300 MB", f"{pull.growth_mb:.0f} MB", pull.growth_mb <= 300)


def _feedback_lines(rates: Iterable[FeedbackRate]) -> Iterator[Line]:
    """What is asked for is asked of batches; one at a time, a client waits for the disk before it sends the next."""
    for rate in rates:
        is_batch = rate.size > 1
        measured = f"{rate.per_s} ({rate.clients} clients, request p50 {rate.request_p50_ms} ms, "
        measured += f"p99 {rate.request_p99_ms} ms)"
        met = rate.per_s >= _FEEDBACK_PER_S if is_batch else None
        yield Line(f"feedback, {rate.form}, per s", f"{_FEEDBACK_PER_S}" if is_batch else "-", measured, met)


_FEEDBACK_PER_S: Final = 2_000
_EXPORT_TARGETS: Final = {
    "Parquet to disk": 30_000,
    "JSONL to disk": 15_000,
    "Parquet to S3": 20_000,
    "JSONL to S3": 15_000,
}


def _export_lines(costs: ExportCosts) -> Iterator[Line]:
    for result in costs.results:
        wanted = _EXPORT_TARGETS[result.name]
        name = f"export job, {result.name}"
        measured = f"{result.rows_per_s} ({result.rows} runs, {result.partitions} days, {result.mb:.0f} MB)"
        yield Line(f"{name}, runs/s", f"{wanted}", measured, result.rows_per_s >= wanted)
        yield Line(f"{name}, memory beside it", "300 MB", f"{result.growth_mb:.0f} MB", result.growth_mb <= 300)
    yield Line("export job, a day without rows", "200 ms", f"{costs.partition_ms} ms", costs.partition_ms <= 200)
    ratio = costs.during_p95_ms / costs.list_p95_ms
    measured = f"{ratio:.1f} times ({costs.list_p95_ms} to {costs.during_p95_ms} ms)"
    yield Line("list p95 during an export", "2 times", measured, ratio <= 2)


def _page_lines(report: Report) -> Iterator[str]:
    machine = report.machine
    yield f"## {report.runs:,} runs ({report.load.raw_bytes / 1e9:.2f} GB of JSON)"
    yield ""
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    yield f"Measured on {report.date[:10]} at commit `{report.commit}` with `{report.command}`:"
    yield f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB, {machine.system}; {versions}."
    yield f"Client and server share the cores; the load average at the end was {report.load_average:.1f}."
    yield "Times are milliseconds."
    yield ""
    yield "| | target | measured | |"
    yield "|---|---|---|---|"
    for line in summary_lines(report):
        yield f"| {line.name} | {line.target} | {line.measured} | {_plain(line.met)} |"
    yield ""
    yield "| Query | target p50 | p50 | p95 | max | first after restart | KB | rows read | MB read | |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    cold = {timing.cell: timing.p50_ms for timing in report.cold}
    for timing in report.cells:
        limit = target_of(report, timing)
        verdict = "wrong answer" if timing.failures else _plain(None if limit is None else timing.p50_ms <= limit)
        numbers = f"{timing.p50_ms} | {timing.p95_ms} | {timing.max_ms} | {cold.get(timing.cell, '-')}"
        limit_text = "-" if limit is None else f"{limit:.0f}"
        rows_read, mb_read = _costs(timing)
        costs = f"{timing.answer_kb:.0f} | {rows_read} | {mb_read}"
        yield f"| {timing.cell} | {limit_text} | {numbers} | {costs} | {verdict} |"
    if report.mixed is not None:
        yield from _mixed_lines(report.mixed)


def _mixed_lines(mixed: Mixed) -> Iterator[str]:
    yield ""
    yield f"{mixed.queries_per_s:.0f} queries a second for {mixed.seconds:.0f} s while {mixed.clients} clients send"
    yield f"{mixed.bodies_per_s:.1f} requests of 100 operations a second (answered in {mixed.ingest_p50_ms} ms at p50,"
    yield f"{mixed.ingest_p99_ms} ms at p99). Over all queries the p95 is {mixed.p95_ratio} times that of the same"
    yield "queries at the same pace alone. Resident memory after each tenth of the time, MB:"
    yield f"{_listed(mixed.resident_mb)}."
    yield ""
    yield "| Query | p50 alone | p95 alone | p50 with ingest | p95 with ingest |"
    yield "|---|---|---|---|---|"
    for cell in mixed.cells:
        verdict = " (wrong answer)" if cell.failures else ""
        numbers = f"{cell.alone_p50_ms} | {cell.alone_p95_ms} | {cell.p50_ms} | {cell.p95_ms}"
        yield f"| {cell.cell}{verdict} | {numbers} |"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _costs(timing: Timing) -> tuple[str, str]:
    """Rows and megabytes read, as text."""
    rows = "-" if timing.rows_read is None else f"{timing.rows_read}"
    return rows, "-" if timing.mb_read is None else f"{timing.mb_read:.1f}"


def _plain(met: bool | None) -> str:
    return {True: "met", False: "**missed**", None: ""}[met]


def this_machine() -> Machine:
    cpu = _field("/proc/cpuinfo", "model name") or platform.processor() or "unknown CPU"
    memory_kb = int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0])
    cores = sum(1 for line in _lines("/proc/cpuinfo") if line.startswith("processor"))
    return Machine(cpu=cpu, cores=cores, memory_gb=round(memory_kb / 1e6, 1), system=platform.system())


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _field(path: str, name: str) -> str | None:
    return next((line.split(":", 1)[1].strip() for line in _lines(path) if line.startswith(name)), None)


def these_versions() -> dict[str, str]:
    names = ("runlake", "chdb-core", "litestar", "msgspec", "uvicorn")
    return {"Python": platform.python_version(), **{name: version(name) for name in names}}


def this_commit(root: Path) -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
