"""What export runs write: files of bounded size into the destination, leftovers removed; several runs by one read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol

from runlake.errors import DestinationError
from runlake.export.content import ExportReader, ExportSelection
from runlake.export.planning import (
    belongs_to,
    data_ending,
    export_folder,
    file_name,
    folder_of,
    run_files_folder,
    selection_of,
)
from runlake.export.run_file_writer import RunFileWriter
from runlake.export.storage import Storage
from runlake.model.export import Export, ExportedFile, ExportRun, RunResult

if TYPE_CHECKING:
    import pyarrow as pa


TOLD_ROWS: Final = 10_000
"""Rows of a run from which on its estimate is told at once; a smaller one is complete in a moment."""

STRETCH_ROWS: Final = 50_000
"""Rows of runs side by side that one read serves: a few seconds, after which another export has its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """A file ends with the batch that passes one of these; bytes are those of the rows in memory."""

    rows: int
    bytes: int


class Control(Protocol):
    """The worker's word about one run. All raise ``Stopped`` when the run is not the worker's any more."""

    def check(self) -> None:
        """Cheap; called for every batch."""
        ...

    def confirm(self) -> None:
        """The fence: called right before a file gets its place, or loses it."""
        ...

    def report(self, result: RunResult, *, estimated_rows: int | None) -> None:
        """Tell how far it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Runs side by side at one moment, and how many rows each has."""

    runs: tuple[ExportRun, ...]
    rows: tuple[int, ...]
    as_of: int


@dataclass(slots=True, kw_only=True)
class StretchExporter:
    """One attempt at one run, or at several side by side by one read."""

    export: Export
    runs: Sequence[ExportRun]
    reader: ExportReader
    storage: Storage
    limits: FileLimits
    control_of: Callable[[ExportRun], Control]
    is_again: bool

    def count(self) -> Counted:
        """As many of the runs as one read should serve; at least one."""
        as_of = self.reader.watermark()
        rows = self.reader.counts(self._selection(self.runs, as_of), _ends_us(self.runs))
        kept = 1
        while kept < len(rows) and sum(rows[: kept + 1]) <= STRETCH_ROWS:
            kept += 1
        return Counted(runs=tuple(self.runs[:kept]), rows=tuple(rows[:kept]), as_of=as_of)

    def write(self, counted: Counted) -> Iterator[tuple[ExportRun, RunResult]]:
        """Each run with what it has written, as soon as its last file is in place."""
        with self._windows(counted) as batches:
            parts = groupby(batches, key=itemgetter(0))
            part = next(parts, None)
            for number, (run, rows) in enumerate(zip(counted.runs, counted.rows, strict=True)):
                own: Iterator[pa.RecordBatch] = iter(())
                if part is not None and part[0] == number:
                    own = map(itemgetter(1), part[1])
                yield run, self._partition(run).work(own, as_of=counted.as_of, estimated_rows=rows)
                if part is not None and part[0] == number:
                    part = next(parts, None)

    def _selection(self, runs: Sequence[ExportRun], as_of: int) -> ExportSelection:
        return replace(selection_of(self.export, runs[0], as_of=as_of), end_us=runs[-1].end_us)

    def _windows(self, counted: Counted) -> AbstractContextManager[Iterator[tuple[int, pa.RecordBatch]]]:
        """The rows; what has none at this moment is not read a second time."""
        if not any(counted.rows):
            return nullcontext(iter(()))
        return self.reader.windows(self._selection(counted.runs, counted.as_of), _ends_us(counted.runs))

    def _partition(self, run: ExportRun) -> PartitionExporter:
        return PartitionExporter(
            export=self.export,
            run=run,
            reader=self.reader,
            storage=self.storage,
            limits=self.limits,
            control=self.control_of(run),
            is_again=self.is_again,
        )


def _ends_us(runs: Sequence[ExportRun]) -> list[int]:
    return [run.end_us for run in runs]


@dataclass(slots=True, kw_only=True)
class PartitionExporter:
    """Writes the rows of one run."""

    export: Export
    run: ExportRun
    reader: ExportReader
    storage: Storage
    limits: FileLimits
    control: Control
    is_again: bool

    def work(self, batches: Iterator[pa.RecordBatch], *, as_of: int, estimated_rows: int) -> RunResult:
        """Write every file of the run; nothing of an earlier attempt is left beside them."""
        result = RunResult(folder=folder_of(self.export, self.run), as_of=as_of)
        if estimated_rows >= TOLD_ROWS:
            self.control.report(result, estimated_rows=estimated_rows)
        run_files = self._run_files()
        complete = batches if run_files is None else map(run_files.written, batches)
        stream = _Stream(complete, self.limits, self.control.check)
        while stream.has_more:
            file = self._write_file(stream, result)
            result = replace(result, files=(*result.files, file))
            if run_files is not None:
                result = replace(result, run_files=run_files.count, run_files_bytes=run_files.size_bytes)
            if stream.has_more:
                self.control.report(result, estimated_rows=estimated_rows)
        self._remove_leftovers(result, run_files)
        return result

    def _run_files(self) -> RunFileWriter | None:
        """What writes the files of runs; None where they are not exported."""
        if not self.export.spec.include_files:
            return None
        above = export_folder(self.export)
        return RunFileWriter(
            reader=self.reader,
            storage=self.storage,
            tenant_id=self.export.tenant_id,
            kinds=frozenset(self.export.spec.include_files),
            above=above,
            folder=run_files_folder(self.export, self.run).removeprefix(f"{above}/"),
            data_ending=data_ending(self.export.spec),
            check=self.control.check,
            remembers=self.is_again,
        )

    def _write_file(self, stream: _Stream, result: RunResult) -> ExportedFile:
        path = f"{result.folder}/{file_name(self.export, self.run, len(result.files))}"
        from runlake.export.formats import open_writer  # noqa: PLC0415 -- loads pyarrow, with the first export

        spec = self.export.spec
        with self.storage.pending(path) as pending:
            writer = open_writer(spec.format, spec.compression, stream.schema, pending.sink)
            try:
                for batch in stream.one_file():
                    writer.write(batch)
            finally:
                # After a failure too, while the sink is open: an abandoned writer would still write its end, later.
                summary = writer.close()
            self.control.confirm()
            pending.publish()
        return ExportedFile(path=path, rows=summary.rows, bytes=summary.bytes, sha256=summary.sha256)

    def _remove_leftovers(self, result: RunResult, run_files: RunFileWriter | None) -> None:
        """Files that an earlier attempt left beyond those of this one. A first attempt has none to look for."""
        if not self.is_again:
            return
        self.control.confirm()
        kept = {file.path for file in result.files}
        # Listing and deleting are rights that a destination need not grant; the manifest tells which files count.
        with suppress(DestinationError):
            found = [file.path for file in self.storage.files(result.folder)]
            self.storage.delete([path for path in found if path not in kept and belongs_to(self.run, path)])
            if run_files is not None:
                found = [file.path for file in self.storage.files(run_files_folder(self.export, self.run))]
                self.storage.delete([path for path in found if hash(path) not in run_files.places])


class _Stream:
    """Batches, cut into files."""

    def __init__(self, batches: Iterator[pa.RecordBatch], limits: FileLimits, check: Callable[[], None]) -> None:
        self._batches = batches
        self._limits = limits
        self._check = check
        self._next = self._advance()

    @property
    def has_more(self) -> bool:
        return self._next is not None

    @property
    def schema(self) -> pa.Schema:
        if self._next is None:
            raise ValueError("the stream is at its end")
        return self._next.schema

    def one_file(self) -> Iterator[pa.RecordBatch]:
        rows = size_bytes = 0
        while self._next is not None and rows < self._limits.rows and size_bytes < self._limits.bytes:
            batch, self._next = self._next, None
            rows += batch.num_rows
            size_bytes += batch.nbytes
            yield batch
            del batch
            self._next = self._advance()

    def _advance(self) -> pa.RecordBatch | None:
        self._check()
        return next((batch for batch in self._batches if batch.num_rows), None)
