"""SIGTERM in the middle of the work: what is in flight is finished, everything acknowledged stays."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from contract.server_process import ServerProcess
from faults.load import Load, assert_nothing_lost


@pytest.mark.timeout(60)
def test_a_stop_under_load_answers_what_it_has_taken(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    load = Load(server.url, clients=4, seed=4)
    load.wait_for_first()
    server.send(signal.SIGTERM)
    assert server.wait() == 0
    acknowledged = load.end()
    assert set(load.refusals()) <= {503}
    again = ServerProcess(tmp_path / "data")
    try:
        assert_nothing_lost(again.url, acknowledged)
    finally:
        assert again.stop() == 0
