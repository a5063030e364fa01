"""A full disk costs no acknowledged run and no working server; writes come back by themselves when space does."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.server_process import ServerProcess
from faults.load import PROJECT, Acknowledged, Load, assert_nothing_lost
from faults.small_disk import SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mib=96) as disk:
        yield disk


def finished_run(text: str) -> dict[str, Any]:
    now, identity = datetime.now(UTC), str(uuid.uuid4())
    return {
        "id": identity,
        "trace_id": identity,
        "dotted_order": f"{now:%Y%m%dT%H%M%S%f}Z{identity}",
        "session_name": PROJECT,
        "name": "large",
        "run_type": "chain",
        "start_time": now.isoformat(),
        "inputs": {"text": text},
        "end_time": now.isoformat(),
    }


def fill(client: httpx.Client, acknowledged: Acknowledged, *, kib: int, refusals: int) -> list[httpx.Response]:
    """Write runs of random text until so many writes have been refused."""
    refused: list[httpx.Response] = []
    while len(refused) < refusals:
        runs = [finished_run(os.urandom(kib * 512).hex()) for _ in range(10)]
        answer = client.post("/runs/batch", json={"post": runs})
        if answer.status_code == httpx.codes.ACCEPTED:
            acknowledged.texts |= {run["id"]: run["inputs"]["text"] for run in runs}
            acknowledged.ended |= {run["id"] for run in runs}
        else:
            refused.append(answer)
    return refused


def fill_and_recover(url: str, disk: SmallDisk, acknowledged: Acknowledged, *, keeps_reserve: bool) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        refused = fill(client, acknowledged, kib=32, refusals=1)
        refused += fill(client, acknowledged, kib=1, refusals=3)
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) in {(503, "disk_full"), (503, "store_unavailable")}
            assert int(answer.headers["retry-after"]) >= 1
        assert_nothing_lost(url, acknowledged)
        if keeps_reserve:
            assert client.get("/readyz").status_code == 503
            assert disk.free_bytes() > 8 << 20, "nothing is left for merges and deletes"
        disk.resize(400)
        ends = time.monotonic() + 20
        while (answer := client.post("/runs", json=finished_run("after"))).status_code != httpx.codes.ACCEPTED:
            assert time.monotonic() < ends, answer.text
            time.sleep(0.2)
        assert client.get("/readyz").status_code == 200
        run = finished_run("once more")
        client.post("/runs", json=run).raise_for_status()
        acknowledged.texts[run["id"]] = "once more"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "reserve",
    [pytest.param("24 MiB", id="a reserve is kept"), pytest.param("0", id="to the last byte", marks=pytest.mark.slow)],
)
def test_a_full_disk_refuses_writes_until_there_is_space_again(disk: SmallDisk, reserve: str) -> None:
    data = disk.path / "data"
    acknowledged = Acknowledged()
    server = ServerProcess(data, "--min-free-bytes", reserve)
    try:
        fill_and_recover(server.url, disk, acknowledged, keeps_reserve=reserve != "0")
        assert_nothing_lost(server.url, acknowledged)
    finally:
        status = server.stop()
    assert status == 0
    again = ServerProcess(data)
    try:
        assert_nothing_lost(again.url, acknowledged)
    finally:
        again.stop()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_failing_fsync_is_never_acknowledged(tmp_path: Path) -> None:
    """Every fsync of the process fails for a while; what it answered with 202 is there after a kill."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    data = tmp_path / "data"
    server = ServerProcess(data)
    load = Load(server.url, clients=2, seed=9)
    load.wait_for_first()
    # The folder of each part is forced to disk as well, so both calls fail.
    inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", *inject, "-o", str(tmp_path / "trace"), "-p", str(server.pid)],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(3)
    if tracer.poll() is not None:
        load.end()
        server.kill()
        pytest.skip("strace may not trace here")
    during = load.acknowledged()
    time.sleep(2)
    assert load.acknowledged().texts.keys() == during.texts.keys(), "a write was acknowledged without its fsync"
    tracer.terminate()
    tracer.wait(20)
    acknowledged = load.end()
    server.kill()
    again = ServerProcess(data)
    try:
        assert_nothing_lost(again.url, acknowledged)
    finally:
        again.stop()
