"""Files of an export: one writer for each format."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from runlake.export.content import Compression, FileFormat, FileWriter

if TYPE_CHECKING:
    import pyarrow as pa


def open_writer(format_: FileFormat, compression: Compression, schema: pa.Schema, sink: BinaryIO) -> FileWriter:
    """A writer of one file into ``sink``; InvalidError when the format does not take the compression."""
    raise NotImplementedError
