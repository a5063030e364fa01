"""Comparisons of experiments in the ledger. Every method blocks; one that has written has been fsynced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from runlake.errors import ConflictError, NotFoundError
from runlake.model.dataset import ComparativeExperiment
from runlake.store.dataset_ledger import read_dataset
from runlake.store.dataset_schema import COMPARATIVE_EXPERIMENTS
from runlake.store.ledger import Ledger

_COLUMNS: Final = tuple(column.name for column in COMPARATIVE_EXPERIMENTS.columns)


class ComparisonLedger:
    """The comparisons of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, comparison: ComparativeExperiment) -> None:
        """Keep a new one; NotFoundError for an unknown dataset, ConflictError for a taken id."""
        try:
            with self._ledger.writing() as connection:
                read_dataset(connection, comparison.tenant_id, comparison.reference_dataset_id)
                connection.execute(sa.insert(COMPARATIVE_EXPERIMENTS).values(**_to_row(comparison)))
        except IntegrityError as error:
            raise ConflictError(f"a comparison with id {comparison.id} exists already", field="id") from error

    def read(self, tenant_id: UUID, comparison_id: UUID) -> ComparativeExperiment:
        """NotFoundError when the tenant has none of that id."""
        table = COMPARATIVE_EXPERIMENTS
        query = sa.select(table).where(table.c.tenant_id == tenant_id, table.c.id == comparison_id)
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError(f"no comparison has the id {comparison_id}", field="comparative_experiment_id")
        return _from_row(row)

    def list(self, tenant_id: UUID, dataset_id: UUID, *, offset: int, limit: int) -> Sequence[ComparativeExperiment]:
        """Those on a dataset, newest first."""
        table = COMPARATIVE_EXPERIMENTS
        query = (
            sa.select(table)
            .where(table.c.tenant_id == tenant_id, table.c.reference_dataset_id == dataset_id)
            .order_by(table.c.created_at.desc(), table.c.id)
            .offset(offset)
            .limit(limit)
        )
        with self._ledger.reading() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def delete(self, tenant_id: UUID, comparison_id: UUID) -> None:
        """The experiments stay; NotFoundError when the tenant has none of that id."""
        table = COMPARATIVE_EXPERIMENTS
        with self._ledger.writing() as connection:
            done = connection.execute(
                sa.delete(table).where(table.c.tenant_id == tenant_id, table.c.id == comparison_id)
            )
        if not done.rowcount:
            raise NotFoundError(f"no comparison has the id {comparison_id}", field="comparative_experiment_id")


def _to_row(comparison: ComparativeExperiment) -> dict[str, Any]:
    row = {name: getattr(comparison, name) for name in _COLUMNS}
    return row | {"experiment_ids": msgspec.json.encode(comparison.experiment_ids)}


def _from_row(row: Mapping[Any, Any]) -> ComparativeExperiment:
    ids = msgspec.json.decode(row["experiment_ids"], type=tuple[UUID, ...])
    return ComparativeExperiment(**{name: row[name] for name in _COLUMNS} | {"experiment_ids": ids})
