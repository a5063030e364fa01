"""Bodies made to harm: bombs, endless nesting, hundreds of thousands of parts, names that are paths, SQL or headers."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.server_process import ServerProcess
from runlake.wire.encoding import zstd  # type: ignore[attr-defined]  # one of two modules, chosen there

BOUNDARY: Final = "b0undary"
MULTIPART: Final = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
MIB: Final = 1 << 20


class Victim:
    """A server, a client of it, and its largest memory so far."""

    def __init__(self, server: ServerProcess, client: httpx.Client) -> None:
        self.client = client
        self._pid = server.pid

    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    server = ServerProcess(tmp_path_factory.mktemp("victim") / "data", "--max-decoded-body-bytes", "64MiB")
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield Victim(server, client)
        assert client.get("/readyz").status_code == 200
    assert server.stop() == 0


def part(name: str, content: bytes, content_type: str = "application/json") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {content_type}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_without_being_expanded(victim: Victim, encoding: str) -> None:
    """Two GiB of zeros in a few MiB: the bound on what a body may become holds while it is expanded."""
    zeros = bytes(64 * MIB)
    bomb = (gzip.compress(zeros, 1) if encoding == "gzip" else zstd.compress(zeros, 1)) * 32
    before = victim.peak_bytes()
    for path, headers in (("/runs/batch", {"content-type": "application/json"}), ("/runs/multipart", MULTIPART)):
        answer = victim.client.post(path, content=bomb, headers={**headers, "content-encoding": encoding})
        refused(answer, 413)
    assert victim.peak_bytes() - before < 300 * MIB


@pytest.mark.slow
def test_a_hundred_thousand_parts_are_read_or_refused(victim: Victim) -> None:
    body = multipart(*(part(f"post.{uuid.UUID(int=number)}", b"{}") for number in range(100_000)))
    answer = victim.client.post("/runs/multipart", content=body, headers=MULTIPART)
    assert answer.status_code in {202, 400, 413, 422}, answer.text[:300]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_million_levels_are_refused(victim: Victim, opening: bytes) -> None:
    deep = opening * 10**6
    run_id = uuid.uuid4()
    bodies = {
        "/runs": b'{"id":"%s","inputs":' % str(run_id).encode() + deep,
        "/runs/batch": b'{"post":[{"id":"%s","inputs":' % str(run_id).encode() + deep,
        "/runs/query": b'{"filter":' + deep,
    }
    for path, body in bodies.items():
        refused(victim.client.post(path, content=body), 400, 422)
    body = multipart(part(f"post.{run_id}", b'{"id":"%s"}' % str(run_id).encode()), part(f"post.{run_id}.inputs", deep))
    assert victim.client.post("/runs/multipart", content=body, headers=MULTIPART).status_code < 500


def test_a_filter_of_a_million_levels_is_refused(victim: Victim) -> None:
    refused(victim.client.post("/runs/query", json={"filter": "and(" * 10**6}), 400, 413, 422)


TRICKS: Final = (
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "C:\\windows\\system32",
    "a\x00b",
    "'; DROP TABLE runs; --",
    "{p0:String}",
    "x\r\nSet-Cookie: evil=1",
    "<script>alert(1)</script>",
    "n" * 5000,
    "\u202egnp.exe",
)


@pytest.mark.parametrize("trick", TRICKS, ids=range(len(TRICKS)))
def test_a_name_is_only_a_name(victim: Victim, trick: str) -> None:
    """As project, run, tag, metadata, feedback key, filter value and attachment: stored and found, or refused."""
    run_id = str(uuid.uuid4())
    run = {
        "id": run_id,
        "name": trick,
        "run_type": "chain",
        "session_name": f"p {trick}",
        "tags": [trick],
        "extra": {"metadata": {trick: trick}},
        "inputs": {trick: trick},
    }
    stored = victim.client.post("/runs", json=run)
    assert stored.status_code < 500
    attachment = part(f"attachment.{run_id}.{trick}".replace('"', ""), b"x", "text/plain; length=1")
    body = multipart(part(f"post.{run_id}", json.dumps({"id": run_id, "name": "n"}).encode()), attachment)
    answer = victim.client.post("/runs/multipart", content=body, headers=MULTIPART)
    assert answer.status_code < 500
    assert "set-cookie" not in answer.headers
    feedback = victim.client.post("/feedback", json={"run_id": run_id, "key": trick, "comment": trick})
    assert feedback.status_code < 500
    found = victim.client.post("/runs/query", json={"filter": f"eq(name, {json.dumps(trick)})"})
    assert found.status_code < 500
    if stored.is_success and found.is_success:
        assert run_id in {item["id"] for item in found.json()["runs"]}
    assert victim.client.get("/sessions", params={"name": f"p {trick}"}).status_code < 500
    assert victim.client.post("/runs/query", json={}).is_success, "the tables are gone"


contents = st.binary(max_size=200) | st.just(b"{}") | st.just(b'{"a": [1, 2, null]}')
names = st.text(max_size=40) | st.sampled_from(["post", "patch", "attachment", "feedback"]).map(
    lambda kind: f"{kind}.{uuid.uuid4()}"
)
relaxed = settings(deadline=None, database=None, max_examples=60, suppress_health_check=list(HealthCheck))


@relaxed
@given(parts=st.lists(st.tuples(names, contents), max_size=6), cut=st.integers(0, 40), encoding=st.booleans())
def test_no_multipart_document_makes_the_server_fail(
    victim: Victim, parts: list[tuple[str, bytes]], cut: int, *, encoding: bool
) -> None:
    body = multipart(*(part(name.encode("utf-8", "replace").decode(), content) for name, content in parts))
    body = body[: len(body) - cut]
    headers = dict(MULTIPART)
    if encoding:
        body, headers["content-encoding"] = zstd.compress(body), "zstd"
    assert victim.client.post("/runs/multipart", content=body, headers=headers).status_code < 500


@relaxed
@given(body=st.binary(max_size=300), encoding=st.sampled_from(["zstd", "gzip", "deflate", "identity", "br", ""]))
def test_no_encoded_body_makes_the_server_fail(victim: Victim, body: bytes, encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    assert victim.client.post("/runs/batch", content=body, headers=headers).status_code < 500
    assert victim.client.post("/runs/multipart", content=body, headers={**headers, **MULTIPART}).status_code < 500
