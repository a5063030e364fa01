"""A stop while the engine is deep in statements that nobody waits for: an orderly end, and nothing lost."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx
import pytest

from contract.server_process import ServerProcess

PROJECT: Final = "deaf"
MINUTES: Final = (
    "SELECT arrayCount(n -> match(concat(repeat('ab', 9000), toString(n)), '(a?b?){400}c'),"
    " arrayEnumerate(splitByString('', repeat('a', 1000))))"
)
"""A constant that takes minutes to work out, in which the engine looks at nothing else."""

SECONDS: Final = (
    "SELECT count() FROM runs WHERE match(concat(repeat('ab', 90000), id::String), '(a?b?){400}c')",
    "SELECT count() FROM runs WHERE replaceRegexpAll(repeat(id::String, 99999), '[0-3]+', '') = 'x'",
    "SELECT arrayCount(n -> match(repeat('ab', 9000 + n), '(a?b?){400}c'), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])",
)
"""Blocks and constants that are done some seconds after the stop."""


def test_a_statement_that_does_not_come_back_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    server = _serve(tmp_path)
    run_id = _write(server.url)
    assert _ask(server.url, MINUTES) == 422
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 10
    assert "engine_left_open" in (tmp_path / "server.log").read_text()
    _assert_there(tmp_path, run_id)


@pytest.mark.parametrize("attempt", [1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, 9))])
def test_a_stop_in_the_middle_of_blocks_is_an_orderly_one(tmp_path: Path, attempt: int) -> None:
    """At another moment of their work in each attempt."""
    server = _serve(tmp_path)
    run_id = _write(server.url)
    with ThreadPoolExecutor(len(SECONDS)) as callers:
        statuses = set(callers.map(lambda text: _ask(server.url, text), SECONDS))
    assert statuses <= {200, 422}
    time.sleep((attempt - 1) * 0.2)
    assert server.stop() == 0
    _assert_there(tmp_path, run_id)


def _serve(directory: Path) -> ServerProcess:
    return ServerProcess(directory / "data", "--query-max-seconds", "1")


def _write(url: str) -> str:
    """The newest of a few acknowledged runs."""
    ids = [str(uuid.uuid4()) for _ in range(6)]
    for run_id in ids:
        run = {"id": run_id, "name": "n", "run_type": "chain", "session_name": PROJECT}
        httpx.post(f"{url}/runs", json=run).raise_for_status()
    return ids[-1]


def _ask(url: str, text: str) -> int:
    project = httpx.get(f"{url}/sessions", params={"name": PROJECT}).json()[0]["id"]
    body = {"query": text, "project_ids": [project]}
    return httpx.post(f"{url}/v2/sql/query", json=body, timeout=30).status_code


def _assert_there(directory: Path, run_id: str) -> None:
    again = ServerProcess(directory / "data")
    try:
        assert httpx.get(f"{again.url}/runs/{run_id}").status_code == 200
    finally:
        assert again.stop() == 0
