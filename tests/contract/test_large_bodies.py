"""Files of hundreds of megabytes go in and out through a few megabytes of the server's memory."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from contract.server_process import ServerProcess
from runlake.wire.encoding import zstd  # type: ignore[attr-defined]  # one of two modules, chosen there

MIB: Final = 1 << 20
BLOCK: Final = hashlib.shake_256(b"film").digest(MIB)
RUN: Final = b'{"name":"n","run_type":"chain","start_time":"2026-11-23T10:00:00Z","end_time":"2026-11-23T10:00:01Z"}'
ALLOWED_GROWTH_BYTES: Final = 48 * MIB


class Watched:
    """A server that takes large bodies, and the largest memory it has had since it was last asked to forget."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url
        self._proc = Path(f"/proc/{server.pid}")

    def forget(self) -> int:
        """Start to measure; what it has now."""
        (self._proc / "clear_refs").write_text("5")
        return self.peak_bytes()

    def peak_bytes(self) -> int:
        return int((self._proc / "status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    limits = ("--max-body-bytes", "300MiB", "--max-decoded-body-bytes", "300MiB")
    server = ServerProcess(tmp_path_factory.mktemp("large") / "data", *limits)
    yield Watched(server)
    assert server.stop() == 0


def body(run_id: str, size_mib: int, *, says_length: bool) -> Iterator[bytes]:
    """A run with one file, in the framing of the SDK."""
    length = f"; length={size_mib * MIB}" if says_length else ""
    for name, kind in ((f"post.{run_id}", "application/json"), (f"attachment.{run_id}.film", f"video/mp4{length}")):
        yield f'--B\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
        yield from (RUN,) if name.startswith("post") else (BLOCK for _ in range(size_mib))
        yield b"\r\n"
    yield b"--B--\r\n"


def compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zstd.ZstdCompressor()
    yield from (compressor.compress(piece) for piece in pieces)
    yield compressor.flush()


def send(watched: Watched, size_mib: int, *, says_length: bool, encoding: str) -> str:
    run_id = str(uuid.uuid4())
    content = body(run_id, size_mib, says_length=says_length)
    headers = {"content-type": "multipart/form-data; boundary=B"}
    if encoding == "zstd":
        content, headers["content-encoding"] = compressed(content), "zstd"
    answer = httpx.post(f"{watched.url}/runs/multipart", content=content, headers=headers, timeout=120)
    assert answer.status_code == 202, answer.text
    return run_id


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["identity", "zstd"])
@pytest.mark.parametrize("says_length", [True, False])
def test_a_large_file_never_lies_in_memory(watched: Watched, encoding: str, *, says_length: bool) -> None:
    send(watched, 1, says_length=says_length, encoding=encoding)
    before = watched.forget()
    run_id = send(watched, 200, says_length=says_length, encoding=encoding)
    (file,) = httpx.get(f"{watched.url}/runs/{run_id}").json()["s3_urls"].values()
    read = hashlib.sha256()
    with httpx.stream("GET", file["presigned_url"], timeout=120) as answer:
        assert answer.headers["content-length"] == str(200 * MIB)
        for chunk in answer.iter_bytes():
            read.update(chunk)
    sent = hashlib.sha256()
    for _ in range(200):
        sent.update(BLOCK)
    assert read.digest() == sent.digest()
    assert watched.peak_bytes() - before < ALLOWED_GROWTH_BYTES


def test_a_body_that_is_put_down_is_stored_like_any_other(watched: Watched) -> None:
    """Not slow: a few megabytes are enough to get to the disk. Nothing of it is left in the data directory."""
    run_id = send(watched, 9, says_length=False, encoding="zstd")
    (file,) = httpx.get(f"{watched.url}/runs/{run_id}").json()["s3_urls"].values()
    assert httpx.get(file["presigned_url"]).content == BLOCK * 9
