"""Exports in the ledger: destinations, exports, export runs, and the compare-and-set that makes their leases work.

Every method blocks. Transitions are computed by ``model.export``; here they are stored, each only if the row is still
the one the transition was computed from. That holds between threads and between processes that share the ledger.
Methods without a tenant are for the workers, which serve all tenants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runlake.errors import NotFoundError
from runlake.model.export import (
    RETRYABLE,
    STRETCH_RUNS,
    UNFINISHED,
    Export,
    ExportProgress,
    ExportRun,
    ExportSpec,
    ExportStatus,
    RunFacet,
    RunKind,
    RunResult,
)
from runlake.model.export_destination import Destination, Place
from runlake.store.export_schema import DESTINATIONS, EXPORT_RUNS, EXPORTS
from runlake.store.exports import ExportChange, Planned, RunChange
from runlake.store.ledger import Ledger

RecordT = TypeVar("RecordT")

_DESTINATION_JSON: Final[dict[str, Any]] = {"place": Place, "credentials_keys": tuple[str, ...]}
_EXPORT_JSON: Final[dict[str, Any]] = {"spec": ExportSpec}
_RUN_JSON: Final[dict[str, Any]] = {"errors": dict[str, str], "result": RunResult | None}
_ENCODER: Final = msgspec.json.Encoder()


class ExportLedger:
    """``ExportRecords`` in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # Destinations

    def create_destination(self, destination: Destination) -> None:
        with self._ledger.writing() as connection:
            connection.execute(sa.insert(DESTINATIONS).values(**_row(destination, _DESTINATION_JSON)))

    def list_destinations(self, tenant_id: UUID) -> list[Destination]:
        query = sa.select(DESTINATIONS).where(DESTINATIONS.c.tenant_id == tenant_id)
        with self._ledger.reading() as connection:
            rows = connection.execute(query.order_by(DESTINATIONS.c.created_at, DESTINATIONS.c.id)).mappings()
            return [_record(Destination, row, _DESTINATION_JSON) for row in rows]

    def read_destination(self, tenant_id: UUID, destination_id: UUID) -> Destination:
        """NotFoundError when the tenant has none of that id."""
        query = sa.select(DESTINATIONS).where(_named(DESTINATIONS, tenant_id, destination_id))
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError(f"no destination has the id {destination_id}", field="bulk_export_destination_id")
        return _record(Destination, row, _DESTINATION_JSON)

    def update_credentials(self, destination: Destination) -> None:
        """Store the credentials of a destination anew."""
        row = _row(destination, _DESTINATION_JSON)
        changed = {name: row[name] for name in ("credentials_keys", "sealed", "updated_at")}
        with self._ledger.writing() as connection:
            connection.execute(
                sa.update(DESTINATIONS)
                .where(_named(DESTINATIONS, destination.tenant_id, destination.id))
                .values(**changed)
            )

    # Exports

    def create_export(self, export: Export, runs: Sequence[ExportRun]) -> None:
        """Store an export with all its runs, or nothing."""
        with self._ledger.writing() as connection:
            _insert_planned(connection, export, runs)

    def list_exports(self, tenant_id: UUID) -> list[Export]:
        """Newest first."""
        query = sa.select(EXPORTS).where(EXPORTS.c.tenant_id == tenant_id)
        return self._exports(query.order_by(EXPORTS.c.created_at.desc(), EXPORTS.c.id))

    def read_export(self, tenant_id: UUID, export_id: UUID) -> Export:
        """NotFoundError when the tenant has none of that id."""
        found = self._exports(sa.select(EXPORTS).where(_named(EXPORTS, tenant_id, export_id)))
        if not found:
            raise NotFoundError(f"no export has the id {export_id}", field="bulk_export_id")
        return found[0]

    def list_spawned(self, tenant_id: UUID, source_id: UUID) -> list[Export]:
        """The exports of a schedule, oldest window first."""
        query = sa.select(EXPORTS).where(EXPORTS.c.tenant_id == tenant_id, EXPORTS.c.source_id == source_id)
        return sorted(self._exports(query), key=lambda export: export.spec.start_us)

    def list_runs(self, tenant_id: UUID, export_id: UUID) -> list[ExportRun]:
        """All runs of an export in the order of their windows, the manifest among them."""
        with self._ledger.reading() as connection:
            return _runs_of(connection, tenant_id, export_id)

    def progress(self, tenant_id: UUID, export_id: UUID | None = None) -> dict[UUID, ExportProgress]:
        """How far each export of the tenant is, or one of them; summed in the database, however many runs there are."""
        runs = EXPORT_RUNS.c
        completed = sa.case((runs.status == ExportStatus.COMPLETED, 1), else_=0)
        failed = sa.case((runs.status.in_(RETRYABLE), 1), else_=0)
        query = (
            sa.select(
                runs.export_id,
                sa.func.count().label("runs_total"),
                sa.func.sum(completed).label("runs_completed"),
                sa.func.sum(failed).label("runs_failed"),
                sa.func.sum(runs.rows_written).label("rows_written"),
                sa.func.sum(runs.bytes_written).label("bytes_written"),
                sa.func.sum(runs.files_written).label("exported_files"),
                sa.case(
                    (sa.func.count(runs.estimated_rows) == sa.func.count(), sa.func.sum(runs.estimated_rows))
                ).label("estimated_rows"),
            )
            .where(runs.tenant_id == tenant_id, runs.kind != RunKind.MANIFEST)
            .group_by(runs.export_id)
        )
        if export_id is not None:
            query = query.where(runs.export_id == export_id)
        with self._ledger.reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return {row.pop("export_id"): ExportProgress(**row) for row in rows}

    def change_export(self, tenant_id: UUID, export_id: UUID, change: ExportChange) -> Export:
        """Apply a transition to an export and its runs in one transaction; NotFoundError when there is none."""
        with self._ledger.writing() as connection:
            export = _lock_export(connection, tenant_id, export_id)
            runs = _runs_of(connection, tenant_id, export_id)
            changed, changed_runs = change(export, runs)
            if changed != export:
                _update(connection, EXPORTS, changed, _EXPORT_JSON)
            known = {run.id: run for run in runs}
            for run in changed_runs:
                if run != known[run.id]:
                    _update(connection, EXPORT_RUNS, run, _RUN_JSON)
            return changed

    def settle_export(self, export: Export, decide: Callable[[Export, set[RunFacet]], Export]) -> Export:
        """Store what ``decide`` makes of an export and the states of its runs, however many they are."""
        states = (
            sa.select(EXPORT_RUNS.c.kind, EXPORT_RUNS.c.status, EXPORT_RUNS.c.retry_number > 0)
            .where(EXPORT_RUNS.c.tenant_id == export.tenant_id, EXPORT_RUNS.c.export_id == export.id)
            .distinct()
        )
        # Looked at first without a lock: most of the time there is nothing to store, and a write waits for the disk.
        with self._ledger.reading() as connection:
            if decide(export, _facets(connection, states)) == export:
                return export
        with self._ledger.writing() as connection:
            current = _lock_export(connection, export.tenant_id, export.id)
            settled = decide(current, _facets(connection, states))
            if settled != current:
                _update(connection, EXPORTS, settled, _EXPORT_JSON)
            return settled

    def spawn_export(self, schedule: Export, plan: Callable[[Export], tuple[Export, Planned]]) -> Export | None:
        """Store what ``plan`` makes of the schedule; None, and nothing, when another process was first."""
        with self._ledger.writing() as connection:
            current = _lock_export(connection, schedule.tenant_id, schedule.id)
            if current.revision != schedule.revision:
                return None
            moved, (child, runs) = plan(current)
            _update(connection, EXPORTS, moved, _EXPORT_JSON)
            _insert_planned(connection, child, runs)
            return child

    def running_schedules(self) -> list[Export]:
        """Every schedule that is not cancelled, of all tenants."""
        return self._exports(sa.select(EXPORTS).where(EXPORTS.c.status == ExportStatus.INTERVAL_SCHEDULED))

    def unfinished_exports(self) -> list[Export]:
        """Every export that waits or runs, of all tenants, oldest first."""
        query = sa.select(EXPORTS).where(EXPORTS.c.status.in_(UNFINISHED))
        return self._exports(query.order_by(EXPORTS.c.created_at))

    # Leases

    def claimable_runs(self, now_us: int, limit: int) -> list[ExportRun]:
        """Runs that a worker may try to take, exports taking turns, so that a long one does not hold up a short one.

        A turn is as many runs as are worked on together, those of a project side by side. The manifest of an export is
        among them only when all its other runs are complete.
        """
        other = EXPORT_RUNS.alias("other")
        blocked = sa.exists().where(
            other.c.tenant_id == EXPORT_RUNS.c.tenant_id,
            other.c.export_id == EXPORT_RUNS.c.export_id,
            other.c.kind != RunKind.MANIFEST,
            other.c.status != ExportStatus.COMPLETED,
        )
        waiting = sa.and_(EXPORT_RUNS.c.status == ExportStatus.CREATED, EXPORT_RUNS.c.not_before_us <= now_us)
        lost = sa.and_(EXPORT_RUNS.c.status == ExportStatus.RUNNING, EXPORT_RUNS.c.lease_until_us <= now_us)
        side_by_side = (EXPORT_RUNS.c.project_id, EXPORT_RUNS.c.start_us, EXPORT_RUNS.c.id)
        place = sa.func.row_number().over(
            partition_by=(EXPORT_RUNS.c.tenant_id, EXPORT_RUNS.c.export_id), order_by=side_by_side
        )
        turn = (place - 1) // STRETCH_RUNS
        served = _last_served()
        query = (
            sa.select(EXPORT_RUNS)
            .join(
                served,
                sa.and_(served.c.tenant_id == EXPORT_RUNS.c.tenant_id, served.c.export_id == EXPORT_RUNS.c.export_id),
            )
            .where(sa.or_(waiting, lost), sa.or_(EXPORT_RUNS.c.kind != RunKind.MANIFEST, sa.not_(blocked)))
            .order_by(turn, served.c.served_at, EXPORT_RUNS.c.created_at, EXPORT_RUNS.c.export_id, *side_by_side)
            .limit(limit)
        )
        with self._ledger.reading() as connection:
            return [_record(ExportRun, row, _RUN_JSON) for row in connection.execute(query).mappings()]

    def take_runs(self, claims: Sequence[RunChange], *, max_per_export: int) -> list[ExportRun]:
        """Store claims; left out is what somebody else took first, and what the export may not have running as well."""
        with self._ledger.writing() as connection:
            taken = [_take(connection, run, wanted, max_per_export) for run, wanted in claims]
        return [run for run in taken if run is not None]

    def replace_runs(self, changes: Sequence[RunChange]) -> list[ExportRun]:
        """Store transitions in one transaction; left out is what was changed meanwhile: its transition is void."""
        with self._ledger.writing() as connection:
            stored = [_replace(connection, run, changed) for run, changed in changes]
        return [run for run in stored if run is not None]

    def keep_alive(self, owner: str, until_us: int) -> None:
        """Renew every lease of the owner."""
        with self._ledger.writing() as connection:
            connection.execute(
                sa.update(EXPORT_RUNS)
                .where(EXPORT_RUNS.c.status == ExportStatus.RUNNING, EXPORT_RUNS.c.lease_owner == owner)
                .values(lease_until_us=until_us)
            )

    def void_leases_of(self, is_gone: Callable[[str], bool]) -> None:
        """End at once the leases of owners that are known to be gone."""
        query = sa.select(EXPORT_RUNS.c.lease_owner).where(EXPORT_RUNS.c.status == ExportStatus.RUNNING).distinct()
        with self._ledger.reading() as connection:
            gone = [owner for (owner,) in connection.execute(query) if owner is not None and is_gone(owner)]
        for owner in gone:
            self.keep_alive(owner, 0)

    def leased_runs(self, owner: str) -> set[tuple[UUID, UUID]]:
        """(tenant id, run id) of what the owner still holds."""
        query = sa.select(EXPORT_RUNS.c.tenant_id, EXPORT_RUNS.c.id).where(
            EXPORT_RUNS.c.status == ExportStatus.RUNNING, EXPORT_RUNS.c.lease_owner == owner
        )
        with self._ledger.reading() as connection:
            return {(row.tenant_id, row.id) for row in connection.execute(query)}

    def is_held(self, run: ExportRun) -> bool:
        """Whether the run is still as it was when it was taken: nobody else decides about it."""
        with self._ledger.reading() as connection:
            return connection.execute(sa.select(sa.literal(1)).where(_unchanged(run))).first() is not None

    def report(self, run: ExportRun, *, result: RunResult, estimated_rows: int | None) -> bool:
        """Store the progress of a run that is still leased; False when it is not, and work on it has to stop."""
        values = {"result": _ENCODER.encode(result), "estimated_rows": estimated_rows, **_sums(result)}
        with self._ledger.writing() as connection:
            done = connection.execute(sa.update(EXPORT_RUNS).where(_unchanged(run)).values(**values))
            return done.rowcount == 1

    def _exports(self, query: sa.Select[Any]) -> list[Export]:
        with self._ledger.reading() as connection:
            return [_record(Export, row, _EXPORT_JSON) for row in connection.execute(query).mappings()]


def _take(connection: Connection, run: ExportRun, taken: ExportRun, max_per_export: int) -> ExportRun | None:
    running = EXPORT_RUNS.alias("running")
    count = (
        sa.select(sa.func.count())
        .select_from(running)
        .where(
            running.c.tenant_id == run.tenant_id,
            running.c.export_id == run.export_id,
            running.c.status == ExportStatus.RUNNING,
            running.c.id != run.id,
        )
        .scalar_subquery()
    )
    # The lease too: a heart-beat that came after the row was read has extended it without a new revision.
    same_lease = EXPORT_RUNS.c.lease_until_us.is_not_distinct_from(run.lease_until_us)
    return _replace(connection, run, taken, count < max_per_export, same_lease)


def _replace(
    connection: Connection, run: ExportRun, changed: ExportRun, *conditions: sa.ColumnElement[bool]
) -> ExportRun | None:
    stored = replace(changed, revision=run.revision + 1)
    statement = sa.update(EXPORT_RUNS).where(_unchanged(run), *conditions).values(**_row(stored, _RUN_JSON))
    return stored if connection.execute(statement).rowcount == 1 else None


def _last_served() -> sa.Subquery:
    """When a run of each unfinished export was last begun; 0 when none was."""
    same = sa.and_(EXPORTS.c.tenant_id == EXPORT_RUNS.c.tenant_id, EXPORTS.c.id == EXPORT_RUNS.c.export_id)
    served_at = sa.func.coalesce(sa.func.max(EXPORT_RUNS.c.started_at), 0).label("served_at")
    return (
        sa.select(EXPORT_RUNS.c.tenant_id, EXPORT_RUNS.c.export_id, served_at)
        .join(EXPORTS, same)
        .where(EXPORTS.c.status.in_(UNFINISHED))
        .group_by(EXPORT_RUNS.c.tenant_id, EXPORT_RUNS.c.export_id)
        .subquery()
    )


def _lock_export(connection: Connection, tenant_id: UUID, export_id: UUID) -> Export:
    """The export, which nobody else changes until the transaction ends.

    The update comes first: a transaction of SQLite that began by reading could not write after another one did.
    """
    one = _named(EXPORTS, tenant_id, export_id)
    connection.execute(sa.update(EXPORTS).where(one).values(revision=EXPORTS.c.revision))
    row = connection.execute(sa.select(EXPORTS).where(one)).mappings().first()
    if row is None:
        raise NotFoundError(f"no export has the id {export_id}", field="bulk_export_id")
    return _record(Export, row, _EXPORT_JSON)


def _runs_of(connection: Connection, tenant_id: UUID, export_id: UUID) -> list[ExportRun]:
    query = (
        sa.select(EXPORT_RUNS)
        .where(EXPORT_RUNS.c.tenant_id == tenant_id, EXPORT_RUNS.c.export_id == export_id)
        .order_by(EXPORT_RUNS.c.start_us, EXPORT_RUNS.c.kind, EXPORT_RUNS.c.project_id)
    )
    return [_record(ExportRun, row, _RUN_JSON) for row in connection.execute(query).mappings()]


def _facets(connection: Connection, states: sa.Select[Any]) -> set[RunFacet]:
    return {
        RunFacet(RunKind(kind), ExportStatus(status), bool(retried))
        for kind, status, retried in connection.execute(states)
    }


def _insert_planned(connection: Connection, export: Export, runs: Sequence[ExportRun]) -> None:
    connection.execute(sa.insert(EXPORTS).values(**_row(export, _EXPORT_JSON)))
    if runs:
        connection.execute(sa.insert(EXPORT_RUNS), [_row(run, _RUN_JSON) for run in runs])


def _update(connection: Connection, table: sa.Table, record: Export | ExportRun, json_columns: dict[str, Any]) -> None:
    stored = replace(record, revision=record.revision + 1)
    connection.execute(
        sa.update(table).where(_named(table, record.tenant_id, record.id)).values(**_row(stored, json_columns))
    )


def _named(table: sa.Table, tenant_id: UUID, id_: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant_id == tenant_id, table.c.id == id_)


def _unchanged(run: ExportRun) -> sa.ColumnElement[bool]:
    return sa.and_(_named(EXPORT_RUNS, run.tenant_id, run.id), EXPORT_RUNS.c.revision == run.revision)


def _row(record: Any, json_columns: dict[str, Any]) -> dict[str, Any]:
    """The columns of a record; what ``json_columns`` names is stored as JSON."""
    row = {item.name: getattr(record, item.name) for item in fields(record)}
    if isinstance(record, ExportRun):
        row |= _sums(record.result)
    return row | {name: _ENCODER.encode(row[name]) for name in json_columns if row[name] is not None}


def _sums(result: RunResult | None) -> dict[str, int]:
    """What progress is summed from, beside the result itself."""
    if result is None:
        return {"rows_written": 0, "bytes_written": 0, "files_written": 0}
    return {"rows_written": result.rows, "bytes_written": result.bytes, "files_written": result.files_written}


def _record(type_: type[RecordT], row: Any, json_columns: dict[str, Any]) -> RecordT:
    cells = dict(row)
    for name, shape in json_columns.items():
        if cells[name] is not None:
            cells[name] = msgspec.json.decode(cells[name], type=shape)
    for name, kind in (("status", ExportStatus), ("kind", RunKind)):
        if name in cells:
            cells[name] = kind(cells[name])
    known = {item.name for item in fields(type_)}  # type: ignore[arg-type]  # one of the model's dataclasses
    return type_(**{name: value for name, value in cells.items() if name in known})
