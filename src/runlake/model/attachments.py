"""Attachments of a run: named files, kept as one JSON value. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """One file; ``data`` is base64 in the encoded form."""

    name: str
    mime_type: str
    data: bytes


_DECODER: Final = msgspec.json.Decoder(list[Attachment])


def encode_attachments(attachments: Iterable[Attachment]) -> bytes:
    """The value of ``RunField.ATTACHMENTS``: a JSON list sorted by name, so that equal sets are equal bytes.

    A name occurs once. Of two files with one name the greater data counts, which makes the choice the same in any order
    of arrival.
    """
    by_name: dict[str, Attachment] = {}
    for attachment in attachments:
        old = by_name.get(attachment.name)
        if old is None or (attachment.data, attachment.mime_type) > (old.data, old.mime_type):
            by_name[attachment.name] = attachment
    return msgspec.json.encode([by_name[name] for name in sorted(by_name)])


def decode_attachments(value: bytes) -> list[Attachment]:
    """The files of an encoded value; empty text means none."""
    return _DECODER.decode(value) if value else []


def merge_attachments(left: bytes, right: bytes) -> bytes:
    """The encoded union of two encoded values."""
    if left == right:
        return left
    return encode_attachments([*decode_attachments(left), *decode_attachments(right)])
