"""``runlake doctor`` finds what was broken on purpose, says what to do, and finds nothing where nothing is wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from contract.server_process import ServerProcess
from faults.load import Load
from runlake.config import Settings
from runlake.doctor.examine import examine
from runlake.doctor.finding import Finding, Severity
from runlake.store.lock import DataLock

DAY_US = 86_400_000_000


def doctor(data: Path, *, ahead_us: int = 0, deep: bool = False, **settings: int) -> list[Finding]:
    """What is worse than well."""
    now_us = time.time_ns() // 1000 + ahead_us
    configured = Settings(data=data, **settings)  # type: ignore[arg-type]  # numbers alone are given
    report = examine(configured, now_us=now_us, url=None, api_key=None, deep=deep)
    assert report.exit_status == max((_RANKS[finding.severity] for finding in report.findings), default=0)
    return [finding for finding in report.findings if finding.severity is not Severity.OK]


_RANKS = {Severity.OK: 0, Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that a server was killed on, with finished and open runs."""
    data = tmp_path_factory.mktemp("used") / "data"
    server = ServerProcess(data)
    assert doctor(data) == []
    load = Load(server.url, clients=2, seed=1)
    load.wait_for_first()
    load.end()
    server.stop()
    return data


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "data", symlinks=True))


def found(findings: list[Finding], check: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.check == check]
    assert finding.cause
    assert finding.cure
    return finding


def test_a_good_directory_has_nothing_to_find(data: Path) -> None:
    assert doctor(data, deep=True) == []


def test_a_directory_in_use_is_asked_through_its_server(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    try:
        assert doctor(tmp_path / "data") == []
        (tmp_path / "data" / "runlake.address").write_text("http://127.0.0.1:9\n")
        assert found(doctor(tmp_path / "data"), "server").severity is Severity.ERROR
    finally:
        server.stop()


def test_no_directory_and_a_strange_one_are_told(tmp_path: Path) -> None:
    assert found(doctor(tmp_path), "place").severity is Severity.ERROR
    assert not any(tmp_path.iterdir()), "an examination made something"


def test_a_damaged_ledger_is_found(data: Path) -> None:
    path = data / "ledger.sqlite3"
    for extra in data.glob("ledger.sqlite3-*"):
        extra.unlink()
    content = bytearray(path.read_bytes())
    content[100:4000] = bytes(3900)
    path.write_bytes(bytes(content))
    assert "damaged" in found(doctor(data), "ledger").says


def test_a_ledger_of_another_time_is_found(data: Path) -> None:
    with closing(sqlite3.connect(data / "ledger.sqlite3")) as connection:
        connection.execute("DELETE FROM projects")
        connection.commit()
    assert found(doctor(data), "projects").severity is Severity.ERROR


def test_a_ledger_of_a_newer_version_is_found(data: Path) -> None:
    with closing(sqlite3.connect(data / "ledger.sqlite3")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "newer version" in (found(doctor(data), "ledger").cause or "")


def test_flipped_bits_in_a_part_are_found(data: Path) -> None:
    victim = max(data.glob("engine/store/*/*/*/data.bin"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(bytes(content))
    assert {finding.severity for finding in doctor(data, deep=True)} >= {Severity.ERROR}


def test_a_part_without_its_files_is_found_and_named(data: Path) -> None:
    victim = max(data.glob("engine/store/*/*/*/data.bin"), key=lambda path: path.stat().st_size)
    victim.unlink()
    finding = found(doctor(data), "parts")
    assert finding.severity is Severity.ERROR
    assert victim.parent.name in finding.says


def test_a_clock_behind_the_newest_row_is_found(data: Path) -> None:
    assert found(doctor(data, ahead_us=-DAY_US // 2), "clock").severity is Severity.WARNING


def test_runs_that_never_ended_are_counted_with_their_age(data: Path) -> None:
    finding = found(doctor(data, ahead_us=10 * DAY_US), "open runs")
    assert "for 10 days" in finding.says
    assert finding.severity is Severity.NOTE


def test_too_little_space_and_memory_are_found(data: Path) -> None:
    findings = doctor(data, min_free_bytes=1 << 50, engine_max_memory_bytes=1 << 50)
    assert found(findings, "space").severity is Severity.ERROR
    assert found(findings, "memory").severity is Severity.WARNING


def test_a_forgotten_snapshot_is_found(data: Path) -> None:
    left = data / "snapshots" / "runlake_1790000000000000_00000000"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    assert "runlake_1790000000000000_00000000" in found(doctor(data), "leftovers").says


def test_a_process_that_ignores_the_lock_is_found(data: Path) -> None:
    """Files of the engine are open in another process, which does not hold the lock."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with next(data.glob("engine/store/*/*/*/data.bin")).open("rb"):
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        time.sleep(0.2)
        assert str(child) in found(doctor(data), "processes").says
    finally:
        os.close(writer)
        os.waitpid(child, 0)
        os.close(reader)


def test_an_examination_leaves_the_lock_free(data: Path) -> None:
    doctor(data)
    DataLock.acquire(data).release()
