"""Proves an export: reads every file of its manifest again and compares, with a store too where one is given."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Final, cast

import msgspec

from runlake.errors import DestinationError, MalformedError
from runlake.export.manifest import MANIFEST_VERSION, Manifest, ManifestFile, ManifestPart
from runlake.export.planning import MANIFEST_NAME
from runlake.export.storage import Storage
from runlake.model.export import RunKind
from runlake.model.export_content import Compression, ContentKind, FileFormat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ID_COLUMNS: Final = {ContentKind.FLATTENED: "trace_id"}
"""What tells rows apart; ``id`` in all other contents."""
_BATCH_ROWS: Final = 50_000
_MAX_EXAMPLES: Final = 5
_LONGEST_CELL: Final = 1 << 30

StoredIds = Callable[[Manifest, ManifestPart], Iterator[tuple[str, int]]]
"""(id, version) of every row that the store has for a part now."""


@dataclass(slots=True)
class Verification:
    """What was read, and everything that is not as it should be; ``newer`` counts rows that came after the export."""

    files: int = 0
    rows: int = 0
    bytes: int = 0
    compared: int = 0
    newer: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """``storage`` is the folder of one export. ``stored_ids`` compares with a store; ``advance`` hears of each file."""

    storage: Storage
    stored_ids: StoredIds | None = None
    advance: Callable[[Manifest, ManifestFile], None] = lambda manifest, file: None  # noqa: ARG005 -- hears nothing

    def verify(self) -> Verification:
        """Read everything; DestinationError when the folder cannot be read, MalformedError without a manifest."""
        manifest = self._manifest()
        found = Verification()
        self._compare_names(manifest, found)
        for part in manifest.parts:
            self._verify_part(manifest, part, found)
        if found.rows != manifest.rows:
            found.problems.append(f"the files have {found.rows} rows, the manifest says {manifest.rows}")
        return found

    def _manifest(self) -> Manifest:
        try:
            manifest = msgspec.json.decode(b"".join(self.storage.read(MANIFEST_NAME)), type=Manifest)
        except msgspec.DecodeError as error:
            raise MalformedError(f"{MANIFEST_NAME} is not a manifest of an export: {error}") from None
        if manifest.manifest_version != MANIFEST_VERSION:
            raise MalformedError(
                f"{MANIFEST_NAME} has version {manifest.manifest_version}; this program reads {MANIFEST_VERSION}"
            )
        return manifest

    def _compare_names(self, manifest: Manifest, found: Verification) -> None:
        try:
            present = {file.path for file in self.storage.files("")}
        except DestinationError as error:
            if error.transient:
                raise
            return
        listed = {file.path for part in manifest.parts for file in part.files} | {MANIFEST_NAME}
        found.problems += [f"{path} does not belong to the export" for path in sorted(present - listed)]

    def _verify_part(self, manifest: Manifest, part: ManifestPart, found: Verification) -> None:
        ids: set[str] = set()
        rows = 0
        for file in part.files:
            rows += self._verify_file(manifest, file, ids, found)
            self.advance(manifest, file)
        name = f"{part.session_id} {part.start_time}"
        if rows != part.rows:
            found.problems.append(f"{name}: the files have {rows} rows, the manifest says {part.rows}")
        if id_column(manifest) is None:
            return
        if len(ids) != rows:
            found.problems.append(f"{name}: {rows - len(ids)} rows have an id that another row has too")
        if self.stored_ids is not None and part.kind == RunKind.WINDOW and _is_versioned(manifest):
            _compare_ids(name, part, ids, self.stored_ids(manifest, part), found)

    def _verify_file(self, manifest: Manifest, file: ManifestFile, ids: set[str], found: Verification) -> int:
        try:
            with tempfile.TemporaryFile() as copy:
                digest, size_bytes = _copy(self.storage.read(file.path), cast("BinaryIO", copy))
                found.files += 1
                found.bytes += size_bytes
                if size_bytes != file.bytes:
                    found.problems.append(f"{file.path} has {size_bytes} bytes, the manifest says {file.bytes}")
                if digest != file.sha256:
                    found.problems.append(f"{file.path} is not what was written: its SHA-256 is {digest}")
                    return 0
                copy.seek(0)
                rows = _read_ids(cast("BinaryIO", copy), manifest, ids)
        except DestinationError as error:
            found.problems.append(f"{file.path} cannot be read: {error.message}")
            return 0
        if rows != file.rows:
            found.problems.append(f"{file.path} has {rows} rows, the manifest says {file.rows}")
        found.rows += rows
        return rows


def _compare_ids(
    name: str, part: ManifestPart, ids: set[str], stored: Iterator[tuple[str, int]], found: Verification
) -> None:
    """Rows that the store had when the part was exported have to be in the files, and the other way round."""
    gone, missing = set(ids), []
    for row_id, version in stored:
        found.compared += 1
        if row_id in ids:
            gone.discard(row_id)
        elif version <= part.as_of:
            missing.append(row_id)
        else:
            found.newer += 1
    if missing:
        found.problems.append(f"{name}: {_some(missing)} in the store but not in the files")
    if gone:
        found.problems.append(f"{name}: {_some(sorted(gone))} in the files but not, or no longer, in the store")


def _some(ids: list[str]) -> str:
    shown = ", ".join(ids[:_MAX_EXAMPLES]) + (", ..." if len(ids) > _MAX_EXAMPLES else "")
    return f"{len(ids)} rows ({shown}) are"


def _is_versioned(manifest: Manifest) -> bool:
    """Whether the store can tell its rows from those that came later; flattened traces are made anew each time."""
    return manifest.content != ContentKind.FLATTENED


def id_column(manifest: Manifest) -> str | None:
    """The column that tells rows apart; None when the files do not have it."""
    name = ID_COLUMNS.get(ContentKind(manifest.content), "id")
    return name if manifest.export_fields is None or name in manifest.export_fields else None


def _copy(pieces: Iterator[bytes], copy: BinaryIO) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size_bytes += len(piece)
        copy.write(piece)
    return digest.hexdigest(), size_bytes


def _read_ids(file: BinaryIO, manifest: Manifest, ids: set[str]) -> int:
    """Add the ids of a file, where it has them, and return how many rows it has."""
    column = id_column(manifest)
    match FileFormat(manifest.format):
        case FileFormat.PARQUET:
            return _read_parquet(file, ids, column)
        case FileFormat.ARROW | FileFormat.ARROW_FILE:
            return _read_arrow(file, ids, column)
        case FileFormat.JSONL:
            with _decompressed(file, manifest.compression) as text:
                return _read_lines(text, ids, column)
        case FileFormat.CSV:
            with _decompressed(file, manifest.compression) as text:
                return _read_csv(text, ids, column)


def _read_parquet(file: BinaryIO, ids: set[str], column: str | None) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 -- slow to import; a JSONL export needs none of it

    with pq.ParquetFile(file) as source:
        if column is not None:
            for batch in source.iter_batches(_BATCH_ROWS, columns=[column]):
                ids.update(batch.column(0).to_pylist())
        return int(source.metadata.num_rows)


def _read_arrow(file: BinaryIO, ids: set[str], column: str | None) -> int:
    import pyarrow as pa  # noqa: PLC0415 -- as above

    rows = 0
    with pa.ipc.open_file(file) as source:
        for index in range(source.num_record_batches):
            batch = source.get_batch(index)
            rows += batch.num_rows
            if column is not None:
                ids.update(batch.column(column).to_pylist())
    return rows


def _read_lines(source: IO[bytes], ids: set[str], column: str | None) -> int:
    row_type = msgspec.defstruct("Row", [("key", str | None, msgspec.field(name=column or "id", default=None))])
    decoder = msgspec.json.Decoder(row_type)
    rows = 0
    for line in source:
        rows += 1
        try:
            key = decoder.decode(line).key  # type: ignore[attr-defined]  # made one line above
        except msgspec.DecodeError:
            # Payloads are as they came, and what senders call JSON is sometimes more than JSON.
            key = json.loads(line).get(column)
        if key is not None:
            ids.add(key)
    return rows


def _read_csv(source: IO[bytes], ids: set[str], column: str | None) -> int:
    csv.field_size_limit(_LONGEST_CELL)
    rows = 0
    for row in csv.DictReader(io.TextIOWrapper(source, encoding="utf-8", newline="")):
        rows += 1
        if column is not None:
            ids.add(row[column])
    return rows


@contextmanager
def _decompressed(file: BinaryIO, compression: str) -> Iterator[IO[bytes]]:
    match Compression(compression):
        case Compression.GZIP:
            with gzip.open(file) as source:
                yield cast("IO[bytes]", source)
        case Compression.ZSTANDARD:
            with zstd.open(file) as source:
                yield cast("IO[bytes]", source)
        case _:
            yield file
