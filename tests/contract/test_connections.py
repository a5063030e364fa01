"""Clients that are slow, stuck, too many or too talkative cost the others nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contract.server_process import ServerProcess

TIMEOUT_S = 1
MOST = 10
HEAD = b"POST /feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that waits for nobody longer than a second."""
    arguments = ["--receive-timeout-seconds", str(TIMEOUT_S), "--send-timeout-seconds", "2"]
    bounds = ["--max-connections", str(MOST), "--max-header-bytes", "2048"]
    server = ServerProcess(tmp_path_factory.mktemp("impatient") / "data", *arguments, *bounds)
    yield server.url
    server.stop()


def connect(url: str) -> socket.socket:
    parts = httpx.URL(url)
    return socket.create_connection((parts.host, parts.port or 0), timeout=10)


def exchange(url: str, sent: bytes) -> tuple[int, dict[str, object], float]:
    """Status, body and seconds until the server has closed; status 0 when it said nothing."""
    started = time.monotonic()
    with connect(url) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    took_s = time.monotonic() - started
    if not received:
        return 0, {}, took_s
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body), took_s


LATE = {
    "nothing at all": (b"", 0),
    "half a head": (b"GET /ok HTTP/1.1\r\nHost: loc", 408),
    "a head without its body": (HEAD, 408),
    "half a body": (HEAD + b'{"key": "', 408),
}


@pytest.mark.parametrize(("sent", "status"), LATE.values(), ids=LATE)
def test_what_does_not_arrive_in_time_is_given_up(impatient: str, sent: bytes, status: int) -> None:
    found, body, took_s = exchange(impatient, sent)
    assert found == status
    assert TIMEOUT_S * 0.8 < took_s < TIMEOUT_S + 3
    if status:
        assert body["code"] == "too_slow"


def test_a_body_in_drops_is_given_up_though_it_never_pauses(impatient: str) -> None:
    with connect(impatient) as connection:
        connection.sendall(HEAD)
        started = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken pipe"):  # noqa: PT012 -- the drops are what fails in the end
            while time.monotonic() - started < 10:
                connection.sendall(b" ")
                time.sleep(0.05)
    assert time.monotonic() - started < TIMEOUT_S + 3


def test_a_slow_body_that_keeps_coming_is_read_to_its_end(impatient: str) -> None:
    body = b'{"key": "k", "comment": "' + b"x" * 6000 + b'", "run_id": "0198c0de-0000-7000-8000-000000000001"}'

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]
            time.sleep(0.3)

    assert httpx.post(f"{impatient}/feedback", content=pieces(), timeout=20).status_code == 200


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""], ids=["complete", "endless"])
def test_a_head_over_the_limit_is_refused(impatient: str, end: bytes) -> None:
    status, body, _ = exchange(
        impatient, b"GET /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"a" * 3000 + end
    )
    assert (status, body["code"]) == (431, "head_too_large")
    assert "max_header_bytes" in str(body["detail"])


def test_idle_connections_make_room_and_busy_ones_do_not(impatient: str) -> None:
    idle = [connect(impatient) for _ in range(MOST * 2)]
    try:
        assert httpx.get(f"{impatient}/ok", timeout=5).status_code == 200
    finally:
        for connection in idle:
            connection.close()
    time.sleep(0.2)
    busy = [connect(impatient) for _ in range(MOST)]
    try:
        for connection in busy:
            connection.sendall(HEAD)
        time.sleep(0.2)
        refused = httpx.get(f"{impatient}/ok", timeout=5)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_connections")
        assert refused.headers["retry-after"] == "1"
    finally:
        for connection in busy:
            connection.close()
    time.sleep(0.2)
    assert httpx.get(f"{impatient}/ok", timeout=5).status_code == 200


def test_a_client_that_takes_no_answer_is_cut_off(impatient: str) -> None:
    """Many answers are asked for on one connection and none is read; the server ends it instead of keeping them."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(impatient) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        started = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken pipe|timed out") as caught:  # noqa: PT012 -- as above
            connection.settimeout(8)
            while time.monotonic() - started < 12:
                connection.sendall(request)
                time.sleep(0.01)
    assert not isinstance(caught.value, TimeoutError)


def test_pages_of_other_sites_and_borrowed_names_reach_nothing(impatient: str) -> None:
    project = httpx.post(f"{impatient}/sessions", json={"name": "mine"}).json()["id"]
    path = f"{impatient}/sessions/{project}"
    assert httpx.get(path, headers={"Host": "evil.example"}).status_code == 403
    assert httpx.delete(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert httpx.delete(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert httpx.get(path).json()["name"] == "mine"


def test_any_site_may_do_anything_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cors_origins \\* lets every web page read and delete everything"):
        ServerProcess(tmp_path / "data", "--cors-origins", "*")
