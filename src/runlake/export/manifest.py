"""The last file of an export: what belongs to it, so that a consumer can check that it has all of it and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from runlake.errors import DestinationError
from runlake.export.planning import export_folder, run_files_folder
from runlake.export.storage import Storage, StoredFile
from runlake.model.export import Export, ExportRun, ExportStatus, RunKind, RunResult
from runlake.wire.times import format_time

MANIFEST_VERSION: Final = 1


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is relative to the manifest."""

    path: str
    rows: int
    bytes: int
    sha256: str


class ManifestPart(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one project; ``as_of`` is the version of the moment its rows show. A day without rows has no files.

    ``run_files`` counts the files that its rows name in their column ``files``, with path, bytes and checksum of each;
    ``run_files_bytes`` is what they weigh together.
    """

    session_id: UUID
    kind: str
    start_time: str
    end_time: str
    as_of: int
    rows: int
    files: tuple[ManifestFile, ...]
    run_files: int = 0
    run_files_bytes: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``watermark``: whatever the store held up to this version is in the export."""

    manifest_version: int
    schema_version: int
    export_id: UUID
    tenant_id: UUID
    source_bulk_export_id: UUID | None
    start_time: str
    end_time: str
    filter: str | None
    trace_filter: str | None
    tree_filter: str | None
    content: str
    format: str
    compression: str
    export_fields: tuple[str, ...] | None
    include_changes: bool
    watermark: int | None
    changed_since: int | None
    rows: int
    bytes: int
    parts: tuple[ManifestPart, ...]
    include_files: tuple[str, ...] = ()


def encode_manifest(manifest: Manifest) -> bytes:
    """For people and programs."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def make_manifest(export: Export, runs: Sequence[ExportRun], *, schema_version: int) -> Manifest:
    """The manifest of an export whose runs are all complete."""
    spec = export.spec
    parts = tuple(_part(export, run) for run in runs if run.kind is not RunKind.MANIFEST)
    return Manifest(
        manifest_version=MANIFEST_VERSION,
        schema_version=schema_version,
        export_id=export.id,
        tenant_id=export.tenant_id,
        source_bulk_export_id=export.source_id,
        start_time=format_time(spec.start_us),
        end_time=format_time(spec.end_us if spec.end_us is not None else spec.start_us),
        filter=spec.filter,
        trace_filter=spec.trace_filter,
        tree_filter=spec.tree_filter,
        content=spec.content,
        format=spec.format,
        compression=spec.compression,
        export_fields=spec.fields,
        include_changes=spec.include_changes,
        watermark=export.watermark,
        changed_since=export.changed_since,
        rows=sum(part.rows for part in parts),
        bytes=sum(part.run_files_bytes + sum(file.bytes for file in part.files) for part in parts),
        parts=parts,
        include_files=tuple(spec.include_files),
    )


def differing_runs(export: Export, runs: Sequence[ExportRun], storage: Storage) -> list[ExportRun]:
    """Runs whose files are not at the destination as they were reported. None where it may not be listed.

    A worker that was frozen during an upload and lost its lease may have finished that file after another worker had
    replaced it.
    """
    try:
        found = storage.files(export_folder(export))
    except DestinationError as error:
        if error.transient:
            raise
        return []
    sizes = dict(found)
    return [
        run
        for run in runs
        if run.status is ExportStatus.COMPLETED
        and run.result is not None
        and (
            any(sizes.get(file.path) != file.bytes for file in run.result.files)
            or (bool(export.spec.include_files) and _run_files_differ(export, run, run.result, found))
        )
    ]


def _run_files_differ(export: Export, run: ExportRun, result: RunResult, found: Sequence[StoredFile]) -> bool:
    folder = f"{run_files_folder(export, run)}/"
    sizes = [file.bytes for file in found if file.path.startswith(folder)]
    return (len(sizes), sum(sizes)) != (result.run_files, result.run_files_bytes)


def _part(export: Export, run: ExportRun) -> ManifestPart:
    if run.result is None or run.project_id is None:
        raise ValueError(f"run {run.id} has no result")
    below = f"{export_folder(export)}/"
    return ManifestPart(
        session_id=run.project_id,
        kind=run.kind,
        start_time=format_time(run.start_us),
        end_time=format_time(run.end_us),
        as_of=run.result.as_of,
        rows=run.result.rows,
        files=tuple(
            ManifestFile(path=file.path.removeprefix(below), rows=file.rows, bytes=file.bytes, sha256=file.sha256)
            for file in run.result.files
        ),
        run_files=run.result.run_files,
        run_files_bytes=run.result.run_files_bytes,
    )
