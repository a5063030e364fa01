"""The state machine of exports, transition by transition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from runlake.model.export import (
    DAY_US,
    HOUR_US,
    LONGEST_WAIT_US,
    MAX_RETRIES,
    RETRYABLE,
    SCHEDULE_DELAY_US,
    SECOND_US,
    Export,
    ExportRun,
    ExportSpec,
    ExportStatus,
    Lease,
    RunFacet,
    RunKind,
    RunResult,
    cancel,
    claim,
    complete,
    days_of,
    fail,
    is_claimable,
    next_due_us,
    release,
    restart,
    settle,
    spawn,
    stretches,
    time_out,
    waiting_us,
)

NOW = 1_790_000_000_000_000
TENANT, PROJECT = UUID(int=1), UUID(int=2)
LEASE = Lease(owner="w1", now_us=NOW, until_us=NOW + 60 * SECOND_US)
WAITING = ExportRun(
    tenant_id=TENANT,
    id=UUID(int=3),
    export_id=UUID(int=4),
    kind=RunKind.WINDOW,
    project_id=PROJECT,
    start_us=NOW - DAY_US,
    end_us=NOW,
    created_at=NOW - 10,
    updated_at=NOW - 10,
)
RUNNING = claim(WAITING, LEASE)
RESULT = RunResult(folder="f", as_of=7)
Status = ExportStatus


def failed(run: ExportRun = RUNNING, *, transient: bool = False, jitter: float = 0.0) -> ExportRun:
    return fail(run, "no", transient=transient, now_us=NOW, jitter=jitter)


STATES = {
    Status.CREATED: WAITING,
    Status.RUNNING: RUNNING,
    Status.COMPLETED: complete(RUNNING, RESULT, now_us=NOW),
    Status.FAILED: failed(),
    Status.CANCELLED: cancel(RUNNING, now_us=NOW),
    Status.TIMED_OUT: time_out(RUNNING, now_us=NOW),
}


def retry(run: ExportRun) -> ExportRun:
    return restart(run, RETRYABLE, now_us=NOW)


def resume(run: ExportRun) -> ExportRun:
    return restart(run, frozenset({Status.CANCELLED}), now_us=NOW)


@pytest.mark.parametrize(("state", "run"), STATES.items())
def test_states_are_what_their_names_say(state: Status, run: ExportRun) -> None:
    assert run.status is state
    assert (run.lease_owner is None) == (state is not Status.RUNNING)
    assert (run.finished_at is None) == (state in {Status.CREATED, Status.RUNNING})


@pytest.mark.parametrize(
    ("transition", "moves"),
    [
        (lambda run: claim(run, LEASE), {Status.CREATED: Status.RUNNING}),
        (lambda run: complete(run, RESULT, now_us=NOW), {Status.RUNNING: Status.COMPLETED}),
        (failed, {Status.RUNNING: Status.FAILED}),
        (lambda run: failed(run, transient=True), {Status.RUNNING: Status.CREATED}),
        (lambda run: release(run, now_us=NOW), {Status.RUNNING: Status.CREATED}),
        (lambda run: time_out(run, now_us=NOW), dict.fromkeys((Status.CREATED, Status.RUNNING), Status.TIMED_OUT)),
    ],
    ids=["claim", "complete", "fail", "fail for now", "release", "time out"],
)
def test_a_worker_s_transition_applies_to_its_states_only(
    transition: Callable[[ExportRun], ExportRun], moves: dict[Status, Status]
) -> None:
    for state, run in STATES.items():
        if state in moves:
            assert transition(run).status is moves[state]
        else:
            with pytest.raises(ValueError, match=str(run.id)):
                transition(run)


@pytest.mark.parametrize(
    ("transition", "moves"),
    [
        (
            lambda run: cancel(run, now_us=NOW),
            {Status.CREATED: Status.CANCELLED, Status.RUNNING: Status.CANCELLED},
        ),
        (retry, {Status.FAILED: Status.CREATED, Status.TIMED_OUT: Status.CREATED}),
        (resume, {Status.CANCELLED: Status.CREATED}),
    ],
    ids=["cancel", "retry", "resume"],
)
def test_an_owner_s_transition_leaves_all_other_states_alone(
    transition: Callable[[ExportRun], ExportRun], moves: dict[Status, Status]
) -> None:
    for state, run in STATES.items():
        changed = transition(run)
        if state in moves:
            assert changed.status is moves[state]
            assert changed.result is None
        else:
            assert changed == run


def test_a_waiting_run_cannot_be_claimed_before_its_time() -> None:
    waiting = failed(transient=True, jitter=1.0)
    assert waiting.not_before_us == NOW + SECOND_US
    assert not is_claimable(waiting, NOW + SECOND_US - 1)
    assert is_claimable(waiting, NOW + SECOND_US)


def test_a_leased_run_can_be_claimed_when_the_lease_is_over_and_counts_as_a_retry() -> None:
    assert not is_claimable(RUNNING, LEASE.until_us - 1)
    again = claim(RUNNING, Lease(owner="w2", now_us=LEASE.until_us, until_us=LEASE.until_us + 1))
    assert (again.status, again.lease_owner, again.retry_number) == (Status.RUNNING, "w2", 1)
    assert again.errors == {"retry_0": "the worker stopped without a word"}
    assert again.attempts_left == RUNNING.attempts_left - 1


def test_a_run_that_kills_every_worker_fails_in_the_end() -> None:
    run, now_us = RUNNING, LEASE.until_us
    for _ in range(MAX_RETRIES):
        run = claim(run, Lease(owner="w", now_us=now_us, until_us=now_us + 1))
        assert run.status is Status.RUNNING
        now_us += 1
    assert claim(run, Lease(owner="w", now_us=now_us, until_us=now_us + 1)).status is Status.FAILED


def test_transient_errors_are_kept_one_by_one_until_no_attempt_is_left() -> None:
    run, now_us = WAITING, NOW
    for attempt in range(MAX_RETRIES + 1):
        run = claim(run, Lease(owner="w", now_us=now_us, until_us=now_us + 1))
        run = fail(run, f"busy {attempt}", transient=True, now_us=now_us, jitter=0.5)
        now_us = run.not_before_us
    assert run.status is Status.FAILED
    assert run.retry_number == MAX_RETRIES
    assert run.errors == {f"retry_{attempt}": f"busy {attempt}" for attempt in range(MAX_RETRIES + 1)}


def test_a_retry_keeps_the_errors_and_has_all_attempts_again() -> None:
    again = retry(failed())
    assert (again.retry_number, again.attempts_left, again.errors) == (1, MAX_RETRIES + 1, {"retry_0": "no"})
    assert failed(claim(again, LEASE)).errors == {"retry_0": "no", "retry_1": "no"}


def test_a_released_attempt_does_not_count() -> None:
    released = release(RUNNING, now_us=NOW)
    assert (released.attempts_left, released.retry_number, released.errors) == (WAITING.attempts_left, 0, {})


@pytest.mark.parametrize(
    ("retry_number", "longest_s"), [(0, 1), (1, 2), (5, 32), (8, 256), (9, 300), (20, 300), (10_000, 300)]
)
def test_the_wait_doubles_up_to_five_minutes_and_is_spread_over_its_upper_half(
    retry_number: int, longest_s: int
) -> None:
    assert waiting_us(retry_number, 1.0) == longest_s * SECOND_US <= LONGEST_WAIT_US
    assert waiting_us(retry_number, 0.0) == longest_s * SECOND_US // 2


@pytest.mark.parametrize(
    ("start_us", "end_us", "days"),
    [
        (0, DAY_US, [(0, DAY_US)]),
        (5, DAY_US, [(5, DAY_US)]),
        (0, 1, [(0, 1)]),
        (DAY_US - 1, DAY_US + 1, [(DAY_US - 1, DAY_US), (DAY_US, DAY_US + 1)]),
        (-1, DAY_US + 1, [(-1, 0), (0, DAY_US), (DAY_US, DAY_US + 1)]),
        (7, 7, []),
    ],
)
def test_a_window_is_cut_at_utc_midnights(start_us: int, end_us: int, days: list[tuple[int, int]]) -> None:
    assert list(days_of(start_us, end_us)) == days


def facets(*states: str, manifest: Status = Status.CREATED, retried: bool = False) -> set[RunFacet]:
    parts = {RunFacet(RunKind.WINDOW, Status(state), retried) for state in states}
    return parts | {RunFacet(RunKind.MANIFEST, manifest, retried=False)}


EXPORT = Export(
    tenant_id=TENANT,
    id=UUID(int=4),
    spec=ExportSpec(destination_id=UUID(int=5), project_ids=(PROJECT,), start_us=NOW - 2 * DAY_US, end_us=NOW),
    status=Status.CREATED,
    created_at=NOW - 10,
    updated_at=NOW - 10,
)


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        (facets("Created"), Status.CREATED),
        (facets("Created", retried=True), Status.RUNNING),
        (facets("Created", "Running"), Status.RUNNING),
        (facets("Created", "Completed"), Status.RUNNING),
        (facets("Completed"), Status.RUNNING),
        (facets("Completed", manifest=Status.RUNNING), Status.RUNNING),
        (facets("Completed", manifest=Status.COMPLETED), Status.COMPLETED),
        (facets("Completed", manifest=Status.FAILED), Status.FAILED),
        (facets("Completed", "Failed", "Running"), Status.RUNNING),
        (facets("Completed", "Failed"), Status.FAILED),
        (facets("TimedOut", "Failed"), Status.FAILED),
        (facets("Completed", "TimedOut", manifest=Status.TIMED_OUT), Status.TIMED_OUT),
        (facets(manifest=Status.COMPLETED), Status.COMPLETED),
    ],
)
def test_an_export_is_what_its_runs_make_it(runs: set[RunFacet], status: Status) -> None:
    settled = settle(EXPORT, runs, now_us=NOW)
    assert settled.status is status
    assert (settled.finished_at == NOW) == (status not in {Status.CREATED, Status.RUNNING})


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.INTERVAL_SCHEDULED])
def test_what_its_owner_decided_is_not_settled_otherwise(status: Status) -> None:
    export = replace(EXPORT, status=status)
    assert settle(export, facets("Completed", manifest=Status.COMPLETED), now_us=NOW) == export


SCHEDULE = replace(
    EXPORT,
    spec=replace(EXPORT.spec, start_us=NOW, end_us=None, interval_hours=6, include_changes=True),
    status=Status.INTERVAL_SCHEDULED,
    next_start_us=NOW,
)


def test_a_window_is_due_ten_minutes_after_its_end() -> None:
    due_us = NOW + 6 * HOUR_US + SCHEDULE_DELAY_US
    assert next_due_us(SCHEDULE) == due_us
    with pytest.raises(ValueError, match="not due"):
        spawn(SCHEDULE, child_id=UUID(int=9), watermark=1, now_us=due_us - 1)


def test_windows_follow_each_other_without_gap_or_overlap_and_each_knows_the_watermark_before() -> None:
    schedule, children = SCHEDULE, []
    for number in range(3):
        now_us = next_due_us(schedule) or 0
        schedule, child = spawn(schedule, child_id=UUID(int=90 + number), watermark=100 + number, now_us=now_us)
        children.append(child)
    assert [(child.spec.start_us - NOW, child.spec.end_us) for child in children] == [
        (number * 6 * HOUR_US, NOW + (number + 1) * 6 * HOUR_US) for number in range(3)
    ]
    assert [(child.watermark, child.changed_since, child.changes_from_us) for child in children] == [
        (100, None, None),
        (101, 100, NOW),
        (102, 101, NOW),
    ]
    assert {(child.source_id, child.spec.interval_hours, child.status) for child in children} == {
        (SCHEDULE.id, None, Status.CREATED)
    }


def test_a_cancelled_schedule_is_never_due() -> None:
    assert next_due_us(replace(SCHEDULE, status=Status.CANCELLED)) is None


DAYS = [replace(WAITING, id=UUID(int=10 + day), start_us=day * DAY_US, end_us=(day + 1) * DAY_US) for day in range(4)]


@pytest.mark.parametrize(
    ("runs", "at_most", "sizes"),
    [
        (DAYS, 9, [4]),
        (DAYS, 3, [3, 1]),
        ([DAYS[0], DAYS[2], DAYS[3]], 9, [1, 2]),
        ([DAYS[0], replace(DAYS[1], project_id=UUID(int=5)), DAYS[2]], 9, [1, 1, 1]),
        ([DAYS[0], replace(DAYS[1], retry_number=1), DAYS[2]], 9, [1, 1, 1]),
        ([replace(DAYS[0], kind=RunKind.CHANGES), DAYS[1]], 9, [1, 1]),
        ([DAYS[0], replace(DAYS[1], export_id=UUID(int=6))], 9, [1, 1]),
    ],
)
def test_fresh_days_of_one_project_side_by_side_are_a_stretch(
    runs: list[ExportRun], at_most: int, sizes: list[int]
) -> None:
    found = stretches(runs, at_most=at_most, of={WAITING.export_id, UUID(int=6)})
    assert [len(stretch) for stretch in found] == sizes
    assert [run for stretch in found for run in stretch] == runs


def test_days_whose_content_cannot_be_cut_are_read_one_by_one() -> None:
    assert [len(stretch) for stretch in stretches(DAYS, at_most=9, of=())] == [1, 1, 1, 1]
