"""Objects in a bucket of a real S3 server: the same as in a directory, and honest when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from faults.seaweed import BUCKET, KEYS, SeaweedServer
from runlake.errors import MissingObjectError, SettingsError, StoreUnavailableError
from runlake.model.attachments import Attachment
from runlake.store.objects import ObjectKey, digest_of
from runlake.store.remote_bucket import RemoteBucket
from store.harness import TENANT, create, end, patch, run_id
from store.object_harness import ObjectHarness, open_object_store

LARGE = b'{"text":"' + b"zebra " * 400_000 + b'"}'
FILE = Attachment("film", "video/mp4", bytes(range(256)) * 50_000)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    server = SeaweedServer(tmp_path_factory.mktemp("s3") / "weed")
    yield server
    server.kill()


@pytest.fixture
def harness(s3: SeaweedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectHarness]:
    for name, value in KEYS.items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with open_object_store(tmp_path, bucket=RemoteBucket(f"s3://{BUCKET}/objects/{tmp_path.name}")) as opened:
        yield opened


def test_payloads_and_files_come_back_byte_for_byte(harness: ObjectHarness) -> None:
    harness.write(replace(create(1, inputs=LARGE), attachments=(FILE,)), end(1))
    (run,) = harness.page()
    assert run.inputs == LARGE
    key = ObjectKey(TENANT, run_id(1), digest_of(FILE.data))
    assert b"".join(harness.objects.attachment_chunks(key, 1_000_001, 5_000_000)) == FILE.data[1_000_001:5_000_000]
    harness.write(patch(1, tags=("late",)))
    assert harness.page()[0].inputs == LARGE


def test_runs_and_orphans_are_removed(harness: ObjectHarness) -> None:
    harness.write(create(1, inputs=LARGE), create(2, inputs=LARGE))
    harness.write(create(2, inputs=b'{"another":"' + b"x" * 200 + b'"}'))
    harness.objects.delete_runs(TENANT, [run_id(1)])
    assert not harness.objects.exists(ObjectKey(TENANT, run_id(1), digest_of(LARGE)))
    harness.pass_time(minutes=60)
    assert harness.sweeper.sweep() == 1
    assert harness.objects.exists(ObjectKey(TENANT, run_id(2), digest_of(LARGE)))


def test_a_missing_object_is_told(harness: ObjectHarness) -> None:
    harness.write(create(1, inputs=LARGE))
    harness.objects.delete_runs(TENANT, [run_id(1)])
    with pytest.raises(MissingObjectError, match="is missing"):
        harness.page()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_written_while_the_server_is_away_and_all_is_well_when_it_is_back(
    s3: SeaweedServer, harness: ObjectHarness
) -> None:
    harness.write(create(1, inputs=LARGE))
    s3.kill()
    try:
        with pytest.raises(StoreUnavailableError, match="a retry may work"):
            harness.write(create(2, inputs=LARGE))
        assert [run.id for run in harness.page(frozenset())] == [str(run_id(1))]
    finally:
        s3.start()
    harness.write(create(2, inputs=LARGE))
    assert [run.inputs for run in harness.page()] == [LARGE, LARGE]


@pytest.mark.parametrize("url", ["file:///tmp/x", "http://bucket", "bucket", "s3://"])
def test_a_place_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="objects_url"):
        RemoteBucket(url)
