"""``DatasetService``: everything that can be done with datasets as a whole. Blocks, so handlers call it on a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Literal, cast
from uuid import UUID

from runlake.api.example_files import ExampleFiles
from runlake.api.schema_check import check_schema
from runlake.errors import NotFoundError, UserError
from runlake.model.dataset import LATEST, Dataset, DatasetCounts, DatasetPlace, DatasetVersion
from runlake.store.datasets import DatasetChanges, DatasetFilter, DatasetStore
from runlake.wire.containment import holds, read_wanted
from runlake.wire.datasets import (
    DatasetBody,
    DiffBody,
    VersionBody,
    dataset_body,
    dataset_metadata,
    diff_body,
    read_dataset_changes,
    read_dataset_create,
    read_tag,
    version_body,
)
from runlake.wire.json_text import decode_value
from runlake.wire.times import parse_time

_BY_COUNTS: Final[dict[str, Callable[[DatasetCounts], int | None]]] = {
    "last_session_start_time": lambda counts: counts.last_experiment_start,
    "example_count": lambda counts: counts.examples,
    "session_count": lambda counts: counts.experiments,
}
_BY_COLUMN: Final = ("name", "created_at", "modified_at")
DATASET_SORTS: Final = (*_BY_COLUMN, *_BY_COUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetListing:
    """What a listing asks for, typed; it begins ``after`` a place in its order, or at an ``offset``."""

    wanted: DatasetFilter
    metadata: str | None = None
    sort_by: str = "created_at"
    descending: bool = True
    after: DatasetPlace | None = None
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetService:
    """Over one store."""

    store: DatasetStore
    files: ExampleFiles
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    def create(self, tenant_id: UUID, body: bytes) -> DatasetBody:
        dataset = read_dataset_create(body, tenant_id=tenant_id, now_us=self.now_us(), new_id=self.new_id)
        return self.add(dataset)

    def add(self, dataset: Dataset) -> DatasetBody:
        """Keep a new dataset, its schemas checked."""
        check_schema(dataset.inputs_schema, "inputs_schema_definition")
        check_schema(dataset.outputs_schema, "outputs_schema_definition")
        return dataset_body(self.store.create(dataset), DatasetCounts())

    def read(self, tenant_id: UUID, dataset_id: UUID) -> DatasetBody:
        return self._body(self.store.read(tenant_id, dataset_id))

    def update(self, tenant_id: UUID, dataset_id: UUID, body: bytes) -> DatasetBody:
        changes = read_dataset_changes(body)
        for kind in ("inputs", "outputs"):
            check_schema(cast("bytes | None", changes.get(f"{kind}_schema")), f"{kind}_schema_definition")
        found = self.store.update(tenant_id, dataset_id, cast("DatasetChanges", changes), now_us=self.now_us())
        return self._body(found)

    def delete(self, tenant_id: UUID, dataset_ids: Sequence[UUID]) -> None:
        self.files.delete(tenant_id, self.store.delete(tenant_id, tuple(dict.fromkeys(dataset_ids))))

    def list(self, tenant_id: UUID, listing: DatasetListing) -> tuple[Sequence[DatasetBody], DatasetPlace | None]:
        """A page, and the place of its last dataset when there are more."""
        until = listing.offset + listing.limit + 1
        if listing.sort_by in _BY_COLUMN and listing.metadata is None:
            found = self._rows(tenant_id, listing, limit=until)
        elif listing.sort_by in _BY_COLUMN:
            found = _with_metadata(self._rows(tenant_id, listing, limit=None), listing.metadata)
        else:
            found = self._by_counts(tenant_id, listing)
        page, rest = found[listing.offset : until - 1], found[until - 1 :]
        counts = self.store.counts(tenant_id, [dataset.id for dataset in page])
        bodies = [dataset_body(dataset, counts[dataset.id]) for dataset in page]
        return bodies, _place(listing.sort_by, page[-1], counts[page[-1].id]) if page and rest else None

    def versions(
        self, tenant_id: UUID, dataset_id: UUID, *, search: str | None, offset: int, limit: int
    ) -> Sequence[VersionBody]:
        found = self.store.versions(tenant_id, dataset_id, search=search, offset=offset, limit=limit)
        return [version_body(version) for version in found]

    def version(self, tenant_id: UUID, dataset_id: UUID, as_of: str) -> VersionBody:
        return version_body(self._version(tenant_id, dataset_id, as_of))

    def tag(self, tenant_id: UUID, dataset_id: UUID, body: bytes) -> VersionBody:
        as_of, tag = read_tag(body)
        return version_body(self.store.tag(tenant_id, dataset_id, as_of, tag))

    def diff(self, tenant_id: UUID, dataset_id: UUID, older: str, newer: str) -> DiffBody:
        bounds = [self._version(tenant_id, dataset_id, text, may_be_before=True).as_of for text in (older, newer)]
        return diff_body(self.store.diff(tenant_id, dataset_id, *bounds))

    def share(self, tenant_id: UUID, dataset_id: UUID) -> UUID:
        return self.store.share(tenant_id, dataset_id, self.new_id(), now_us=self.now_us())

    def shared(self, token: UUID) -> Dataset:
        """What a token opens; NotFoundError for one that was never made or is revoked."""
        found = self.store.shared(token)
        if found is None:
            raise NotFoundError("this link opens nothing; it was revoked or never made", field="share_token")
        return found

    def body(self, dataset: Dataset) -> DatasetBody:
        """The wire object of a dataset."""
        return self._body(dataset)

    def moment(self, dataset: Dataset, as_of: str | None) -> int | None:
        """What ``as_of`` of a request means: a time or a tag; None for the newest version."""
        if as_of is None or as_of == LATEST:
            return None
        moment = read_moment(as_of)
        if moment is None:
            moment = self.store.version_at(dataset.tenant_id, dataset.id, as_of).as_of
        # The newest version is by far the most asked for, and what still holds is indexed for it.
        return None if moment >= dataset.version else moment

    def _version(self, tenant_id: UUID, dataset_id: UUID, as_of: str, *, may_be_before: bool = False) -> DatasetVersion:
        moment = read_moment(as_of)
        try:
            return self.store.version_at(tenant_id, dataset_id, as_of if moment is None else moment)
        except NotFoundError as error:
            if may_be_before and moment is not None and error.field == "as_of":
                return DatasetVersion(as_of=moment)
            raise

    def _rows(self, tenant_id: UUID, listing: DatasetListing, *, limit: int | None) -> Sequence[Dataset]:
        """In the order of a column, from the listing's place on."""
        return self.store.list(
            tenant_id,
            listing.wanted,
            by=cast("Literal['name', 'created_at', 'modified_at']", listing.sort_by),
            descending=listing.descending,
            after=listing.after,
            limit=limit,
        )

    def _by_counts(self, tenant_id: UUID, listing: DatasetListing) -> Sequence[Dataset]:
        """In the order of something counted, from the listing's place on; those without a value last in both orders."""
        rows = self.store.list(tenant_id, listing.wanted, by="created_at", descending=True)
        found = _with_metadata(rows, listing.metadata)
        counts = self.store.counts(tenant_id, [dataset.id for dataset in found])
        places = [(_place(listing.sort_by, dataset, counts[dataset.id]), dataset) for dataset in found]
        ranked = sorted(((_rank(place, listing.descending), dataset) for place, dataset in places), key=itemgetter(0))
        if listing.after is None:
            return [dataset for _, dataset in ranked]
        last = _rank(listing.after, listing.descending)
        return [dataset for rank, dataset in ranked if rank > last]

    def _body(self, dataset: Dataset) -> DatasetBody:
        return dataset_body(dataset, self.store.counts(dataset.tenant_id, [dataset.id])[dataset.id])


def read_moment(text: str) -> int | None:
    """The time that a text names, in microseconds; None for what must be a tag."""
    if not text[:1].isdigit():
        return None
    try:
        return parse_time(text)
    except UserError:
        return None


def _place(sort_by: str, dataset: Dataset, counts: DatasetCounts) -> DatasetPlace:
    count = _BY_COUNTS.get(sort_by)
    return DatasetPlace(getattr(dataset, sort_by) if count is None else count(counts), dataset.id)


def _rank(place: DatasetPlace, descending: bool) -> tuple[bool, int, int]:
    value, sign = cast("int | None", place.value), -1 if descending else 1
    return value is None, sign * (value or 0), sign * place.id.int


def _with_metadata(datasets: Sequence[Dataset], metadata: str | None) -> Sequence[Dataset]:
    if metadata is None:
        return datasets
    wanted = read_wanted(metadata, "metadata")
    return [dataset for dataset in datasets if holds(_metadata(dataset), wanted)]


def _metadata(dataset: Dataset) -> object:
    found = dataset_metadata(dataset)
    return {} if found is None else decode_value(found)
