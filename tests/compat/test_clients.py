"""Every client does what ``docs/compatibility.md`` says of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat.clients import CLIENTS, Client
from compat.trial import run_trial
from contract.server_process import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = ServerProcess(tmp_path_factory.mktemp("compat") / "data")
    yield server.url
    server.stop()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_client_does_as_expected(client: Client, url: str) -> None:
    assert run_trial(client, url).surprises() == []
