"""The work of one export run: rows out of the store, files of bounded size into the destination, leftovers removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """A file ends with the batch that passes one of these; bytes are those of the rows in memory."""

    rows: int
    bytes: int


class Control(Protocol):
    """The worker's word with what it works for. Both raise ``Stopped`` when the run is not the worker's any more."""

    def check(self) -> None:
        """Cheap; called for every batch."""
        ...

    def report(self, result: RunResult, *, estimated_rows: int | None) -> None:
        """Tell how far it is. Also the fence: called right before a file gets its place."""
        ...


@dataclass(slots=True, kw_only=True)
class PartitionExporter:
    """One attempt at one run."""

    export: Export
    run: ExportRun
    reader: ExportReader
    storage: Storage
    limits: FileLimits
    control: Control

    def work(self) -> RunResult:
        """Write every file of the run; nothing of an earlier attempt is left beside them."""
        as_of = self.reader.watermark()
        selection = selection_of(self.export, self.run, as_of=as_of)
        estimated_rows = self.reader.count(selection)
        result = RunResult(folder=folder_of(self.export, self.run), as_of=as_of)
        self.control.report(result, estimated_rows=estimated_rows)
        run_files = self._run_files()
        with self._batches(selection, estimated_rows) as batches:
            complete = batches if run_files is None else map(run_files.written, batches)
            stream = _Stream(complete, self.limits, self.control.check)
            while stream.has_more:
                file = self._write_file(stream, result, estimated_rows)
                result = replace(result, files=(*result.files, file))
                if run_files is not None:
                    result = replace(result, run_files=run_files.count, run_files_bytes=run_files.size_bytes)
        self.control.report(result, estimated_rows=result.rows)
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
            remembers=self.run.retry_number > 0,
        )

    def _batches(self, selection: ExportSelection, rows: int) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The rows; a day that has none at this moment is not read a second time."""
        return self.reader.batches(selection) if rows else nullcontext(iter(()))

    def _write_file(self, stream: _Stream, result: RunResult, estimated_rows: int) -> ExportedFile:
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
            self.control.report(result, estimated_rows=estimated_rows)
            pending.publish()
        return ExportedFile(path=path, rows=summary.rows, bytes=summary.bytes, sha256=summary.sha256)

    def _remove_leftovers(self, result: RunResult, run_files: RunFileWriter | None) -> None:
        """Files that an earlier attempt left beyond those of this one. A first attempt has none to look for."""
        if self.run.retry_number == 0:
            return
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
