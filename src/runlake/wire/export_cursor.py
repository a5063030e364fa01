"""Tokens of the straight pull: where it stands, the moment it shows, and the request it was made for.

As ``wire.cursor``, with the project, because a pull goes project by project. Layout before base64 (url alphabet, no
padding)::

    1 byte   layout version, 1
    8 bytes  visible version        unsigned, big endian
    16 bytes project
    8 bytes  time of the last row, microseconds since 1970 UTC, signed
    16 bytes id of the last row
    8 bytes  digest of tenant and request
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

_LAYOUT: Final = Struct(">BQ16sq16s8s")
_VERSION: Final = 1
_MAC_BYTES: Final = 16
_DIGEST_BYTES: Final = 8
_MAX_TOKEN_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PullCursor:
    """The last row that was handed out, and the version of the moment of the pull."""

    visible_version: int
    project_id: UUID
    time_us: int
    row_id: UUID


class PullCursors:
    """Makes and reads tokens with one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.new(key, b"export", sha256).digest()

    def encode(self, cursor: PullCursor, *, request: bytes) -> str:
        """The token of ``cursor`` for the pull that ``request`` (any stable bytes, tenant included) describes."""
        body = _LAYOUT.pack(
            _VERSION,
            cursor.visible_version,
            cursor.project_id.bytes,
            cursor.time_us,
            cursor.row_id.bytes,
            _digest(request),
        )
        return urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def decode(self, token: str, *, request: bytes) -> PullCursor:
        """The cursor of ``token``; CursorError when it is damaged or of another pull."""
        data = _bytes_of(token)
        body, mac = data[: _LAYOUT.size], data[_LAYOUT.size :]
        if len(body) != _LAYOUT.size or not hmac.compare_digest(mac, self._mac(body)):
            raise CursorError("cursor is not one that this server made; start again without a cursor", field="cursor")
        version, visible_version, project, time_us, row, digest = _LAYOUT.unpack(body)
        if version != _VERSION:
            raise CursorError("cursor is of another release; start again without a cursor", field="cursor")
        if not hmac.compare_digest(digest, _digest(request)):
            raise CursorError(
                "cursor belongs to another pull; send it with the same projects, times, filters and content, only"
                " fields, format, compression and limit may differ",
                field="cursor",
            )
        return PullCursor(
            visible_version=visible_version, project_id=UUID(bytes=project), time_us=time_us, row_id=UUID(bytes=row)
        )

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, sha256).digest()[:_MAC_BYTES]


def _digest(request: bytes) -> bytes:
    return sha256(request).digest()[:_DIGEST_BYTES]


def _bytes_of(token: str) -> bytes:
    if len(token) > _MAX_TOKEN_CHARS or not token.isascii():
        return b""
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return b""
