"""The straight pull: everything that a request asks for as one stream of bytes, with marks from which it goes on.

A stream that ends too early can be told from a whole one: JSON lines with marks have a last line that says
``complete``, Arrow a last batch that does, Parquet its footer, and every answer its last chunk, which a client library
misses (curl: error 18). Marks are tokens; a pull that goes on from one shows the same moment and repeats no row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

import msgspec

from runlake.errors import NotFoundError, OverloadedError
from runlake.export.background import give_way
from runlake.export.content import ExportPosition, ExportSelection
from runlake.model.export_content import Compression, FileFormat
from runlake.query.read_request import LiveProjects
from runlake.wire.export_cursor import PullCursor, PullCursors
from runlake.wire.pull import PullSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from runlake.export.source import ExportPiece

REFUSING_THREADS: Final = 4
"""Threads beyond those of pulls, to tell who comes too many."""
MARK: Final = "_pull"
"""The one key of a line that is no row."""
CURSOR_KEY: Final = b"runlake.cursor"
ROWS_KEY: Final = b"runlake.rows"
COMPLETE_KEY: Final = b"runlake.complete"
"""Metadata of Arrow batches: the token of what follows them, rows so far, and ``true`` on the last, which is empty."""


class Source(Protocol):
    """What a pull needs of ``ExportSource``."""

    def watermark(self) -> int: ...

    def check(self, selection: ExportSelection, /) -> None: ...

    def count(self, selection: ExportSelection, /) -> int: ...

    def schema(self, selection: ExportSelection, /) -> pa.Schema: ...

    def pieces(self, selection: ExportSelection, /) -> AbstractContextManager[Iterator[ExportPiece]]: ...


FindProject = Callable[[UUID, str], UUID | None]
"""The id of the tenant's live project of a name."""


class _Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A line between rows: rows of this answer so far, the token from which to go on, and whether this was all."""

    rows: int
    cursor: str | None
    complete: bool


class Pull:
    """One pull that has begun: its first bytes are there. ``chunks`` blocks; ``close`` may be called at any time."""

    def __init__(
        self, *, spec: PullSpec, total: int | None, watermark: int, chunks: Iterator[bytes], resources: ExitStack
    ) -> None:
        self.spec = spec
        self.total = total
        self.watermark = watermark
        self.chunks = chunks
        self._resources = resources
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the engine's work and free the place."""
        with self._lock:
            self._resources.close()


class PullService:
    """Opens pulls, at most ``max_pulls`` at the same time. Thread-safe; every call blocks."""

    def __init__(
        self,
        *,
        source: Source,
        live_projects: LiveProjects,
        find_project: FindProject,
        cursors: PullCursors,
        max_pulls: int,
    ) -> None:
        self._source = source
        self._live_projects = live_projects
        self._find_project = find_project
        self._cursors = cursors
        self._max_pulls = max_pulls
        self._places = threading.BoundedSemaphore(max_pulls)
        self._open: set[Pull] = set()
        self.threads = ThreadPoolExecutor(
            max_pulls + REFUSING_THREADS, thread_name_prefix="runlake-pull", initializer=give_way
        )
        """Where to call everything that blocks: the threads of queries stay free."""

    def close(self) -> None:
        """End every pull; their clients see that they end too early."""
        for pull in tuple(self._open):
            pull.close()
        self.threads.shutdown(wait=False, cancel_futures=True)

    def open(self, tenant_id: UUID, spec: PullSpec) -> Pull:
        """Begin; every mistake of the sender, and a server that is busy, shows here and not in the stream."""
        from runlake.export.formats import check_compression  # noqa: PLC0415 -- loads pyarrow, with the first export

        check_compression(spec.format, spec.compression)
        request = _identity(tenant_id, spec)
        selection = self._selection(tenant_id, spec, request)
        self._source.check(selection)
        with ExitStack() as opening:
            self._take_place(opening)
            total = self._source.count(replace(selection, after=None)) if spec.total else None
            pieces = opening.enter_context(self._source.pieces(selection))
            chunks = self._chunks(pieces, selection, spec, request)
            first = next(chunks, b"")
            resources = opening.pop_all()
        pull = Pull(
            spec=spec,
            total=total,
            watermark=selection.as_of or 0,
            chunks=_with_first(first, chunks),
            resources=resources,
        )
        self._open.add(pull)
        resources.callback(self._open.discard, pull)
        return pull

    def _take_place(self, opening: ExitStack) -> None:
        if not self._places.acquire(blocking=False):
            raise OverloadedError(
                f"{self._max_pulls} pulls are under way, the limit that export_max_pulls sets; send again after the"
                " given time"
            )
        opening.callback(self._places.release)

    def _selection(self, tenant_id: UUID, spec: PullSpec, request: bytes) -> ExportSelection:
        selection = ExportSelection(
            tenant_id=tenant_id,
            project_ids=self._projects(tenant_id, spec),
            start_us=spec.start_us,
            end_us=spec.end_us,
            filter=spec.filter,
            trace_filter=spec.trace_filter,
            tree_filter=spec.tree_filter,
            content=spec.content,
            changed_since=spec.changed_since,
            fields=spec.fields,
            as_of=self._source.watermark(),
            limit=spec.limit,
        )
        if spec.cursor is None:
            return selection
        cursor = self._cursors.decode(spec.cursor, request=request)
        after = ExportPosition(project_id=cursor.project_id, start_us=cursor.time_us, run_id=cursor.row_id)
        return replace(selection, as_of=cursor.visible_version, after=after)

    def _projects(self, tenant_id: UUID, spec: PullSpec) -> tuple[UUID, ...]:
        """Ids of what was named; NotFoundError for a name or id that is no live project."""
        live = self._live_projects(tenant_id)
        if spec.projects is None and spec.sessions is None:
            return live
        found = list(spec.sessions or ())
        for project_id in found:
            if project_id not in live:
                raise NotFoundError(f"no project has the id {project_id}", field="session")
        for name in spec.projects or ():
            project = self._find_project(tenant_id, name)
            if project is None:
                raise NotFoundError(f"no project has the name {name[:100]!r}", field="project")
            found.append(project)
        return tuple(dict.fromkeys(found))

    def _chunks(
        self, pieces: Iterator[ExportPiece], selection: ExportSelection, spec: PullSpec, request: bytes
    ) -> Iterator[bytes]:
        from runlake.export.formats import open_writer  # noqa: PLC0415 -- loads pyarrow, with the first export

        sink = _Gathered()
        schema = self._source.schema(selection)
        writer: Any
        if spec.format is FileFormat.ARROW:
            writer = MarkedArrow(schema, spec.compression, sink)
        else:
            writer = open_writer(spec.format, spec.compression, schema, sink)
        rows = 0
        for piece in pieces:
            rows += piece.batch.num_rows
            token = self._cursors.encode(_cursor(piece.last, selection), request=request)
            if isinstance(writer, MarkedArrow):
                writer.write_marked(piece.batch, rows=rows, cursor=token)
            else:
                writer.write(piece.batch)
            if spec.marks:
                sink.write(_mark_line(_Mark(rows=rows, cursor=token, complete=False)))
            if sink.size:
                yield sink.take()
        writer.close()
        if spec.marks:
            sink.write(_mark_line(_Mark(rows=rows, cursor=None, complete=True)))
        yield sink.take()


class MarkedArrow:
    """An Arrow stream whose batches carry marks in their metadata, which readers that do not look never see."""

    def __init__(self, schema: pa.Schema, compression: Compression, sink: _Gathered) -> None:
        import pyarrow as pa  # noqa: PLC0415 -- loaded with the first export

        self._rows = 0
        codec = "zstd" if compression is Compression.ZSTANDARD else None
        options = pa.ipc.IpcWriteOptions(compression=codec)
        self._empty = pa.RecordBatch.from_pylist([], schema=schema)
        self._writer = pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema, options=options)

    def write_marked(self, batch: pa.RecordBatch, *, rows: int, cursor: str) -> None:
        """Write a batch with the token of what follows it."""
        self._rows = rows
        metadata = {CURSOR_KEY: cursor.encode(), ROWS_KEY: str(rows).encode()}
        self._writer.write_batch(batch, custom_metadata=metadata)

    def close(self) -> None:
        """Write the last mark and the end of the stream."""
        metadata = {COMPLETE_KEY: b"true", ROWS_KEY: str(self._rows).encode()}
        self._writer.write_batch(self._empty, custom_metadata=metadata)
        self._writer.close()


class _Gathered:
    """A sink that hands out what was written since it was last asked."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written stays to be taken."""

    def take(self) -> bytes:
        parts, self._parts, self.size = self._parts, [], 0
        return b"".join(parts)


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _mark_line(mark: _Mark) -> bytes:
    return msgspec.json.encode({MARK: mark}) + b"\n"


def _cursor(last: ExportPosition, selection: ExportSelection) -> PullCursor:
    return PullCursor(
        visible_version=selection.as_of or 0, project_id=last.project_id, time_us=last.start_us, row_id=last.run_id
    )


def _identity(tenant_id: UUID, spec: PullSpec) -> bytes:
    """What makes a pull the same pull when it goes on: which rows, not in which form."""
    same = replace(
        spec,
        fields=None,
        format=FileFormat.JSONL,
        compression=Compression.NONE,
        limit=None,
        cursor=None,
        marks=False,
        total=False,
    )
    return repr((tenant_id, same)).encode()
