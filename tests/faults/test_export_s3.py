"""Exports to a real S3 server, through everything that such a server may do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from faults.flaky_proxy import FlakyProxy
from faults.seaweed import BUCKET, KEYS, READ_ONLY_KEYS, SeaweedServer
from runlake.errors import DestinationError, InvalidError
from runlake.export.manifest import Manifest
from runlake.export.storage import Storage
from store.export_harness import ExportBench, encoded, open_bench, until


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    server = SeaweedServer(tmp_path_factory.mktemp("seaweed"))
    yield server
    server.kill()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ExportBench]:
    with open_bench(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def proxy(s3: SeaweedServer) -> Iterator[FlakyProxy]:
    opened = FlakyProxy(s3.url)
    yield opened
    opened.close()


def s3_body(s3: SeaweedServer, credentials: dict[str, str] = KEYS, **config: object) -> dict[str, Any]:
    return {"destination_type": "s3", "credentials": credentials, "config": s3.config(**config)}


def storage_of(bench: ExportBench) -> Storage:
    (destination,) = bench.service.ledger.list_destinations(bench.tenant_id)
    return bench.opener.open(destination)


def check_whole(bench: ExportBench, storage: Storage, export_id: object, days: int) -> None:
    """Exactly the files of the manifest are there, each as the manifest says, and together they have every row."""
    import pyarrow as pa  # noqa: PLC0415 -- slow to import
    import pyarrow.parquet as pq  # noqa: PLC0415 -- as above

    folder = f"export_id={export_id}/"
    manifest = msgspec.json.decode(b"".join(storage.read(folder + "manifest.json")), type=Manifest)
    listed = {file.path: file for part in manifest.parts for file in part.files}
    found = {file.path.removeprefix(folder) for file in storage.files(folder.rstrip("/"))}
    assert found == {*listed, "manifest.json"}
    rows: list[str] = []
    for path in sorted(listed):
        data = b"".join(storage.read(folder + path))
        assert hashlib.sha256(data).hexdigest() == listed[path].sha256
        rows += pq.read_table(pa.BufferReader(data)).column("id").to_pylist()
    assert sorted(rows) == sorted(bench.expected_rows(days))


def test_an_export_arrives_whole_in_a_bucket(bench: ExportBench, s3: SeaweedServer) -> None:
    bench.workers()
    destination = bench.service.create_destination(
        bench.tenant_id, encoded({"display_name": "Team's lake", **s3_body(s3)})
    )
    assert destination.credentials_keys == ("access_key_id", "secret_access_key")
    assert "secret" not in msgspec.json.encode(destination).decode().replace("secret_access_key", "")
    export_id = bench.export(destination.id)
    assert bench.wait(export_id) == "Completed"
    check_whole(bench, storage_of(bench), export_id, 3)
    (run, *_) = bench.service.list_runs(bench.tenant_id, export_id)
    assert run.metadata.result is not None
    assert run.metadata.result.export_path.startswith(f"{BUCKET}/team a/lake/export_id={export_id}/")
    assert list(bench.opener.spool.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"credentials": {**KEYS, "access_key_id": "nobody"}}, "403 .InvalidAccessKeyId"),
        ({"credentials": {**KEYS, "secret_access_key": "wrong"}}, "403 .SignatureDoesNotMatch"),
        ({"credentials": READ_ONLY_KEYS}, "403 .AccessDenied"),
        ({"bucket_name": "not-there"}, r"(403|404) .(AccessDenied|NoSuchBucket)"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "cannot be reached: it refuses connections"),
        ({"endpoint_url": "http://nowhere.invalid"}, "cannot be reached: its name has no address"),
    ],
    ids=["unknown key", "wrong secret", "read only", "no bucket", "nobody listens", "no such host"],
)
def test_a_destination_that_refuses_the_probe_is_not_stored(
    bench: ExportBench, s3: SeaweedServer, body: dict[str, Any], reason: str
) -> None:
    config = s3_body(s3)
    config["credentials"] = body.pop("credentials", KEYS)
    config["config"] |= body
    with pytest.raises(DestinationError, match=reason) as caught:
        bench.destination(**config)
    assert "secret" not in caught.value.message
    assert bench.service.list_destinations(bench.tenant_id) == []


def test_private_addresses_are_refused_unless_allowed(bench: ExportBench, s3: SeaweedServer) -> None:
    from dataclasses import replace  # noqa: PLC0415 -- one use

    strict = replace(bench.service, opener=replace(bench.opener, private_endpoints=False))
    with pytest.raises(InvalidError, match="private network"):
        strict.create_destination(bench.tenant_id, encoded({"display_name": "d", **s3_body(s3)}))


def test_keys_that_are_revoked_meanwhile_fail_the_run_at_once_and_new_ones_mend_it(
    bench: ExportBench, proxy: FlakyProxy, s3: SeaweedServer
) -> None:
    destination_id = bench.destination(**s3_body(s3, endpoint_url=proxy.url))
    proxy.decide = lambda method, path: 403 if method == "PUT" and "export_id" in path else None
    bench.workers()
    export_id = bench.export(destination_id, days=1)
    assert bench.wait(export_id) == "Failed"
    (run,) = bench.service.list_runs(bench.tenant_id, export_id)
    assert run.retry_number == 0
    assert run.errors["retry_0"].startswith("the destination answered 403 (AccessDenied")
    proxy.decide = lambda method, path: None  # noqa: ARG005 -- the script's form
    changed = bench.service.update_credentials(bench.tenant_id, destination_id, encoded({"credentials": KEYS}))
    assert changed.credentials_keys == ("access_key_id", "secret_access_key")
    bench.service.retry(bench.tenant_id, export_id)
    assert bench.wait(export_id) == "Completed"


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503, 429, 0], ids=["500", "503", "429", "dropped"])
def test_a_server_that_fails_now_and_then_is_asked_again(
    bench: ExportBench, proxy: FlakyProxy, s3: SeaweedServer, status: int
) -> None:
    destination_id = bench.destination(**s3_body(s3, endpoint_url=proxy.url))
    failures = iter([status] * 8)
    lock = threading.Lock()

    def decide(method: str, path: str) -> int | None:
        with lock:
            return next(failures, None) if method == "PUT" and "export_id" in path else None

    proxy.decide = decide
    bench.workers()
    export_id = bench.export(destination_id)
    assert bench.wait(export_id, timeout_s=60) == "Completed"
    check_whole(bench, storage_of(bench), export_id, 3)
    runs = bench.service.list_runs(bench.tenant_id, export_id)
    assert sum(run.retry_number for run in runs) >= 1
    assert all(len(run.errors) == run.retry_number for run in runs)


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_has_everything_once(bench: ExportBench, tmp_path: Path) -> None:
    server = SeaweedServer(tmp_path / "weed")
    try:
        bench.reader.before_batch = lambda _: time.sleep(0.05)
        destination_id = bench.destination(**s3_body(server))
        bench.workers()
        export_id = bench.export(destination_id, days=20)
        until(lambda: bench.run_statuses(export_id).count("Completed") >= 4)
        server.kill()
        until(lambda: any(run.errors for run in bench.service.list_runs(bench.tenant_id, export_id)), timeout_s=60)
        server.start()
        assert bench.wait(export_id, timeout_s=90) == "Completed"
        check_whole(bench, storage_of(bench), export_id, 20)
    finally:
        server.kill()


@pytest.mark.slow
def test_a_large_file_is_uploaded_in_parts_and_appears_at_once(bench: ExportBench, s3: SeaweedServer) -> None:
    bench.destination(**s3_body(s3))
    storage = storage_of(bench)
    piece = bytes(range(256)) * 4096
    with storage.pending("big/file.bin") as pending:
        for _ in range(40):
            pending.sink.write(piece)
        assert storage.files("big") == []
        pending.publish()
    (found,) = storage.files("big")
    assert found.bytes == 40 << 20
    digest = hashlib.sha256()
    for part in storage.read("big/file.bin"):
        digest.update(part)
    assert digest.hexdigest() == hashlib.sha256(piece * 40).hexdigest()
