"""What an export contains, as types: the seam between who asks for rows, who reads them, and who writes files.

``export.source`` reads, ``export.formats`` writes; jobs, the straight pull and the command line know only what is here.
pyarrow is named in annotations alone, so that a server that exports nothing never loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from runlake.export.run_files import RunFile
from runlake.model.export_content import Compression, ContentKind, FileFormat

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Compression",
    "ContentKind",
    "ExportPosition",
    "ExportReader",
    "ExportSelection",
    "FileFormat",
    "FileSummary",
    "FileWriter",
    "Sink",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPosition:
    """The last row that a reader has: an export goes by project, then start time, then id of the run."""

    project_id: UUID
    start_us: int
    run_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSelection:
    """Which rows, and which of their columns.

    ``start_us`` is inclusive and ``end_us`` exclusive, both microseconds since 1970 UTC, and speak of the start of the
    runs that match; the other runs of a whole trace may have started at any time. The filters are text of the filter
    language. ``fields`` names columns, None means all. ``changed_since`` is a version: only runs that were written, or
    judged, after it. ``as_of`` is the version of the moment to read, None the current one. ``after`` resumes behind a
    row. ``limit`` ends the export after so many rows. ``payloads_apart`` leaves payloads that are objects out of their
    cells; the column ``files`` names them.
    """

    tenant_id: UUID
    project_ids: tuple[UUID, ...]
    start_us: int | None = None
    end_us: int | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    content: ContentKind = ContentKind.RUNS
    fields: tuple[str, ...] | None = None
    changed_since: int | None = None
    as_of: int | None = None
    after: ExportPosition | None = None
    limit: int | None = None
    payloads_apart: bool = False


def has_windows(content: ContentKind) -> bool:
    """Whether rows come in the order of the time by which they belong to a window, so that one read serves several."""
    return content in (ContentKind.RUNS, ContentKind.FLATTENED)


class ExportReader(Protocol):
    """Reads the rows of a selection; every call blocks. ``export.source.ExportSource`` is the one there is."""

    def watermark(self) -> int:
        """The version of the current moment; as ``as_of`` of a selection it makes several reads show one moment."""
        ...

    def counts(self, selection: ExportSelection, ends_us: Sequence[int], /) -> list[int]:
        """How many rows each of the windows has into which ``ends_us``, the last of them its own end, cut a selection.

        Only contents that ``has_windows`` names can be cut; any can have one window.
        """
        ...

    def schema(self, selection: ExportSelection, /) -> pa.Schema:
        """The columns of every batch. InvalidError when ``fields`` names one that does not exist."""
        ...

    def windows(
        self, selection: ExportSelection, ends_us: Sequence[int], /
    ) -> AbstractContextManager[Iterator[tuple[int, pa.RecordBatch]]]:
        """The rows in order of ``ExportPosition``, in batches bounded by bytes; leaving the context ends the read.

        Each batch lies in one window, as ``counts`` has them, and comes with its number.
        """
        ...

    def file_chunks(self, tenant_id: UUID, run_id: UUID, file: RunFile, /) -> Iterator[bytes]:
        """The bytes of a file that a row names, in pieces; MissingObjectError when they are gone or damaged."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """A finished file: its rows, its size in bytes, and the SHA-256 of its bytes in hexadecimal."""

    rows: int
    bytes: int
    sha256: str


class Sink(Protocol):
    """Where the bytes of a file go; a ``BinaryIO`` is one. ``data`` is any buffer and has to be taken whole."""

    def write(self, data: Any, /) -> object: ...


class FileWriter(Protocol):
    """Writes batches of one schema as one file, in memory bounded by a row group."""

    @property
    def bytes_written(self) -> int:
        """Bytes handed to the sink so far."""
        ...

    def write(self, batch: pa.RecordBatch, /) -> None: ...

    def close(self) -> FileSummary:
        """Finish the file; the sink stays open."""
        ...
