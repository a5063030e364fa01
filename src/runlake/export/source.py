"""``ExportSource``: the rows of a selection, project by project, in order, from one moment, with constant memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar, assert_never
from uuid import UUID

import pyarrow as pa

from runlake.errors import StoreError
from runlake.export.arrow import arrow_schema, blocks_to_batches
from runlake.export.background import give_way
from runlake.export.columns import ExportColumn, choose_columns
from runlake.export.content import ExportPosition, ExportSelection
from runlake.export.flat_rows import FlatRows
from runlake.export.rows import Piece, RunRows
from runlake.export.run_files import RunFile
from runlake.model.export_content import ContentKind, FileKind
from runlake.model.payload_ref import PayloadRef
from runlake.query.bulk import BulkQuery, count_feedback, count_runs, count_windows, feedback_rows, read_filters
from runlake.query.read_request import LiveProjects
from runlake.query.request import Order, PageKey, RunQuery
from runlake.store.engine import Engine, Statement
from runlake.store.moment import Moment, Moments
from runlake.store.objects import ObjectKey, ObjectStore

FEEDBACK_BLOCK_ROWS: Final = 4_000
_NO_TENANT: Final = UUID(int=0)

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class ExportPiece:
    """Some rows of an export, and where the last of them stands."""

    batch: pa.RecordBatch
    last: ExportPosition


class ExportSource:
    """Reads from one store. Thread-safe; every call blocks. The ``ExportReader`` that there is."""

    def __init__(
        self, *, engine: Engine, moments: Moments, live_projects: LiveProjects, objects: ObjectStore | None = None
    ) -> None:
        self._engine = engine
        self._objects = objects
        self._moments = moments
        self._live_projects = live_projects

    def watermark(self) -> int:
        """The version of the current moment; ``as_of`` of a selection."""
        return self._moments.current(_NO_TENANT).visible_version

    def schema(self, selection: ExportSelection, /) -> pa.Schema:
        """The columns of every batch; InvalidError when ``fields`` names one that does not exist."""
        return arrow_schema(choose_columns(selection.content, selection.fields), selection.content)

    def check(self, selection: ExportSelection, /) -> None:
        """FilterError or InvalidError when the selection cannot be read."""
        choose_columns(selection.content, selection.fields)
        read_filters(selection.filter, selection.trace_filter, selection.tree_filter)

    def count(self, selection: ExportSelection, /) -> int:
        """How many rows the selection has."""
        bulk = self._bulk(selection, self._projects(selection))
        moment = self._moment(selection)
        if selection.content is ContentKind.FEEDBACK:
            statement = count_feedback(bulk, moment, until=self.watermark())
        else:
            statement = count_runs(bulk, moment)
        found = int(str(self._engine.select(statement).rows[0][0]))
        return found if selection.limit is None else min(found, selection.limit)

    def counts(self, selection: ExportSelection, ends_us: Sequence[int], /) -> list[int]:
        """How many rows each of several windows side by side has; see ``ExportReader``."""
        if len(ends_us) == 1:
            return [self.count(selection)]
        statement = count_windows(
            self._bulk(selection, self._projects(selection)), self._moment(selection), ends_us[:-1]
        )
        found = {int(str(number)): int(str(rows)) for number, rows in self._engine.select(statement).rows}
        return [found.get(number, 0) for number in range(len(ends_us))]

    def file_chunks(self, tenant_id: UUID, run_id: UUID, file: RunFile, /) -> Iterator[bytes]:
        """The bytes of a file that a row names, in pieces; MissingObjectError when they are gone or damaged."""
        if self._objects is None:
            raise StoreError("a run names an object, and the export was put together without objects")
        if file.kind is FileKind.PAYLOAD:
            return self._objects.payload_chunks(tenant_id, run_id, PayloadRef(file.sha256, file.bytes))
        return self._objects.attachment_chunks(ObjectKey(tenant_id, run_id, file.sha256), 0, file.bytes)

    @contextmanager
    def batches(self, selection: ExportSelection, /) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows in batches; leaving the context ends the read."""
        with self.pieces(selection) as pieces:
            yield (piece.batch for piece in pieces)

    @contextmanager
    def windows(
        self, selection: ExportSelection, ends_us: Sequence[int], /
    ) -> Iterator[Iterator[tuple[int, pa.RecordBatch]]]:
        """The rows in batches, each of one window and with its number; see ``ExportReader``."""
        with self._located(selection) as pieces:
            yield (found for _, piece in pieces for found in _cut(piece, ends_us))

    @contextmanager
    def pieces(self, selection: ExportSelection, /) -> Iterator[Iterator[ExportPiece]]:
        """As ``batches``, with the place of each batch: its ``last`` is ``after`` of a selection that goes on."""
        with self._located(selection) as pieces:
            yield (_placed(project_id, piece) for project_id, piece in pieces)

    @contextmanager
    def _located(self, selection: ExportSelection) -> Iterator[Iterator[tuple[UUID, Piece]]]:
        """The rows, with their project."""
        columns = choose_columns(selection.content, selection.fields)
        version = self._moment(selection).visible_version
        pieces = self._all_projects(replace(selection, as_of=version), columns)
        with self._moments.holding(version), read_ahead(pieces) as ahead:
            yield _limited(ahead, selection.limit)

    def _all_projects(
        self, selection: ExportSelection, columns: Sequence[ExportColumn]
    ) -> Iterator[tuple[UUID, Piece]]:
        for project_id in self._projects(selection):
            bulk = self._bulk(selection, (project_id,))
            # Asked for each project: a moment that is forgotten meanwhile must not be read as if it were not.
            moment = self._moment(selection)
            with self._project(selection, bulk, moment, _marked(columns, selection)) as pieces:
                for piece in pieces:
                    yield project_id, piece

    @contextmanager
    def _project(
        self, selection: ExportSelection, bulk: BulkQuery, moment: Moment, columns: Sequence[ExportColumn]
    ) -> Iterator[Iterator[Piece]]:
        schema = arrow_schema(columns, selection.content)
        match selection.content:
            case ContentKind.RUNS | ContentKind.TRACES:
                rows = RunRows(
                    self._engine,
                    bulk,
                    moment,
                    columns,
                    content=selection.content,
                    feedback_until=self.watermark(),
                    objects=self._objects,
                    payloads_apart=selection.payloads_apart,
                )
                with rows.pieces() as pieces:
                    yield pieces
            case ContentKind.FEEDBACK:
                with self._engine.stream(_feedback_statement(bulk, moment, columns, self.watermark())) as blocks:
                    yield (
                        _feedback_piece(batch, schema, bulk.query.sessions[0]) for batch in blocks_to_batches(blocks)
                    )
            case ContentKind.FLATTENED:
                flat = FlatRows(self._engine, bulk, moment, columns, schema, feedback_until=self.watermark())
                with flat.pieces() as pieces:
                    yield pieces
            case _:
                assert_never(selection.content)

    def _projects(self, selection: ExportSelection) -> tuple[UUID, ...]:
        """The projects that are left to read, in order; what is deleted or foreign is nowhere."""
        live = set(self._live_projects(selection.tenant_id))
        wanted = sorted(live.intersection(selection.project_ids))
        if selection.after is None:
            return tuple(wanted)
        return tuple(project for project in wanted if project >= selection.after.project_id)

    def _moment(self, selection: ExportSelection) -> Moment:
        moment = self._moments.current(selection.tenant_id)
        return moment if selection.as_of is None else moment.at(selection.as_of)

    @staticmethod
    def _bulk(selection: ExportSelection, projects: tuple[UUID, ...]) -> BulkQuery:
        filters = read_filters(selection.filter, selection.trace_filter, selection.tree_filter)
        after = selection.after
        goes_on_here = after is not None and projects == (after.project_id,)
        query = RunQuery(
            tenant_id=selection.tenant_id,
            sessions=projects,
            start_time_from=selection.start_us,
            start_time_to=None if selection.end_us is None else selection.end_us - 1,
            is_root=True if selection.content is ContentKind.FLATTENED else None,
            filter=filters[0],
            trace_filter=filters[1],
            tree_filter=filters[2],
            order=Order.OLDEST_FIRST,
            after=PageKey(start_time=after.start_us, run_id=after.run_id) if after and goes_on_here else None,
        )
        return BulkQuery(
            query=query,
            whole_traces=selection.content is ContentKind.TRACES,
            changed_since=selection.changed_since,
        )


def _marked(columns: Sequence[ExportColumn], selection: ExportSelection) -> tuple[ExportColumn, ...]:
    """The columns, with the mark of rows that are exported because they changed."""
    if selection.changed_since is None:
        return tuple(columns)
    return tuple(replace(column, sql="'changed'") if column.name == "export_change" else column for column in columns)


def _feedback_statement(bulk: BulkQuery, moment: Moment, columns: Sequence[ExportColumn], until: int) -> Statement:
    cells = ["toUnixTimestamp64Micro(created_at) AS k_start", "toString(id) AS k_id"]
    cells += [f"{column.sql} AS c{index}" for index, column in enumerate(columns)]
    return feedback_rows(bulk, moment, ", ".join(cells), block_rows=FEEDBACK_BLOCK_ROWS, until=until)


def _feedback_piece(batch: pa.RecordBatch, schema: pa.Schema, project_id: UUID) -> Piece:
    """Rows of feedback; whose run was not known when it was written lacks the project, which is that of the run."""
    columns = [batch.column(f"c{index}").cast(field.type) for index, field in enumerate(schema)]
    if "session_id" in schema.names:
        columns[schema.names.index("session_id")] = pa.repeat(str(project_id), batch.num_rows)
    made = pa.RecordBatch.from_arrays(columns, schema=schema)
    return Piece(made, batch.column("k_start"), batch.column("k_id"))


def _placed(project_id: UUID, piece: Piece) -> ExportPiece:
    key = piece.key(len(piece) - 1)
    return ExportPiece(piece.batch, ExportPosition(project_id=project_id, start_us=key.start_time, run_id=key.run_id))


def _cut(piece: Piece, ends_us: Sequence[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The piece in parts, each of one window, which the start of its rows decides."""
    starts = piece.starts.to_pylist()
    first = 0
    while first < len(starts):
        number = bisect_right(ends_us[:-1], starts[first])
        last = len(starts) if number == len(ends_us) - 1 else bisect_left(starts, ends_us[number], first)
        yield number, piece.batch.slice(first, last - first)
        first = last


def _limited(pieces: Iterator[tuple[UUID, Piece]], limit: int | None) -> Iterator[tuple[UUID, Piece]]:
    if limit is None:
        yield from pieces
        return
    left = limit
    for project_id, piece in pieces:
        yield project_id, piece.slice(0, left)
        left -= min(left, len(piece))
        if not left:
            return


@contextmanager
def read_ahead(items: Iterator[ItemT]) -> Iterator[Iterator[ItemT]]:
    """The items, the next one being made on a thread of its own while the caller works on the last."""
    with ThreadPoolExecutor(1, thread_name_prefix="runlake-export", initializer=give_way) as thread:
        try:
            yield _ahead(items, thread)
        finally:
            thread.submit(_close, items).result()


def _ahead(items: Iterator[ItemT], thread: ThreadPoolExecutor) -> Iterator[ItemT]:
    future = thread.submit(next, items, None)
    while (item := future.result()) is not None:
        future = thread.submit(next, items, None)
        yield item


def _close(items: Iterator[object]) -> None:
    """End a generator on the thread that runs it."""
    close = getattr(items, "close", None)
    if close is not None:
        close()
