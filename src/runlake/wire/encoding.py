"""The Content-Encoding of a request body: compressed bytes in, plain bytes out, never more than allowed.

First step of the ingest line, before ``wire.multipart`` or ``wire.run_writes`` looks at the body. The Python SDK sends
one zstd frame per multipart document and OTLP collectors send gzip (seen in the SDK, documented upstream); several gzip
members or zstd frames in a row are one body by their formats.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from runlake.errors import MalformedError, TooLargeError
from runlake.wire.spool import Body, Spool

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPTED_ENCODINGS: Final = ("identity", "gzip", "deflate", "zstd")

MAX_MEMBERS: Final = 10_000
"""Most gzip members or zstd frames of one body; each costs a new decoder, whatever little it holds."""

ZSTD_WINDOW_LOG: Final = 23
"""Largest zstd window, as a power of two: the 8 MiB that RFC 9659 allows as content encoding."""

_CHUNK_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 1024 * 1024
_GZIP_BITS: Final = 31
_ZLIB_BITS: Final = 15
_RAW_DEFLATE_BITS: Final = -15


class _Decoder(Protocol):
    """What ``zlib`` and ``zstd`` decoders have in common; a positive ``max_length`` bounds one answer."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


def _claim_nothing(size_bytes: int) -> None:
    """For bodies whose size is no matter."""


def decode_body(
    body: bytes, content_encoding: str | None, *, limit_bytes: int, claim: Callable[[int], None] = _claim_nothing
) -> bytes:
    """As ``decode_stored``, in memory."""
    plain = decode_stored(body, content_encoding, limit_bytes=limit_bytes, claim=claim, spool=Spool())
    return plain if isinstance(plain, bytes) else plain[:]


def decode_stored(
    body: Body, content_encoding: str | None, *, limit_bytes: int, claim: Callable[[int], None], spool: Spool
) -> Body:
    """The plain body; ``content_encoding`` is the header's value, None when there is none.

    What has to be decompressed goes to ``spool``. ``claim`` is told the bytes of every piece that decompressing adds,
    and may raise to stop it.

    Raises ``TooLargeError`` beyond ``limit_bytes`` of plain body (allocating no more than about that) and
    ``MalformedError`` for a damaged body or an encoding that is not one of ``ACCEPTED_ENCODINGS``.
    """
    name = (content_encoding or "identity").strip().lower().removeprefix("x-") or "identity"
    if name == "identity":
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body

    def take(piece: bytes) -> None:
        claim(len(piece))
        spool.write(piece)
        if len(spool) > limit_bytes:
            raise _too_large(limit_bytes)

    _expand(body, name, _maker_of(name, body[:2]), take)
    return spool.body()


def _maker_of(name: str, head: bytes) -> Callable[[], _Decoder]:
    match name:
        case "gzip":
            return lambda: zlib.decompressobj(_GZIP_BITS)
        case "deflate":
            # The name means the zlib format, yet some senders leave its two-byte head off.
            bits = _ZLIB_BITS if _has_zlib_head(head) else _RAW_DEFLATE_BITS
            return lambda: zlib.decompressobj(bits)
        case "zstd":
            options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
            return lambda: zstd.ZstdDecompressor(options=options)
        case _:
            accepted = ", ".join(ACCEPTED_ENCODINGS)
            raise MalformedError(
                f"content encoding {name[:100]!r} is not accepted; use one of {accepted}", field="Content-Encoding"
            )


def _has_zlib_head(head: bytes) -> bool:
    return len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0  # noqa: PLR2004 - RFC 1950


def _expand(body: Body, name: str, make: Callable[[], _Decoder], take: Callable[[bytes], None]) -> None:
    """Run one decoder per member over ``body`` in chunks, so that no member copies the whole rest of it."""
    view = memoryview(body) if isinstance(body, bytes) else body
    decoder, position, members = make(), 0, 1
    while position < len(view):
        if decoder.eof:
            decoder, members = make(), members + 1
            if members > MAX_MEMBERS:
                raise TooLargeError(f"the {name} body has more than {MAX_MEMBERS} members; send one")
        chunk = view[position : position + _CHUNK_BYTES]
        try:
            for piece in _pieces(decoder, chunk):
                take(piece)
        except (zlib.error, zstd.ZstdError, EOFError) as error:
            message = f"the body is not valid {name}: damaged near byte {position} ({error})"
            raise MalformedError(message, field="body", position=position) from error
        position += len(chunk) - len(decoder.unused_data)
    if not decoder.eof:
        message = f"the body is not valid {name}: it is cut short at byte {len(body)}"
        raise MalformedError(message, field="body", position=len(body))


def _pieces(decoder: _Decoder, chunk: bytes | memoryview) -> Iterator[bytes]:
    """What ``chunk`` expands to, a bounded piece at a time: a few bytes of it may stand for gigabytes."""
    data: bytes | memoryview = chunk
    while True:
        piece = decoder.decompress(data, _PIECE_BYTES)
        yield piece
        # Input that did not fit is handed back by zlib and kept inside by zstd.
        data = getattr(decoder, "unconsumed_tail", b"")
        if decoder.eof or (len(piece) < _PIECE_BYTES and not data):
            return


def _too_large(limit_bytes: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit_bytes} bytes; send smaller batches", field="body")
