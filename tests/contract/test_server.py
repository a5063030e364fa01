"""The server as a process: how it starts, answers, refuses and stops."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.server_process import ServerProcess
from runlake.store.lock import LOCK_NAME

PREFIXES = ["", "/api", "/api/v1"]
ERROR_KEYS = {"detail", "error", "code", "field", "position", "suggestion", "diagnostics"}


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=10) as client:
        yield client


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    command = [sys.executable, "-m", "runlake.cli", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_prefix_reaches_the_same_routes(client: httpx.Client, prefix: str, slash: str) -> None:
    assert client.get(f"{prefix}/ok{slash}").json() == {"ok": True}
    assert client.get(f"{prefix}/sessions{slash}", params={"name": "no such"}).json() == []


def test_info_has_all_that_the_sdk_reads(client: httpx.Client) -> None:
    """A missing key of the batch configuration would end the SDK's sending thread."""
    info = client.get("/info").json()
    assert set(info["batch_ingest_config"]) == {
        "use_multipart_endpoint",
        "size_limit",
        "size_limit_bytes",
        "scale_up_qsize_trigger",
        "scale_up_nthreads_limit",
        "scale_down_nempty_trigger",
    }
    flags = info["instance_flags"]
    assert flags["zstd_compression_enabled"] is True
    assert flags["ch_query_enabled"] is True
    assert flags["sdb_query_enabled"] is True
    version = tuple(int(part) for part in info["version"].split("."))
    assert version >= (0, 18)


@pytest.mark.parametrize("path", ["/ok", "/healthz", "/readyz", "/info/health"])
def test_health_pages_answer(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_metrics_count_by_route_and_not_by_path(client: httpx.Client) -> None:
    client.get(f"/sessions/{uuid.uuid4()}")
    text = client.get("/metrics").text
    assert re.search(r'runlake_http_requests_total\{method="GET",route="/sessions/\{session_id\}",status="404"\}', text)
    assert "runlake_commits_total" in text


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/"])
def test_the_bare_address_leads_to_the_pages(client: httpx.Client, path: str) -> None:
    assert client.get(path, follow_redirects=True).text == client.get("/docs").text
    assert client.get(path).content == b""


def test_docs_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    pages = [client.get(path) for path in ("/docs", "/docs/docs.css", "/docs/docs.js")]
    for page in pages:
        assert page.status_code == 200
        assert not re.search(r"https?://|url\(|@import|//[a-z]+\.", page.text), page.url
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_openapi_lists_routes_with_their_bodies(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    create = document["paths"]["/sessions"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ProjectCreate")
    assert "ProjectCreate" in document["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]


def test_openapi_says_which_key_opens_a_route(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"api_key", "bearer"}
    assert document["paths"]["/sessions"]["post"]["security"] == [
        {"api_key": ["ingest", "read"]},
        {"bearer": ["ingest", "read"]},
    ]
    assert document["paths"]["/ok"]["get"]["security"] == []


PATH_ID = "/sessions/{0}"
BAD_REQUESTS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "unknown route": ("GET", "/nothing/here", {}, 404),
    "wrong method": ("PUT", "/sessions", {}, 405),
    "id that is none": ("GET", "/sessions/not-a-uuid", {}, 400),
    "id with a NUL": ("GET", "/sessions/%00", {}, 400),
    "id in broken UTF-8": ("GET", "/feedback/%ff%fe", {}, 400),
    "unknown id": ("GET", f"/sessions/{uuid.uuid4()}", {}, 404),
    "query in broken UTF-8": ("GET", "/sessions?id=%ff%fe", {}, 400),
    "limit that is no number": ("GET", "/sessions?limit=many", {}, 400),
    "limit below zero": ("GET", "/sessions?limit=-1", {}, 400),
    "limit beyond any": ("GET", f"/sessions?limit={10**40}", {}, 400),
    "offset beyond 64 bits": ("GET", f"/feedback?offset={10**25}", {}, 400),
    "boolean that is none": ("GET", "/sessions?include_stats=perhaps", {}, 400),
    "metadata that is no JSON": ("GET", "/sessions?metadata={", {}, 400),
    "metadata that is no object": ("GET", "/sessions?metadata=[1]", {}, 400),
    "unknown sort key": ("GET", "/sessions?sort_by=colour", {}, 422),
    "filter on projects": ("GET", "/sessions?filter=eq(name,1)", {}, 422),
    "time that is none": ("GET", "/feedback?min_created_at=yesterday", {}, 400),
    "no ids to delete": ("DELETE", "/sessions", {}, 422),
    "empty body": ("POST", "/sessions", {"content": b""}, 400),
    "broken JSON": ("POST", "/sessions", {"content": b'{"name": '}, 400),
    "JSON of another kind": ("POST", "/sessions", {"content": b"[]"}, 400),
    "body in broken UTF-8": ("POST", "/sessions", {"content": b'{"name": "\xff"}'}, 400),
    "deep JSON": ("POST", "/feedback", {"content": b'{"key": "k", "value": ' + b"[" * 10**6}, 400),
    "missing name": ("POST", "/sessions", {"json": {}}, 422),
    "name that is a number": ("POST", "/sessions", {"json": {"name": 1}}, 422),
    "extra that is a list": ("POST", "/sessions", {"json": {"name": "n", "extra": []}}, 422),
    "metadata that is text": ("POST", "/sessions", {"json": {"name": "n", "extra": {"metadata": "m"}}}, 422),
    "unknown tier": ("POST", "/sessions", {"json": {"name": "n", "trace_tier": "gold"}}, 422),
    "start time of a million years": ("POST", "/sessions", {"json": {"name": "n", "start_time": 10**19}}, 400),
    "missing key": ("POST", "/feedback", {"json": {"score": 1}}, 422),
    "score that is text": ("POST", "/feedback", {"json": {"key": "k", "score": "1"}}, 422),
    "unknown encoding": ("POST", "/sessions", {"content": b"{}", "headers": {"content-encoding": "br"}}, 400),
    "body that is not gzip": ("POST", "/sessions", {"content": b"{}", "headers": {"content-encoding": "gzip"}}, 400),
    "multipart without a boundary": ("POST", "/runs/multipart", {"content": b"x"}, 400),
    "other content type": ("POST", "/runs/batch", {"content": b"a=b", "headers": {"content-type": "text/csv"}}, 400),
}


@pytest.mark.parametrize(("method", "path", "options", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_input_is_told_in_json(
    client: httpx.Client, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = client.request(method, path, **options)
    body = answer.json()
    assert answer.status_code == status, body
    assert set(body) == ERROR_KEYS
    assert body["detail"]
    assert body["error"]
    assert answer.headers["x-request-id"]


RAW_REQUESTS = {
    "raw bytes in the path": b"GET /sessions/\xff\xfe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "control characters in the path": b"GET /\x00\x01 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "length that is no number": b"POST /sessions HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", RAW_REQUESTS.values(), ids=RAW_REQUESTS)
def test_what_is_hardly_http_is_refused_and_harms_nobody(live_server: str, sent: bytes) -> None:
    url = httpx.URL(live_server)
    with socket.create_connection((url.host, url.port or 0), timeout=5) as connection:
        connection.sendall(sent)
        received = connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 4"), received
    assert set(json.loads(received.partition(b"\r\n\r\n")[2])) == ERROR_KEYS
    assert httpx.get(f"{live_server}/ok").status_code == 200


def test_an_unexpected_length_of_a_body_is_refused_before_it_is_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(data, "--max-body-bytes", "4096")
    try:
        answer = httpx.post(f"{server.url}/sessions", content=b" " * 5000)
        assert answer.status_code == 413
        assert "max_body_bytes" in answer.json()["detail"]
    finally:
        server.stop()


def test_small_answers_do_not_wait_for_acknowledgements(client: httpx.Client) -> None:
    """Without TCP_NODELAY each would cost 40 ms on a connection that is kept open."""
    client.get("/ok")
    times = []
    for _ in range(20):
        started = time.perf_counter()
        client.get("/ok")
        times.append(time.perf_counter() - started)
    assert sorted(times)[10] < 0.02


def test_the_request_id_of_a_client_is_kept_when_harmless(client: httpx.Client) -> None:
    assert client.get("/ok", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    assert client.get("/ok", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_one_process_per_directory_and_a_clean_end(tmp_path: Path) -> None:
    """A second process is told which one holds the directory; SIGTERM ends the first with status 0."""
    data = tmp_path / "data"
    server = ServerProcess(data)
    try:
        holder = (data / LOCK_NAME).read_text().strip()
        second = serve("--port", "0", "--data", str(data))
        assert second.returncode == 2
        assert f"in use by process {holder}" in second.stderr
        port = str(httpx.URL(server.url).port)
        third = serve("--port", port, "--data", str(tmp_path / "other"))
        assert third.returncode == 2
        assert f"port {port} on 127.0.0.1 is in use" in third.stderr
    finally:
        assert server.stop() == 0
    again = ServerProcess(data)
    assert again.stop() == 0


def test_readiness_fails_before_the_door_closes(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", "--stop-delay-seconds", "2")
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    server.send(signal.SIGTERM)
    time.sleep(0.3)
    not_ready = httpx.get(f"{server.url}/readyz")
    assert (not_ready.status_code, not_ready.headers["retry-after"]) == (503, "1")
    assert httpx.get(f"{server.url}/ok").status_code == 200
    assert server.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "seven"], "--port must be a whole number, not 'seven'"),
        (["--port", "70000"], "--port must be between 0 and 65535, not 70000"),
        (["--log-level", "loud"], "--log-level must be one of debug, info, warning, error, not 'loud'"),
        (["--config", "/nowhere.toml"], "cannot read the settings file /nowhere.toml"),
        (["--data", "/proc/runlake"], "cannot use the data directory /proc/runlake"),
        (["--host", "203.0.113.1", "--port", "0"], "cannot listen on 203.0.113.1"),
    ],
)
def test_a_start_that_cannot_be_says_why_in_one_line(arguments: list[str], says: str) -> None:
    done = serve(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"runlake: {says}")
    assert len(done.stderr.splitlines()) == 1
