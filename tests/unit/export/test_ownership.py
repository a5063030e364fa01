"""A worker's name tells whether its process is still there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runlake.export.ownership import is_gone, new_owner


def test_this_process_is_there() -> None:
    assert not is_gone(new_owner())


def test_two_workers_of_one_process_have_different_names() -> None:
    assert new_owner() != new_owner()


def test_a_process_that_ended_is_gone() -> None:
    code = "from runlake.export.ownership import new_owner; print(new_owner())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_gone(ended.stdout.strip())


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    machine, pid, _, nonce = new_owner().split("/")
    assert int(pid) == os.getpid()
    assert is_gone(f"{machine}/{pid}/1/{nonce}")


@pytest.mark.parametrize("owner", ["elsewhere-1/1/1/a", "", "x", "a/b/c/d"])
def test_of_other_machines_nothing_is_known(owner: str) -> None:
    assert not is_gone(owner)
