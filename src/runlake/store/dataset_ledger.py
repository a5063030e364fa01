"""Datasets, their versions, tags and shares in the ledger.

Every method blocks; one that has written has been fsynced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from runlake.errors import ConflictError, NotFoundError
from runlake.model.dataset import (
    ALWAYS,
    LATEST,
    Dataset,
    DatasetCounts,
    DatasetDiff,
    DatasetPlace,
    DatasetVersion,
    DataType,
)
from runlake.store.dataset_schema import (
    COMPARATIVE_EXPERIMENTS,
    DATASET_SHARES,
    DATASET_TAGS,
    DATASET_VERSIONS,
    DATASETS,
    EXAMPLE_CONTENTS,
    EXAMPLES,
)
from runlake.store.datasets import DatasetChanges, DatasetFilter
from runlake.store.ledger import Ledger
from runlake.store.ledger_schema import PROJECTS

_COLUMNS: Final = tuple(column.name for column in DATASETS.columns)


class DatasetLedger:
    """The datasets of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, dataset: Dataset) -> Dataset:
        """Keep a new dataset; ConflictError when its name or id is taken."""
        try:
            with self._ledger.writing() as connection:
                connection.execute(sa.insert(DATASETS).values(**_to_row(dataset)))
        except IntegrityError as error:
            raise _taken(error, dataset) from error
        return dataset

    def read(self, tenant_id: UUID, dataset_id: UUID) -> Dataset:
        """NotFoundError when the tenant has none of that id."""
        with self._ledger.reading() as connection:
            return read_dataset(connection, tenant_id, dataset_id)

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
    ) -> list[Dataset]:
        """Equal values are ordered by id, so that pages never overlap; all datasets when ``limit`` is None."""
        keys = (DATASETS.c[by], DATASETS.c.id)
        query = (
            sa.select(DATASETS)
            .where(DATASETS.c.tenant_id == tenant_id, *_conditions(wanted))
            .order_by(*(key.desc() if descending else key.asc() for key in keys))
            .offset(offset)
            .limit(limit)
        )
        if after is not None:
            here, there = sa.tuple_(*keys), sa.tuple_(sa.literal(after.value), sa.literal(after.id, sa.Uuid))
            query = query.where(here < there if descending else here > there)
        with self._ledger.reading() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def counts(self, tenant_id: UUID, dataset_ids: Sequence[UUID]) -> Mapping[UUID, DatasetCounts]:
        """What each of these datasets has; every one of them is in the answer."""
        examples = (
            sa.select(EXAMPLES.c.dataset_id, sa.func.count())
            .where(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.dataset_id.in_(dataset_ids))
            .where(EXAMPLES.c.valid_until == ALWAYS)
            .group_by(EXAMPLES.c.dataset_id)
        )
        dataset = PROJECTS.c.reference_dataset_id
        experiments = (
            sa.select(dataset, sa.func.count(), sa.func.max(PROJECTS.c.start_time))
            .where(PROJECTS.c.tenant_id == tenant_id, dataset.in_(dataset_ids), PROJECTS.c.deleted_at.is_(None))
            .group_by(dataset)
        )
        with self._ledger.reading() as connection:
            live = {row[0]: row[1] for row in connection.execute(examples)}
            upon = {row[0]: (row[1], row[2]) for row in connection.execute(experiments)}
        return {
            identity: DatasetCounts(
                examples=live.get(identity, 0),
                experiments=upon.get(identity, (0, None))[0],
                last_experiment_start=upon.get(identity, (0, None))[1],
            )
            for identity in dataset_ids
        }

    def update(self, tenant_id: UUID, dataset_id: UUID, changes: DatasetChanges, *, now_us: int) -> Dataset:
        """Set the given fields; NotFoundError for an unknown dataset, ConflictError for a taken name."""
        with self._ledger.writing() as connection:
            dataset = read_dataset(connection, tenant_id, dataset_id)
            if not changes:
                return dataset
            try:
                connection.execute(
                    sa.update(DATASETS)
                    .where(DATASETS.c.tenant_id == tenant_id, DATASETS.c.id == dataset_id)
                    .values({**changes, "modified_at": max(now_us, dataset.modified_at)})
                )
            except IntegrityError as error:
                raise ConflictError(
                    f"a dataset named {changes.get('name')!r} exists already; choose another name", field="name"
                ) from error
            return read_dataset(connection, tenant_id, dataset_id)

    def delete(self, tenant_id: UUID, dataset_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Remove datasets with all their versions, all or none; the ids of examples that had attachments.

        Experiments stay, because they are traces that somebody may have use for.
        """
        with self._ledger.writing() as connection:
            for dataset_id in dataset_ids:
                read_dataset(connection, tenant_id, dataset_id)
            with_files = _delete_examples(connection, tenant_id, dataset_ids)
            compared = COMPARATIVE_EXPERIMENTS.c
            for table, dataset in (
                (DATASET_VERSIONS, DATASET_VERSIONS.c.dataset_id),
                (DATASET_TAGS, DATASET_TAGS.c.dataset_id),
                (DATASET_SHARES, DATASET_SHARES.c.dataset_id),
                (COMPARATIVE_EXPERIMENTS, compared.reference_dataset_id),
                (DATASETS, DATASETS.c.id),
            ):
                connection.execute(sa.delete(table).where(table.c.tenant_id == tenant_id, dataset.in_(dataset_ids)))
        return with_files

    def versions(
        self, tenant_id: UUID, dataset_id: UUID, *, search: str | None, offset: int, limit: int
    ) -> Sequence[DatasetVersion]:
        """Newest first; ``search`` keeps those with a tag that contains it."""
        with self._ledger.reading() as connection:
            dataset = read_dataset(connection, tenant_id, dataset_id)
            tags = _tags(connection, dataset)
            query = (
                sa.select(DATASET_VERSIONS.c.as_of)
                .where(DATASET_VERSIONS.c.tenant_id == tenant_id, DATASET_VERSIONS.c.dataset_id == dataset_id)
                .order_by(DATASET_VERSIONS.c.as_of.desc())
            )
            if search:
                wanted = [moment for moment, names in tags.items() if any(search in name for name in names)]
                query = query.where(DATASET_VERSIONS.c.as_of.in_(wanted))
            moments = connection.execute(query.offset(offset).limit(limit)).scalars()
            return [DatasetVersion(as_of=moment, tags=tuple(tags.get(moment, ()))) for moment in moments]

    def version_at(self, tenant_id: UUID, dataset_id: UUID, as_of: int | str) -> DatasetVersion:
        """The version that held at a moment, or the one of a tag; NotFoundError where there is none."""
        with self._ledger.reading() as connection:
            dataset = read_dataset(connection, tenant_id, dataset_id)
            tags = _tags(connection, dataset)
            if isinstance(as_of, str):
                moment = next((moment for moment, names in tags.items() if as_of in names), None)
                if moment is None:
                    raise NotFoundError(f"the dataset has no version tagged {as_of[:100]!r}", field="tag")
                return DatasetVersion(as_of=moment, tags=tuple(tags[moment]))
            found = connection.execute(
                sa.select(sa.func.max(DATASET_VERSIONS.c.as_of)).where(
                    DATASET_VERSIONS.c.tenant_id == tenant_id,
                    DATASET_VERSIONS.c.dataset_id == dataset_id,
                    DATASET_VERSIONS.c.as_of <= as_of,
                )
            ).scalar()
        if found is None:
            raise NotFoundError("the dataset had no version at that time", field="as_of")
        return DatasetVersion(as_of=found, tags=tuple(tags.get(found, ())))

    def tag(self, tenant_id: UUID, dataset_id: UUID, as_of: int, tag: str) -> DatasetVersion:
        """Point a tag at the version that held at ``as_of``, wherever it pointed before."""
        version = self.version_at(tenant_id, dataset_id, as_of)
        place = (
            DATASET_TAGS.c.tenant_id == tenant_id,
            DATASET_TAGS.c.dataset_id == dataset_id,
            DATASET_TAGS.c.tag == tag,
        )
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(DATASET_TAGS).where(*place))
            connection.execute(
                sa.insert(DATASET_TAGS).values(tenant_id=tenant_id, dataset_id=dataset_id, tag=tag, as_of=version.as_of)
            )
        return self.version_at(tenant_id, dataset_id, version.as_of)

    def diff(self, tenant_id: UUID, dataset_id: UUID, older: int, newer: int) -> DatasetDiff:
        """What changed between two moments."""
        with self._ledger.reading() as connection:
            before, after = (_revisions(connection, tenant_id, dataset_id, moment) for moment in (older, newer))
        return DatasetDiff(
            added=tuple(sorted(after.keys() - before.keys())),
            modified=tuple(sorted(key for key in after.keys() & before.keys() if after[key] != before[key])),
            removed=tuple(sorted(before.keys() - after.keys())),
        )

    def share(self, tenant_id: UUID, dataset_id: UUID, token: UUID, *, now_us: int) -> UUID:
        """Open the dataset to whoever has the token; one that is shared already keeps its token."""
        with self._ledger.writing() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            found = connection.execute(_share_query(tenant_id, dataset_id)).scalar()
            if found is not None:
                return UUID(str(found))
            connection.execute(
                sa.insert(DATASET_SHARES).values(
                    tenant_id=tenant_id, dataset_id=dataset_id, token=token, created_at=now_us
                )
            )
        return token

    def share_of(self, tenant_id: UUID, dataset_id: UUID) -> UUID | None:
        """The token of a dataset; None when it is not shared."""
        with self._ledger.reading() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            return connection.execute(_share_query(tenant_id, dataset_id)).scalar_one_or_none()

    def unshare(self, tenant_id: UUID, dataset_id: UUID) -> None:
        """The token opens nothing from now on."""
        with self._ledger.writing() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            connection.execute(
                sa.delete(DATASET_SHARES).where(
                    DATASET_SHARES.c.tenant_id == tenant_id, DATASET_SHARES.c.dataset_id == dataset_id
                )
            )

    def shared(self, token: UUID) -> Dataset | None:
        """What a token opens, whoever shows it."""
        both = sa.and_(DATASET_SHARES.c.tenant_id == DATASETS.c.tenant_id, DATASET_SHARES.c.dataset_id == DATASETS.c.id)
        query = sa.select(DATASETS).join(DATASET_SHARES, both).where(DATASET_SHARES.c.token == token)
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _from_row(row)


def read_dataset(connection: Connection, tenant_id: UUID, dataset_id: UUID) -> Dataset:
    """NotFoundError when the tenant has none of that id."""
    query = sa.select(DATASETS).where(DATASETS.c.tenant_id == tenant_id, DATASETS.c.id == dataset_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        # The SDK tells a missing dataset from a missing route by these three words.
        raise NotFoundError(f"dataset not found: none has the id {dataset_id}", field="dataset_id")
    return _from_row(row)


def new_version(connection: Connection, tenant_id: UUID, dataset_ids: Sequence[UUID], *, now_us: int) -> int:
    """Make a version of the datasets, later than any that one of them has; NotFoundError as ``read_dataset``."""
    datasets = [read_dataset(connection, tenant_id, dataset_id) for dataset_id in dict.fromkeys(dataset_ids)]
    version = max(now_us, *(dataset.version + 1 for dataset in datasets))
    for dataset in datasets:
        connection.execute(
            sa.insert(DATASET_VERSIONS).values(tenant_id=tenant_id, dataset_id=dataset.id, as_of=version)
        )
        connection.execute(
            sa.update(DATASETS)
            .where(DATASETS.c.tenant_id == tenant_id, DATASETS.c.id == dataset.id)
            .values(version=version, modified_at=version)
        )
    return version


def holds_at(as_of: int | None) -> sa.ColumnElement[bool]:
    """The condition on ``EXAMPLES`` for the revisions of one moment, of now when it is None."""
    if as_of is None:
        return EXAMPLES.c.valid_until == ALWAYS
    return sa.and_(EXAMPLES.c.modified_at <= as_of, EXAMPLES.c.valid_until > as_of)


def _delete_examples(connection: Connection, tenant_id: UUID, dataset_ids: Sequence[UUID]) -> list[UUID]:
    """Delete every revision in the datasets; the ids of examples that had files and are nowhere any more."""
    mine = sa.and_(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.dataset_id.in_(dataset_ids))
    contents = EXAMPLE_CONTENTS.c
    # By revision and not by id: an example that was moved has other revisions in another dataset.
    revisions = sa.select(EXAMPLES.c.id, EXAMPLES.c.modified_at).where(mine)
    doomed = sa.and_(contents.tenant_id == tenant_id, sa.tuple_(contents.id, contents.modified_at).in_(revisions))
    with_files = sa.select(contents.id).distinct().where(doomed, contents.attachments.is_not(None))
    found = list(connection.execute(with_files).scalars())
    connection.execute(sa.delete(EXAMPLE_CONTENTS).where(doomed))
    connection.execute(sa.delete(EXAMPLES).where(mine))
    elsewhere = sa.select(EXAMPLES.c.id).distinct().where(EXAMPLES.c.tenant_id == tenant_id)
    left = set(connection.execute(elsewhere.where(EXAMPLES.c.id.in_(found))).scalars()) if found else set()
    return [identity for identity in found if identity not in left]


def _revisions(connection: Connection, tenant_id: UUID, dataset_id: UUID, as_of: int) -> dict[UUID, int]:
    query = sa.select(EXAMPLES.c.id, EXAMPLES.c.modified_at).where(
        EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.dataset_id == dataset_id, holds_at(as_of)
    )
    return {row.id: row.modified_at for row in connection.execute(query)}


def _tags(connection: Connection, dataset: Dataset) -> dict[int, list[str]]:
    """The tags of each version that has some; ``latest`` is one of them once there is a version."""
    found: dict[int, list[str]] = {dataset.version: [LATEST]} if dataset.version else {}
    query = (
        sa.select(DATASET_TAGS.c.tag, DATASET_TAGS.c.as_of)
        .where(DATASET_TAGS.c.tenant_id == dataset.tenant_id, DATASET_TAGS.c.dataset_id == dataset.id)
        .order_by(DATASET_TAGS.c.tag)
    )
    for row in connection.execute(query):
        found.setdefault(row.as_of, []).append(row.tag)
    return found


def _share_query(tenant_id: UUID, dataset_id: UUID) -> sa.Select[Any]:
    return sa.select(DATASET_SHARES.c.token).where(
        DATASET_SHARES.c.tenant_id == tenant_id, DATASET_SHARES.c.dataset_id == dataset_id
    )


def _conditions(wanted: DatasetFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.ids is not None:
        found.append(DATASETS.c.id.in_(wanted.ids))
    if wanted.name is not None:
        found.append(DATASETS.c.name == wanted.name)
    if wanted.name_contains is not None:
        found.append(DATASETS.c.name.icontains(wanted.name_contains, autoescape=True))
    if wanted.data_types is not None:
        found.append(DATASETS.c.data_type.in_([kind.value for kind in wanted.data_types]))
    return found


def _taken(error: IntegrityError, dataset: Dataset) -> ConflictError:
    if "datasets.name" in str(error.orig):
        return ConflictError(f"a dataset named {dataset.name!r} exists already; choose another name", field="name")
    return ConflictError(f"a dataset with id {dataset.id} exists already", field="id")


def _to_row(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in _COLUMNS} | {"data_type": dataset.data_type.value}


def _from_row(row: Mapping[Any, Any]) -> Dataset:
    return Dataset(**{name: row[name] for name in _COLUMNS} | {"data_type": DataType(row["data_type"])})
