"""A backup made while clients write holds every run that was acknowledged before it, and nothing by halves."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from contract.server_process import ServerProcess
from faults.load import Load, assert_nothing_lost
from runlake.backup.manifest import MANIFEST_NAME, FileEntry, complete_backups, read_manifest
from runlake.backup.restore import restore_backup, verify_backup
from runlake.errors import SettingsError


def runlake(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runlake.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("backups_made", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_backup_under_load_is_whole(tmp_path: Path, backups_made: int) -> None:
    """Of a serving directory; each is restored, started and asked for what was acknowledged before it."""
    data, backups = tmp_path / "data", tmp_path / "backups"
    server = ServerProcess(data)
    moments = []
    try:
        load = Load(server.url, clients=4, seed=1)
        load.wait_for_first()
        for _ in range(backups_made):
            time.sleep(1.1)
            before = load.acknowledged()
            done = runlake("backup", backups, "--data", data, "--check")
            assert done.returncode == 0, done.stderr
            moments.append(before)
        everything = load.end()
        assert load.refusals() == {}
        assert_nothing_lost(server.url, everything)
        assert list((data / "snapshots").iterdir()) == []
    finally:
        server.stop()
    for backup, acknowledged in zip(complete_backups(backups), moments, strict=True):
        restored = tmp_path / f"restored-{backup.name}"
        done = runlake("restore", backup, "--data", restored)
        assert done.returncode == 0, done.stderr
        again = ServerProcess(restored)
        try:
            assert_nothing_lost(again.url, acknowledged)
        finally:
            assert again.stop() == 0


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with runs that no server uses."""
    data = tmp_path_factory.mktemp("stopped") / "data"
    server = ServerProcess(data)
    load = Load(server.url, clients=1, seed=2)
    load.wait_for_first()
    load.end()
    server.stop()
    return data


@pytest.fixture(scope="module")
def saved(stopped: Path) -> Path:
    """A backup of it, to be copied before it is harmed."""
    done = runlake("backup", stopped.parent / "saved", "--data", stopped)
    assert done.returncode == 0, done.stderr
    return complete_backups(stopped.parent / "saved")[0]


@pytest.mark.slow
def test_a_stopped_directory_is_backed_up_and_unchanged_files_are_not_copied_again(
    stopped: Path, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    first = runlake("backup", backups, "--data", stopped)
    assert first.returncode == 0, first.stderr
    time.sleep(1.1)
    assert runlake("backup", backups, "--data", stopped).returncode == 0
    one, two = complete_backups(backups)
    parts = [path.relative_to(one) for path in one.glob("engine/store/*/*/*/data.bin")]
    assert parts
    assert all((one / part).stat().st_ino == (two / part).stat().st_ino for part in parts if (two / part).exists())
    shutil.rmtree(one)
    assert runlake("restore", backups, "--data", tmp_path / "restored").returncode == 0


def test_an_interrupted_backup_never_looks_complete(saved: Path, stopped: Path, tmp_path: Path) -> None:
    """Without its manifest, or under its partial name, it is refused; the next backup clears it away."""
    backups = tmp_path / "backups"
    left = Path(shutil.copytree(saved, backups / saved.with_suffix(".partial").name))
    refused = runlake("restore", backups, "--data", tmp_path / "restored")
    assert (refused.returncode, complete_backups(backups)) == (2, [])
    assert "holds no complete backup" in refused.stderr
    assert runlake("backup", backups, "--data", stopped).returncode == 0
    assert not left.exists()
    (whole,) = complete_backups(backups)
    (whole / MANIFEST_NAME).unlink()
    with pytest.raises(SettingsError, match="no complete backup"):
        restore_backup(whole, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_a_damaged_backup_is_refused_by_name(saved: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(saved, tmp_path / "backup"))
    victim = next(whole.glob("engine/store/*/*/*/data.bin"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    with pytest.raises(SettingsError, match="damaged") as caught:
        restore_backup(whole, tmp_path / "restored")
    assert str(victim) in caught.value.message
    with pytest.raises(SettingsError, match="damaged"):
        verify_backup(whole)
    assert not (tmp_path / "restored").exists()


def test_backups_and_what_they_become_are_for_their_owner_alone(saved: Path, tmp_path: Path) -> None:
    restore_backup(saved, tmp_path / "restored")
    assert [path.stat().st_mode & 0o777 for path in (saved, tmp_path / "restored")] == [0o700, 0o700]


def test_a_restore_overwrites_nothing(saved: Path, stopped: Path) -> None:
    with pytest.raises(SettingsError, match="is not empty"):
        restore_backup(saved, stopped)


@pytest.mark.parametrize("path", ["../outside", "/etc/runlake", "engine/../../outside"])
def test_a_manifest_cannot_write_outside_of_the_directory(saved: Path, tmp_path: Path, path: str) -> None:
    whole = Path(shutil.copytree(saved, tmp_path / "backup"))
    manifest = read_manifest(whole)
    evil = msgspec.structs.replace(manifest, files=[FileEntry(path, 0, "")])
    (whole / MANIFEST_NAME).write_bytes(msgspec.json.encode(evil))
    with pytest.raises(SettingsError, match="outside of the backup"):
        restore_backup(whole, tmp_path / "restored")


def test_a_server_that_is_killed_in_a_snapshot_cleans_up_at_its_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(data)
    left = data / "snapshots" / "runlake_1790000000000000_00000000"
    left.mkdir(parents=True)
    server.send(signal.SIGKILL)
    server.wait()
    again = ServerProcess(data)
    try:
        assert not left.exists()
    finally:
        again.stop()
