"""Content encodings: what comes out is what went in, within the limit, and damage is told with its place."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import pytest

from runlake.errors import MalformedError, OverloadedError, TooLargeError
from runlake.wire.encoding import MAX_MEMBERS, decode_body

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"runs and traces \x00\xff " * 40_000


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _zstd_stream(data: bytes) -> bytes:
    """A frame that does not tell the size of its content, as a streaming client writes it."""
    packer = zstd.ZstdCompressor(level=1)
    return b"".join(packer.compress(data[i : i + 5000]) for i in range(0, len(data), 5000)) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        (None, bytes),
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        (" GZIP ", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:100]) + gzip.compress(b"") + gzip.compress(data[100:])),
        ("deflate", zlib.compress),
        ("deflate", _raw_deflate),
        ("zstd", zstd.compress),
        ("zstd", _zstd_stream),
        ("zstd", lambda data: zstd.compress(data[:100]) + _zstd_stream(data[100:])),
    ],
)
@pytest.mark.parametrize("data", [b"", b"x", TEXT])
def test_decoding_undoes_encoding(encoding: str | None, pack: Callable[[bytes], bytes], data: bytes) -> None:
    assert decode_body(pack(data), encoding, limit_bytes=len(data)) == data


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
def test_a_small_body_that_unpacks_beyond_the_limit_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(64 << 20))
    with pytest.raises(TooLargeError, match="larger than 1000000 bytes"):
        decode_body(bomb, encoding, limit_bytes=1_000_000)


def test_a_plain_body_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        decode_body(b"12345", None, limit_bytes=4)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
def test_a_body_cut_short_says_where_it_ends(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(TEXT)[:-5]
    with pytest.raises(MalformedError, match=f"not valid {encoding}: it is cut short at byte {len(body)}") as caught:
        decode_body(body, encoding, limit_bytes=1 << 24)
    assert caught.value.position == len(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_noise_is_refused_by_the_name_of_its_encoding(encoding: str) -> None:
    with pytest.raises(MalformedError, match=f"not valid {encoding}: damaged near byte 0"):
        decode_body(b"\xff\xfe this is no archive", encoding, limit_bytes=1 << 20)


def test_noise_after_the_last_member_is_refused() -> None:
    with pytest.raises(MalformedError, match="damaged near byte"):
        decode_body(gzip.compress(b"x") + b"more", "gzip", limit_bytes=1 << 20)


def test_an_empty_compressed_body_is_cut_short() -> None:
    with pytest.raises(MalformedError, match="cut short at byte 0"):
        decode_body(b"", "gzip", limit_bytes=10)


@pytest.mark.parametrize("encoding", ["br", "gzip, zstd", "x" * 500])
def test_an_unknown_encoding_is_refused_with_the_accepted_ones(encoding: str) -> None:
    with pytest.raises(MalformedError, match="use one of identity, gzip, deflate, zstd") as caught:
        decode_body(b"", encoding, limit_bytes=10)
    assert len(caught.value.message) < 300


def test_too_many_members_are_refused() -> None:
    with pytest.raises(TooLargeError, match=f"more than {MAX_MEMBERS} members"):
        decode_body(gzip.compress(b"") * (MAX_MEMBERS + 1), "gzip", limit_bytes=10)


def test_a_zstd_window_beyond_the_allowed_one_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1}
    packer = zstd.ZstdCompressor(options=options)
    body = packer.compress(bytes(1000)) + packer.flush()
    with pytest.raises(MalformedError, match="not valid zstd"):
        decode_body(body, "zstd", limit_bytes=1 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_taken_in_small_pieces_and_can_be_stopped(encoding: str) -> None:
    """A few bytes stand for 50 MB; whoever counts the pieces may end it long before that."""
    plain = bytes(50_000_000)
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstd.compress,
    }
    bomb = packers[encoding](plain)
    claimed: list[int] = []

    def claim(size_bytes: int) -> None:
        claimed.append(size_bytes)
        if sum(claimed) > 3_000_000:
            raise OverloadedError("enough")

    with pytest.raises(OverloadedError, match="enough"):
        decode_body(bomb, encoding, limit_bytes=1 << 30, claim=claim)
    assert max(claimed) <= 1 << 20
    claimed.clear()
    assert decode_body(bomb, encoding, limit_bytes=1 << 30, claim=claimed.append) == plain
    assert sum(claimed) == len(plain)
