"""A directory as a destination: whole files, nothing beside them, and faults that say whether to try again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runlake.errors import DestinationError
from runlake.export.local_directory import LocalDirectory
from runlake.export.storage import StoredFile
from runlake.model.export_destination import LocalPlace


@pytest.fixture
def directory(tmp_path: Path) -> LocalDirectory:
    return LocalDirectory(LocalPlace(path=str(tmp_path), prefix="lake"), (tmp_path,))


def test_a_file_is_there_when_it_is_published_and_not_before(directory: LocalDirectory) -> None:
    with directory.pending("a/b.bin") as pending:
        pending.sink.write(b"12345")
        assert directory.files("") == []
        pending.publish()
        assert directory.files("a") == [StoredFile("a/b.bin", 5)]
    assert b"".join(directory.read("a/b.bin")) == b"12345"


def test_a_file_that_is_not_published_leaves_nothing_and_what_was_there_stays(
    directory: LocalDirectory, tmp_path: Path
) -> None:
    directory.put("a/b.bin", b"old")
    with directory.pending("a/b.bin") as pending:
        pending.sink.write(b"new")
    assert [path.name for path in (tmp_path / "lake" / "a").iterdir()] == ["b.bin"]
    assert b"".join(directory.read("a/b.bin")) == b"old"


def test_deleting_what_is_not_there_is_no_error(directory: LocalDirectory) -> None:
    directory.put("a/b.bin", b"x")
    directory.delete(["a/b.bin", "a/c.bin", "z/d.bin"])
    assert directory.files("a") == []


def test_a_folder_that_is_not_there_has_no_files(directory: LocalDirectory) -> None:
    assert directory.files("nothing") == []


@pytest.mark.parametrize(
    ("number", "transient"),
    [
        (errno.ENOSPC, True),
        (errno.EDQUOT, True),
        (errno.EIO, True),
        (errno.ESTALE, True),
        (errno.EROFS, False),
        (errno.EACCES, False),
        (errno.EPERM, False),
    ],
)
def test_a_full_disk_may_have_room_later_and_a_forbidden_one_will_not_open(
    directory: LocalDirectory, monkeypatch: pytest.MonkeyPatch, number: int, transient: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with directory.pending("a/b.bin") as pending:
        pending.sink.write(b"x")
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(DestinationError, match=os.strerror(number).lower()) as caught:
            pending.publish()
        monkeypatch.undo()
    assert caught.value.transient is transient
    assert directory.files("") == []
