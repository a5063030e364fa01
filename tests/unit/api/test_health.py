"""When the server calls itself ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runlake.api.health import BatchIngestConfig, Health
from runlake.errors import StoreError, StoreUnavailableError


class Store:
    """Counts checks; fails while ``broken``."""

    def __init__(self) -> None:
        self.checks = 0
        self.broken = False

    def check(self) -> None:
        self.checks += 1
        if self.broken:
            raise StoreError("the disk is gone")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def health(store: Store, tmp_path: Path) -> Health:
    return Health(data=tmp_path, check_storage=store.check)


def test_a_working_store_is_ready_and_probed_once_for_many_watchers(health: Health, store: Store) -> None:
    assert [health.check_ready().status for _ in range(3)] == ["ready"] * 3
    assert store.checks == 1


def test_a_broken_store_is_not_ready_and_is_probed_every_time(health: Health, store: Store) -> None:
    """A failure is not remembered, so that readiness comes back with the store."""
    store.broken = True
    for _ in range(2):
        with pytest.raises(StoreError):
            health.check_ready()
    store.broken = False
    assert health.check_ready().status == "ready"
    assert store.checks == 3


def test_a_stopping_server_is_not_ready_however_well_its_store_is(health: Health, store: Store) -> None:
    health.check_ready()
    health.start_draining()
    with pytest.raises(StoreUnavailableError) as caught:
        health.check_ready()
    assert caught.value.retry_after_s == 1
    assert store.checks == 1


def test_free_space_is_a_share(health: Health) -> None:
    assert 0 <= health.disk_free_percent() <= 100


@pytest.mark.parametrize("read", [lambda config: config.size_limit, lambda config: config.scale_up_nthreads_limit])
def test_clients_may_batch(read: Callable[[BatchIngestConfig], int]) -> None:
    """A zero would stop a client from sending at all."""
    assert read(BatchIngestConfig()) > 0
