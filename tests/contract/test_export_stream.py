"""The straight pull and ``runlake query`` against a live server, over connections that break."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from langsmith import Client

from runlake.flatten import flatten

START = datetime(2026, 11, 1, tzinfo=UTC)
RUNS = 3_000


def post_runs(url: str, project: str, count: int, *, payload: str = "x" * 2_000) -> list[str]:
    """``count`` finished roots, oldest first."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    bodies = [
        {
            "id": run_id,
            "trace_id": run_id,
            "dotted_order": f"{START + timedelta(seconds=number):%Y%m%dT%H%M%S%fZ}{run_id}",
            "name": f"run {number}",
            "run_type": "tool" if number % 3 else "chain",
            "session_name": project,
            "start_time": (START + timedelta(seconds=number)).isoformat(),
            "end_time": (START + timedelta(seconds=number + 1)).isoformat(),
            "inputs": {"text": f"{payload}\n{number}"},
            "outputs": {"n": number},
        }
        for number, run_id in enumerate(ids)
    ]
    for first in range(0, count, 500):
        httpx.post(f"{url}/runs/batch", json={"post": bodies[first : first + 500]}, timeout=60).raise_for_status()
    return ids


@pytest.fixture(scope="module")
def project(live_server: str) -> tuple[str, list[str]]:
    name = f"pull-{uuid.uuid4()}"
    return name, post_runs(live_server, name, RUNS)


def pull(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/export/stream", json=body, timeout=60)


def test_json_lines_are_the_runs_of_the_wire(live_server: str, project: tuple[str, list[str]]) -> None:
    answer = pull(live_server, project=project[0], total=True)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["id"] for line in lines] == project[1]
    assert answer.headers["x-runlake-total-rows"] == str(RUNS)
    body = {"session": [lines[0]["session_id"]], "id": [lines[7]["id"]]}
    listed = httpx.post(f"{live_server}/runs/query", json=body).json()["runs"][0]
    shared = lines[7].keys() & listed.keys()
    assert {"inputs", "start_time", "tags", "total_cost", "parent_run_ids"} <= shared
    assert {name: lines[7][name] for name in shared} == {name: listed[name] for name in shared}


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrow_file", "csv"])
def test_every_form_can_be_pulled_whole(live_server: str, project: tuple[str, list[str]], form: str) -> None:
    data = pull(live_server, project=project[0], format=form, fields="id,name").content
    readers: dict[str, Callable[[], list[str]]] = {
        "parquet": lambda: pq.read_table(io.BytesIO(data)).column("id").to_pylist(),
        "arrow": lambda: pa.ipc.open_stream(data).read_all().column("id").to_pylist(),
        "arrow_file": lambda: pa.ipc.open_file(data).read_all().column("id").to_pylist(),
        "csv": lambda: [row["id"] for row in csv.DictReader(io.StringIO(data.decode()))],
    }
    assert readers[form]() == project[1]


def test_a_pull_goes_on_from_any_mark_and_ends_with_a_last_line(
    live_server: str, project: tuple[str, list[str]]
) -> None:
    lines = [json.loads(line) for line in pull(live_server, project=project[0], marks=True).text.splitlines()]
    marks = [(index, line["_pull"]) for index, line in enumerate(lines) if "_pull" in line]
    assert marks[-1] == (len(lines) - 1, {"rows": RUNS, "cursor": None, "complete": True})
    assert len(marks) > 2
    for _, mark in marks[:-1]:
        rest = pull(live_server, project=project[0], fields=["id"], cursor=mark["cursor"]).text.splitlines()
        assert [json.loads(line)["id"] for line in rest] == project[1][mark["rows"] :]


def test_a_cursor_belongs_to_its_pull(live_server: str, project: tuple[str, list[str]]) -> None:
    mark = json.loads(pull(live_server, project=project[0], marks=True, limit=1).text.splitlines()[1])["_pull"]
    refused = pull(live_server, project=project[0], filter='eq(name, "x")', cursor=mark["cursor"])
    assert (refused.status_code, refused.json()["field"]) == (400, "cursor")
    assert pull(live_server, cursor=mark["cursor"][:-2] + "xx").status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"filtr": "x"}, 422, "filtr"),
        ({"filter": "eq("}, 400, "filter"),
        ({"fields": ["nmae"]}, 422, "fields"),
        ({"project": "no such project"}, 404, "project"),
        ({"session": str(uuid.uuid4())}, 404, "session"),
        ({"session": "abc"}, 400, "session"),
        ({"format": "xml"}, 422, "format"),
        ({"format": "jsonl", "compression": "snappy"}, 422, "compression"),
        ({"format": "csv", "marks": True}, 422, "marks"),
        ({"limit": 0}, 422, "limit"),
        ({"start_time": "2026-01-02", "end_time": "2026-01-01"}, 422, "end_time"),
        ({"start_time": "soon"}, 400, "start_time"),
    ],
)
def test_a_mistake_is_told_before_the_stream_begins(
    live_server: str, body: dict[str, Any], status: int, field: str
) -> None:
    answer = pull(live_server, **body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_parameters_of_the_url_mean_the_same(live_server: str, project: tuple[str, list[str]]) -> None:
    parameters = {"project": project[0], "filter": 'eq(name, "run 5")', "fields": "id,name"}
    answer = httpx.get(f"{live_server}/export/stream", params=parameters)
    assert answer.json() == {"id": project[1][5], "name": "run 5"}


def test_more_pulls_than_places_are_sent_away_and_places_come_back(
    live_server: str, project: tuple[str, list[str]]
) -> None:
    name = f"slow-{uuid.uuid4()}"
    post_runs(live_server, name, 400, payload="y" * 100_000)
    with httpx.Client(timeout=60) as client:
        opened = [client.send(client.build_request("GET", f"{live_server}/export/stream?project={name}"), stream=True)]
        opened.append(client.send(opened[0].request, stream=True))
        refused = pull(live_server, project=project[0])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        for answer in opened:
            answer.close()
    for _ in range(100):
        if pull(live_server, project=project[0], limit=1).status_code == 200:
            return
    pytest.fail("a client that left keeps its place")


@contextmanager
def breaking_proxy(url: str, first_cut: int) -> Iterator[str]:
    """Passes connections on and cuts them after ever more bytes of the answer."""
    target = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    cuts = iter(range(first_cut, 10**9, 4 * first_cut))

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with near, socket.create_connection((target.hostname or "", target.port or 0)) as far:
                _pass_on(near, far, next(cuts))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def _pass_on(near: socket.socket, far: socket.socket, limit: int) -> None:
    """One request and so much of its answer."""
    request = b""
    while b"\r\n\r\n" not in request or b"}" not in request:
        request += near.recv(65_536)
    far.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
    passed = 0
    while passed < limit and (data := far.recv(min(65_536, limit - passed))):
        near.sendall(data)
        passed += len(data)


def run_query(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LANGSMITH_ENDPOINT": url}
    command = [sys.executable, "-m", "runlake.cli", "query", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_the_command_goes_on_by_itself_where_a_connection_broke(
    live_server: str, project: tuple[str, list[str]], tmp_path: Path
) -> None:
    target = tmp_path / "runs.parquet"
    with breaking_proxy(live_server, first_cut=60_000) as url:
        ended = run_query(url, "--project", project[0], "--all", "--format", "parquet", "--output", str(target))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert pq.read_table(target).column("id").to_pylist() == project[1]


def test_the_command_says_how_to_get_the_rest_of_a_broken_pull(
    live_server: str,
    project: tuple[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from runlake.cli import query as cli_query  # noqa: PLC0415 -- run in this process, so that it need not wait
    from runlake.export import remote_pull  # noqa: PLC0415 -- as above
    from runlake.server_client import ServerClient  # noqa: PLC0415 -- as above

    monkeypatch.setattr(remote_pull, "MAX_ATTEMPTS", 1)
    target = tmp_path / "runs.jsonl"
    request = {"project": [project[0]], "content": "runs", "filter": None}
    arguments = cli_query._arguments(request, "jsonl", None, None)
    wanted = cli_query._Wanted(request=request, format="jsonl", compression=None, output=target, arguments=arguments)
    with breaking_proxy(live_server, first_cut=200_000) as url:
        assert cli_query._run(wanted, ServerClient(url, None), None) == cli_query.PARTIAL_EXIT
    first = [json.loads(line)["id"] for line in target.read_text().splitlines()]
    assert first == project[1][: len(first)]
    assert 0 < len(first) < RUNS
    told = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert told[:2] == ["runlake", "query"]
    ended = run_query(live_server, *told[2:])
    assert ended.returncode == 0
    rest = (tmp_path / "runs-2.jsonl").read_text().splitlines()
    assert first + [json.loads(line)["id"] for line in rest] == project[1]


def test_the_command_prints_rows_and_tables(live_server: str, project: tuple[str, list[str]]) -> None:
    lines = run_query(live_server, 'eq(name, "run 7")', "--project", project[0], "--fields", "id,name")
    assert json.loads(lines.stdout) == {"id": project[1][7], "name": "run 7"}
    table = run_query(live_server, "--project", project[0], "--limit", "2", "--format", "table", "--fields", "name")
    assert table.stdout.split() == ["name", "run", "0", "run", "1"]
    wrong = run_query(live_server, "eq(nme, 1)")
    assert (wrong.returncode, "try name" in wrong.stderr) == (1, True)


@pytest.mark.filterwarnings("ignore:list_runs")
def test_flattened_traces_of_sdk_runs_equal_the_export(live_server: str, project: tuple[str, list[str]]) -> None:
    runs = Client(api_url=live_server, api_key="any").list_runs(project_name=project[0], limit=50)
    rows = {row.trace_id: asdict(row) for row in flatten(runs)}
    lines = map(json.loads, pull(live_server, project=project[0], content="flattened").text.splitlines())
    exported = {line["trace_id"]: line for line in lines if line["trace_id"] in rows}
    assert len(rows) == 50
    for trace_id, row in rows.items():
        for name in ("run_count", "tools_used", "tool_calls", "inputs_preview", "outputs_preview", "latency_s"):
            assert exported[trace_id][name] == row[name]
