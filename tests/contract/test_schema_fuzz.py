"""Every route of the API description, with whatever its schema allows and forbids: no 5xx, and errors in our shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Err, Ok

from contract.server_process import ServerProcess

QUICK_EXAMPLES = 2
SLOW_EXAMPLES = 80


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, because deletes are among the routes."""
    server = ServerProcess(tmp_path_factory.mktemp("fuzzed") / "data")
    yield server.url
    server.stop()


def operations(url: str) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    found = list(schema.get_all_operations())
    assert [item for item in found if isinstance(item, Err)] == []
    return [item.ok() for item in found if isinstance(item, Ok)]


def fuzz(url: str, examples: int) -> int:
    """Send so many requests to every operation; the number of operations."""
    found = operations(url)
    with httpx.Client(base_url=url, timeout=30) as client:
        for operation in found:
            _fuzz_operation(client, operation, examples)
        assert client.get("/readyz").status_code == 200
    return len(found)


def _fuzz_operation(client: httpx.Client, operation: Any, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        answer = case.call(base_url=str(client.base_url), timeout=30)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert {"detail", "error", "code"} <= answer.json().keys(), case.as_curl_command()

    send()


@pytest.mark.timeout(180)
def test_no_route_fails_on_a_few_requests(fuzzed: str) -> None:
    assert fuzz(fuzzed, QUICK_EXAMPLES) > 20


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_route_fails_on_many_requests(fuzzed: str, tmp_path: Path) -> None:
    fuzz(fuzzed, SLOW_EXAMPLES)
