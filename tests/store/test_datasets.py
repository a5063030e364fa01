"""Datasets in the ledger: versions never change, whatever is written later; names, tags, shares and deletions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from runlake.errors import ConflictError, NotFoundError
from runlake.model.attachments import StoredAttachment
from runlake.model.dataset import Dataset, Example, ExampleChange
from runlake.store.dataset_ledger import DatasetLedger
from runlake.store.datasets import DatasetFilter, ExampleFilter
from runlake.store.example_ledger import ExampleLedger, changed
from runlake.store.ledger import Ledger

TENANT = UUID(int=1)
STRANGER = UUID(int=2)
SPLITS = ("base", "train", 'with "quotes"', "Train")

State = dict[UUID, tuple[bytes | None, tuple[str, ...]]]


@dataclass
class Store:
    """Both ledgers over one file; its clock stands still, so that versions must find moments of their own."""

    datasets: DatasetLedger
    examples: ExampleLedger
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1000))

    def dataset(self, name: str = "d", tenant_id: UUID = TENANT) -> UUID:
        identity = UUID(int=next(self.ids))
        made = Dataset(tenant_id=tenant_id, id=identity, name=name, created_at=1, modified_at=1)
        return self.datasets.create(made).id

    def example(self, payload: bytes = b"{}", splits: tuple[str, ...] = ("base",)) -> Example:
        return Example(
            tenant_id=TENANT,
            id=UUID(int=next(self.ids)),
            dataset_id=TENANT,
            created_at=next(self.ids),
            inputs=payload,
            splits=splits,
        )

    def shown(self, dataset_id: UUID, as_of: int | None = None) -> State:
        found = self.examples.page(TENANT, ExampleFilter(dataset_id=dataset_id, as_of=as_of))
        return {example.id: (example.inputs, example.splits) for example in found}

    def version(self, dataset_id: UUID) -> int:
        return self.datasets.read(TENANT, dataset_id).version


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    ledger = Ledger.open(tmp_path / "ledger.sqlite3", now=lambda: 1_000_000, new_id=lambda: UUID(int=9))
    yield Store(DatasetLedger(ledger), ExampleLedger(ledger, now_us=lambda: 1_000_000))
    ledger.close()


@pytest.mark.parametrize("seed", range(4))
def test_every_version_stays_as_it_was(store: Store, seed: int) -> None:
    """Random writes, each remembered as a plain dictionary; in the end every version is read again."""
    source = random.Random(seed)  # noqa: S311 -- nothing here is secret
    dataset_id = store.dataset()
    state: State = {}
    remembered: dict[int, State] = {}
    for _ in range(60):
        before = store.version(dataset_id)
        state = write_something(store, dataset_id, state, source)
        if store.version(dataset_id) != before:
            remembered[store.version(dataset_id)] = state
        assert store.shown(dataset_id) == state
    assert {version: store.shown(dataset_id, version) for version in remembered} == remembered
    listed = store.datasets.versions(TENANT, dataset_id, search=None, offset=0, limit=1000)
    assert [version.as_of for version in listed] == sorted(remembered, reverse=True)
    for older, newer in itertools.pairwise(sorted(remembered)):
        diff = store.datasets.diff(TENANT, dataset_id, older, newer)
        one, other = remembered[older], remembered[newer]
        assert set(diff.added) == other.keys() - one.keys()
        assert set(diff.removed) == one.keys() - other.keys()
        assert set(diff.modified) >= {key for key in one.keys() & other.keys() if one[key] != other[key]}


def write_something(store: Store, dataset_id: UUID, state: State, source: random.Random) -> State:
    """One write of some kind; what the dataset must hold afterwards."""
    new = dict(state)
    chosen = source.sample(sorted(state), min(len(state), source.randint(1, 3)))
    match source.choice(("create", "create", "update", "delete", "split")) if chosen else "create":
        case "create":
            made = [store.example(b"%d" % source.randint(0, 99), (source.choice(SPLITS),)) for _ in "abc"]
            store.examples.create(TENANT, dataset_id, made)
            new |= {example.id: (example.inputs, example.splits) for example in made}
        case "update":
            changes = [ExampleChange(id=key, inputs=b'{"n":%d}' % source.randint(0, 99)) for key in chosen]
            store.examples.update(TENANT, dataset_id, changes)
            new |= {change.id: (change.inputs, state[change.id][1]) for change in changes}
        case "delete":
            store.examples.delete(TENANT, chosen)
            for key in chosen:
                del new[key]
        case _:
            name = source.choice(SPLITS)
            store.examples.change_splits(TENANT, dataset_id, chosen, add=[name], remove=[])
            for key in chosen:
                payload, splits = state[key]
                new[key] = (payload, splits if name in splits else (*splits, name))
    return new


def test_pages_join_to_the_whole_in_every_order(store: Store) -> None:
    dataset_id = store.dataset()
    for _ in range(3):
        store.examples.create(TENANT, dataset_id, [store.example() for _ in range(7)])
    wanted = ExampleFilter(dataset_id=dataset_id)
    for order in ("recent", "recently_created", "id", "random"):
        whole = [example.id for example in store.examples.page(TENANT, wanted, order=order, seed=5)]
        parts = [
            example.id
            for offset in range(0, 21, 4)
            for example in store.examples.page(TENANT, wanted, order=order, seed=5, offset=offset, limit=4)
        ]
        assert parts == whole
        assert len(set(whole)) == 21


def test_splits_are_told_apart_by_their_whole_name(store: Store) -> None:
    dataset_id = store.dataset()
    store.examples.create(TENANT, dataset_id, [store.example(splits=(name,)) for name in SPLITS])
    for name in SPLITS:
        found = store.examples.page(TENANT, ExampleFilter(dataset_id=dataset_id, splits=(name,)))
        assert [example.splits for example in found] == [(name,)]
    assert store.examples.splits(TENANT, dataset_id, as_of=None) == sorted(SPLITS)


def test_a_refused_batch_writes_nothing_and_makes_no_version(store: Store) -> None:
    dataset_id = store.dataset()
    (kept,) = store.examples.create(TENANT, dataset_id, [store.example()])
    before = store.version(dataset_id), store.shown(dataset_id)
    with pytest.raises(ConflictError):
        store.examples.create(TENANT, dataset_id, [store.example(), kept])
    with pytest.raises(ConflictError):
        store.examples.create(TENANT, dataset_id, [twin := store.example(), twin])
    changes = [ExampleChange(id=kept.id, inputs=b"[]"), ExampleChange(id=UUID(int=5), inputs=b"[]")]
    with pytest.raises(NotFoundError):
        store.examples.update(TENANT, dataset_id, changes)
    with pytest.raises(NotFoundError):
        store.examples.delete(TENANT, [kept.id, UUID(int=5)])
    assert (store.version(dataset_id), store.shown(dataset_id)) == before


def test_an_example_moves_to_another_dataset_and_leaves_its_past_behind(store: Store) -> None:
    old, new = store.dataset("old"), store.dataset("new")
    (example,) = store.examples.create(TENANT, old, [store.example(b'{"a":1}')])
    before = store.version(old)
    store.examples.update(TENANT, old, [ExampleChange(id=example.id, dataset_id=new)])
    assert [store.shown(old), list(store.shown(new))] == [{}, [example.id]]
    assert list(store.shown(old, before)) == [example.id]
    store.datasets.delete(TENANT, [old])
    assert store.examples.read(TENANT, example.id).inputs == b'{"a":1}'


def test_erased_examples_are_in_no_version(store: Store) -> None:
    dataset_id = store.dataset()
    (example,) = store.examples.create(TENANT, dataset_id, [store.example()])
    before = store.version(dataset_id)
    assert store.examples.erase(TENANT, [example.id]) == [example.id]
    assert store.shown(dataset_id, before) == {}
    assert store.examples.newest(TENANT, [example.id], as_of=before) == {}


def test_results_find_an_example_as_it_was_or_as_it_was_last(store: Store) -> None:
    dataset_id = store.dataset()
    (example,) = store.examples.create(TENANT, dataset_id, [store.example(b"1")])
    first = store.version(dataset_id)
    store.examples.update(TENANT, dataset_id, [ExampleChange(id=example.id, inputs=b"2")])
    store.examples.delete(TENANT, [example.id])
    seen = {as_of: store.examples.newest(TENANT, [example.id], as_of=as_of) for as_of in (first, None, 5)}
    assert {as_of: found[example.id].inputs for as_of, found in seen.items()} == {first: b"1", None: b"2", 5: b"2"}


def test_tags_move_and_latest_is_always_the_newest(store: Store) -> None:
    dataset_id = store.dataset()
    versions = []
    for _ in range(2):
        store.examples.create(TENANT, dataset_id, [store.example()])
        versions.append(store.version(dataset_id))
    for version in versions:
        store.datasets.tag(TENANT, dataset_id, version, "prod")
        assert store.datasets.version_at(TENANT, dataset_id, "prod").as_of == version
    assert store.datasets.version_at(TENANT, dataset_id, "latest").tags == ("latest", "prod")
    assert store.datasets.version_at(TENANT, dataset_id, versions[0]).tags == ()
    for unknown in ("dev", versions[0] - 1):
        with pytest.raises(NotFoundError):
            store.datasets.version_at(TENANT, dataset_id, unknown)


def test_names_are_unique_within_a_tenant_and_free_again_after_a_deletion(store: Store) -> None:
    first = store.dataset("same")
    with pytest.raises(ConflictError, match="named 'same'"):
        store.dataset("same")
    store.dataset("same", STRANGER)
    store.datasets.delete(TENANT, [first])
    store.dataset("same")
    found = store.datasets.list(TENANT, DatasetFilter(name="same"), by="name", descending=False)
    assert len(found) == 1


def test_a_deletion_takes_everything_and_says_whose_files_are_left_over(store: Store) -> None:
    dataset_id = store.dataset()
    file = StoredAttachment("f", "text/plain", "d", 1)
    plain, with_file = store.example(), store.example()
    change = ExampleChange(id=with_file.id, attachments=(file,))
    store.examples.create(TENANT, dataset_id, [plain, changed(with_file, change)])
    token = store.datasets.share(TENANT, dataset_id, UUID(int=77), now_us=1)
    assert store.datasets.delete(TENANT, [dataset_id]) == [with_file.id]
    assert store.datasets.shared(token) is None
    for identity in (plain.id, with_file.id):
        with pytest.raises(NotFoundError):
            store.examples.read(TENANT, identity)


FILES = {name: StoredAttachment(name, "text/plain", f"digest of {name}", 1) for name in ("one", "two", "new")}
CHANGES: Mapping[str, tuple[ExampleChange, dict[str, str]]] = {
    "nothing said": (ExampleChange(id=TENANT), {"one": "one", "two": "two"}),
    "another sent": (ExampleChange(id=TENANT, attachments=(FILES["new"],)), {"new": "new"}),
    "one kept, one added": (
        ExampleChange(id=TENANT, renamed=(), retained=("two",), attachments=(FILES["new"],)),
        {"two": "two", "new": "new"},
    ),
    "one kept": (ExampleChange(id=TENANT, renamed=(), retained=("one",)), {"one": "one"}),
    "renamed": (ExampleChange(id=TENANT, renamed=(("one", "uno"),), retained=()), {"uno": "one"}),
    "swapped": (
        ExampleChange(id=TENANT, renamed=(("one", "two"), ("two", "one")), retained=()),
        {"two": "one", "one": "two"},
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_attachments_after_a_change(store: Store, case: str) -> None:
    change, expected = CHANGES[case]
    example = changed(store.example(), ExampleChange(id=TENANT, attachments=(FILES["one"], FILES["two"])))
    found = changed(example, change).attachments
    assert {file.name: file.digest.removeprefix("digest of ") for file in found} == expected


def test_an_unknown_attachment_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no attachment 'three'"):
        changed(store.example(), ExampleChange(id=TENANT, retained=("three",)))


def test_another_tenant_finds_nothing(store: Store) -> None:
    dataset_id = store.dataset()
    (example,) = store.examples.create(TENANT, dataset_id, [store.example()])
    assert store.examples.page(STRANGER, ExampleFilter(ids=(example.id,))) == []
    assert store.examples.newest(STRANGER, [example.id], as_of=None) == {}
    assert store.examples.datasets_of(STRANGER, [example.id]) == {}
    for forbidden in (
        lambda: store.datasets.read(STRANGER, dataset_id),
        lambda: store.examples.read(STRANGER, example.id),
        lambda: store.examples.create(STRANGER, dataset_id, [store.example()]),
        lambda: store.examples.delete(STRANGER, [example.id]),
    ):
        with pytest.raises(NotFoundError):
            forbidden()
