"""The seam over the ledger's datasets: what services need, without the database library behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from runlake.model.dataset import (
    ComparativeExperiment,
    Dataset,
    DatasetCounts,
    DatasetDiff,
    DatasetPlace,
    DatasetVersion,
    DataType,
    Example,
    ExampleChange,
)

DatasetField: TypeAlias = Literal[
    "name", "description", "extra", "inputs_schema", "outputs_schema", "transformations", "data_type"
]
"""What of a dataset can be changed."""

DatasetChanges: TypeAlias = Mapping[DatasetField, str | bytes | None]

ExampleOrder: TypeAlias = Literal["recent", "recently_created", "id", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFilter:
    """Which datasets a listing wants; every given condition must hold.

    ``name`` is exact and case-sensitive, ``name_contains`` ignores the case of ASCII letters.
    """

    ids: tuple[UUID, ...] | None = None
    name: str | None = None
    name_contains: str | None = None
    data_types: tuple[DataType, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleFilter:
    """Which examples a listing wants; every given condition must hold.

    ``as_of`` is a version, None for the newest. An example belongs to ``splits`` when it is in one of them.
    """

    dataset_id: UUID | None = None
    ids: tuple[UUID, ...] | None = None
    as_of: int | None = None
    splits: tuple[str, ...] | None = None


class DatasetStore(Protocol):
    """Datasets and what hangs on them; ``store.dataset_ledger.DatasetLedger`` documents each method."""

    def create(self, dataset: Dataset) -> Dataset: ...

    def read(self, tenant_id: UUID, dataset_id: UUID) -> Dataset: ...

    def list(
        self,
        tenant_id: UUID,
        wanted: DatasetFilter,
        *,
        by: Literal["name", "created_at", "modified_at"],
        descending: bool,
        after: DatasetPlace | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Dataset]: ...

    def counts(self, tenant_id: UUID, dataset_ids: Sequence[UUID]) -> Mapping[UUID, DatasetCounts]: ...

    def update(self, tenant_id: UUID, dataset_id: UUID, changes: DatasetChanges, *, now_us: int) -> Dataset: ...

    def delete(self, tenant_id: UUID, dataset_ids: Sequence[UUID]) -> Sequence[UUID]: ...

    def versions(
        self, tenant_id: UUID, dataset_id: UUID, *, search: str | None, offset: int, limit: int
    ) -> Sequence[DatasetVersion]: ...

    def version_at(self, tenant_id: UUID, dataset_id: UUID, as_of: int | str) -> DatasetVersion: ...

    def tag(self, tenant_id: UUID, dataset_id: UUID, as_of: int, tag: str) -> DatasetVersion: ...

    def diff(self, tenant_id: UUID, dataset_id: UUID, older: int, newer: int) -> DatasetDiff: ...

    def share(self, tenant_id: UUID, dataset_id: UUID, token: UUID, *, now_us: int) -> UUID: ...

    def share_of(self, tenant_id: UUID, dataset_id: UUID) -> UUID | None: ...

    def unshare(self, tenant_id: UUID, dataset_id: UUID) -> None: ...

    def shared(self, token: UUID) -> Dataset | None: ...


class ComparisonStore(Protocol):
    """Comparisons of experiments; ``store.comparison_ledger.ComparisonLedger`` documents each method."""

    def create(self, comparison: ComparativeExperiment) -> None: ...

    def read(self, tenant_id: UUID, comparison_id: UUID) -> ComparativeExperiment: ...

    def list(
        self, tenant_id: UUID, dataset_id: UUID, *, offset: int, limit: int
    ) -> Sequence[ComparativeExperiment]: ...

    def delete(self, tenant_id: UUID, comparison_id: UUID) -> None: ...


class ExampleStore(Protocol):
    """Examples in all their revisions; ``store.example_ledger.ExampleLedger`` documents each method."""

    def create(self, tenant_id: UUID, dataset_id: UUID, examples: Sequence[Example]) -> Sequence[Example]: ...

    def update(self, tenant_id: UUID, dataset_id: UUID, changes: Sequence[ExampleChange]) -> int: ...

    def change_splits(
        self, tenant_id: UUID, dataset_id: UUID, ids: Sequence[UUID], *, add: Sequence[str], remove: Sequence[str]
    ) -> int: ...

    def delete(self, tenant_id: UUID, ids: Sequence[UUID]) -> None: ...

    def erase(self, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[UUID]: ...

    def read(self, tenant_id: UUID, example_id: UUID, *, as_of: int | None = None) -> Example: ...

    def page(
        self,
        tenant_id: UUID,
        wanted: ExampleFilter,
        *,
        order: ExampleOrder = "recent",
        descending: bool = True,
        seed: int = 0,
        offset: int = 0,
        limit: int | None = None,
    ) -> Sequence[Example]: ...

    def matching(
        self,
        tenant_id: UUID,
        wanted: ExampleFilter,
        matches: Callable[[Example], bool],
        *,
        looks_into_payloads: bool,
        order: ExampleOrder = "recent",
        descending: bool = True,
        offset: int = 0,
        limit: int | None = None,
    ) -> Sequence[Example]: ...

    def count(self, tenant_id: UUID, wanted: ExampleFilter) -> int: ...

    def count_matching(
        self,
        tenant_id: UUID,
        wanted: ExampleFilter,
        matches: Callable[[Example], bool],
        *,
        looks_into_payloads: bool,
    ) -> int: ...

    def newest(self, tenant_id: UUID, ids: Sequence[UUID], *, as_of: int | None) -> Mapping[UUID, Example]: ...

    def splits(self, tenant_id: UUID, dataset_id: UUID, *, as_of: int | None) -> Sequence[str]: ...

    def datasets_of(self, tenant_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, UUID]: ...

    def made_from(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> frozenset[UUID]: ...
