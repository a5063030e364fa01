"""Exports and export runs as clients write and read them.

Names, statuses and the members of ``metadata`` are documented upstream; ``session_ids``, ``trace_filter``,
``tree_filter``, ``content``, ``include_changes``, ``progress`` and the formats beside Parquet are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.model.export import Export, ExportedFile, ExportProgress, ExportRun, ExportSpec, ExportStatus, RunResult
from runlake.model.export_content import Compression, ContentKind, FileFormat, FileKind
from runlake.wire.json_text import decode_object
from runlake.wire.scalars import read_id, read_time
from runlake.wire.times import format_time

FORMAT_VERSIONS: Final = ("v1", "v2_beta")
"""Both name the same files; what the second changes upstream is not documented."""
INTERVAL_HOURS: Final = (1, 168)
MAX_PROJECTS: Final = 250

_FORMATS: Final[Mapping[str, FileFormat]] = {
    "Parquet": FileFormat.PARQUET,
    "JSONL": FileFormat.JSONL,
    "Arrow": FileFormat.ARROW_FILE,
    "CSV": FileFormat.CSV,
}
_FORMAT_NAMES: Final = {value: name for name, value in _FORMATS.items()}
_COMPRESSIONS: Final[Mapping[str, Compression]] = {
    **{item.value: item for item in Compression},
    "zstd": Compression.ZSTANDARD,
}
FORMAT_COMPRESSIONS: Final[Mapping[FileFormat, tuple[Compression, ...]]] = {
    FileFormat.PARQUET: (Compression.ZSTANDARD, Compression.NONE, Compression.GZIP, Compression.SNAPPY),
    FileFormat.JSONL: (Compression.ZSTANDARD, Compression.NONE, Compression.GZIP),
    FileFormat.ARROW_FILE: (Compression.ZSTANDARD, Compression.NONE),
    FileFormat.CSV: (Compression.ZSTANDARD, Compression.NONE, Compression.GZIP),
}
"""What each format of an export takes, the default first."""

ChoiceT = TypeVar("ChoiceT")


class ExportCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /bulk-exports``. Without ``interval_hours`` it is exported once and needs an ``end_time``."""

    bulk_export_destination_id: UUID
    start_time: str
    session_id: UUID | None = None
    session_ids: list[UUID] | None = None
    all_experiments: bool = False
    end_time: str | None = None
    interval_hours: int | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    content: str = ContentKind.RUNS
    format: str = "Parquet"
    format_version: str = "v1"
    compression: str | None = None
    export_fields: list[str] | None = None
    include_changes: bool = False
    include_files: list[str] | None = None


class ExportPatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /bulk-exports/{id}``; ``Cancelled`` is the one status that can be set."""

    status: str


class _Sent(msgspec.Struct, gc=False):
    bulk_export_destination_id: Any = None
    session_id: Any = None
    session_ids: Any = None
    all_experiments: Any = None
    start_time: Any = None
    end_time: Any = None
    interval_hours: Any = None
    filter: Any = None
    trace_filter: Any = None
    tree_filter: Any = None
    content: Any = None
    format: Any = None
    format_version: Any = None
    compression: Any = None
    export_fields: Any = None
    include_changes: Any = None
    include_files: Any = None
    status: Any = None


_SENT: Final = msgspec.json.Decoder(_Sent)


class ProgressBody(msgspec.Struct, frozen=True, kw_only=True):
    """How far an export is; ``estimated_rows`` is None until every run that started has counted its rows."""

    runs_total: int
    runs_completed: int
    runs_failed: int
    rows_written: int
    bytes_written: int
    exported_files: int
    estimated_rows: int | None


class ExportBody(msgspec.Struct, frozen=True, kw_only=True):
    """A BulkExport. ``session_id`` is the project when there is one; ``manifest`` is the path of the last file."""

    id: UUID
    tenant_id: UUID
    bulk_export_destination_id: UUID
    session_id: UUID | None
    session_ids: tuple[UUID, ...]
    all_experiments: bool
    start_time: str
    end_time: str | None
    interval_hours: int | None
    filter: str | None
    trace_filter: str | None
    tree_filter: str | None
    content: str
    format: str
    format_version: str
    compression: str
    export_fields: tuple[str, ...] | None
    include_changes: bool
    include_files: tuple[str, ...]
    status: str
    source_bulk_export_id: UUID | None
    watermark: int | None
    changed_since: int | None
    next_start_time: str | None
    manifest: str | None
    progress: ProgressBody
    created_at: str
    updated_at: str
    finished_at: str | None


class ResultBody(msgspec.Struct, frozen=True, kw_only=True):
    """Member ``metadata.result``. ``files`` adds what a consumer needs to check a file."""

    rows_written: int
    exported_files: tuple[str, ...]
    export_path: str
    latest_cursor: str | None
    pending_upload: None
    bytes_written: int
    files: tuple[ExportedFile, ...]
    run_files: int
    run_files_bytes: int


class RunMetadataBody(msgspec.Struct, frozen=True, kw_only=True):
    """Member ``metadata`` of an export run."""

    prefix: str
    start_time: str
    end_time: str
    execution_backend: str
    session_id: UUID | None
    kind: str
    estimated_rows: int | None
    result: ResultBody | None


class ExportRunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A BulkExportRun: one day of one project. ``errors`` has a member for each attempt that failed, ``retry_0`` on."""

    id: UUID
    bulk_export_id: UUID
    status: str
    retry_number: int
    errors: Mapping[str, str]
    created_at: str
    updated_at: str
    finished_at: str | None
    next_attempt_at: str | None
    start_time: str
    end_time: str
    metadata: RunMetadataBody


def read_export_create(body: bytes) -> ExportSpec:
    """What a body asks for; the values are checked, that names exist and filters parse is checked elsewhere."""
    sent = decode_object(body, _SENT)
    destination_id = read_id(sent.bulk_export_destination_id, "bulk_export_destination_id")
    if destination_id is None:
        raise InvalidError(
            "bulk_export_destination_id is missing; create a destination first", field="bulk_export_destination_id"
        )
    format_ = _choice(sent.format or "Parquet", _FORMATS, "format")
    interval_hours = _interval(sent.interval_hours)
    all_experiments = _flag(sent.all_experiments, "all_experiments")
    start_us, end_us = _window(sent, interval_hours)
    content = _choice(sent.content or ContentKind.RUNS, {item.value: item for item in ContentKind}, "content")
    return ExportSpec(
        destination_id=destination_id,
        project_ids=_projects(sent, all_experiments=all_experiments),
        all_experiments=all_experiments,
        start_us=start_us,
        end_us=end_us,
        interval_hours=interval_hours,
        filter=_filter(sent.filter, "filter"),
        trace_filter=_filter(sent.trace_filter, "trace_filter"),
        tree_filter=_filter(sent.tree_filter, "tree_filter"),
        content=content,
        format=format_,
        format_version=_choice(sent.format_version or "v1", {name: name for name in FORMAT_VERSIONS}, "format_version"),
        compression=_compression(sent.compression, format_),
        fields=_fields(sent.export_fields),
        include_changes=_changes(sent.include_changes, interval_hours),
        include_files=_file_kinds(sent.include_files, content),
    )


def read_new_status(body: bytes) -> ExportStatus:
    """The status that a ``PATCH`` sets."""
    sent = decode_object(body, _SENT)
    if sent.status != ExportStatus.CANCELLED:
        raise InvalidError(
            'status can only be set to "Cancelled"; POST .../resume and .../retry continue an export', field="status"
        )
    return ExportStatus.CANCELLED


def export_body(export: Export, *, manifest: str | None, progress: ProgressBody) -> ExportBody:
    """The wire object."""
    spec = export.spec
    return ExportBody(
        id=export.id,
        tenant_id=export.tenant_id,
        bulk_export_destination_id=spec.destination_id,
        session_id=spec.project_ids[0] if len(spec.project_ids) == 1 else None,
        session_ids=spec.project_ids,
        all_experiments=spec.all_experiments,
        start_time=format_time(spec.start_us),
        end_time=_time(spec.end_us),
        interval_hours=spec.interval_hours,
        filter=spec.filter,
        trace_filter=spec.trace_filter,
        tree_filter=spec.tree_filter,
        content=spec.content.value,
        format=_FORMAT_NAMES[spec.format],
        format_version=spec.format_version,
        compression=spec.compression.value,
        export_fields=spec.fields,
        include_changes=spec.include_changes,
        include_files=tuple(kind.value for kind in spec.include_files),
        status=export.status.value,
        source_bulk_export_id=export.source_id,
        watermark=export.watermark,
        changed_since=export.changed_since,
        next_start_time=_time(export.next_start_us),
        manifest=manifest,
        progress=progress,
        created_at=format_time(export.created_at),
        updated_at=format_time(export.updated_at),
        finished_at=_time(export.finished_at),
    )


def progress_body(progress: ExportProgress) -> ProgressBody:
    """The wire object."""
    return ProgressBody(
        runs_total=progress.runs_total,
        runs_completed=progress.runs_completed,
        runs_failed=progress.runs_failed,
        rows_written=progress.rows_written,
        bytes_written=progress.bytes_written,
        exported_files=progress.exported_files,
        estimated_rows=progress.estimated_rows,
    )


def export_run_body(run: ExportRun, *, prefix: str) -> ExportRunBody:
    """The wire object; ``prefix`` stands before every path."""
    waits = run.status is ExportStatus.CREATED and run.retry_number > 0
    return ExportRunBody(
        id=run.id,
        bulk_export_id=run.export_id,
        status=run.status.value,
        retry_number=run.retry_number,
        errors=run.errors,
        created_at=format_time(run.created_at),
        updated_at=format_time(run.updated_at),
        finished_at=_time(run.finished_at),
        next_attempt_at=format_time(run.not_before_us) if waits and run.not_before_us else None,
        start_time=format_time(run.start_us),
        end_time=format_time(run.end_us),
        metadata=RunMetadataBody(
            prefix=prefix,
            start_time=format_time(run.start_us),
            end_time=format_time(run.end_us),
            execution_backend="clickhouse",
            session_id=run.project_id,
            kind=run.kind.value,
            estimated_rows=run.estimated_rows,
            result=None if run.result is None else _result_body(run.result, prefix),
        ),
    )


def below(prefix: str, path: str) -> str:
    """A path as it is reported."""
    return f"{prefix}/{path}" if prefix else path


def _result_body(result: RunResult, prefix: str) -> ResultBody:
    files = tuple(replace(file, path=below(prefix, file.path)) for file in result.files)
    return ResultBody(
        rows_written=result.rows,
        exported_files=tuple(file.path for file in files),
        export_path=below(prefix, result.folder),
        latest_cursor=None,
        pending_upload=None,
        bytes_written=result.bytes,
        files=files,
        run_files=result.run_files,
        run_files_bytes=result.run_files_bytes,
    )


def _window(sent: _Sent, interval_hours: int | None) -> tuple[int, int | None]:
    if sent.start_time is None:
        raise InvalidError("start_time is missing; give the first moment to export", field="start_time")
    start_us = read_time(sent.start_time, "start_time")
    end_us = None if sent.end_time is None else read_time(sent.end_time, "end_time")
    if interval_hours is not None and end_us is not None:
        raise InvalidError(
            "end_time cannot be given with interval_hours; a schedule goes on until it is cancelled", field="end_time"
        )
    if interval_hours is None and end_us is None:
        raise InvalidError(
            "end_time is missing; give it, or interval_hours to export again and again", field="end_time"
        )
    if end_us is not None and end_us <= start_us:
        raise InvalidError(
            "end_time must be later than start_time; the two may be in the wrong order", field="end_time"
        )
    return start_us, end_us


def _projects(sent: _Sent, *, all_experiments: bool) -> tuple[UUID, ...]:
    one = read_id(sent.session_id, "session_id")
    many = sent.session_ids or []
    if not isinstance(many, list) or len(many) > MAX_PROJECTS:
        raise InvalidError(f"session_ids must be a list of at most {MAX_PROJECTS} ids", field="session_ids")
    found = tuple(dict.fromkeys(id_ for item in many if (id_ := read_id(item, "session_ids")) is not None))
    if one is not None and found:
        raise InvalidError("give session_id or session_ids, not both", field="session_ids")
    found = found if one is None else (one,)
    if all_experiments and found:
        raise InvalidError("give all_experiments or projects, not both", field="all_experiments")
    if not all_experiments and not found:
        raise InvalidError("session_id is missing; name a project, or set all_experiments", field="session_id")
    return found


def _interval(value: object) -> int | None:
    low, high = INTERVAL_HOURS
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidError(f"interval_hours must be a whole number from {low} to {high}", field="interval_hours")
    return value


def _changes(value: object, interval_hours: int | None) -> bool:
    wanted = _flag(value, "include_changes")
    if wanted and interval_hours is None:
        raise InvalidError(
            "include_changes belongs to a schedule; give interval_hours with it", field="include_changes"
        )
    return wanted


def _file_kinds(value: object, content: ContentKind) -> tuple[FileKind, ...]:
    if value is None or value == []:
        return ()
    if not isinstance(value, list):
        raise InvalidError("include_files must be a list of attachment and payload", field="include_files")
    kinds = {kind.value: kind for kind in FileKind}
    found = tuple(dict.fromkeys(_choice(item, kinds, "include_files") for item in value))
    if content not in (ContentKind.RUNS, ContentKind.TRACES):
        raise InvalidError(
            f"{content.value} have no files; include_files belongs to the contents runs and traces",
            field="include_files",
        )
    return found


def _filter(value: object, field: str) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise InvalidError(f"{field} must be a text of the filter language", field=field)
    return value


def _fields(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise InvalidError("export_fields must be a list of at least one column name, or null", field="export_fields")
    return tuple(dict.fromkeys(value))


def _compression(value: object, format_: FileFormat) -> Compression:
    accepted = FORMAT_COMPRESSIONS[format_]
    if value is None:
        return accepted[0]
    found = _choice(value, _COMPRESSIONS, "compression")
    if found not in accepted:
        raise InvalidError(
            f"{_FORMAT_NAMES[format_]} files take the compressions {', '.join(accepted)}", field="compression"
        )
    return found


def _choice(value: object, choices: Mapping[str, ChoiceT], field: str) -> ChoiceT:
    by_name = {name.lower(): choice for name, choice in choices.items()}
    if isinstance(value, str) and value.lower() in by_name:
        return by_name[value.lower()]
    raise InvalidError(f"{field} must be one of {', '.join(choices)}", field=field)


def _flag(value: object, field: str) -> bool:
    if value is None or isinstance(value, bool):
        return value is True
    raise InvalidError(f"{field} must be true or false", field=field)


def _time(moment_us: int | None) -> str | None:
    return None if moment_us is None else format_time(moment_us)
