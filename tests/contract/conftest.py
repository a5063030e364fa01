"""The server that the contract tests share. Tests that stop or kill one start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.server_process import ServerProcess


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running server with an empty data directory; it ends with the test session."""
    server = ServerProcess(tmp_path_factory.mktemp("live-server") / "data")
    yield server.url
    server.stop()
