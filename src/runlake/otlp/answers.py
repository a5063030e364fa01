"""What OTLP answers with, in the encoding the request came in (documented upstream).

The messages are two small ones, so that they are written here by hand; the generated classes serve the tests.
"""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus
from typing import Final

import msgspec

from runlake.errors import MalformedError


class Encoding(Enum):
    """How a body of OTLP is encoded; the value is its content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


_NAMES: Final = {
    "application/x-protobuf": Encoding.PROTOBUF,
    "application/protobuf": Encoding.PROTOBUF,
    "application/json": Encoding.JSON,
}
_EXCERPT_CHARS: Final = 100

# The numbers of google.rpc.Code that say the same as an HTTP status.
_RPC_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 11, 422: 3, 429: 8, 501: 12, 503: 14}
_RPC_INTERNAL: Final = 13
_RPC_INVALID: Final = 3

_LENGTH_DELIMITED: Final = 2
_SEVEN_BITS: Final = 0x7F


def encoding_of(content_type: str | None) -> Encoding:
    """The encoding that a header names; protobuf, OTLP's default, where there is none. MalformedError for others."""
    name = (content_type or "").partition(";")[0].strip().lower()
    if not name:
        return Encoding.PROTOBUF
    found = _NAMES.get(name)
    if found is None:
        accepted = ", ".join(encoding.value for encoding in Encoding)
        problem = f"content type {name[:_EXCERPT_CHARS]!r} is not accepted; use one of {accepted}"
        raise MalformedError(problem, field="Content-Type")
    return found


def encode_success(encoding: Encoding, *, rejected: int = 0, reason: str = "") -> bytes:
    """``ExportTraceServiceResponse``; with ``partial_success`` when spans were rejected, empty otherwise."""
    if encoding is Encoding.JSON:
        if not rejected:
            return b"{}"
        return msgspec.json.encode({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}})
    if not rejected:
        return b""
    return _field(1, _varint_field(1, rejected) + _field(2, reason.encode()))


def encode_failure(encoding: Encoding, status: int, message: str) -> bytes:
    """``google.rpc.Status`` for an HTTP status of 400 and above."""
    code = _rpc_code(status)
    if encoding is Encoding.JSON:
        return msgspec.json.encode({"code": code, "message": message})
    return _varint_field(1, code) + _field(2, message.encode("utf-8", "replace"))


def _rpc_code(status: int) -> int:
    fallback = _RPC_INTERNAL if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _RPC_INVALID
    return _RPC_CODES.get(status, fallback)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > _SEVEN_BITS:
        encoded.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
