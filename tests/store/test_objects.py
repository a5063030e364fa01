"""Attachments and large payloads outside the row: kept byte for byte, durable first, and never left behind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from runlake.errors import MissingObjectError, StoreUnavailableError
from runlake.model.attachments import Attachment
from runlake.model.run import RunField, RunWrite
from runlake.query import fetch
from runlake.query.request import QueryLimits
from runlake.store.buckets import LocalBucket
from runlake.store.objects import ObjectKey, digest_of
from store.harness import OTHER_TENANT, START_US, TENANT, Clock, create, end, patch, run_id
from store.object_harness import ObjectHarness, open_object_store

LARGE = b'{"text":"' + b"zebra and \xe6\xbc\xa2\xe5\xad\x97 " * 40 + b'needle in the end"}'
OTHER = b'{"text":"' + b"giraffe " * 40 + b'"}'
SMALL = b'{"small":1}'
PICTURE_BYTES = bytes(range(256))
PICTURE = Attachment("picture", "image/png", PICTURE_BYTES)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ObjectHarness]:
    with open_object_store(tmp_path) as opened:
        yield opened


def with_files(write: RunWrite, *files: Attachment) -> RunWrite:
    return replace(write, attachments=files)


def key(number: int, data: bytes) -> ObjectKey:
    return ObjectKey(TENANT, run_id(number), digest_of(data))


@pytest.mark.parametrize("field", ["inputs", "outputs", "extra", "events", "serialized"])
@pytest.mark.parametrize("ended", [True, False], ids=["finished", "open"])
def test_a_large_payload_comes_back_byte_for_byte(harness: ObjectHarness, field: str, *, ended: bool) -> None:
    payload = b'[{"name":"new_token","kwargs":"' + b"y" * 300 + b'"}]' if field == "events" else LARGE
    fields = {field: payload} | ({"end_time": START_US + 2_000_000} if ended else {})
    harness.write(create(1), patch(1, **fields))
    (run,) = harness.page()
    assert getattr(run, field) == payload
    assert harness.files() == [digest_of(payload)]


def test_small_payloads_beside_a_large_one_come_back_too(harness: ObjectHarness) -> None:
    harness.write(create(1, inputs=SMALL, extra=b'{"metadata":{"a":"b"}}'), end(1), patch(1, outputs=LARGE))
    harness.write(create(2, inputs=SMALL, outputs=SMALL), end(2))
    runs = {run.id: run for run in harness.page()}
    first, second = runs[str(run_id(1))], runs[str(run_id(2))]
    assert (first.inputs, first.extra) == (SMALL, b'{"metadata":{"a":"b"}}')
    assert second.inputs == SMALL


def test_the_row_holds_the_text_for_conditions(harness: ObjectHarness) -> None:
    harness.write(create(1, inputs=LARGE), end(1))
    found = harness.store.select("id, length(inputs), has(input_pairs, 'text')")
    assert found == [[str(run_id(1)), len(LARGE), True]]


def test_columns_are_derived_from_large_payloads(harness: ObjectHarness) -> None:
    extra = b'{"metadata":{"thread_id":"t-9","note":"' + b"n" * 200 + b'"}}'
    outputs = b'{"usage_metadata":{"input_tokens":5,"output_tokens":2,"total_tokens":7},"x":"' + b"o" * 200 + b'"}'
    harness.write(create(1, run_type="llm", extra=extra), end(1))
    harness.write(patch(1, outputs=outputs, end_time=end(1).fields[RunField.END_TIME]))
    assert harness.store.select("thread_id, total_tokens, extra") == [["t-9", 7, ""]]


def test_a_late_patch_keeps_what_it_does_not_name(harness: ObjectHarness) -> None:
    harness.write(create(1, inputs=LARGE, extra=OTHER), end(1))
    harness.write(patch(1, tags=("late",)))
    (run,) = harness.page()
    assert (run.inputs, run.extra, run.tags) == (LARGE, OTHER, ["late"])
    assert harness.store.select("inputs") == [[LARGE.decode()]]


def test_retries_change_nothing_and_write_no_second_object(harness: ObjectHarness) -> None:
    writes = [with_files(create(1, inputs=LARGE), PICTURE), end(1)]
    harness.write(*writes)
    before = harness.store.select("version")
    for _ in range(3):
        harness.write(*writes)
    assert harness.store.select("version") == before
    assert harness.files() == sorted([digest_of(LARGE), digest_of(PICTURE.data)])


def test_a_page_ends_by_the_bytes_of_its_objects(harness: ObjectHarness) -> None:
    for number in range(6):
        harness.write(create(number, inputs=LARGE), end(number))
    limits = QueryLimits(max_page_bytes=3 * (len(LARGE) + 620))
    assert len(harness.page(limits=limits)) == 3
    assert len(harness.page(frozenset(), limits)) == 6


@pytest.mark.parametrize("at_most_bytes", [0, 1 << 20], ids=["apart", "together"])
def test_runs_with_and_without_objects_share_pages(harness: ObjectHarness, at_most_bytes: int) -> None:
    for number in range(9):
        harness.write(
            create(number, inputs=LARGE if number % 3 == 0 else SMALL), *([end(number)] if number % 4 else [])
        )
    with mock.patch.object(fetch, "TOGETHER_AT_MOST_BYTES", at_most_bytes):
        runs = [run for rows in (4, 9) for run in harness.page(rows=rows)]
    numbers = [number for rows in (4, 9) for number in range(8, 8 - rows, -1)]
    assert [run.id for run in runs] == [str(run_id(number)) for number in numbers]
    assert [run.inputs for run in runs] == [SMALL if number % 3 else LARGE for number in numbers]


@pytest.mark.parametrize(
    ("rows", "at_most_bytes", "tables"),
    [
        pytest.param(9, 1 << 20, ["runs", "open_runs"], id="few objects and an open run"),
        pytest.param(9, 0, ["runs", "runs", "open_runs", "open_runs"], id="too much text to be read for nothing"),
        pytest.param(2, 0, ["runs"], id="a page that ends before the first of them"),
        pytest.param(3, 0, ["runs", "runs"], id="a page that ends behind the object and before the open run"),
    ],
)
def test_only_places_that_may_have_runs_of_the_page_are_asked(
    harness: ObjectHarness, rows: int, at_most_bytes: int, tables: list[str]
) -> None:
    harness.write(create(0))
    for number in range(1, 6):
        harness.write(create(number, inputs=LARGE if number == 2 else SMALL), end(number))
    engine = harness.store.engine
    with (
        mock.patch.object(fetch, "TOGETHER_AT_MOST_BYTES", at_most_bytes),
        mock.patch.object(engine, "select", wraps=engine.select) as asked,
    ):
        runs = harness.page(rows=rows)
    assert len(runs) == min(rows, 6)
    assert sorted(asked_table(call.args[0].sql) for call in asked.mock_calls) == sorted(tables)


def test_readers_are_told_of_the_same_rows_with_objects_after_a_restart(tmp_path: Path) -> None:
    with open_object_store(tmp_path) as harness:
        harness.write(create(1, inputs=LARGE, extra=OTHER), end(1), create(2, outputs=LARGE), create(3, inputs=SMALL))
        before = harness.store.moments.current(TENANT).object_rows
    with open_object_store(tmp_path, Clock(us=harness.store.clock.us)) as harness:
        after = harness.store.moments.current(TENANT).object_rows
    assert before is not None
    assert {row.objects_bytes for row in before} == {len(LARGE) + len(OTHER), len(LARGE)}
    assert set(after or ()) == set(before)


def asked_table(sql: str) -> str:
    return sql.partition(" FROM ")[2].split()[0]


def test_attachments_unite_in_any_order(tmp_path: Path) -> None:
    """Files of create, patch and retries; of two with one name the same one counts, whichever came first."""
    a, b = Attachment("a", "text/plain", b"one"), Attachment("b", "text/plain", b"two")
    rival = Attachment("a", "text/html", b"another")
    writes = [with_files(create(1), a), with_files(end(1), b), with_files(patch(1, tags=("t",)), rival)]
    seen = set()
    for number, order in enumerate(itertools.permutations(writes)):
        with open_object_store(tmp_path / str(number)) as harness:
            for write in order:
                harness.write(write)
            (run,) = harness.page()
            seen.add(tuple((file.name, file.digest) for file in run.attachments))
    assert seen == {(("a", max(digest_of(b"one"), digest_of(b"another"))), ("b", digest_of(b"two")))}


def test_tenants_share_nothing(harness: ObjectHarness) -> None:
    harness.write(with_files(create(1), PICTURE))
    assert harness.objects.exists(key(1, PICTURE_BYTES))
    assert not harness.objects.exists(replace(key(1, PICTURE_BYTES), tenant_id=OTHER_TENANT))


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with open_object_store(tmp_path) as harness:
        harness.write(with_files(create(1, inputs=LARGE), PICTURE))
    with open_object_store(tmp_path, Clock(us=harness.store.clock.us)) as harness:
        harness.write(end(1))
        (run,) = harness.page()
        assert run.inputs == LARGE
        (file,) = run.attachments
        stored = b"".join(harness.objects.attachment_chunks(key(1, PICTURE_BYTES), 0, file.size_bytes))
        assert stored == PICTURE_BYTES


def test_what_cannot_be_stored_as_an_object_is_not_written_at_all(harness: ObjectHarness) -> None:
    full = StoreUnavailableError("no space is left for objects")
    with mock.patch.object(LocalBucket, "write", side_effect=full), pytest.raises(StoreUnavailableError):
        harness.write(with_files(create(1), PICTURE), create(2))
    assert harness.page() == []
    harness.write(with_files(create(1), PICTURE), create(2))
    assert len(harness.page()) == 2


class TestOrphans:
    """Objects that no row names are removed, others never."""

    def test_what_a_crash_left_between_object_and_commit_is_removed(self, tmp_path: Path) -> None:
        with open_object_store(tmp_path) as harness:
            harness.notes.note_arriving([key(1, LARGE)])
            harness.objects.put_payload(key(1, LARGE), LARGE)
            clock = harness.store.clock
        with open_object_store(tmp_path, clock) as harness:
            assert harness.sweeper.sweep() == 0
            assert harness.files() == [digest_of(LARGE)]
            harness.pass_time(minutes=16)
            assert harness.sweeper.sweep() == 1
            assert harness.files() == []
            assert harness.notes.due(10) == []

    def test_what_a_crash_left_after_the_commit_stays(self, tmp_path: Path) -> None:
        """The note was not yet forgotten when the process died."""
        with open_object_store(tmp_path) as harness:
            harness.write(create(1, inputs=LARGE), end(1))
            clock = harness.store.clock
        with open_object_store(tmp_path, clock) as harness:
            harness.pass_time(minutes=60)
            assert harness.sweeper.sweep() == 0
            assert [run.inputs for run in harness.page()] == [LARGE]

    def test_a_payload_that_a_retry_did_not_change_stays(self, harness: ObjectHarness) -> None:
        harness.write(create(1, inputs=LARGE), end(1))
        harness.write(create(1, inputs=LARGE))
        harness.pass_time(minutes=60)
        harness.sweeper.sweep()
        assert [run.inputs for run in harness.page()] == [LARGE]

    def test_a_payload_that_lost_to_an_earlier_one_is_removed(self, harness: ObjectHarness) -> None:
        """A second create of the run with other inputs changes nothing and leaves nothing."""
        harness.write(create(1, inputs=LARGE), end(1))
        harness.write(create(1, inputs=OTHER))
        harness.pass_time(minutes=60)
        assert harness.sweeper.sweep() == 1
        assert harness.files() == [digest_of(LARGE)]

    def test_a_replaced_payload_of_an_open_run_goes_with_its_last_row(self, harness: ObjectHarness) -> None:
        harness.write(create(1))
        harness.write(patch(1, outputs=LARGE))
        harness.write(patch(1, outputs=OTHER))
        harness.pass_time(minutes=3)
        assert harness.sweeper.sweep() == 0
        assert harness.files() == sorted([digest_of(LARGE), digest_of(OTHER)])
        harness.store.sweep()
        harness.pass_time(minutes=60)
        assert harness.sweeper.sweep() == 1
        assert harness.files() == [digest_of(OTHER)]

    def test_what_a_request_is_writing_is_not_taken(self, harness: ObjectHarness) -> None:
        harness.in_use.pin([key(1, LARGE)])
        harness.notes.note_arriving([key(1, LARGE)])
        harness.objects.put_payload(key(1, LARGE), LARGE)
        harness.pass_time(minutes=60)
        assert harness.sweeper.sweep() == 0
        assert harness.files() == [digest_of(LARGE)]

    def test_objects_of_deleted_runs_are_removed_at_once(self, harness: ObjectHarness) -> None:
        harness.write(with_files(create(1, inputs=LARGE), PICTURE), create(2, inputs=LARGE))
        harness.objects.delete_runs(TENANT, [run_id(1), run_id(3)])
        assert not harness.objects.exists(key(1, LARGE))
        assert harness.objects.exists(key(2, LARGE))


def test_a_damaged_object_is_told_from_a_whole_one(harness: ObjectHarness) -> None:
    harness.write(create(1, inputs=LARGE), end(1))
    (path,) = (path for path in harness.folder.rglob("*.zst") if path.is_file())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MissingObjectError, match="is damaged"):
        harness.page()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(MissingObjectError, match="is damaged"):
        harness.page()
    path.unlink()
    with pytest.raises(MissingObjectError, match="is missing"):
        harness.page()
