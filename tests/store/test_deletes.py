"""Deletions on the real engine: what every query shows after each step, and what the disk holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from runlake.deletes import masking, service
from runlake.deletes.selection import named_traces
from runlake.deletes.target import Target
from runlake.errors import NotFoundError, StoreError
from runlake.ingest.batch import IngestBatch
from runlake.model.attachments import StoredAttachment, encode_attachments
from runlake.model.deletion import Contents, DeletionKind, DeletionState
from runlake.model.project import Feedback
from runlake.model.run import FieldValue, RunField, RunWrite, WriteKind
from runlake.query.feedback_runs import judged_runs
from runlake.query.fetch import RunFetcher
from runlake.query.matching_traces import MatchingTraces
from runlake.query.request import QueryLimits, RunQuery
from runlake.store.engine import Engine, Statement
from runlake.store.feedback import FeedbackFilter, FeedbackReader
from runlake.wire.run_queries import RunQuerySpec
from store.deleting import PROJECT, Deleting, open_deleting
from store.harness import OTHER_TENANT, START_US, TENANT, Clock, create, end, patch, run_id

DAY_US = 86_400_000_000


def child(number: int, parent: int, **fields: FieldValue) -> RunWrite:
    return create(number, parent_run_id=run_id(parent), **fields)


def judge(number: int, **more: Any) -> Feedback:
    fields = {"tenant_id": TENANT, "id": uuid5(run_id(number), "mark"), "key": "k", "run_id": run_id(number)}
    return Feedback(**{**fields, "score": 1.0, "created_at": START_US, "modified_at": START_US, **more})


def store_feedback(deleting: Deleting, *feedback: Feedback) -> None:
    asyncio.run(deleting.store.writer.write(IngestBatch(tenant_id=feedback[0].tenant_id, feedback=feedback)))


def feedback_ids(deleting: Deleting, tenant_id: UUID = TENANT) -> set[UUID]:
    listed = FeedbackReader(deleting.store.engine, judged_runs(deleting.store.moments)).list(
        tenant_id, FeedbackFilter(), offset=0, limit=1000
    )
    return {item.id for item in listed}


def physical_rows(deleting: Deleting, tenant_id: UUID = TENANT) -> int:
    sql = "SELECT count() FROM {} WHERE tenant_id = '" + str(tenant_id) + "'"
    return sum(
        int(str(deleting.store.engine.select(Statement(sql.format(table), (), {"apply_deleted_mask": 0})).rows[0][0]))
        for table in ("runs", "open_runs", "feedback")
    )


# Traces by id


@pytest.fixture
def deleting(tmp_path: Path) -> Iterator[Deleting]:
    with open_deleting(tmp_path) as opened:
        yield opened


def write_two_traces(deleting: Deleting) -> None:
    """1 with child 2, finished; 3, open, with finished child 4; feedback on both roots; another tenant has the same."""
    runs = (create(1), child(2, 1), create(3), child(4, 3), end(1), end(2), end(4))
    deleting.store.write(*runs)
    deleting.store.write(*runs, tenant_id=OTHER_TENANT)
    store_feedback(deleting, judge(1), judge(3))
    store_feedback(deleting, replace(judge(1), tenant_id=OTHER_TENANT))


def test_a_trace_its_feedback_and_nothing_else_goes(deleting: Deleting) -> None:
    write_two_traces(deleting)
    rows = physical_rows(deleting)
    deletion = deleting.delete(run_id(1))
    assert replace(deletion.contents, disk_bytes=0) == Contents(traces=1, runs=2, feedback=1)
    for _ in deleting.steps(deletion):
        assert deleting.ids() == [str(run_id(3)), str(run_id(4))]
        assert feedback_ids(deleting) == {judge(3).id}
        assert len(deleting.ids(OTHER_TENANT)) == 4
        assert feedback_ids(deleting, OTHER_TENANT) == {judge(1).id}
    assert physical_rows(deleting) == rows - 3
    assert deleting.left(deletion).runs == 0


def test_an_open_trace_goes_and_late_writes_do_not_bring_it_back(deleting: Deleting) -> None:
    write_two_traces(deleting)
    deletion = deleting.delete(run_id(3))
    late = (end(3), child(5, 3), child(6, 5), patch(4, end_time=START_US + 9_000_000), create(3))
    for _ in deleting.steps(deletion):
        for write in late:
            deleting.store.write(write)
        store_feedback(deleting, judge(3, id=uuid4()))
        store_feedback(deleting, judge(9, id=uuid4(), trace_id=run_id(3)))
        assert deleting.ids() == [str(run_id(1)), str(run_id(2))]
    assert feedback_ids(deleting) == {judge(1).id}
    assert deleting.store.writer.tombstones.dropped > len(late)


def test_the_same_ids_of_another_tenant_are_written_as_ever(deleting: Deleting) -> None:
    write_two_traces(deleting)
    deleting.delete(run_id(1))
    deleting.store.write(end(3), create(7), end(7), tenant_id=OTHER_TENANT)
    assert len(deleting.ids(OTHER_TENANT)) == 5
    with pytest.raises(NotFoundError):
        deleting.deletions.read(OTHER_TENANT, deleting.deletions.newest(TENANT, limit=1)[0].id)
    assert deleting.deletions.newest(OTHER_TENANT, limit=9) == []


def test_a_trace_that_has_not_come_yet_is_deleted_all_the_same(deleting: Deleting) -> None:
    deleting.delete(run_id(1))
    deleting.store.write(create(1), child(2, 1), end(1), end(2), create(3))
    assert deleting.ids() == [str(run_id(3))]


def test_deleting_again_changes_nothing(deleting: Deleting) -> None:
    write_two_traces(deleting)
    first, second = deleting.delete(run_id(1)), deleting.delete(run_id(1), run_id(1))
    assert second.id != first.id
    for deletion in (first, second):
        deleting.mask(deletion)
        deleting.mask(deletion)
        deleting.rewrite(deletion)
    assert deleting.ids() == [str(run_id(3)), str(run_id(4))]


def test_a_cursor_from_before_shows_nothing_of_it(deleting: Deleting) -> None:
    write_two_traces(deleting)
    before = deleting.store.moments.current(TENANT)
    deletion = deleting.delete(run_id(1))
    query = RunQuery(tenant_id=TENANT, sessions=(PROJECT,), page_rows=100)
    for _ in deleting.steps(deletion):
        moment = deleting.store.moments.current(TENANT).at(before.visible_version)
        runs = RunFetcher(deleting.store.engine, QueryLimits()).page(query, moment).runs
        assert sorted(run.id for run in runs) == [str(run_id(3)), str(run_id(4))]


def test_writes_go_on_while_their_trace_is_deleted(deleting: Deleting) -> None:
    """Whatever order the writes and the deletion are in, the trace is gone and every other write is there."""

    async def both() -> None:
        writer = deleting.store.writer

        async def send(number: int) -> None:
            runs = (create(number, trace_id=run_id(1), parent_run_id=run_id(1)), end(number), create(500 + number))
            await writer.write(IngestBatch(tenant_id=TENANT, runs=runs))

        await writer.write(IngestBatch(tenant_id=TENANT, runs=(create(1),)))
        sending = [asyncio.create_task(send(number)) for number in range(2, 60)]
        await asyncio.to_thread(deleting.delete, run_id(1))
        await asyncio.gather(*sending)

    asyncio.run(both())
    assert deleting.ids() == [str(run_id(500 + number)) for number in range(2, 60)]


# Runs that have left rows behind


class Watched:
    """An engine that looks after every statement that changes something."""

    def __init__(self, engine: Engine, look: Any) -> None:
        self._engine = engine
        self._look = look

    def command(self, statement: Statement, /) -> None:
        self._engine.command(statement)
        self._look(statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def test_no_older_row_comes_to_light_on_the_way(deleting: Deleting) -> None:
    """2 and 3 were traces of their own until 1 came; 2 was changed twice after."""
    deleting.store.write(child(2, 1), end(2))
    deleting.store.write(child(3, 2), end(3))
    deleting.store.write(create(9), end(9))
    deleting.store.write(create(1), end(1))
    for second in (5, 6):
        deleting.store.write(patch(2, end_time=START_US + second * 1_000_000))
    deletion = deleting.delete(run_id(1))
    assert deletion.contents.runs == 3
    seen = []

    def look(statement: Statement) -> None:
        seen.append(statement.sql)
        assert deleting.ids() == [str(run_id(9))], statement.sql

    watched: Any = Watched(deleting.store.engine, look)
    masking.mask(watched, Target.of([deletion]), deletion.kind)
    deleting.mask(deletion)
    look(Statement("hidden no more"))
    deleting.rewrite(deletion)
    assert len(seen) > 4
    assert deleting.ids() == [str(run_id(9))]
    assert deleting.store.engine.select(Statement("SELECT count() FROM runs")).rows == [[1]]


def test_deleting_a_trace_that_a_run_has_left_keeps_the_run(deleting: Deleting) -> None:
    deleting.store.write(child(2, 1), end(2))
    deleting.store.write(create(1), end(1))
    deletion = deleting.delete(run_id(2))
    assert deletion.contents.runs == 0
    deleting.mask(deletion)
    deleting.rewrite(deletion)
    assert deleting.ids() == [str(run_id(1)), str(run_id(2))]
    deleting.store.write(patch(2, end_time=START_US + 7_000_000, name="changed"))
    assert deleting.ids() == [str(run_id(1)), str(run_id(2))]


# By filter, dry runs


def matching(deleting: Deleting, **spec: Any) -> service.Selection:
    traces = MatchingTraces(moments=deleting.store.moments, live_projects=lambda _: (PROJECT,), limits=QueryLimits())
    return traces.selection(RunQuerySpec(**spec), tenant_id=TENANT)


@pytest.mark.parametrize(
    ("spec", "gone"),
    [
        ({"filter": 'eq(name, "run-2")'}, {1, 2}),
        ({"filter": 'eq(status, "pending")'}, {3, 4}),
        ({"filter": 'parent(eq(status, "pending"))'}, {3, 4}),
        ({"is_root": True, "start_time_to": START_US + 1_000_000}, {1, 2}),
        ({"filter": 'eq(feedback_key, "k")'}, {1, 2, 3, 4}),
        ({"filter": 'eq(name, "nothing")'}, set()),
    ],
    ids=str,
)
def test_a_filter_deletes_the_traces_of_the_runs_it_finds(
    deleting: Deleting, spec: dict[str, Any], gone: set[int]
) -> None:
    write_two_traces(deleting)
    before, rows = deleting.ids(), physical_rows(deleting)
    selection = matching(deleting, **spec)
    preview = deleting.deletions.preview(TENANT, selection)
    assert (deleting.ids(), physical_rows(deleting), deleting.deletions.newest(TENANT, limit=9)) == (before, rows, [])
    assert deleting.store.engine.select(Statement("SELECT count() FROM hidden_traces")).rows == [[0]]
    deletion = deleting.deletions.order(TENANT, selection)
    assert deletion.contents == preview
    assert preview.runs == len(gone)
    assert deleting.ids() == [str(run_id(number)) for number in range(1, 5) if number not in gone]


# Crashes


def test_what_was_hidden_stays_hidden_after_a_crash(tmp_path: Path) -> None:
    with open_deleting(tmp_path) as opened:
        write_two_traces(opened)
        opened.delete(run_id(3))
    with open_deleting(tmp_path) as opened:
        assert opened.ids() == [str(run_id(1)), str(run_id(2))]
        opened.store.write(end(3))
        (deletion,) = opened.records.unfinished()
        opened.mask(deletion)
        assert opened.ids() == [str(run_id(1)), str(run_id(2))]


def test_a_crash_between_the_order_and_the_writer_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is in the ledger and nothing else has happened: the next start does the rest."""
    with open_deleting(tmp_path) as opened:
        write_two_traces(opened)
        with monkeypatch.context() as patched:
            patched.setattr(service, "carry_into_writer", _fail)
            with pytest.raises(StoreError):
                opened.delete(run_id(3))
        assert opened.ids() == [str(run_id(1)), str(run_id(2))]
    with open_deleting(tmp_path) as opened:
        assert opened.ids() == [str(run_id(1)), str(run_id(2))]
        assert feedback_ids(opened) == {judge(1).id}
        opened.store.write(end(3))
        assert opened.ids() == [str(run_id(1)), str(run_id(2))]


def test_a_crash_before_the_order_leaves_everything(tmp_path: Path) -> None:
    with open_deleting(tmp_path) as opened:
        write_two_traces(opened)
        selection = named_traces(TENANT, [run_id(1)])(uuid4())
        sql = f"INSERT INTO hidden_traces (deletion_id, tenant_id, trace_id) {selection.sql}"
        opened.store.engine.command(Statement(sql, selection.params))
        assert len(opened.ids()) == 4
    with open_deleting(tmp_path) as opened:
        assert len(opened.ids()) == 4
        assert opened.store.engine.select(Statement("SELECT count() FROM hidden_traces")).rows == [[0]]


def _fail(*_: object) -> None:
    raise StoreError("the process ends here")


# Projects


def test_the_rows_and_the_feedback_of_a_project_go(deleting: Deleting) -> None:
    write_two_traces(deleting)
    other = uuid5(TENANT, "other")
    deleting.store.write(replace(create(20), session_name="other"), replace(end(20), session_name="other"))
    whole = judge(0, id=uuid4(), run_id=None, session_id=PROJECT)
    store_feedback(deleting, whole, judge(20))
    deletion = deleting.deletions.order_project(TENANT, PROJECT)
    assert feedback_ids(deleting) == {judge(20).id}
    assert deletion.contents.feedback == 3
    deleting.mask(deletion)
    deleting.rewrite(deletion)
    assert deleting.ids(TENANT, PROJECT) == []
    assert deleting.ids(TENANT, other) == [str(run_id(20))]
    assert deleting.left(deletion).runs == 0


# The disk


def test_files_shrink_and_a_month_of_its_own_is_dropped(deleting: Deleting) -> None:
    noise = "".join(f"{number:x}" for number in range(40_000))
    old = START_US - 60 * DAY_US
    for number in range(40):
        at = old if number >= 30 else START_US
        deleting.store.write(
            create(number, start_time=at, inputs=f'{{"n":"{number}{noise}"}}'.encode()),
            patch(number, end_time=at + 1),
        )

    def disk() -> dict[str, int]:
        sql = (
            "SELECT partition, sum(bytes_on_disk) FROM system.parts WHERE table = 'runs' AND active GROUP BY partition"
        )
        return {str(row[0]): int(str(row[1])) for row in deleting.store.engine.select(Statement(sql)).rows}

    before = disk()
    assert len(before) == 2
    deletion = deleting.delete(*(run_id(number) for number in range(20, 40)))
    deleting.mask(deletion)
    assert deleting.left(deletion).runs == 20
    deleting.rewrite(deletion)
    (month,) = disk()
    assert disk()[month] < before[month] * 0.8
    assert deleting.left(deletion).runs == 0
    assert len(deleting.ids()) == 20


# Objects


class Objects:
    def __init__(self) -> None:
        self.removed: set[UUID] = set()

    def delete_runs(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> None:
        assert tenant_id == TENANT
        self.removed |= set(run_ids)


def test_objects_of_finished_and_open_runs_go_and_of_no_other(tmp_path: Path) -> None:
    """1 and 2 have files, 2 is open; 3 has none. 4 has left its trace for that of 9, and keeps its file."""
    objects = Objects()
    files: dict[str, FieldValue] = {"attachments": encode_attachments([StoredAttachment("a", "text/plain", "0f", 1)])}
    with open_deleting(tmp_path, objects=objects) as opened:
        opened.store.write(create(1, **files), end(1), child(2, 1, **files), child(3, 1), end(3))
        opened.store.write(child(4, 9, **files), end(4))
        opened.store.write(create(9), end(9))
        deletion = opened.delete(run_id(1), run_id(4))
        opened.mask(deletion)
        assert objects.removed == {run_id(1), run_id(2)}
        assert opened.ids() == [str(run_id(4)), str(run_id(9))]


# Retention


@dataclass
class Aged:
    deleting: Deleting
    clock: Clock


@pytest.fixture
def aged(tmp_path: Path) -> Iterator[Aged]:
    clock = Clock()
    projects = (PROJECT, uuid5(TENANT, "other"))
    with open_deleting(tmp_path, clock=clock, live_projects=lambda _: projects) as opened:
        yield Aged(opened, clock)


def test_retention_takes_whole_traces_that_are_old_and_ended(aged: Aged) -> None:
    """1: old. 3: old, and still open. 5: old, with a run of today. 7: of today."""
    store = aged.deleting.store
    late = {"start_time": START_US + 10 * DAY_US, "end_time": START_US + 10 * DAY_US + 1}
    store.write(create(1), child(2, 1), end(1), end(2), create(3), child(4, 3), end(4), create(5), end(5))
    store_feedback(aged.deleting, judge(1), judge(5))
    aged.clock.us = START_US + 10 * DAY_US
    store.write(child(6, 5, **late), create(7, **late))
    aged.deleting.retention.set_rule(TENANT, PROJECT, 7)
    preview = aged.deleting.retention.preview(TENANT, PROJECT, 7)
    assert replace(preview, disk_bytes=0) == Contents(traces=1, runs=2, feedback=1)
    assert len(aged.deleting.ids()) == 7
    assert aged.deleting.retention.expire() == 1
    assert aged.deleting.ids() == [str(run_id(number)) for number in (3, 4, 5, 6, 7)]
    assert feedback_ids(aged.deleting) == {judge(5).id}
    (deletion,) = aged.deleting.records.unfinished()
    assert (deletion.kind, deletion.project_id) == (DeletionKind.RETENTION, PROJECT)
    assert aged.deleting.retention.expire() == 0
    aged.deleting.mask(deletion)
    aged.deleting.rewrite(deletion)
    assert aged.deleting.retention.expire() == 0
    store.write(end(3))
    assert aged.deleting.retention.expire() == 1
    assert aged.deleting.ids() == [str(run_id(number)) for number in (5, 6, 7)]


def test_a_late_write_for_an_expired_trace_lasts_until_the_next_pass(aged: Aged) -> None:
    aged.deleting.store.write(create(1), end(1))
    aged.clock.us = START_US + 10 * DAY_US
    aged.deleting.retention.set_rule(TENANT, None, 7)
    assert aged.deleting.retention.expire() == 1
    (deletion,) = aged.deleting.records.unfinished()
    aged.deleting.mask(deletion)
    aged.deleting.store.write(child(2, 1, trace_id=run_id(1)), end(2))
    assert aged.deleting.ids() == [str(run_id(2))]
    assert aged.deleting.retention.expire() == 1
    assert aged.deleting.ids() == []


def test_a_trace_in_two_projects_is_kept_as_long_as_either_wants_it(aged: Aged) -> None:
    fields: dict[RunField, FieldValue] = {**end(2).fields, **child(2, 1).fields}
    in_other = RunWrite(kind=WriteKind.CREATE, run_id=run_id(2), fields=fields, session_name="other")
    aged.deleting.store.write(create(1), end(1))
    aged.deleting.store.write(in_other)
    aged.clock.us = START_US + 10 * DAY_US
    retention, both = aged.deleting.retention, (PROJECT, uuid5(TENANT, "other"))
    retention.set_rule(TENANT, PROJECT, 7)
    assert retention.expire() == 0
    retention.set_rule(TENANT, None, 20)
    assert retention.expire() == 0
    retention.set_rule(TENANT, None, 8)
    assert retention.expire() == 1
    assert aged.deleting.ids(TENANT, *both) == []


def test_rules_inherit_and_the_clock_decides(aged: Aged) -> None:
    retention = aged.deleting.retention
    assert retention.rule(TENANT, PROJECT) == (None, True)
    retention.set_rule(TENANT, None, 30)
    assert retention.rule(TENANT, PROJECT) == (30, True)
    retention.set_rule(TENANT, PROJECT, None)
    assert retention.rule(TENANT, PROJECT) == (None, False)
    aged.deleting.store.write(create(1), end(1))
    aged.clock.us = START_US + 31 * DAY_US
    assert retention.expire() == 0
    retention.drop_rule(TENANT, PROJECT)
    aged.clock.us = START_US + 29 * DAY_US
    assert retention.expire() == 0
    aged.clock.us = START_US + 31 * DAY_US
    assert retention.expire() == 1
    assert retention.rule(OTHER_TENANT, None) == (None, True)


def test_a_finished_deletion_is_remembered(deleting: Deleting) -> None:
    write_two_traces(deleting)
    deletion = deleting.delete(run_id(1))
    deleting.records.advance([deletion], DeletionState.DONE, START_US)
    found, left = deleting.deletions.read(TENANT, deletion.id)
    assert (found.state, found.done_at, left.runs) == (DeletionState.DONE, START_US, 0)
    assert deleting.records.unfinished() == []
