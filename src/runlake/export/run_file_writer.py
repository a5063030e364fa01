"""Writes the files that rows name beside the data files, before the data file that names them is in place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from runlake.errors import MissingObjectError
from runlake.export.background import give_way
from runlake.export.columns import FILES
from runlake.export.content import ExportReader
from runlake.export.run_files import RunFile, decode_run_files, encode_run_files, run_file_path
from runlake.export.storage import Storage
from runlake.model.export_content import FileKind

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE: Final = 4
"""Small files that are written side by side: nearly all of their time is waiting for the destination."""
_LARGE_BYTES: Final = 8 << 20
"""Larger ones go one by one, each in pieces."""


@dataclass(slots=True, kw_only=True)
class RunFileWriter:
    """Puts the wanted ``kinds`` of files of one tenant's runs below ``folder``, which lies below ``above``.

    ``check`` is called before each file and raises when the work has to stop. ``count`` and ``size_bytes`` tell what is
    there; ``places`` are hashes of the paths, kept only where ``remembers`` is set.
    """

    reader: ExportReader
    storage: Storage
    tenant_id: UUID
    kinds: frozenset[FileKind]
    above: str
    folder: str
    data_ending: str
    check: Callable[[], None]
    remembers: bool
    count: int = 0
    size_bytes: int = 0
    places: set[int] = field(default_factory=set)

    def written(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the paths of its files, which are in place."""
        index = batch.schema.get_field_index(FILES)
        cells: list[str | None] = batch.column(index).to_pylist()
        if not any(cells):
            return batch
        import pyarrow as pa  # noqa: PLC0415 -- loaded with the first export

        runs = batch.column("id").to_pylist()
        placed = [
            None if cell is None else self._placed(UUID(run_id), cell) for run_id, cell in zip(runs, cells, strict=True)
        ]
        self._write([(UUID(run_id), file) for run_id, files in zip(runs, placed, strict=True) for file in files or ()])
        column = pa.array([None if files is None else encode_run_files(files) for files in placed], pa.string())
        return batch.set_column(index, batch.schema.field(index), column)

    def _placed(self, run_id: UUID, cell: str) -> list[RunFile]:
        return [
            msgspec.structs.replace(file, path=self._path(run_id, file)) if file.kind in self.kinds else file
            for file in decode_run_files(cell)
        ]

    def _path(self, run_id: UUID, file: RunFile) -> str:
        return run_file_path(self.folder, run_id, file, data_ending=self.data_ending)

    def _write(self, named: list[tuple[UUID, RunFile]]) -> None:
        # By path: two files of a run may have the same content and names that become equal.
        wanted = {file.path: (run_id, file) for run_id, file in named if file.path is not None}
        small = [item for item in wanted.values() if item[1].bytes < _LARGE_BYTES]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="runlake-export-files", initializer=give_way) as threads:
            for done in threads.map(self._write_file, *zip(*small, strict=True)) if small else ():
                self._add(done)
        for run_id, file in wanted.values():
            if file.bytes >= _LARGE_BYTES:
                self._add(self._write_file(run_id, file))

    def _add(self, file: RunFile) -> None:
        self.count += 1
        self.size_bytes += file.bytes
        if self.remembers:
            self.places.add(hash(f"{self.above}/{file.path}"))

    def _write_file(self, run_id: UUID, file: RunFile) -> RunFile:
        self.check()
        with self.storage.pending(f"{self.above}/{file.path}") as pending:
            for piece in self._checked(run_id, file):
                pending.sink.write(piece)
            pending.publish()
        return file

    def _checked(self, run_id: UUID, file: RunFile) -> Iterator[bytes]:
        """The content; an object that is not what its run names must not look like an exported file."""
        digest = hashlib.sha256()
        for piece in self.reader.file_chunks(self.tenant_id, run_id, file):
            self.check()
            digest.update(piece)
            yield piece
        if digest.hexdigest() != file.sha256:
            raise MissingObjectError(f"the file {file.name!r} of run {run_id} is damaged in the store")
