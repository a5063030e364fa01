"""The ledger: small transactional state beside the engine - tenants, projects, the server's own secrets.

SQLAlchemy Core over SQLite (WAL, ``synchronous=FULL``: a returned write is fsynced). Every method blocks; callers on an
event loop use a thread. Reads and writes may come from any thread. The project caches assume that this process is the
only writer, which the data directory's lock guarantees.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runlake.errors import ConflictError, NotFoundError, StoreError
from runlake.model.project import Project
from runlake.store.ledger_schema import HEAD_REVISION, PROJECTS, SECRETS, TENANTS
from runlake.store.projects import ProjectChanges, ProjectField, ProjectFilter, ProjectOrder

LEDGER_NAME: Final = "ledger.sqlite3"
DEFAULT_TENANT: Final = "default"
DEFAULT_PROJECT: Final = "default"
"""Where runs go that name no project (seen in the SDK)."""
CURSOR_KEY: Final = "cursor"
"""Name of the secret that signs cursors."""

Clock = Callable[[], int]
"""Now, in microseconds since 1970 UTC."""
IdSource = Callable[[], UUID]


class Ledger:
    """All small state of one data directory."""

    def __init__(self, engine: Engine, *, now: Clock, new_id: IdSource) -> None:
        self._engine = engine
        self._now = now
        self._new_id = new_id
        # One writer at a time: SQLite would answer a second one with SQLITE_BUSY once both have begun to read.
        self._write_lock = threading.RLock()
        self._by_name: dict[tuple[UUID, str], Project] = {}
        self._by_id: dict[tuple[UUID, UUID], Project] = {}
        self._live_ids: dict[UUID, tuple[UUID, ...]] = {}
        self._generation = 0
        self.default_tenant_id = self._ensure_tenant(DEFAULT_TENANT)

    @classmethod
    def open(cls, path: Path, *, now: Clock, new_id: IdSource) -> Self:
        """Open or create the ledger file and bring its schema up to date."""
        engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 30})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        try:
            migrate(engine)
            return cls(engine, now=now, new_id=new_id)
        except SQLAlchemyError as error:
            engine.dispose()
            raise StoreError(f"cannot open the ledger {path}: {error}") from error

    def close(self) -> None:
        self._engine.dispose()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for selects, for the modules that keep a subject of their own in the ledger."""
        return self._engine.connect()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, for the same modules: committed and fsynced at the end, undone by an exception."""
        with self._write_lock, self._engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Raise StoreError unless the ledger can be written at this moment."""
        try:
            with self._write_lock, self._engine.begin() as connection:
                connection.execute(
                    sa.update(TENANTS).where(TENANTS.c.name == DEFAULT_TENANT).values(name=DEFAULT_TENANT)
                )
        except SQLAlchemyError as error:
            raise StoreError(f"the ledger cannot be written: {error}") from error

    def secret(self, name: str, size_bytes: int = 32) -> bytes:
        """The secret of that name, made on first use and the same ever after."""
        with self._write_lock, self._engine.begin() as connection:
            found = connection.execute(sa.select(SECRETS.c.value).where(SECRETS.c.name == name)).scalar()
            if found is not None:
                return bytes(found)
            value = secrets.token_bytes(size_bytes)
            connection.execute(sa.insert(SECRETS).values(name=name, value=value))
            return value

    def resolve_project(
        self,
        tenant_id: UUID,
        *,
        name: str | None = None,
        project_id: UUID | None = None,
        create: bool = True,
        started: int | None = None,
    ) -> Project:
        """The live project of that id (which wins) or name.

        An unknown name is created when ``create`` is set, as the wire protocol demands of a first run; it starts at
        ``started`` if that is past (clients look for the runs of a project from its start on). An unknown id,
        or an unknown name without ``create``, is a NotFoundError. Cached: the common case takes no I/O.
        """
        if project_id is not None:
            return self.read_project(tenant_id, project_id)
        if name is None:
            raise ValueError("resolve_project needs a name or an id")
        found = self._by_name.get((tenant_id, name)) or self._find_by_name(tenant_id, name)
        if found is not None:
            return found
        if not create:
            raise NotFoundError(f"no project is named {name!r}", field="session_name")
        project = Project(tenant_id=tenant_id, id=self._new_id(), name=name, start_time=self._start(started))
        return self.create_project(project, upsert=True)

    def resolve(
        self, tenant_id: UUID, *, session_id: UUID | None, session_name: str | None, started: int | None = None
    ) -> UUID:
        """The id of the live project that a write belongs to; never refuses, because that would lose the write.

        An id nobody knows becomes a project of that id. A deleted project's id leads to the project of the same name,
        as a write by name does. Neither id nor name means the project ``default`` (seen in the SDK). ``started`` is
        as in ``resolve_project``.
        """
        if session_id is None:
            return self.resolve_project(tenant_id, name=session_name or DEFAULT_PROJECT, started=started).id
        if (tenant_id, session_id) in self._by_id or self._select_one(tenant_id, PROJECTS.c.id == session_id):
            return session_id
        with self._write_lock:
            deleted_name = self._deleted_name(tenant_id, session_id)
            if deleted_name is not None:
                return self.resolve_project(tenant_id, name=session_name or deleted_name, started=started).id
            name = session_name or f"session-{session_id}"
            project = Project(tenant_id=tenant_id, id=session_id, name=name, start_time=self._start(started))
            return self.create_project(project, upsert=True).id

    def create_project(self, project: Project, *, upsert: bool = False) -> Project:
        """Store a new project; when a live one has the name, ConflictError, or with ``upsert`` update and return it.

        On an upsert the stored id and start time stay, and only fields that ``project`` sets change.
        """
        with self._write_lock:
            existing = self._find_by_name(project.tenant_id, project.name)
            if existing is not None and upsert:
                return self.update_project(project.tenant_id, existing.id, _set_fields(project))
            if existing is not None:
                raise ConflictError(
                    f"a project named {project.name!r} exists already; choose another name or set upsert=true",
                    field="name",
                )
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.insert(PROJECTS).values(**_to_row(project)))
            except IntegrityError as error:
                raise ConflictError(f"a project with id {project.id} exists already", field="id") from error
            self._remember(project)
            return project

    def read_project(self, tenant_id: UUID, project_id: UUID) -> Project:
        """The live project of that id; NotFoundError for unknown and for deleted ones alike."""
        cached = self._by_id.get((tenant_id, project_id))
        if cached is not None:
            return cached
        found = self._select_one(tenant_id, PROJECTS.c.id == project_id)
        if found is None:
            raise NotFoundError(f"no project has the id {project_id}", field="session_id")
        return found

    def list_projects(
        self,
        tenant_id: UUID,
        wanted: ProjectFilter | None = None,
        *,
        order: ProjectOrder | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Project]:
        """Live projects of the tenant; all of them when ``limit`` is None."""
        order = order or ProjectOrder()
        column = PROJECTS.c.name if order.by == "name" else PROJECTS.c.start_time
        keys = (column, PROJECTS.c.id)
        query = (
            sa.select(PROJECTS)
            .where(_is_live(tenant_id), *_conditions(wanted or ProjectFilter()))
            .order_by(*(key.desc() if order.descending else key.asc() for key in keys))
            .offset(offset)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def live_project_ids(self, tenant_id: UUID) -> tuple[UUID, ...]:
        """Ids of every live project of the tenant; cached, so that each query may ask."""
        cached = self._live_ids.get(tenant_id)
        if cached is not None:
            return cached
        generation = self._generation
        with self._engine.connect() as connection:
            found = tuple(connection.execute(sa.select(PROJECTS.c.id).where(_is_live(tenant_id))).scalars())
        with self._write_lock:
            if generation == self._generation:  # else a write came between the read and here: do not keep it
                self._live_ids[tenant_id] = found
        return found

    def update_project(self, tenant_id: UUID, project_id: UUID, changes: ProjectChanges) -> Project:
        """Set the given fields; NotFoundError when there is no such live project, ConflictError for a taken name."""
        with self._write_lock:
            old = self.read_project(tenant_id, project_id)
            values = cast("Mapping[str, Any]", changes)
            new = replace(old, **values)
            if new == old:
                return old
            try:
                with self._engine.begin() as connection:
                    connection.execute(
                        sa.update(PROJECTS).where(_is_live(tenant_id), PROJECTS.c.id == project_id).values(**values)
                    )
            except IntegrityError as error:
                raise ConflictError(f"a project named {new.name!r} exists already", field="name") from error
            self._forget(old)
            self._remember(new)
            return new

    def delete_projects(self, tenant_id: UUID, project_ids: Sequence[UUID]) -> None:
        """Mark projects deleted, all or none; NotFoundError names the first that is not there."""
        with self._write_lock:
            doomed = [self.read_project(tenant_id, project_id) for project_id in dict.fromkeys(project_ids)]
            with self._engine.begin() as connection:
                for project in doomed:
                    connection.execute(
                        sa.update(PROJECTS)
                        .where(_is_live(tenant_id), PROJECTS.c.id == project.id)
                        .values(deleted_at=self._now())
                    )
            for project in doomed:
                self._forget(project)

    def unpurged_projects(self) -> list[tuple[UUID, UUID]]:
        """(tenant id, project id) of deleted projects whose rows may still be in the engine."""
        query = sa.select(PROJECTS.c.tenant_id, PROJECTS.c.id).where(
            PROJECTS.c.deleted_at.is_not(None), PROJECTS.c.purged_at.is_(None)
        )
        with self._engine.connect() as connection:
            return [(row.tenant_id, row.id) for row in connection.execute(query)]

    def mark_purged(self, tenant_id: UUID, project_id: UUID) -> None:
        """Record that the engine holds no rows of a deleted project any more."""
        with self._write_lock, self._engine.begin() as connection:
            connection.execute(
                sa.update(PROJECTS)
                .where(PROJECTS.c.tenant_id == tenant_id, PROJECTS.c.id == project_id)
                .values(purged_at=self._now())
            )

    def _start(self, started: int | None) -> int:
        now = self._now()
        return now if started is None else min(now, started)

    def _ensure_tenant(self, name: str) -> UUID:
        with self._write_lock, self._engine.begin() as connection:
            found = connection.execute(sa.select(TENANTS.c.id).where(TENANTS.c.name == name)).scalar()
            if found is not None:
                return UUID(str(found))
            tenant_id = self._new_id()
            connection.execute(sa.insert(TENANTS).values(id=tenant_id, name=name, created_at=self._now()))
            return tenant_id

    def _deleted_name(self, tenant_id: UUID, project_id: UUID) -> str | None:
        query = sa.select(PROJECTS.c.name).where(PROJECTS.c.tenant_id == tenant_id, PROJECTS.c.id == project_id)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def _find_by_name(self, tenant_id: UUID, name: str) -> Project | None:
        return self._select_one(tenant_id, PROJECTS.c.name == name)

    def _select_one(self, tenant_id: UUID, condition: sa.ColumnElement[bool]) -> Project | None:
        generation = self._generation
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(PROJECTS).where(_is_live(tenant_id), condition)).mappings().first()
        if row is None:
            return None
        project = _from_row(row)
        with self._write_lock:
            if generation == self._generation:
                self._cache(project)
        return project

    def _cache(self, project: Project) -> None:
        self._by_name[project.tenant_id, project.name] = project
        self._by_id[project.tenant_id, project.id] = project

    def _remember(self, project: Project) -> None:
        self._generation += 1
        self._live_ids.pop(project.tenant_id, None)
        self._cache(project)

    def _forget(self, project: Project) -> None:
        self._generation += 1
        self._live_ids.pop(project.tenant_id, None)
        self._by_name.pop((project.tenant_id, project.name), None)
        self._by_id.pop((project.tenant_id, project.id), None)


def migrate(engine: Engine) -> None:
    """Bring the schema to ``HEAD_REVISION``; does nothing, and imports nothing, when it is there already."""
    with engine.begin() as connection:
        if _revision(connection) == HEAD_REVISION:
            return
        from alembic import command  # noqa: PLC0415 -- slow to import and needed once per upgrade
        from alembic.config import Config  # noqa: PLC0415 -- as above

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("ledger_migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions leave DDL outside; without them, and with an explicit BEGIN, a migration is atomic.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _is_live(tenant_id: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(PROJECTS.c.tenant_id == tenant_id, PROJECTS.c.deleted_at.is_(None))


def _conditions(wanted: ProjectFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.ids is not None:
        found.append(PROJECTS.c.id.in_(wanted.ids))
    if wanted.name is not None:
        found.append(PROJECTS.c.name == wanted.name)
    if wanted.name_contains is not None:
        found.append(PROJECTS.c.name.icontains(wanted.name_contains, autoescape=True))
    if wanted.reference_free is not None:
        absent = PROJECTS.c.reference_dataset_id.is_(None)
        found.append(absent if wanted.reference_free else sa.not_(absent))
    if wanted.reference_datasets is not None:
        found.append(PROJECTS.c.reference_dataset_id.in_(wanted.reference_datasets))
    return found


_COLUMNS: Final = (
    "tenant_id",
    "id",
    "name",
    "start_time",
    "end_time",
    "description",
    "extra",
    "reference_dataset_id",
    "default_dataset_id",
    "trace_tier",
)


def _to_row(project: Project) -> dict[str, Any]:
    return {name: getattr(project, name) for name in _COLUMNS}


def _from_row(row: Any) -> Project:
    return Project(**{name: row[name] for name in _COLUMNS})


def _set_fields(project: Project) -> dict[ProjectField, Any]:
    names: tuple[ProjectField, ...] = (
        "end_time",
        "description",
        "extra",
        "reference_dataset_id",
        "default_dataset_id",
        "trace_tier",
    )
    return {name: value for name in names if (value := getattr(project, name)) is not None}
