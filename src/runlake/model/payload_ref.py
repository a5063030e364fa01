"""A payload that is kept outside the row, as states and rows name it. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class PayloadRef(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``digest`` is the SHA-256 of the JSON bytes in hex, ``size_bytes`` their length. Equal content is equal."""

    digest: str
    size_bytes: int


_DECODER: Final = msgspec.json.Decoder(dict[str, PayloadRef])


def encode_refs(refs: Mapping[str, PayloadRef]) -> str:
    """Content of the column ``objects``: a JSON object by field; empty text for none."""
    return msgspec.json.encode(refs).decode() if refs else ""


def decode_refs(text: str) -> dict[str, PayloadRef]:
    """What ``encode_refs`` was given."""
    return _DECODER.decode(text) if text else {}
