"""Proves an export: reads every file of its manifest again and compares, with a store too where one is given."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast

import msgspec

from runlake.errors import DestinationError, MalformedError
from runlake.export.columns import FILES
from runlake.export.manifest import MANIFEST_VERSION, Manifest, ManifestFile, ManifestPart
from runlake.export.planning import MANIFEST_NAME
from runlake.export.reading import read_columns
from runlake.export.run_files import RunFile, decode_run_files
from runlake.export.storage import Storage
from runlake.model.export_content import Compression, ContentKind, FileFormat

ID_COLUMNS: Final = {ContentKind.FLATTENED: "trace_id"}
"""What tells rows apart; ``id`` in all other contents."""
_MAX_EXAMPLES: Final = 5

StoredIds = Callable[[Manifest, ManifestPart], Iterator[tuple[str, int]]]
"""(id, version) of every row that the store has for a part now."""


@dataclass(slots=True)
class Verification:
    """What was read, and everything that is not as it should be; ``newer`` counts rows that came after the export.

    ``named`` are the paths that the manifest and the rows name.
    """

    files: int = 0
    rows: int = 0
    bytes: int = 0
    compared: int = 0
    newer: int = 0
    problems: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """``storage`` is the folder of one export. ``stored_ids`` compares with a store; ``advance`` hears of each file."""

    storage: Storage
    stored_ids: StoredIds | None = None
    advance: Callable[[Manifest, int], None] = lambda manifest, size_bytes: None  # noqa: ARG005 -- hears nothing

    def verify(self) -> Verification:
        """Read everything; DestinationError when the folder cannot be read, MalformedError without a manifest."""
        manifest = self._manifest()
        found = Verification(named={MANIFEST_NAME})
        for part in manifest.parts:
            self._verify_part(manifest, part, found)
        self._compare_names(found)
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

    def _compare_names(self, found: Verification) -> None:
        try:
            present = {file.path for file in self.storage.files("")}
        except DestinationError as error:
            if error.transient:
                raise
            return
        found.problems += [f"{path} does not belong to the export" for path in sorted(present - found.named)]

    def _verify_part(self, manifest: Manifest, part: ManifestPart, found: Verification) -> None:
        ids: set[str] = set()
        rows, before = 0, len(found.named)
        for file in part.files:
            found.named.add(file.path)
            rows += self._verify_file(manifest, file, ids, found)
            self.advance(manifest, file.bytes)
        name = f"{part.session_id} {part.start_time}"
        run_files = len(found.named) - before - len(part.files)
        if run_files != part.run_files:
            found.problems.append(f"{name}: the rows name {run_files} files, the manifest says {part.run_files}")
        if rows != part.rows:
            found.problems.append(f"{name}: the files have {rows} rows, the manifest says {part.rows}")
        if id_column(manifest) is None:
            return
        if len(ids) != rows:
            found.problems.append(f"{name}: {rows - len(ids)} rows have an id that another row has too")
        if self.stored_ids is not None:
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
                rows = self._read_rows(cast("BinaryIO", copy), manifest, ids, found)
        except DestinationError as error:
            found.problems.append(f"{file.path} cannot be read: {error.message}")
            return 0
        if rows != file.rows:
            found.problems.append(f"{file.path} has {rows} rows, the manifest says {file.rows}")
        found.rows += rows
        return rows

    def _read_rows(self, copy: BinaryIO, manifest: Manifest, ids: set[str], found: Verification) -> int:
        """Add the ids of a data file, where it has them, read the files that its rows name, and count the rows."""
        column = id_column(manifest)
        columns = ([] if column is None else [column]) + ([FILES] if manifest.include_files else [])
        rows = 0
        for cells in read_columns(copy, FileFormat(manifest.format), Compression(manifest.compression), columns):
            rows += 1
            if column is not None and cells[0] is not None:
                ids.add(cells[0])
            if manifest.include_files and cells[-1] is not None:
                for file in decode_run_files(cells[-1]):
                    self._verify_run_file(manifest, file, found)
        return rows

    def _verify_run_file(self, manifest: Manifest, file: RunFile, found: Verification) -> None:
        if file.path is None or file.path in found.named:
            return
        found.named.add(file.path)
        digest, size_bytes = hashlib.sha256(), 0
        try:
            for piece in self.storage.read(file.path):
                digest.update(piece)
                size_bytes += len(piece)
        except DestinationError as error:
            found.problems.append(f"{file.path} cannot be read: {error.message}")
            return
        found.files += 1
        found.bytes += size_bytes
        if (size_bytes, digest.hexdigest()) != (file.bytes, file.sha256):
            found.problems.append(f"{file.path} is not what was written: it has {size_bytes} of {file.bytes} bytes")
        self.advance(manifest, size_bytes)


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


def id_column(manifest: Manifest) -> str | None:
    """The column that tells rows apart; None when the files do not have it."""
    name = ID_COLUMNS.get(ContentKind(manifest.content), "id")
    has_it = manifest.export_fields is None or name in manifest.export_fields or bool(manifest.include_files)
    return name if has_it else None


def _copy(pieces: Iterator[bytes], copy: BinaryIO) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size_bytes += len(piece)
        copy.write(piece)
    return digest.hexdigest(), size_bytes
