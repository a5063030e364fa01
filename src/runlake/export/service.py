"""What can be asked about exports: destinations, exports, their runs. Blocks; handlers call it on a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol
from uuid import UUID

from runlake.errors import ConflictError, InvalidError, NotFoundError
from runlake.export.content import ExportReader
from runlake.export.opening import DestinationOpener
from runlake.export.planning import manifest_path, plan_runs, selection_probe
from runlake.fql import read_filter
from runlake.model.export import (
    DAY_US,
    EXPORT_TIMEOUT_US,
    RETRYABLE,
    SECOND_US,
    UNFINISHED,
    Export,
    ExportProgress,
    ExportRun,
    ExportSpec,
    ExportStatus,
    RunKind,
    cancel,
    restart,
)
from runlake.model.export_destination import Destination, Place, reported_prefix
from runlake.model.project import Project
from runlake.store.exports import ExportRecords
from runlake.store.projects import ProjectFilter
from runlake.wire.export_destinations import (
    DestinationBody,
    destination_body,
    read_destination_create,
    read_new_credentials,
)
from runlake.wire.exports import (
    ExportBody,
    ExportRunBody,
    below,
    export_body,
    export_run_body,
    progress_body,
    read_export_create,
    read_new_status,
)

_CLOCK_SKEW_US: Final = 600 * SECOND_US
"""How far the clock of a sender may be ahead before its "now" counts as the future."""
_FURTHEST_START_US: Final = 366 * DAY_US


class ExportProjects(Protocol):
    """The projects that can be exported; ``store.ledger.Ledger`` documents both methods."""

    def read_project(self, tenant_id: UUID, project_id: UUID) -> Project: ...

    def list_projects(self, tenant_id: UUID, wanted: ProjectFilter | None = None) -> Sequence[Project]: ...


def projects_of(spec: ExportSpec, tenant_id: UUID, projects: ExportProjects) -> tuple[UUID, ...]:
    """The projects that an export is about, at this moment."""
    if not spec.all_experiments:
        return spec.project_ids
    return tuple(project.id for project in projects.list_projects(tenant_id, ProjectFilter(reference_free=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportService:
    """Everything about exports but the work itself; ``wake`` tells the workers that there is some."""

    ledger: ExportRecords
    projects: ExportProjects
    opener: DestinationOpener
    reader: ExportReader
    wake: Callable[[], None]
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    # Destinations

    def create_destination(self, tenant_id: UUID, body: bytes) -> DestinationBody:
        """Store a destination that has taken a probe file; DestinationError with the provider's reason otherwise."""
        new = read_destination_create(body)
        place = self.opener.normalized(new.place)
        destination_id = self.new_id()
        self.opener.probe(place, new.credentials, destination_id)
        now_us = self.now_us()
        destination = Destination(
            tenant_id=tenant_id,
            id=destination_id,
            display_name=new.display_name,
            place=place,
            credentials_keys=tuple(sorted(new.credentials)),
            sealed=self.opener.sealer.seal(new.credentials, tenant_id, destination_id),
            created_at=now_us,
            updated_at=now_us,
        )
        self.ledger.create_destination(destination)
        return destination_body(destination)

    def list_destinations(self, tenant_id: UUID) -> list[DestinationBody]:
        return [destination_body(destination) for destination in self.ledger.list_destinations(tenant_id)]

    def read_destination(self, tenant_id: UUID, destination_id: UUID) -> DestinationBody:
        return destination_body(self.ledger.read_destination(tenant_id, destination_id))

    def update_credentials(self, tenant_id: UUID, destination_id: UUID, body: bytes) -> DestinationBody:
        """New credentials, once the destination has taken a probe file with them."""
        destination = self.ledger.read_destination(tenant_id, destination_id)
        credentials = read_new_credentials(body, destination.type)
        self.opener.probe(destination.place, credentials, self.new_id())
        changed = replace(
            destination,
            credentials_keys=tuple(sorted(credentials)),
            sealed=self.opener.sealer.seal(credentials, tenant_id, destination_id),
            updated_at=self.now_us(),
        )
        self.ledger.update_credentials(changed)
        return destination_body(changed)

    # Exports

    def create_export(self, tenant_id: UUID, body: bytes) -> ExportBody:
        """Store an export with all its runs; from then on it goes on by itself, whatever happens to this process."""
        spec = read_export_create(body)
        now_us = self.now_us()
        self._check(spec, tenant_id, now_us)
        scheduled = spec.interval_hours is not None
        export = Export(
            tenant_id=tenant_id,
            id=self.new_id(),
            spec=spec,
            status=ExportStatus.INTERVAL_SCHEDULED if scheduled else ExportStatus.CREATED,
            created_at=now_us,
            updated_at=now_us,
            watermark=None if scheduled else self.reader.watermark(),
            next_start_us=spec.start_us if scheduled else None,
            deadline_us=None if scheduled else now_us + EXPORT_TIMEOUT_US,
        )
        project_ids = projects_of(spec, tenant_id, self.projects)
        runs = [] if scheduled else plan_runs(export, project_ids, new_id=self.new_id, now_us=now_us)
        self.ledger.create_export(export, runs)
        self.wake()
        return self._body(export)

    def list_exports(self, tenant_id: UUID) -> list[ExportBody]:
        """Newest first."""
        progress = self.ledger.progress(tenant_id)
        places = {found.id: found.place for found in self.ledger.list_destinations(tenant_id)}
        return [
            _body(export, progress.get(export.id), places[export.spec.destination_id])
            for export in self.ledger.list_exports(tenant_id)
        ]

    def read_export(self, tenant_id: UUID, export_id: UUID) -> ExportBody:
        return self._body(self.ledger.read_export(tenant_id, export_id))

    def set_status(self, tenant_id: UUID, export_id: UUID, body: bytes) -> ExportBody:
        """Cancel; what is finished stays, what runs stops within seconds. A second time changes nothing."""
        read_new_status(body)

        def change(export: Export, runs: list[ExportRun]) -> tuple[Export, list[ExportRun]]:
            if export.status is ExportStatus.CANCELLED:
                return export, runs
            if export.status not in {*UNFINISHED, ExportStatus.INTERVAL_SCHEDULED}:
                raise ConflictError(f"the export is {export.status} and cannot be cancelled any more", field="status")
            now_us = self.now_us()
            cancelled = replace(export, status=ExportStatus.CANCELLED, updated_at=now_us, finished_at=now_us)
            return cancelled, [cancel(run, now_us=now_us) for run in runs]

        return self._change(tenant_id, export_id, change)

    def resume(self, tenant_id: UUID, export_id: UUID) -> ExportBody:
        """Continue a cancelled export with what was left of it, or a cancelled schedule with its next window."""

        def change(export: Export, runs: list[ExportRun]) -> tuple[Export, list[ExportRun]]:
            if export.status is not ExportStatus.CANCELLED:
                raise ConflictError(f"the export is {export.status}; only a cancelled one can be resumed")
            return self._restart(export, runs, frozenset({ExportStatus.CANCELLED}))

        return self._change(tenant_id, export_id, change)

    def retry(self, tenant_id: UUID, export_id: UUID) -> ExportBody:
        """Run again what failed or timed out, and nothing else."""

        def change(export: Export, runs: list[ExportRun]) -> tuple[Export, list[ExportRun]]:
            if export.status is ExportStatus.CANCELLED or not any(run.status in RETRYABLE for run in runs):
                raise ConflictError(f"the export is {export.status} and has no failed runs to retry")
            return self._restart(export, runs, RETRYABLE)

        return self._change(tenant_id, export_id, change)

    # Export runs

    def list_runs(self, tenant_id: UUID, export_id: UUID) -> list[ExportRunBody]:
        """In the order of their windows. The manifest is among them only when it went wrong."""
        export = self.ledger.read_export(tenant_id, export_id)
        return self._run_bodies(export)

    def read_run(self, tenant_id: UUID, export_id: UUID, run_id: UUID) -> ExportRunBody:
        for run in self.list_runs(tenant_id, export_id):
            if run.id == run_id:
                return run
        raise NotFoundError(f"the export has no run with the id {run_id}", field="run_id")

    def list_spawned_runs(self, tenant_id: UUID, source_id: UUID) -> list[ExportRunBody]:
        """The runs of all exports of a schedule, oldest window first."""
        self.ledger.read_export(tenant_id, source_id)
        spawned = self.ledger.list_spawned(tenant_id, source_id)
        return [run for export in spawned for run in self._run_bodies(export)]

    def _check(self, spec: ExportSpec, tenant_id: UUID, now_us: int) -> None:
        self.ledger.read_destination(tenant_id, spec.destination_id)
        _check_window(spec, now_us)
        for name, text in (
            ("filter", spec.filter),
            ("trace_filter", spec.trace_filter),
            ("tree_filter", spec.tree_filter),
        ):
            if text is not None:
                read_filter(text, field=name)
        for project_id in spec.project_ids:
            self.projects.read_project(tenant_id, project_id)
        try:
            self.reader.schema(selection_probe(spec, tenant_id))
        except InvalidError as error:
            raise InvalidError(error.message, field="export_fields", suggestion=error.suggestion) from None

    def _restart(
        self, export: Export, runs: list[ExportRun], statuses: frozenset[ExportStatus]
    ) -> tuple[Export, list[ExportRun]]:
        now_us = self.now_us()
        scheduled = export.spec.interval_hours is not None
        again = replace(
            export,
            status=ExportStatus.INTERVAL_SCHEDULED if scheduled else ExportStatus.RUNNING,
            updated_at=now_us,
            finished_at=None,
            deadline_us=None if scheduled else now_us + EXPORT_TIMEOUT_US,
        )
        return again, [restart(run, statuses, now_us=now_us) for run in runs]

    def _change(
        self,
        tenant_id: UUID,
        export_id: UUID,
        change: Callable[[Export, list[ExportRun]], tuple[Export, list[ExportRun]]],
    ) -> ExportBody:
        export = self.ledger.change_export(tenant_id, export_id, change)
        self.wake()
        return self._body(export)

    def _body(self, export: Export) -> ExportBody:
        progress = self.ledger.progress(export.tenant_id, export.id).get(export.id)
        return _body(export, progress, self._place(export))

    def _run_bodies(self, export: Export) -> list[ExportRunBody]:
        prefix = reported_prefix(self._place(export))
        runs = self.ledger.list_runs(export.tenant_id, export.id)
        shown = [run for run in runs if run.kind is not RunKind.MANIFEST or run.errors]
        return [export_run_body(run, prefix=prefix) for run in shown]

    def _place(self, export: Export) -> Place:
        return self.ledger.read_destination(export.tenant_id, export.spec.destination_id).place


def _body(export: Export, progress: ExportProgress | None, place: Place) -> ExportBody:
    complete = export.status is ExportStatus.COMPLETED
    return export_body(
        export,
        manifest=below(reported_prefix(place), manifest_path(export)) if complete else None,
        progress=progress_body(progress or ExportProgress()),
    )


def _check_window(spec: ExportSpec, now_us: int) -> None:
    if spec.end_us is None:
        if spec.start_us > now_us + _FURTHEST_START_US:
            raise InvalidError("start_time lies more than a year in the future", field="start_time")
        return
    if spec.start_us >= now_us + _CLOCK_SKEW_US:
        raise InvalidError(
            "start_time lies in the future; an export reads what is there, interval_hours makes it go on",
            field="start_time",
        )
    if spec.end_us > now_us + _CLOCK_SKEW_US:
        raise InvalidError(
            "end_time lies in the future, and runs that start until then would be missing; "
            "end it now, or give interval_hours instead",
            field="end_time",
        )
