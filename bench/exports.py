"""Exports through jobs: rates to disk and to S3 on loopback, what a partition costs, and what lists feel meanwhile.

Latency is compared within the same minute: lists alone and lists during an export take turns, so that a machine which
is busy with something else slows both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.agentmix import iso_time
from bench.client import BenchError, Client
from bench.process import Server
from bench.queries import SELECT, percentile
from bench.shapes import DAY_US, END_US, PROJECTS, START_US

DAYS: Final = 45
"""Partitions of the export that is measured against lists, and of the one that has no rows."""

_ROUNDS: Final = 3
_LISTS_ALONE: Final = 60
_PAUSE_S: Final = 0.02
_LIMIT_S: Final = 1_800.0
_EMPTY_PROJECT: Final = "agentmix-empty"


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """One export of the largest project; ``growth_mb`` is how far memory rose above what the server used before."""

    name: str
    rows: int
    partitions: int
    mb: float
    rows_per_s: int
    growth_mb: float


class ExportCosts(msgspec.Struct, frozen=True, kw_only=True):
    """``partition_ms`` is what a day without rows takes from claim to completion; the rest are lists, alone and not."""

    results: tuple[ExportResult, ...]
    partition_ms: float
    list_p50_ms: float
    list_p95_ms: float
    during_p50_ms: float
    during_p95_ms: float


def measure_exports(server: Server, ids: Mapping[str, str]) -> ExportCosts:
    """Exports one project in each form; BenchError when these differ in rows, or an export does not complete."""
    with Client(server.port) as client, ExitStack() as opened:
        places = {"disk": _local(client)}
        s3 = _s3(client, opened)
        if s3 is not None:
            places["S3"] = s3
        forms = [(place, form) for place in places for form in ("Parquet", "JSONL")]
        days = (END_US - START_US) // DAY_US
        results = tuple(
            _measured(
                server,
                client,
                f"{form} to {place}",
                partial(_start, client, places[place], [ids[PROJECTS[0]]], days, form),
            )
            for place, form in forms
        )
        if len({result.rows for result in results}) != 1:
            raise BenchError(f"the same export has different rows: {results}")
        partition_ms = _partition_ms(client, places["disk"])
        alone, during = _lists(client, ids, places["disk"])
    return ExportCosts(
        results=results,
        partition_ms=partition_ms,
        list_p50_ms=_at(alone, 0.5),
        list_p95_ms=_at(alone, 0.95),
        during_p50_ms=_at(during, 0.5),
        during_p95_ms=_at(during, 0.95),
    )


def _at(values: list[float], share: float) -> float:
    return round(percentile(sorted(values), share), 1)


def _local(client: Client) -> str:
    config = {"path": f"bench-{time.time_ns()}"}
    body = {"destination_type": "local", "display_name": "bench disk", "config": config}
    return str(client.post("/bulk-exports/destinations", body).json()["id"])


def _s3(client: Client, opened: ExitStack) -> str | None:
    """A destination in an S3 server of our own; None where there is none to start."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    try:
        from faults.seaweed import KEYS, SeaweedServer  # noqa: PLC0415 -- part of the tests, which need not be there
    except ImportError:
        return None
    finally:
        sys.path.pop(0)
    folder = opened.enter_context(tempfile.TemporaryDirectory())
    s3 = SeaweedServer(Path(folder) / "s3")
    opened.callback(s3.kill)
    body = {"destination_type": "s3", "display_name": "bench S3", "config": s3.config(), "credentials": KEYS}
    return str(client.post("/bulk-exports/destinations", body).json()["id"])


def _start(client: Client, destination: str, projects: list[str], days: int, form: str = "Parquet") -> str:
    body = {
        "bulk_export_destination_id": destination,
        "session_ids": projects,
        "start_time": iso_time(max(START_US, END_US - days * DAY_US)),
        # Traces start before the end, and the runs below them soon after.
        "end_time": iso_time(min(END_US + DAY_US, time.time_ns() // 1000)),
        "format": form,
    }
    return str(client.post("/bulk-exports", body).json()["id"])


def _state(client: Client, export: str) -> dict[str, Any]:
    """The export; BenchError when it ended without being complete."""
    state: dict[str, Any] = client.get(f"/bulk-exports/{export}").json()
    if state["status"] not in {"Created", "Running", "Completed"}:
        raise BenchError(f"export {export} is {state['status']}")
    return state


def _finished(client: Client, export: str) -> dict[str, Any]:
    deadline = time.perf_counter() + _LIMIT_S
    while time.perf_counter() < deadline:
        state = _state(client, export)
        if state["status"] == "Completed":
            return state
        time.sleep(0.1)
    raise BenchError(f"export {export} did not end within {_LIMIT_S:.0f} s")


def _measured(server: Server, client: Client, name: str, start: Callable[[], str]) -> ExportResult:
    before = server.resident_mb()
    server.reset_peak()
    state = _finished(client, start())
    seconds = _seconds(state)
    progress = state["progress"]
    return ExportResult(
        name=name,
        rows=progress["rows_written"],
        partitions=progress["runs_total"],
        mb=round(progress["bytes_written"] / 1e6, 1),
        rows_per_s=round(progress["rows_written"] / seconds),
        growth_mb=round(server.peak_mb() - before, 1),
    )


def _partition_ms(client: Client, destination: str) -> float:
    """What each of 45 days costs that have nothing to read."""
    project = client.post("/sessions?upsert=true", {"name": _EMPTY_PROJECT}).json()["id"]
    state = _finished(client, _start(client, destination, [project], DAYS))
    return round(_seconds(state) * 1000 / DAYS, 1)


def _seconds(state: dict[str, Any]) -> float:
    """From the order of an export to its end, manifest included, by the server's clock and not by when we ask."""
    created, finished = (datetime.fromisoformat(state[name]) for name in ("created_at", "finished_at"))
    return (finished - created).total_seconds()


def _lists(client: Client, ids: Mapping[str, str], destination: str) -> tuple[list[float], list[float]]:
    """Milliseconds of lists alone, and of lists while an export of 45 days goes on, by turns."""
    alone: list[float] = []
    during: list[float] = []
    projects = [ids[name] for name in PROJECTS if name in ids]
    for number in range(_LISTS_ALONE // 2):
        _list(client, projects[number % len(projects)])
    for _ in range(_ROUNDS):
        alone += [_list(client, projects[number % len(projects)]) for number in range(_LISTS_ALONE)]
        export = _start(client, destination, projects[:1], DAYS)
        number = 0
        while number % 8 or _state(client, export)["status"] != "Completed":
            during.append(_list(client, projects[number % len(projects)]))
            number += 1
    return alone, during


def _list(client: Client, project: str) -> float:
    """The newest roots of a project with payloads, as a page of the SDK asks for them."""
    reply = client.post("/api/v1/runs/query", {"session": [project], "is_root": True, "limit": 100, "select": SELECT})
    reply.json()
    time.sleep(_PAUSE_S)
    return reply.took_ms
