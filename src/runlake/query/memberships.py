"""What runs have to do with datasets: which examples were made from them, and of which dataset theirs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from runlake.model.run_record import RunRecord, RunSelect
from runlake.store.datasets import ExampleStore
from runlake.wire.runs import RunDatasets


@dataclass(frozen=True, slots=True)
class Memberships:
    """Looks it up in the ledger; blocks."""

    examples: ExampleStore

    def shown(self, tenant_id: UUID, runs: Sequence[RunRecord], select: frozenset[RunSelect]) -> RunDatasets:
        """Of some runs, where the caller asked for it."""
        sources: frozenset[UUID] = frozenset()
        if RunSelect.IN_DATASET in select:
            sources = self.examples.made_from(tenant_id, [UUID(run.id) for run in runs])
        datasets: Mapping[UUID, UUID] = {}
        if RunSelect.REFERENCE_DATASET_ID in select:
            ids = {UUID(run.reference_example_id) for run in runs if run.reference_example_id}
            datasets = self.examples.datasets_of(tenant_id, sorted(ids))
        return RunDatasets(
            sources=frozenset(map(str, sources)), of_examples={str(key): str(found) for key, found in datasets.items()}
        )
