"""Pulls everything out of the server once in each form: rows a second, the first byte, and what it costs in memory."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
import pyarrow.parquet as pq

from bench.client import KEY, BenchError
from bench.process import Server

FORMS: Final = ("jsonl", "parquet")
_READ_BYTES: Final = 1 << 20
_LIMIT_S: Final = 3_600.0


class PullResult(msgspec.Struct, frozen=True, kw_only=True):
    """One pull of all runs to a file. ``growth_mb`` is how far memory rose above what the server used before."""

    form: str
    rows: int
    mb: float
    rows_per_s: int
    first_byte_ms: float
    growth_mb: float


def measure_pulls(server: Server, runs: int) -> list[PullResult]:
    """Each form once; BenchError when rows are missing."""
    results = [_pull(server, form) for form in FORMS]
    for result in results:
        if result.rows < runs:
            raise BenchError(f"a pull as {result.form} has {result.rows} rows of {runs}")
    return results


def _pull(server: Server, form: str) -> PullResult:
    before = server.resident_mb()
    server.reset_peak()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / form
        started = time.perf_counter()
        first_byte_s = _download(server.port, form, path)
        seconds = time.perf_counter() - started
        rows = pq.read_metadata(path).num_rows if form == "parquet" else _count_lines(path)
        size = path.stat().st_size
    return PullResult(
        form=form,
        rows=rows,
        mb=round(size / 1e6, 1),
        rows_per_s=round(rows / seconds),
        first_byte_ms=round(first_byte_s * 1000, 1),
        growth_mb=round(server.peak_mb() - before, 1),
    )


def _download(port: int, form: str, path: Path) -> float:
    """Seconds until the first byte; the whole answer is at ``path`` afterwards."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT_S)
    started = time.perf_counter()
    connection.request("POST", "/export/stream", json.dumps({"format": form}), dict(KEY))
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise BenchError(f"status {answer.status}: {answer.read(300).decode('utf-8', 'replace')}")
    with path.open("wb") as file:
        file.write(answer.read(1))
        first_byte_s = time.perf_counter() - started
        while data := answer.read(_READ_BYTES):
            file.write(data)
    connection.close()
    return first_byte_s


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
