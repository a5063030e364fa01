"""Liveness, readiness, metrics and the capability document that clients read before they send anything."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from runlake import __version__
from runlake.api.auth import Access
from runlake.errors import StoreUnavailableError

SPOKEN_VERSION: Final = "0.18.0"
"""The platform version whose protocol we speak, which clients compare with thresholds (seen in the SDK).

From 0.8.10 the Python SDK sends feedback inside multipart batches; from 0.16 and 0.18 generated clients expect the v2
API.
"""

_CHECK_EVERY_S: Final = 1.0


class BatchIngestConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How clients should batch. All six keys must be there: the Python SDK's sending thread dies on a missing one."""

    use_multipart_endpoint: bool = True
    size_limit: int = 100
    size_limit_bytes: int = 20 * 1024 * 1024
    scale_up_qsize_trigger: int = 1000
    scale_up_nthreads_limit: int = 16
    scale_down_nempty_trigger: int = 4


class InstanceFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What this server can do; ``ch_query_enabled`` means the v1 queries, ``sdb_query_enabled`` the v2 ones."""

    zstd_compression_enabled: bool = True
    gzip_body_enabled: bool = True
    ch_query_enabled: bool = True
    sdb_query_enabled: bool = True
    dataset_examples_multipart_enabled: bool = True
    examples_multipart_enabled: bool = True


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """``GET /info`` as documented upstream; ``runlake_version`` is ours."""

    version: str = SPOKEN_VERSION
    runlake_version: str = __version__
    license_expiration_time: str | None = None
    batch_ingest_config: BatchIngestConfig = BatchIngestConfig()
    instance_flags: InstanceFlags = InstanceFlags()


class Alive(msgspec.Struct, frozen=True):
    ok: bool = True


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    uptime_seconds: float


class StorageHealth(msgspec.Struct, frozen=True, kw_only=True):
    """``clickhouse_disk_free_pct`` is the key documented upstream."""

    clickhouse_disk_free_pct: float


class Health:
    """Whether this process can do its work. ``check_storage`` raises when the store cannot be written or read."""

    def __init__(self, *, data: Path, check_storage: Callable[[], None]) -> None:
        self._data = data
        self._check_storage = check_storage
        self._started = time.monotonic()
        self._checked = float("-inf")
        self._lock = threading.Lock()
        self._draining = False

    @property
    def draining(self) -> bool:
        return self._draining

    def start_draining(self) -> None:
        """From now on readiness fails, so that no new work is routed here; everything else still works."""
        self._draining = True

    def check_ready(self) -> Readiness:
        """Raise StoreUnavailableError or StoreError unless writes and reads work at this moment; blocks."""
        if self._draining:
            raise StoreUnavailableError("the server is stopping")
        with self._lock:  # probes of many watchers share one check
            if time.monotonic() - self._checked > _CHECK_EVERY_S:
                self._check_storage()
                self._checked = time.monotonic()
        return Readiness(status="ready", uptime_seconds=round(time.monotonic() - self._started, 1))

    def disk_free_percent(self) -> float:
        usage = shutil.disk_usage(self._data)
        return round(100 * usage.free / usage.total, 2)


@get("/ok", access=Access.PUBLIC, summary="Liveness, in the platform's spelling", sync_to_thread=False)
def read_ok() -> Alive:
    return Alive()


@get("/healthz", access=Access.PUBLIC, summary="Liveness: the process answers", sync_to_thread=False)
def read_alive() -> Alive:
    return Alive()


@get("/readyz", access=Access.PUBLIC, summary="Readiness: migrated, storage readable and writable, not stopping")
async def read_ready(health: NamedDependency[Health]) -> Readiness:
    return await asyncio.to_thread(health.check_ready)


@get(
    "/info", access=Access.PUBLIC, summary="What this server speaks and how clients should batch", sync_to_thread=False
)
def read_info() -> Info:
    return Info()


@get("/info/health", access=Access.PUBLIC, summary="Free space of the store")
async def read_storage_health(health: NamedDependency[Health]) -> StorageHealth:
    return StorageHealth(clickhouse_disk_free_pct=await asyncio.to_thread(health.disk_free_percent))


@get("/metrics", access=Access.METRICS, summary="Prometheus metrics", media_type="text/plain")
async def read_metrics(registry: NamedDependency[CollectorRegistry]) -> Response[bytes]:
    content_type = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")  # the framework adds the charset itself
    return Response(await asyncio.to_thread(generate_latest, registry), media_type=content_type)


HEALTH_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    read_ok,
    read_alive,
    read_ready,
    read_info,
    read_storage_health,
    read_metrics,
)
