"""One holder per data directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runlake.errors import SettingsError
from runlake.store.lock import LOCK_NAME, DataLock


def test_the_second_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    first = DataLock.acquire(tmp_path / "new" / "data")
    with pytest.raises(SettingsError, match=f"in use by process {os.getpid()}"):
        DataLock.acquire(tmp_path / "new" / "data")
    first.release()
    first.release()
    DataLock.acquire(tmp_path / "new" / "data").release()


def test_a_file_left_by_a_dead_process_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("999999\n")
    lock = DataLock.acquire(tmp_path)
    assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_directory_that_cannot_be_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot use the data directory"):
        DataLock.acquire(tmp_path / "file")


def test_a_new_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """One that exists keeps the permissions that somebody gave it."""
    DataLock.acquire(tmp_path / "new").release()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o750)
    DataLock.acquire(tmp_path / "shared").release()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o750
