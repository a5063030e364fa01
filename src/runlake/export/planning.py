"""From an export to its runs, and from a run to its rows and files: pure, so that every process plans the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from runlake.errors import InvalidError
from runlake.export.columns import FILES, choose_columns, columns_of
from runlake.export.content import Compression, ContentKind, ExportSelection, FileFormat
from runlake.model.export import SECOND_US, Export, ExportRun, ExportSpec, RunKind, days_of
from runlake.model.export_content import FileKind

MAX_RUNS: Final = 20_000
"""Most runs of one export: 54 years of one project, or 3 months of 200."""

CHANGE_COLUMN: Final = "export_change"
"""Column of exports that follow changes: ``new`` in the window of its start, ``changed`` in a later one."""

MANIFEST_NAME: Final = "manifest.json"

_FOLDERS: Final = {
    ContentKind.RUNS: "runs",
    ContentKind.TRACES: "runs",
    ContentKind.FEEDBACK: "feedback",
    ContentKind.FLATTENED: "traces",
}
_STEMS: Final = {RunKind.WINDOW: "part", RunKind.CHANGES: "changes"}
_SUFFIXES: Final = {
    FileFormat.PARQUET: ".parquet",
    FileFormat.JSONL: ".jsonl",
    FileFormat.ARROW: ".arrows",
    FileFormat.ARROW_FILE: ".arrow",
    FileFormat.CSV: ".csv",
}
_COMPRESSED: Final = {Compression.GZIP: ".gz", Compression.ZSTANDARD: ".zst"}
_COMPRESSED_INSIDE: Final = frozenset({FileFormat.PARQUET, FileFormat.ARROW, FileFormat.ARROW_FILE})


def plan_runs(
    export: Export, project_ids: Sequence[UUID], *, new_id: Callable[[], UUID], now_us: int
) -> list[ExportRun]:
    """Every run of an export with a window; InvalidError when they are too many."""
    planned = [*_parts(export, project_ids), (RunKind.MANIFEST, None, export.spec.start_us, _end_us(export))]
    if len(planned) > MAX_RUNS:
        raise InvalidError(
            f"the window has {len(planned)} days of a project, at most {MAX_RUNS} fit into one export; cut it up",
            field="start_time",
        )
    return [
        ExportRun(
            tenant_id=export.tenant_id,
            id=new_id(),
            export_id=export.id,
            kind=kind,
            project_id=project_id,
            start_us=start_us,
            end_us=end_us,
            created_at=now_us,
            updated_at=now_us,
        )
        for kind, project_id, start_us, end_us in planned
    ]


def _parts(export: Export, project_ids: Sequence[UUID]) -> Iterator[tuple[RunKind, UUID | None, int, int]]:
    start_us = export.spec.start_us
    for project_id in project_ids:
        if export.changed_since is not None and export.changes_from_us is not None:
            yield RunKind.CHANGES, project_id, export.changes_from_us, start_us
        for day_start_us, day_end_us in days_of(start_us, _end_us(export)):
            yield RunKind.WINDOW, project_id, day_start_us, day_end_us


def _end_us(export: Export) -> int:
    if export.spec.end_us is None:
        raise ValueError(f"export {export.id} is a schedule")
    return export.spec.end_us


def selection_of(export: Export, run: ExportRun, *, as_of: int) -> ExportSelection:
    """The rows of a run, at the moment ``as_of``."""
    if run.project_id is None:
        raise ValueError(f"run {run.id} has no rows")
    return ExportSelection(
        tenant_id=run.tenant_id,
        project_ids=(run.project_id,),
        start_us=run.start_us,
        end_us=run.end_us,
        changed_since=export.changed_since if run.kind is RunKind.CHANGES else None,
        as_of=as_of,
        content=export.spec.content,
        fields=_fields(export.spec),
        filter=export.spec.filter,
        trace_filter=export.spec.trace_filter,
        tree_filter=export.spec.tree_filter,
        payloads_apart=FileKind.PAYLOAD in export.spec.include_files,
    )


def _fields(spec: ExportSpec) -> tuple[str, ...] | None:
    """The columns asked for, and those without which marks of changes, or files, would belong to no row."""
    known = {column.name for column in columns_of(spec.content)}
    has_files = bool(spec.include_files)
    wanted = {CHANGE_COLUMN: spec.include_changes, "id": has_files, FILES: has_files}
    added = [name for name, is_wanted in wanted.items() if is_wanted and name in known]
    if not added:
        return spec.fields
    return (*(column.name for column in choose_columns(spec.content, spec.fields)), *added)


def folder_of(export: Export, run: ExportRun) -> str:
    """Where the files of a run go, below the destination's prefix. Changes are with the day they are exported for."""
    return f"{_project_folder(export, run)}/{_FOLDERS[export.spec.content]}/{_day(export, run)}"


def run_files_folder(export: Export, run: ExportRun) -> str:
    """Where the files of the runs go that the export run has: apart from its data, which readers take by the folder."""
    return f"{_project_folder(export, run)}/files/{_day(export, run)}/{_STEMS[run.kind]}"


def _project_folder(export: Export, run: ExportRun) -> str:
    return f"{export_folder(export)}/tenant_id={run.tenant_id}/session_id={run.project_id}"


def _day(export: Export, run: ExportRun) -> str:
    day = datetime.fromtimestamp(
        (export.spec.start_us if run.kind is RunKind.CHANGES else run.start_us) // SECOND_US, tz=UTC
    )
    return f"year={day.year}/month={day.month}/day={day.day}"


def export_folder(export: Export) -> str:
    """Where everything of an export is."""
    return f"export_id={export.id}"


def manifest_path(export: Export) -> str:
    return f"{export_folder(export)}/{MANIFEST_NAME}"


def file_name(export: Export, run: ExportRun, number: int) -> str:
    """The name of the run's file of that number; the same for every attempt."""
    return f"{_STEMS[run.kind]}-{number:05d}{data_ending(export.spec)}"


def data_ending(spec: ExportSpec) -> str:
    """What the names of the data files end with, for example ``.jsonl.gz``."""
    outside = "" if spec.format in _COMPRESSED_INSIDE else _COMPRESSED.get(spec.compression, "")
    return _SUFFIXES[spec.format] + outside


def belongs_to(run: ExportRun, path: str) -> bool:
    """Whether a file in the run's folder is one of the run's own, of this attempt or an earlier one."""
    return re.fullmatch(rf"{_STEMS[run.kind]}-\d{{5,}}\.[a-z.]+", path.rpartition("/")[2]) is not None


def selection_probe(spec: ExportSpec, tenant_id: UUID) -> ExportSelection:
    """A selection that has the columns of the export's, to see whether they exist."""
    return ExportSelection(tenant_id=tenant_id, project_ids=spec.project_ids, content=spec.content, fields=spec.fields)
