"""A body on disk is read as the same body in memory, whatever it holds and wherever it is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlake.errors import MalformedError
from runlake.wire import multipart, spool
from runlake.wire.multipart import parse_multipart
from runlake.wire.spool import Body, Spool, StoredBytes

TYPE = "multipart/form-data; boundary=b"
PIECES = st.sampled_from(
    [
        b"--b",
        b"--b--",
        b"\r\n",
        b"\n",
        b'\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; length=3\r\n\r\n',
        b'\r\nContent-Disposition: form-data; name="b"\r\nContent-Type: text/plain\r\n\r\n',
        b"\ncontent-disposition: form-data; name=c\n\n",
        b"xyz",
        b"-",
    ]
)
BODIES = st.lists(PIECES | st.binary(max_size=9), max_size=14).map(b"".join)


@pytest.fixture(autouse=True)
def everything_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """And searched a few bytes at a time, so that what is looked for lies across two of them."""
    monkeypatch.setattr(spool, "SPOOL_FROM_BYTES", -1)
    monkeypatch.setattr(spool, "_SEARCHED_AT_ONCE", 5)
    monkeypatch.setattr(multipart, "_SMALL_PART_BYTES", 0)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], StoredBytes]:
    folder: Path = tmp_path_factory.mktemp("spool")

    def store(data: bytes) -> StoredBytes:
        target = Spool(folder)
        target.write(data[:3])
        target.write(data[3:])
        stored = target.body()
        assert isinstance(stored, StoredBytes)
        assert list(folder.iterdir()) == []
        return stored

    return store


def parsed(body: Body) -> object:
    try:
        return [(part.name, part.content_type, part.data, part.offset) for part in parse_multipart(body, TYPE)]
    except MalformedError as error:
        return type(error), error.message, error.position


@given(body=BODIES)
def test_both_give_the_same_parts_or_the_same_error(on_disk: Callable[[bytes], StoredBytes], body: bytes) -> None:
    assert parsed(on_disk(body)) == parsed(body)


@given(
    data=st.binary(max_size=40), part=st.slices(40), needle=st.binary(min_size=1, max_size=7), start=st.integers(0, 45)
)
def test_a_stretch_of_a_file_is_like_bytes(
    on_disk: Callable[[bytes], StoredBytes], data: bytes, part: slice, needle: bytes, start: int
) -> None:
    stored = on_disk(data)
    wanted = slice(part.start, part.stop)
    assert (len(stored), stored[wanted]) == (len(data), data[wanted])
    assert stored.find(needle, start) == data.find(needle, start)
    assert stored.startswith(needle, start) == data.startswith(needle, start)
    middle = slice(*sorted((min(start, len(data)), len(data) // 2)))
    assert stored.piece(middle.start, middle.stop)[:] == data[middle]
