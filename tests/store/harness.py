"""A store in a temporary directory with a writer that the test drives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid5

from runlake.ingest.batch import IngestBatch
from runlake.ingest.costs import CostBook
from runlake.ingest.object_names import NoteDropped
from runlake.ingest.writer import Writer
from runlake.model.run import FieldValue, RunField, RunWrite, WriteKind
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import Params, Row, Statement
from runlake.store.moment import Moments
from runlake.store.mutations import wait_for_mutations
from runlake.store.objects import ObjectStore
from runlake.store.schema import migrate

TENANT = UUID(int=0x7E)
OTHER_TENANT = UUID(int=0x7F)
START_US = 1_790_000_000_000_000

_CLOSE_AT_MOST = 20
"""Times to wait for what a test left in the engine: a process cannot open another before this one is closed."""


@dataclass
class NamedProjects:
    """Projects by name, ids derived from names."""

    resolved: list[str] = field(default_factory=list)

    def resolve(
        self, tenant_id: UUID, *, session_id: UUID | None, session_name: str | None, started: int | None = None
    ) -> UUID:
        del started
        self.resolved.append(session_name or "default")
        return session_id or uuid5(tenant_id, session_name or "default")


@dataclass
class Clock:
    """A clock that the test moves."""

    us: int = START_US

    def now_us(self) -> int:
        self.us += 1
        return self.us


@dataclass
class OpenStore:
    engine: ChdbEngine
    moments: Moments
    writer: Writer
    clock: Clock

    def write(self, *runs: RunWrite, tenant_id: UUID = TENANT) -> None:
        asyncio.run(self.writer.write(IngestBatch(tenant_id=tenant_id, runs=runs)))

    def between_commits(self, work: Callable[[], int]) -> int:
        """What the writer's thread does now and then, done now."""
        done: list[int] = []
        self.writer.run_exclusively(lambda: done.append(work())).result(60)
        return done[0]

    def sweep_once(self) -> None:
        """One call of the sweeper."""
        self.between_commits(self.writer._sweeper.sweep)

    def sweep(self) -> None:
        """A whole round of sweeping, however many calls it takes, and what the engine does for it."""
        for _ in range(600):
            self.sweep_once()
            if self.writer._sweeper._half_done is None:
                wait_for_mutations(self.engine, ("open_runs",), wait_s=30)
                return
            time.sleep(0.05)
        raise AssertionError("the round did not end")

    def select(self, columns: str, tenant_id: UUID = TENANT, where: str = "1") -> list[Row]:
        """Current runs of the tenant, wherever they lie, by start time; each exactly as a reader must see it."""
        moment = self.moments.current(tenant_id)
        params = Params()
        tenant, visible = params.add("UUID", tenant_id), params.add("UInt64", moment.visible_version)
        sql = (
            f"SELECT {columns} FROM (SELECT * FROM runs WHERE tenant_id = {tenant} AND version <= {visible}"
            f" AND version NOT IN (SELECT replaces FROM runs WHERE tenant_id = {tenant} AND version <= {visible})"
            " UNION ALL SELECT * FROM ("
            f"SELECT * FROM open_runs WHERE tenant_id = {tenant} AND version <= {visible}"
            " ORDER BY version DESC LIMIT 1 BY id) WHERE status != 'settled'"
            f") WHERE {where} ORDER BY start_time, id"
        )
        return self.engine.select(Statement(sql, params.as_tuple())).rows


@contextmanager
def open_store(
    path: Path,
    clock: Clock | None = None,
    *,
    objects: ObjectStore | None = None,
    note_dropped: NoteDropped | None = None,
) -> Iterator[OpenStore]:
    """Open (or reopen) the store at ``path`` the way the server does."""
    with open_engine(path) as engine, open_on(engine, clock, objects=objects, note_dropped=note_dropped) as store:
        yield store


@contextmanager
def open_engine(path: Path) -> Iterator[ChdbEngine]:
    """The engine alone, with its tables."""
    engine = ChdbEngine.open(path, memory_limit_bytes=2 << 30)
    try:
        migrate(engine)
        yield engine
    finally:
        for _ in range(_CLOSE_AT_MOST):
            engine.close()
            if not engine.is_open:
                break


@contextmanager
def open_on(
    engine: ChdbEngine,
    clock: Clock | None = None,
    *,
    objects: ObjectStore | None = None,
    note_dropped: NoteDropped | None = None,
) -> Iterator[OpenStore]:
    """What is above the engine, made anew: of what came before it knows what it finds in the tables."""
    clock, moments = clock or Clock(), Moments()
    writer = Writer(
        engine=engine,
        moments=moments,
        projects=NamedProjects(),
        prices=CostBook(),
        now_us=clock.now_us,
        objects=objects,
        note_dropped=note_dropped,
    )
    writer.start()
    try:
        yield OpenStore(engine, moments, writer, clock)
    finally:
        writer.close()


def run_id(number: int) -> UUID:
    return UUID(int=0xABC000 + number)


def create(number: int, **fields: FieldValue) -> RunWrite:
    """A create of a root run that started ``number`` seconds after the start of the test's time."""
    known: dict[RunField, FieldValue] = {
        RunField.NAME: f"run-{number}",
        RunField.RUN_TYPE: "chain",
        RunField.START_TIME: START_US + number * 1_000_000,
        RunField.INPUTS: b'{"question":"q"}',
    }
    known.update({RunField(name): value for name, value in fields.items()})
    return RunWrite(kind=WriteKind.CREATE, run_id=run_id(number), fields=known, session_name="p")


def patch(number: int, **fields: FieldValue) -> RunWrite:
    return RunWrite(
        kind=WriteKind.PATCH,
        run_id=run_id(number),
        fields={RunField(name): value for name, value in fields.items()},
    )


def end(number: int, **fields: FieldValue) -> RunWrite:
    """The patch that ends a run a quarter second after its start."""
    return patch(
        number,
        end_time=START_US + number * 1_000_000 + 250_000,
        outputs=b'{"answer": "a"}',
        **fields,
    )
