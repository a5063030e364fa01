"""A finished run that is written again with another start is still that one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.harness import START_US, create, end, open_store, patch, run_id

HOUR_US = 3_600_000_000


@pytest.mark.parametrize("hours", [-30, -2, 2, 30])
@pytest.mark.parametrize("reopened", [False, True], ids=["in one process", "across a restart"])
def test_a_create_with_another_start_adds_no_second_run(tmp_path: Path, hours: int, reopened: bool) -> None:
    with open_store(tmp_path) as store:
        store.write(create(1), end(1))
        if not reopened:
            store.write(create(1, start_time=START_US + hours * HOUR_US))
            store.write(create(2, start_time=START_US + hours * HOUR_US))
    with open_store(tmp_path) as store:
        if reopened:
            store.write(create(1, start_time=START_US + hours * HOUR_US))
        assert [row[0] for row in store.select("id", where=f"id = '{run_id(1)}'")] == [str(run_id(1))]
        assert store.select("status", where=f"id = '{run_id(1)}'") == [["success"]]


def test_a_patch_that_moves_the_start_far_away_finds_its_run(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.write(create(1), end(1))
        store.write(patch(1, start_time=START_US - 5 * HOUR_US))
        assert store.select("toUnixTimestamp64Micro(start_time)") == [[START_US - 5 * HOUR_US]]
