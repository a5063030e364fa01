"""Page tokens: opaque, versioned, tamper-evident, and bound to the query they were made for.

A token carries the moment of its first page, so that all pages of a listing show one state of the store. Layout before
base64 (url alphabet, no padding)::

    1 byte   layout version, 2
    8 bytes  visible version        unsigned, big endian
    8 bytes  start of the window that the first page looked at, signed; 0 where the request names it
    8 bytes  start time of the last run, microseconds since 1970 UTC, signed
    16 bytes id of the last run
    8 bytes  digest of tenant and query
    16 bytes HMAC-SHA-256 of all of the above, cut
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final
from uuid import UUID

from runlake.errors import CursorError

_LAYOUT: Final = Struct(">BQqq16s8s")
_VERSION: Final = 2
_MAC_BYTES: Final = 16
_DIGEST_BYTES: Final = 8
MAX_TOKEN_CHARS: Final = 200
"""Longer text is no token of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a listing goes on: the moment it shows, and the last run of the page before.

    ``window_from`` is the lower bound that the first page took because the request named none; 0 for no such bound. In
    a listing of threads the run is the newest root of the last thread.
    """

    visible_version: int
    start_time: int
    run_id: UUID
    window_from: int = 0


class CursorSigner:
    """Makes and reads tokens with one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, cursor: Cursor, *, query: bytes) -> str:
        """The token of ``cursor`` for the listing that ``query`` (any stable bytes, tenant included) describes."""
        place = (cursor.window_from, cursor.start_time, cursor.run_id.bytes)
        body = _LAYOUT.pack(_VERSION, cursor.visible_version, *place, _digest(query))
        return urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def decode(self, token: str, *, query: bytes) -> Cursor:
        """The cursor of ``token``; CursorError when it is damaged, of another version, or of another query."""
        data = _bytes_of(token)
        body, mac = data[: _LAYOUT.size], data[_LAYOUT.size :]
        if len(body) != _LAYOUT.size or not hmac.compare_digest(mac, self._mac(body)):
            raise CursorError("cursor is not one that this server made; start again without a cursor", field="cursor")
        version, visible_version, window_from, start_time, run_id, digest = _LAYOUT.unpack(body)
        if version != _VERSION:
            raise CursorError("cursor is of another release; start again without a cursor", field="cursor")
        if not hmac.compare_digest(digest, _digest(query)):
            raise CursorError(
                "cursor belongs to another query; send it with the body of the page before, only limit and select may"
                " differ",
                field="cursor",
            )
        return Cursor(
            visible_version=visible_version, start_time=start_time, run_id=UUID(bytes=run_id), window_from=window_from
        )

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, sha256).digest()[:_MAC_BYTES]


def _digest(query: bytes) -> bytes:
    return sha256(query).digest()[:_DIGEST_BYTES]


def _bytes_of(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return b""
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return b""
