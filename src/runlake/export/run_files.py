"""Files of runs as the column ``files`` names them, and where an export puts each. Pure; the shape is our choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import msgspec

from runlake.model.attachments import decode_attachments
from runlake.model.export_content import FileKind
from runlake.model.payload_ref import PayloadRef

JSON_TYPE: Final = "application/json"
MAX_NAME_CHARS: Final = 100
"""With a digest before it and what hides a pending file around it, still a name that every file system takes."""

_DIGEST_CHARS: Final = 16
_LONGEST_ENDING: Final = 12
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


class RunFile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One file of a run; ``name`` of a payload is its column. ``path`` is relative to the manifest, None if unwritten.

    ``bytes`` and ``sha256`` are those of the content, which for a payload is the JSON text as it was received.
    """

    kind: FileKind
    name: str
    mime_type: str
    bytes: int
    sha256: str
    path: str | None = None


_DECODER: Final = msgspec.json.Decoder(list[RunFile])


def decode_run_files(text: str | bytes) -> list[RunFile]:
    """The files in a cell of the column."""
    return _DECODER.decode(text)


def encode_run_files(files: Iterable[RunFile]) -> str | None:
    """The cell; None when there are none."""
    encoded = msgspec.json.encode(list(files)).decode()
    return None if encoded == "[]" else encoded


def run_files(attachments: str, payloads: Mapping[str, PayloadRef]) -> list[RunFile]:
    """What a row has as files: its attachments as stored, and payloads by column."""
    found = [
        RunFile(
            kind=FileKind.ATTACHMENT,
            name=item.name,
            mime_type=item.mime_type,
            bytes=item.size_bytes,
            sha256=item.digest,
        )
        for item in decode_attachments(attachments)
    ]
    found += [
        RunFile(kind=FileKind.PAYLOAD, name=name, mime_type=JSON_TYPE, bytes=ref.size_bytes, sha256=ref.digest)
        for name, ref in payloads.items()
    ]
    return found


def run_file_path(folder: str, run_id: UUID, file: RunFile, *, data_ending: str) -> str:
    """Where the file lies below ``folder``: the same in every attempt, and safe whatever its sender called it.

    The digest keeps names apart that become equal. A name that ends like the data files of the export, which are found
    by their ending, gets another one.
    """
    name = f"{file.name}.json" if file.kind is FileKind.PAYLOAD else file.name
    return f"{folder}/{run_id}/{file.sha256[:_DIGEST_CHARS]}-{safe_name(name, data_ending)}"


def safe_name(name: str, data_ending: str) -> str:
    """The name in characters that every store and file system takes; its ending survives where it is short."""
    safe = _UNSAFE.sub("_", name).strip(".") or "file"
    if len(safe) > MAX_NAME_CHARS:
        stem, dot, ending = safe.rpartition(".")
        kept = dot + ending if stem and len(ending) <= _LONGEST_ENDING else ""
        safe = safe[: MAX_NAME_CHARS - len(kept)] + kept
    return f"{safe}.file" if safe.lower().endswith(data_ending) else safe
