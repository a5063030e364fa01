"""Attachments of a run: named files. Their bytes are objects; a run's state holds what names them.

Imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec


class FileBytes(Protocol):
    """The bytes of a file, in memory or not: a slice of it is."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """One file as received."""

    name: str
    mime_type: str
    data: FileBytes


class StoredAttachment(msgspec.Struct, frozen=True, gc=False):
    """One file of a run; ``digest`` is the SHA-256 of its bytes in hex, ``size_bytes`` their number."""

    name: str
    mime_type: str
    digest: str = ""
    size_bytes: int = 0


_DECODER: Final = msgspec.json.Decoder(list[StoredAttachment])


def encode_attachments(attachments: Iterable[StoredAttachment]) -> bytes:
    """The value of ``RunField.ATTACHMENTS``: a JSON list sorted by name, so that equal sets are equal bytes.

    A name occurs once. Of two files with one name the one with the greater digest counts, which makes the choice the
    same in any order of arrival.
    """
    by_name: dict[str, StoredAttachment] = {}
    for attachment in attachments:
        old = by_name.get(attachment.name)
        if old is None or _rank(attachment) > _rank(old):
            by_name[attachment.name] = attachment
    return msgspec.json.encode([by_name[name] for name in sorted(by_name)])


def decode_attachments(value: bytes | str) -> list[StoredAttachment]:
    """The files of an encoded value; empty text means none, and so does a file without a digest.

    Rows of releases before objects hold the bytes themselves; those files are not served.
    """
    return [item for item in _DECODER.decode(value) if item.digest] if value else []


def merge_attachments(left: bytes, right: bytes) -> bytes:
    """The encoded union of two encoded values."""
    if left == right:
        return left
    return encode_attachments([*decode_attachments(left), *decode_attachments(right)])


def _rank(attachment: StoredAttachment) -> tuple[str, str]:
    return attachment.digest, attachment.mime_type
