"""Examples in the ledger, in all their revisions. Every method blocks; one that has written has been fsynced.

A write makes one version of the dataset, closes the revisions that it replaces at that version, and adds new ones from
it on. So what a version shows never changes, and an interrupted write is none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runlake.errors import ConflictError, NotFoundError
from runlake.model.attachments import decode_attachments, encode_attachments
from runlake.model.dataset import ALWAYS, Example, ExampleChange
from runlake.store.dataset_ledger import holds_at, new_version, read_dataset
from runlake.store.dataset_schema import EXAMPLE_CONTENTS, EXAMPLES
from runlake.store.datasets import ExampleFilter, ExampleOrder
from runlake.store.ledger import Ledger

_IDS_AT_ONCE: Final = 500
"""Most ids that one statement names; SQLite has a limit."""

ItemT = TypeVar("ItemT")

_BOTH: Final = sa.and_(
    EXAMPLES.c.tenant_id == EXAMPLE_CONTENTS.c.tenant_id,
    EXAMPLES.c.id == EXAMPLE_CONTENTS.c.id,
    EXAMPLES.c.modified_at == EXAMPLE_CONTENTS.c.modified_at,
)
_CONTENTS: Final = ("metadata", "attachments", "inputs", "outputs")
_WHOLE: Final = sa.select(EXAMPLES, *(EXAMPLE_CONTENTS.c[name] for name in _CONTENTS)).join(EXAMPLE_CONTENTS, _BOTH)


class ExampleLedger:
    """The examples of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger, *, now_us: Callable[[], int]) -> None:
        self._ledger = ledger
        self._now_us = now_us

    def create(self, tenant_id: UUID, dataset_id: UUID, examples: Sequence[Example]) -> Sequence[Example]:
        """Add new examples in one version, all or none; ConflictError names the first whose id is taken."""
        with self._ledger.writing() as connection:
            _refuse_taken(connection, tenant_id, examples)
            version = new_version(connection, tenant_id, [dataset_id], now_us=self._now_us())
            added = [replace(example, dataset_id=dataset_id, modified_at=version) for example in examples]
            _insert(connection, added)
        return added

    def update(self, tenant_id: UUID, dataset_id: UUID, changes: Sequence[ExampleChange]) -> int:
        """Change examples of a dataset in one version, all or none; NotFoundError names the first that is not there.

        ConflictError names one that is in another dataset (seen in the SDK's tests).
        A change that names another dataset moves its example there. The answer is the version.
        """
        with self._ledger.writing() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            old = _live(connection, tenant_id, [change.id for change in changes])
            for change in changes:
                if change.id not in old:
                    raise NotFoundError(f"the dataset has no example with the id {change.id}", field="id")
                if old[change.id].dataset_id != dataset_id:
                    raise ConflictError(f"the example {change.id} is in another dataset", field="id")
            targets = [change.dataset_id or dataset_id for change in changes]
            version = new_version(connection, tenant_id, [dataset_id, *targets], now_us=self._now_us())
            new: dict[UUID, Example] = {}
            for change in changes:
                new[change.id] = replace(changed(new.get(change.id, old[change.id]), change), modified_at=version)
            _close(connection, tenant_id, list(new), version)
            _insert(connection, list(new.values()))
        return version

    def change_splits(
        self, tenant_id: UUID, dataset_id: UUID, ids: Sequence[UUID], *, add: Sequence[str], remove: Sequence[str]
    ) -> int:
        """Put examples of a dataset into splits and take them out of others, in one version; how many changed."""
        with self._ledger.writing() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            new = []
            for example in _live(connection, tenant_id, ids).values():
                kept = [name for name in dict.fromkeys((*example.splits, *add)) if name not in remove]
                if example.dataset_id == dataset_id and tuple(kept) != example.splits:
                    new.append(replace(example, splits=tuple(kept)))
            if new:
                version = new_version(connection, tenant_id, [dataset_id], now_us=self._now_us())
                _close(connection, tenant_id, [example.id for example in new], version)
                _insert(connection, [replace(example, modified_at=version) for example in new])
        return len(new)

    def delete(self, tenant_id: UUID, ids: Sequence[UUID]) -> None:
        """Take examples out of their datasets from a new version on, all or none; older versions keep them."""
        with self._ledger.writing() as connection:
            live = _live(connection, tenant_id, ids)
            for identity in ids:
                if identity not in live:
                    raise NotFoundError(f"no example has the id {identity}", field="example_id")
            datasets = [example.dataset_id for example in live.values()]
            if datasets:
                version = new_version(connection, tenant_id, datasets, now_us=self._now_us())
                _close(connection, tenant_id, list(live), version)

    def erase(self, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Remove every revision of examples for good, from older versions too; those ids that were there."""
        found: list[UUID] = []
        with self._ledger.writing() as connection:
            live = _live(connection, tenant_id, ids)
            for part in _parts(ids):
                mine = sa.and_(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_(part))
                found += connection.execute(sa.select(EXAMPLES.c.id).distinct().where(mine)).scalars()
                contents = EXAMPLE_CONTENTS.c
                connection.execute(
                    sa.delete(EXAMPLE_CONTENTS).where(contents.tenant_id == tenant_id, contents.id.in_(part))
                )
                connection.execute(sa.delete(EXAMPLES).where(mine))
            if live:
                datasets = [example.dataset_id for example in live.values()]
                new_version(connection, tenant_id, datasets, now_us=self._now_us())
        return found

    def read(self, tenant_id: UUID, example_id: UUID, *, as_of: int | None = None) -> Example:
        """The revision of a moment, of now when it is None; NotFoundError when there is none."""
        query = _WHOLE.where(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id == example_id, holds_at(as_of))
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError(f"no example has the id {example_id}", field="example_id")
        return _from_row(row)

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
    ) -> Sequence[Example]:
        """Part of a listing; all of it when ``limit`` is None. ``seed`` is what a random order depends on."""
        with self._ledger.reading() as connection:
            if order == "random":
                return _random_page(connection, tenant_id, wanted, seed=seed, offset=offset, limit=limit)
            keys = _keys(tenant_id, wanted).order_by(*_order(order, descending=descending))
            # Rows before the offset are stepped over in the index alone; contents are read for the page.
            rows = connection.execute(keys.offset(offset).limit(limit)).all()
            return list(_load(connection, tenant_id, [(row.id, row.modified_at) for row in rows]))

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
    ) -> Sequence[Example]:
        """As ``page``, of those examples that ``matches`` accepts, in the order of the listing.

        Unless it ``looks_into_payloads`` it is shown examples without inputs, outputs and attachments, which cost most
        of the time that a large dataset takes.
        """
        with self._ledger.reading() as connection:
            accepted = _accepted(
                connection,
                tenant_id,
                wanted,
                matches,
                looks_into_payloads=looks_into_payloads,
                order=_order(order, descending=descending),
            )
            keys = list(islice(accepted, offset, None if limit is None else offset + limit))
            return list(_load(connection, tenant_id, keys))

    def count_matching(
        self,
        tenant_id: UUID,
        wanted: ExampleFilter,
        matches: Callable[[Example], bool],
        *,
        looks_into_payloads: bool,
    ) -> int:
        """How many examples ``matching`` finds."""
        with self._ledger.reading() as connection:
            found = _accepted(connection, tenant_id, wanted, matches, looks_into_payloads=looks_into_payloads, order=())
            return sum(1 for _ in found)

    def count(self, tenant_id: UUID, wanted: ExampleFilter) -> int:
        """How many examples a listing has."""
        with self._ledger.reading() as connection:
            query = sa.select(sa.func.count()).select_from(_keys(tenant_id, wanted).subquery())
            return int(connection.execute(query).scalar_one())

    def newest(self, tenant_id: UUID, ids: Sequence[UUID], *, as_of: int | None) -> Mapping[UUID, Example]:
        """The revisions of a moment; where an example has none then, its newest one, be it deleted by now."""
        found: dict[UUID, Example] = {}
        with self._ledger.reading() as connection:
            for part in _parts(ids):
                mine = _WHOLE.where(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_(part))
                rows = connection.execute(mine.order_by(EXAMPLES.c.modified_at)).mappings()
                for example in map(_from_row, rows):
                    kept = found.get(example.id)
                    if kept is None or not _held(kept, as_of):
                        found[example.id] = example
        return found

    def splits(self, tenant_id: UUID, dataset_id: UUID, *, as_of: int | None) -> Sequence[str]:
        """The names of all splits in use, sorted."""
        query = sa.select(EXAMPLES.c.splits).distinct()
        mine = (EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.dataset_id == dataset_id, holds_at(as_of))
        with self._ledger.reading() as connection:
            read_dataset(connection, tenant_id, dataset_id)
            lists = list(connection.execute(query.where(*mine)).scalars())
        return sorted({name for text in lists for name in _read_splits(text)})

    def datasets_of(self, tenant_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
        """Of those examples that are there, deleted ones included, the dataset each belongs or belonged to last."""
        found: dict[UUID, UUID] = {}
        with self._ledger.reading() as connection:
            for part in _parts(ids):
                query = sa.select(EXAMPLES.c.id, EXAMPLES.c.dataset_id).order_by(EXAMPLES.c.modified_at)
                mine = query.where(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_(part))
                found.update({row.id: row.dataset_id for row in connection.execute(mine)})
        return found

    def made_from(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Those runs that some live example was made from."""
        found: set[UUID] = set()
        with self._ledger.reading() as connection:
            for part in _parts(run_ids):
                query = sa.select(EXAMPLES.c.source_run_id).where(
                    EXAMPLES.c.tenant_id == tenant_id,
                    EXAMPLES.c.source_run_id.in_(part),
                    EXAMPLES.c.valid_until == ALWAYS,
                )
                found |= set(connection.execute(query).scalars())
        return frozenset(found)


def changed(example: Example, change: ExampleChange) -> Example:
    """The example as the change leaves it."""
    attachments = {file.name: file for file in example.attachments}
    if change.renamed is not None or change.retained is not None:
        renamed = dict(change.renamed or ())
        for name in (*renamed, *(change.retained or ())):
            if name not in attachments:
                raise NotFoundError(
                    f"the example {example.id} has no attachment {name[:100]!r}", field="attachments_operations"
                )
        kept = {name: attachments[name] for name in change.retained or ()}
        moved = {new: msgspec.structs.replace(attachments[old], name=new) for old, new in renamed.items()}
        attachments = kept | moved
    elif change.attachments:
        attachments = {}  # seen in the SDK's own tests: files sent without operations replace what there was
    attachments |= {file.name: file for file in change.attachments}
    return replace(
        example,
        inputs=example.inputs if change.inputs is None else change.inputs,
        outputs=example.outputs if change.outputs is None else change.outputs,
        metadata=example.metadata if change.metadata is None else change.metadata,
        splits=example.splits if change.splits is None else change.splits,
        dataset_id=change.dataset_id or example.dataset_id,
        attachments=tuple(attachments.values()),
    )


def _keys(tenant_id: UUID, wanted: ExampleFilter) -> sa.Select[tuple[UUID, int]]:
    """The revisions that a listing has."""
    return sa.select(EXAMPLES.c.id, EXAMPLES.c.modified_at).where(*_conditions(tenant_id, wanted))


def _conditions(tenant_id: UUID, wanted: ExampleFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [EXAMPLES.c.tenant_id == tenant_id, holds_at(wanted.as_of)]
    if wanted.dataset_id is not None:
        conditions.append(EXAMPLES.c.dataset_id == wanted.dataset_id)
    if wanted.ids is not None:
        conditions.append(EXAMPLES.c.id.in_(wanted.ids))
    if wanted.splits is not None:
        # Not LIKE, which takes no account of case.
        named = [sa.func.instr(EXAMPLES.c.splits, _quoted(name)) > 0 for name in wanted.splits]
        conditions.append(sa.or_(sa.false(), *named))
    return conditions


def _accepted(
    connection: Connection,
    tenant_id: UUID,
    wanted: ExampleFilter,
    matches: Callable[[Example], bool],
    *,
    looks_into_payloads: bool,
    order: Sequence[sa.ColumnElement[Any]],
) -> Iterator[tuple[UUID, int]]:
    """The keys of those revisions that ``matches`` accepts."""
    shown = _CONTENTS if looks_into_payloads else ("metadata",)
    query = sa.select(EXAMPLES, *(EXAMPLE_CONTENTS.c[name] for name in shown)).join(EXAMPLE_CONTENTS, _BOTH)
    rows = connection.execute(query.where(*_conditions(tenant_id, wanted)).order_by(*order)).mappings()
    for row in rows:
        if matches(_from_row(row)):
            yield row["id"], row["modified_at"]


def _order(order: ExampleOrder, *, descending: bool) -> list[sa.UnaryExpression[Any]]:
    columns = {
        "recent": (EXAMPLES.c.modified_at, EXAMPLES.c.created_at, EXAMPLES.c.id),
        "recently_created": (EXAMPLES.c.created_at, EXAMPLES.c.id),
        "id": (EXAMPLES.c.id,),
    }[order]
    return [column.desc() if descending else column.asc() for column in columns]


def _random_page(
    connection: Connection, tenant_id: UUID, wanted: ExampleFilter, *, seed: int, offset: int, limit: int | None
) -> Sequence[Example]:
    keys = _keys(tenant_id, wanted).order_by(EXAMPLES.c.id)
    rows = [(row.id, row.modified_at) for row in connection.execute(keys)]
    random.Random(seed).shuffle(rows)  # noqa: S311 - an order, not a secret; the same seed gives the same pages
    return list(_load(connection, tenant_id, rows[offset : None if limit is None else offset + limit]))


def _load(connection: Connection, tenant_id: UUID, keys: Sequence[tuple[UUID, int]]) -> Iterator[Example]:
    """Whole revisions in the order of ``keys``, some at a time."""
    for part in _parts(keys):
        wanted = _WHOLE.where(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_([key[0] for key in part]))
        # An example has few revisions, so those that are not wanted cost little.
        found = {(row["id"], row["modified_at"]): row for row in connection.execute(wanted).mappings()}
        yield from (_from_row(found[key]) for key in part)


def _live(connection: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Example]:
    found: dict[UUID, Example] = {}
    for part in _parts(ids):
        query = _WHOLE.where(EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_(part), holds_at(None))
        found |= {row["id"]: _from_row(row) for row in connection.execute(query).mappings()}
    return found


def _refuse_taken(connection: Connection, tenant_id: UUID, examples: Sequence[Example]) -> None:
    seen: set[UUID] = set()
    for example in examples:
        if example.id in seen:
            raise ConflictError(f"two examples have the id {example.id}; each needs one of its own", field="id")
        seen.add(example.id)
    for part in _parts([example.id for example in examples]):
        query = sa.select(EXAMPLES.c.id).where(
            EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_(part), holds_at(None)
        )
        found = connection.execute(query).scalar()
        if found is not None:
            raise ConflictError(f"an example with id {found} exists already; update it instead", field="id")


def _close(connection: Connection, tenant_id: UUID, ids: Sequence[UUID], version: int) -> None:
    """The revisions that hold of these examples end at a version."""
    for part in _parts(ids):
        mine = (EXAMPLES.c.tenant_id == tenant_id, EXAMPLES.c.id.in_(part), holds_at(None))
        connection.execute(sa.update(EXAMPLES).where(*mine).values(valid_until=version))


def _insert(connection: Connection, examples: Sequence[Example]) -> None:
    for part in _parts(examples):
        connection.execute(sa.insert(EXAMPLES), [_to_row(example) for example in part])
        connection.execute(sa.insert(EXAMPLE_CONTENTS), [_to_contents(example) for example in part])


def _held(example: Example, as_of: int | None) -> bool:
    """Whether the revision held at a moment. Revisions come oldest first, so without a moment the last one counts."""
    return as_of is not None and example.modified_at <= as_of < example.valid_until


def _parts(items: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    for start in range(0, len(items), _IDS_AT_ONCE):
        yield items[start : start + _IDS_AT_ONCE]


def _quoted(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _read_splits(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _to_row(example: Example) -> dict[str, Any]:
    return {
        "tenant_id": example.tenant_id,
        "id": example.id,
        "modified_at": example.modified_at,
        "valid_until": ALWAYS,
        "dataset_id": example.dataset_id,
        "created_at": example.created_at,
        "splits": msgspec.json.encode(example.splits).decode(),
        "source_run_id": example.source_run_id,
    }


def _to_contents(example: Example) -> dict[str, Any]:
    return {
        "tenant_id": example.tenant_id,
        "id": example.id,
        "modified_at": example.modified_at,
        "metadata": example.metadata,
        "attachments": encode_attachments(example.attachments) if example.attachments else None,
        "inputs": example.inputs,
        "outputs": example.outputs,
    }


def _from_row(row: Mapping[Any, Any]) -> Example:
    return Example(
        tenant_id=row["tenant_id"],
        id=row["id"],
        dataset_id=row["dataset_id"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        valid_until=row["valid_until"],
        inputs=row.get("inputs"),
        outputs=row.get("outputs"),
        metadata=row["metadata"],
        splits=_read_splits(row["splits"]),
        source_run_id=row["source_run_id"],
        attachments=tuple(decode_attachments(row.get("attachments") or b"")),
    )
