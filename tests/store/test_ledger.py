"""The ledger: projects by id and name, secrets, what survives a restart."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from runlake.errors import ConflictError, NotFoundError
from runlake.model.project import Project
from runlake.store import ledger as ledger_module
from runlake.store.ledger import Ledger
from runlake.store.ledger_schema import HEAD_REVISION, METADATA
from runlake.store.projects import ProjectFilter, ProjectOrder

OTHER_TENANT = UUID(int=77)


class Source:
    """Ids and times that count up."""

    def __init__(self) -> None:
        self._ids = itertools.count(1000)
        self._times = itertools.count(1_000_000)

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids))

    def now(self) -> int:
        return next(self._times)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    source = Source()
    opened = Ledger.open(path, now=source.now, new_id=source.new_id)
    yield opened
    opened.close()


def reopen(path: Path) -> Ledger:
    source = Source()
    return Ledger.open(path, now=source.now, new_id=source.new_id)


def project(name: str, number: int, tenant_id: UUID, **fields: object) -> Project:
    base = Project(tenant_id=tenant_id, id=UUID(int=number), name=name, start_time=number)
    return replace(base, **fields)  # type: ignore[arg-type]  # names are the test's own


def test_head_revision_is_the_newest_migration() -> None:
    """Start-up trusts the constant instead of asking Alembic."""
    config = Config()
    config.set_main_option("script_location", str(Path(ledger_module.__file__).with_name("ledger_migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD_REVISION


def test_migrations_make_the_tables_that_the_code_expects(ledger: Ledger, path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    inspector = sa.inspect(engine)
    for table in METADATA.tables.values():
        found = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.columns}
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        assert indexes == {index.name for index in table.indexes}
    engine.dispose()


def test_writes_are_synced_and_readers_do_not_block(ledger: Ledger, path: Path) -> None:
    with ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_the_default_tenant_and_secrets_survive_a_restart(ledger: Ledger, path: Path) -> None:
    tenant_id, secret = ledger.default_tenant_id, ledger.secret("cursor")
    assert len(secret) == 32
    assert ledger.secret("other") != secret
    again = reopen(path)
    assert (again.default_tenant_id, again.secret("cursor")) == (tenant_id, secret)
    again.close()


def test_a_name_is_created_once_and_then_found(ledger: Ledger, path: Path) -> None:
    tenant = ledger.default_tenant_id
    first = ledger.resolve_project(tenant, name="agents")
    assert ledger.resolve_project(tenant, name="agents") == first
    assert ledger.resolve_project(tenant, project_id=first.id) == first
    assert ledger.resolve_project(tenant, name="Agents").id != first.id
    again = reopen(path)
    assert again.resolve_project(tenant, name="agents", create=False) == first
    again.close()


def test_without_create_an_unknown_name_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError):
        ledger.resolve_project(ledger.default_tenant_id, name="nope", create=False)


def test_many_threads_make_one_project_of_one_name(ledger: Ledger) -> None:
    tenant = ledger.default_tenant_id
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: ledger.resolve_project(tenant, name=f"p{n % 3}").id, range(120)))
    assert len(set(found)) == 3
    assert len(ledger.list_projects(tenant)) == 3


def test_a_taken_name_is_a_conflict_and_upsert_updates(ledger: Ledger) -> None:
    tenant = ledger.default_tenant_id
    first = ledger.create_project(project("p", 1, tenant, description="one", extra=b"{}"))
    with pytest.raises(ConflictError, match="named 'p' exists"):
        ledger.create_project(project("p", 2, tenant))
    updated = ledger.create_project(project("p", 2, tenant, description="two"), upsert=True)
    assert updated == replace(first, description="two")
    assert ledger.read_project(tenant, first.id) == updated


def test_a_taken_id_is_a_conflict(ledger: Ledger) -> None:
    tenant = ledger.default_tenant_id
    ledger.create_project(project("p", 1, tenant))
    with pytest.raises(ConflictError, match="id"):
        ledger.create_project(project("q", 1, tenant))


def test_tenants_share_neither_names_nor_ids(ledger: Ledger) -> None:
    """The same id and name in two tenants are two projects, and one tenant cannot read the other's."""
    mine, theirs = ledger.default_tenant_id, OTHER_TENANT
    ledger.create_project(project("p", 1, mine))
    ledger.create_project(project("p", 1, theirs, description="theirs"))
    ledger.create_project(project("q", 2, theirs))
    assert ledger.read_project(mine, UUID(int=1)).description is None
    assert ledger.live_project_ids(mine) == (UUID(int=1),)
    with pytest.raises(NotFoundError):
        ledger.read_project(mine, UUID(int=2))
    with pytest.raises(NotFoundError):
        ledger.delete_projects(mine, [UUID(int=2)])


def test_an_update_is_seen_by_name_and_by_id(ledger: Ledger) -> None:
    tenant = ledger.default_tenant_id
    old = ledger.resolve_project(tenant, name="old")
    new = ledger.update_project(tenant, old.id, {"name": "new", "end_time": 5})
    assert new == replace(old, name="new", end_time=5)
    assert ledger.read_project(tenant, old.id) == new
    assert ledger.resolve_project(tenant, name="new") == new
    assert ledger.resolve_project(tenant, name="old").id != old.id
    with pytest.raises(ConflictError):
        ledger.update_project(tenant, old.id, {"name": "old"})


def test_deletion_hides_at_once_and_frees_the_name(ledger: Ledger, path: Path) -> None:
    tenant = ledger.default_tenant_id
    first = ledger.resolve_project(tenant, name="p")
    assert ledger.live_project_ids(tenant) == (first.id,)
    ledger.delete_projects(tenant, [first.id])
    assert ledger.live_project_ids(tenant) == ()
    assert ledger.list_projects(tenant) == []
    with pytest.raises(NotFoundError):
        ledger.read_project(tenant, first.id)
    assert ledger.resolve_project(tenant, name="p").id != first.id
    again = reopen(path)
    assert again.unpurged_projects() == [(tenant, first.id)]
    again.mark_purged(tenant, first.id)
    assert again.unpurged_projects() == []
    again.close()


def test_deleting_several_is_all_or_nothing(ledger: Ledger) -> None:
    tenant = ledger.default_tenant_id
    first = ledger.resolve_project(tenant, name="p")
    with pytest.raises(NotFoundError):
        ledger.delete_projects(tenant, [first.id, UUID(int=5)])
    assert ledger.read_project(tenant, first.id) == first


def test_a_write_always_finds_a_project(ledger: Ledger) -> None:
    """Refusing would lose the write: unknown ids become projects, deleted ones lead to the name they had."""
    tenant = ledger.default_tenant_id
    default = ledger.resolve(tenant, session_id=None, session_name=None)
    assert ledger.read_project(tenant, default).name == "default"
    assert ledger.resolve(tenant, session_id=None, session_name="") == default
    named = ledger.resolve(tenant, session_id=None, session_name="p")
    assert ledger.resolve(tenant, session_id=named, session_name="ignored") == named
    unknown = UUID(int=5)
    assert ledger.resolve(tenant, session_id=unknown, session_name=None) == unknown
    assert ledger.read_project(tenant, unknown).name == f"session-{unknown}"
    assert ledger.resolve(tenant, session_id=UUID(int=6), session_name="p") == named
    ledger.delete_projects(tenant, [named])
    successor = ledger.resolve(tenant, session_id=named, session_name=None)
    assert successor != named
    assert ledger.read_project(tenant, successor).name == "p"


def test_a_project_starts_with_its_first_run_unless_that_is_still_to_come(ledger: Ledger) -> None:
    tenant = ledger.default_tenant_id
    starts = [
        ledger.read_project(tenant, ledger.resolve(tenant, session_id=identity, session_name=name, started=started))
        for identity, name, started in (
            (None, "past", 7),
            (UUID(int=5), None, 8),
            (None, "to come", 2**60),
            (None, "past", 3),
        )
    ]
    assert [project.start_time for project in starts if project.name != "to come"] == [7, 8, 7]
    assert starts[2].start_time < 2**60


@pytest.fixture
def many(ledger: Ledger) -> Ledger:
    tenant = ledger.default_tenant_id
    dataset = UUID(int=500)
    for entry in (
        project("alpha", 1, tenant),
        project("Beta", 2, tenant, reference_dataset_id=dataset),
        project("beta_100%", 3, tenant),
        project("gamma", 4, tenant, reference_dataset_id=UUID(int=501)),
    ):
        ledger.create_project(entry)
    return ledger


LISTINGS: dict[str, tuple[ProjectFilter, list[int]]] = {
    "all, newest first": (ProjectFilter(), [4, 3, 2, 1]),
    "exact name": (ProjectFilter(name="beta"), []),
    "exact name in its case": (ProjectFilter(name="Beta"), [2]),
    "part of a name in any case": (ProjectFilter(name_contains="BETA"), [3, 2]),
    "signs of patterns mean themselves": (ProjectFilter(name_contains="_100%"), [3]),
    "percent is not any text": (ProjectFilter(name_contains="a%m"), []),
    "ids": (ProjectFilter(ids=(UUID(int=1), UUID(int=4), UUID(int=9))), [4, 1]),
    "no ids": (ProjectFilter(ids=()), []),
    "without experiments": (ProjectFilter(reference_free=True), [3, 1]),
    "only experiments": (ProjectFilter(reference_free=False), [4, 2]),
    "of a dataset": (ProjectFilter(reference_datasets=(UUID(int=500),)), [2]),
    "conditions add up": (ProjectFilter(name_contains="a", reference_free=False, ids=(UUID(int=2),)), [2]),
}


@pytest.mark.parametrize(("wanted", "expected"), LISTINGS.values(), ids=LISTINGS)
def test_listing_filters(many: Ledger, wanted: ProjectFilter, expected: list[int]) -> None:
    assert [found.id.int for found in many.list_projects(many.default_tenant_id, wanted)] == expected


def test_listing_orders_and_pages(many: Ledger) -> None:
    tenant = many.default_tenant_id
    by_name = ProjectOrder(by="name", descending=False)
    assert [p.name for p in many.list_projects(tenant, order=by_name)] == ["Beta", "alpha", "beta_100%", "gamma"]
    pages = [many.list_projects(tenant, offset=offset, limit=3) for offset in (0, 3, 6)]
    assert [[p.id.int for p in page] for page in pages] == [[4, 3, 2], [1], []]


def test_a_damaged_file_is_told_and_not_overwritten(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(Exception, match="cannot open the ledger") as caught:
        reopen(path)
    assert type(caught.value).__name__ == "StoreError"
    assert path.read_bytes().startswith(b"this is no database")


def test_a_migration_is_all_or_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure in the middle leaves no table behind, so that the next start begins anew."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE secrets (something TEXT)")
    connection.close()
    with pytest.raises(Exception, match="secrets already exists"):
        reopen(path)
    with sqlite3.connect(path) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert tables == {"secrets"}
