"""A payload that is kept outside the row, as states and rows name it. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class PayloadRef(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``digest`` is the SHA-256 of the JSON bytes in hex, ``size_bytes`` their length. Equal content is equal."""

    digest: str
    size_bytes: int


_DECODER: Final = msgspec.json.Decoder(dict[str, PayloadRef | str])


def encode_refs(payloads: Mapping[str, PayloadRef | str]) -> str:
    """Content of the column ``objects``, empty text for none: by field what names an object, or JSON text as it is."""
    return msgspec.json.encode(payloads).decode() if payloads else ""


def decode_refs(text: str) -> dict[str, PayloadRef | str]:
    """What ``encode_refs`` was given."""
    return _DECODER.decode(text) if text else {}
