"""Rows made ahead of the commit fit only the state they were made from."""

from __future__ import annotations

from uuid import UUID

from runlake.ingest.ahead import RowsAhead
from runlake.ingest.batch import IngestBatch
from runlake.ingest.costs import CostBook
from runlake.model.run import FieldValue, RunField, RunWrite, WriteKind, merge_write

TENANT, PROJECT, RUN = UUID(int=1), UUID(int=2), UUID(int=3)
PLACE: dict[RunField, FieldValue] = {
    RunField.TRACE_ID: RUN,
    RunField.DOTTED_ORDER: f"20260102T030405000006Z{RUN}",
    RunField.SESSION_ID: PROJECT,
}


class _OneProject:
    def resolve(self, tenant_id: UUID, *, session_id: UUID | None, session_name: str | None) -> UUID:
        assert tenant_id == TENANT
        assert session_name is None
        return session_id or PROJECT


def _prepare(*writes: RunWrite) -> dict[UUID, object]:
    ahead = RowsAhead(projects=_OneProject(), prices=CostBook(), now_us=lambda: 5)
    return dict(ahead.prepare(IngestBatch(tenant_id=TENANT, runs=writes)).rows)


def _write(kind: WriteKind, fields: dict[RunField, FieldValue]) -> RunWrite:
    return RunWrite(kind=kind, run_id=RUN, fields=fields)


CREATE = _write(WriteKind.CREATE, {**PLACE, RunField.NAME: "n", RunField.INPUTS: b"{}"})


def test_a_row_fits_the_state_of_its_own_writes_and_no_other() -> None:
    ahead = RowsAhead(projects=_OneProject(), prices=CostBook(), now_us=lambda: 5)
    row = ahead.prepare(IngestBatch(tenant_id=TENANT, runs=(CREATE,))).rows[RUN]

    assert row.fits(row.state, PROJECT)
    assert not row.fits(row.state, UUID(int=9))
    assert not row.fits(merge_write(row.state, _write(WriteKind.PATCH, {RunField.ERROR: "late"})), PROJECT)


def test_only_runs_that_are_created_with_their_place_get_a_row() -> None:
    nowhere = _write(WriteKind.CREATE, {RunField.SESSION_ID: PROJECT, RunField.NAME: "n"})

    assert RUN in _prepare(CREATE)
    assert not _prepare(_write(WriteKind.PATCH, {**PLACE, RunField.ERROR: "late"}))
    assert not _prepare(nowhere)


def test_the_weight_of_a_batch_counts_its_rows() -> None:
    ahead = RowsAhead(projects=_OneProject(), prices=CostBook(), now_us=lambda: 5)
    batch = IngestBatch(tenant_id=TENANT, runs=(CREATE,))

    ready = ahead.prepare(batch)

    assert ready.size_bytes == batch.size_bytes + len(ready.rows[RUN].tail)
