"""Exports as their users see them: over HTTP and the command line, files read by DuckDB, a server that dies."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
import httpx
import pytest

from contract.server_process import ServerProcess

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "a-very-secret-secret"
DAYS = 4


def later(**distance: float) -> str:
    return (NOW + timedelta(**distance)).isoformat()


def ask_duckdb(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def make_run(number: int, project: str, start: datetime) -> dict[str, Any]:
    run_id = str(UUID(int=random.Random(f"{project}{number}").getrandbits(128), version=4))  # noqa: S311 -- repeatable
    return {
        "id": run_id,
        "trace_id": run_id,
        "dotted_order": f"{start:%Y%m%dT%H%M%S%f}Z{run_id}",
        "session_name": project,
        "name": f"run {number} ünï",
        "run_type": "llm" if number % 3 == 0 else "chain",
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(seconds=number % 7)).isoformat(),
        "inputs": {"text": f"question {number} " + "x" * (number % 50)},
        "outputs": {"answer": number},
        "error": "it broke" if number % 10 == 0 else None,
        "tags": ["a", str(number)],
    }


class Exports:
    """One server with a project of runs over some days."""

    def __init__(self, server: ServerProcess, data: Path) -> None:
        self.server, self.data = server, data
        self.http = httpx.Client(base_url=server.url, timeout=30)
        self.project = f"p-{uuid4().hex[:6]}"
        self.runs: list[dict[str, Any]] = []

    def fill(self, count: int, days: int = DAYS) -> None:
        step = timedelta(days=days) / count
        self.runs = [
            make_run(number, self.project, NOW - timedelta(days=days) + number * step) for number in range(count)
        ]
        for start in range(0, count, 500):
            self.http.post("/runs/batch", json={"post": self.runs[start : start + 500]}).raise_for_status()

    @property
    def session_id(self) -> str:
        (project,) = self.http.get("/sessions", params={"name": self.project}).json()
        return str(project["id"])

    def destination(self, path: str) -> str:
        body = {"destination_type": "local", "display_name": path, "config": {"path": path}}
        return str(self.http.post("/bulk-exports/destinations", json=body).raise_for_status().json()["id"])

    def body(self, destination_id: str, **more: Any) -> dict[str, Any]:
        return {
            "bulk_export_destination_id": destination_id,
            "session_id": self.session_id,
            "start_time": (NOW - timedelta(days=DAYS + 1)).isoformat(),
            "end_time": NOW.isoformat(),
        } | more

    def export(self, destination_id: str, **more: Any) -> str:
        answer = self.http.post("/bulk-exports", json=self.body(destination_id, **more))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def wait(self, export_id: str, timeout_s: float = 30) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            export: dict[str, Any] = self.http.get(f"/bulk-exports/{export_id}").raise_for_status().json()
            if export["status"] not in {"Created", "Running"}:
                return export
            time.sleep(0.05)
        raise AssertionError("the export does not end")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exports]:
    data = tmp_path_factory.mktemp("exports") / "data"
    server = ServerProcess(data)
    opened = Exports(server, data)
    opened.fill(200)
    yield opened
    opened.http.close()
    server.stop()


def files(data: Path, path: str, export_id: str, suffix: str) -> str:
    return f"{data}/exports/{path}/export_id={export_id}/**/*{suffix}"


@pytest.mark.parametrize(
    ("format_", "compression", "source"),
    [
        ("Parquet", "zstandard", "read_parquet('{}', hive_partitioning = false)"),
        ("Parquet", "snappy", "read_parquet('{}', hive_partitioning = false)"),
        ("JSONL", "gzip", "read_json('{}', format = 'newline_delimited', hive_partitioning = false)"),
        ("CSV", "none", "read_csv('{}', hive_partitioning = false)"),
    ],
)
@pytest.mark.parametrize("filter_", [None, 'eq(run_type, "llm")', "eq(error, true)"])
def test_duckdb_reads_what_the_store_answers(
    exports: Exports, format_: str, compression: str, source: str, filter_: str | None
) -> None:
    suffix = {"Parquet": ".parquet", "JSONL": ".jsonl.gz", "CSV": ".csv"}[format_]
    export_id = exports.export(exports.destination("duck"), format=format_, compression=compression, filter=filter_)
    export = exports.wait(export_id)
    assert export["status"] == "Completed", export
    relation = source.format(files(exports.data, "duck", export_id, suffix))
    rows = ask_duckdb(f"SELECT CAST(id AS VARCHAR), name, run_type, status FROM {relation} ORDER BY 1")
    expected = stored(exports, filter_)
    assert rows == sorted((run["id"], run["name"], run["run_type"], run["status"]) for run in expected)
    assert export["progress"]["rows_written"] == export["progress"]["estimated_rows"] == len(rows) > 0


def stored(exports: Exports, filter_: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    body: dict[str, Any] = {"session": [exports.session_id], "filter": filter_, "limit": 100}
    body["select"] = ["id", "name", "run_type", "status"]
    while True:
        page = exports.http.post("/runs/query", json=body).raise_for_status().json()
        found += page["runs"]
        body["cursor"] = page["cursors"]["next"]
        if not body["cursor"]:
            return found


def test_parquet_has_the_days_as_hive_columns_and_utc_times(exports: Exports) -> None:
    export_id = exports.export(exports.destination("hive"))
    exports.wait(export_id)
    relation = f"read_parquet('{files(exports.data, 'hive', export_id, '.parquet')}', hive_partitioning = true)"
    start = "(start_time AT TIME ZONE 'UTC')"
    strays = ask_duckdb(
        f"SELECT count(*) FROM {relation} WHERE (year({start}), month({start}), day({start})) != (year, month, day)"
    )
    kind = ask_duckdb(f"SELECT any_value(typeof(start_time)), count(DISTINCT day) FROM {relation}")
    assert strays == [(0,)]
    assert kind == [("TIMESTAMP WITH TIME ZONE", DAYS + 1)]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"bulk_export_destination_id": str(uuid4())}, 404, "bulk_export_destination_id"),
        ({"session_id": str(uuid4())}, 404, "session_id"),
        ({"filter": "eq(run_typ, 1"}, 400, "filter"),
        ({"trace_filter": 'eq(nme, "x")'}, 400, "trace_filter"),
        ({"tree_filter": "and("}, 400, "tree_filter"),
        ({"export_fields": ["id", "imputs"]}, 422, "export_fields"),
        ({"start_time": "2200-01-01", "end_time": "2200-02-01"}, 422, "start_time"),
        ({"end_time": later(days=1)}, 422, "end_time"),
        ({"start_time": later(hours=1), "end_time": later(days=2)}, 422, "start_time"),
        ({"end_time": None, "interval_hours": 1, "start_time": later(days=400)}, 422, "start_time"),
        ({"start_time": "1900-01-01"}, 422, "start_time"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused_with_its_member(
    exports: Exports, change: dict[str, Any], status: int, field: str
) -> None:
    body = exports.body(exports.destination("bad")) | change
    answer = exports.http.post("/bulk-exports", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert answer.json()["detail"]


def test_a_misspelt_field_is_answered_with_the_right_one(exports: Exports) -> None:
    body = exports.body(exports.destination("typo"), export_fields=["imputs"])
    assert exports.http.post("/bulk-exports", json=body).json()["suggestion"] == "inputs"


@pytest.mark.parametrize("verb", ["resume", "retry"])
def test_a_complete_export_can_neither_be_resumed_nor_retried_nor_cancelled(exports: Exports, verb: str) -> None:
    export_id = exports.export(exports.destination("done"))
    exports.wait(export_id)
    assert exports.http.post(f"/bulk-exports/{export_id}/{verb}").status_code == 409
    answer = exports.http.patch(f"/bulk-exports/{export_id}", json={"status": "Cancelled"})
    assert (answer.status_code, answer.json()["field"]) == (409, "status")


def test_runs_of_an_export_are_listed_and_read_one_by_one(exports: Exports) -> None:
    export_id = exports.export(exports.destination("runs"))
    exports.wait(export_id)
    runs = exports.http.get(f"/bulk-exports/{export_id}/runs").json()
    assert len(runs) == DAYS + 2
    assert [run["start_time"] for run in runs] == sorted(run["start_time"] for run in runs)
    one = exports.http.get(f"/bulk-exports/{export_id}/runs/{runs[1]['id']}").json()
    assert one == runs[1]
    result = one["metadata"]["result"]
    assert result["rows_written"] > 0
    assert all(path.startswith(result["export_path"]) for path in result["exported_files"])
    assert exports.http.get(f"/bulk-exports/{export_id}/runs/{uuid4()}").status_code == 404
    missing = exports.http.get("/bulk-exports/runs")
    assert (missing.status_code, missing.json()["field"]) == (422, "source_bulk_export_id")


def test_secrets_are_in_no_answer_no_log_and_not_in_the_ledger(exports: Exports) -> None:
    """The probe fails, because nobody listens there; what was sent is told to nobody."""
    body = {
        "destination_type": "s3",
        "display_name": "quiet",
        "config": {"bucket_name": "traces", "endpoint_url": "http://127.0.0.1:9"},
        "credentials": {"access_key_id": "AKIAQUIET", "secret_access_key": SECRET},
    }
    answer = exports.http.post("/bulk-exports/destinations", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "destination_failed")
    log = (exports.data.parent / "server.log").read_text()
    everything = b"".join(path.read_bytes() for path in exports.data.glob("ledger*"))
    for text in (answer.text, log, everything.decode("latin-1")):
        assert SECRET not in text
        assert "AKIAQUIET" not in text


def run_cli(exports: Exports, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LANGSMITH_ENDPOINT": exports.server.url}
    command = [sys.executable, "-m", "runlake.cli", "export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_the_command_line_exports_and_verifies_and_says_when_it_is_not_whole(exports: Exports) -> None:
    made = run_cli(exports, "destinations", "create", "From the shell", "--path", "shell")
    assert made.returncode == 0, made.stderr
    start = (NOW - timedelta(days=DAYS + 1)).isoformat()
    ran = run_cli(exports, "run", "--to", "From the shell", "--start", start, "--project", exports.project)
    assert ran.returncode == 0, ran.stderr
    export_id = ran.stdout.strip()
    folder = exports.data / "exports" / "shell" / f"export_id={export_id}"
    whole = run_cli(exports, "verify", str(folder), "--store")
    assert (whole.returncode, whole.stdout) == (0, "")
    assert "200 rows of the store compared, 0 of them came later: whole" in whole.stderr
    min(folder.rglob("*.parquet")).unlink()
    broken = run_cli(exports, "verify", str(folder))
    assert broken.returncode == 1
    assert "cannot be read" in broken.stdout
    assert export_id in run_cli(exports, "list").stdout
    unknown = run_cli(exports, "run", "--to", "nowhere", "--start", start, "--project", exports.project)
    assert unknown.returncode == 1
    assert "'From the shell'" in unknown.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_server_killed_again_and_again_exports_every_run_once(tmp_path: Path, seed: int) -> None:
    """Whatever step it was at; what was complete before a kill is not done again."""
    seeded = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    data = tmp_path / "data"
    server = ServerProcess(data)
    exports = Exports(server, data)
    exports.fill(3000, days=25)
    destination_id = exports.destination("killed")
    start = (NOW - timedelta(days=26)).isoformat()
    export_id = exports.export(destination_id, start_time=start)
    kept: dict[Path, int] = {}
    for _ in range(6):
        time.sleep(seeded.uniform(0.1, 1.5))
        complete = {
            path
            for run in exports.http.get(f"/bulk-exports/{export_id}/runs").json()
            if run["status"] == "Completed"
            for path in run["metadata"]["result"]["exported_files"]
        }
        kept |= {Path(path): Path(path).stat().st_mtime_ns for path in complete if Path(path) not in kept}
        server.kill()
        server = ServerProcess(data)
        exports.http.close()
        exports.http = httpx.Client(base_url=server.url, timeout=30)
    try:
        export = exports.wait(export_id, timeout_s=120)
        assert export["status"] == "Completed"
        relation = f"read_parquet('{files(data, 'killed', export_id, '.parquet')}', hive_partitioning = false)"
        ids = [row[0] for row in ask_duckdb(f"SELECT id FROM {relation} ORDER BY id")]
        assert ids == sorted(run["id"] for run in exports.runs)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        manifest = json.loads((data / "exports/killed" / f"export_id={export_id}" / "manifest.json").read_text())
        assert manifest["rows"] == len(ids)
    finally:
        exports.http.close()
        server.stop()
