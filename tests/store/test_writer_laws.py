"""Law: any order, split and repetition of a run's writes, with restarts and silence between, gives one run, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runlake.ingest.silent_runs import MOVED_AFTER_US
from runlake.model.dotted_order import append_segment, root_segment
from runlake.model.run import FieldValue, RunField, RunWrite, WriteKind
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import Row, Statement
from store.harness import START_US, Clock, OpenStore, open_engine, open_on, open_store, run_id

COLUMNS = (
    "id, trace_id, parent_run_id, dotted_order, name, run_type, status, start_time, end_time, duration_us, error, "
    "tags, inputs, outputs, extra, events, thread_id, metadata_pairs, total_tokens, total_cost, inputs_preview, "
    "outputs_preview"
)
ROOT_ORDER = root_segment(START_US, run_id(0))


@dataclass(frozen=True)
class Script:
    """Writes in the order sent, cut into requests.

    ``restarts`` are the requests before which the process restarts, ``silences`` those before which nothing is heard
    for so long that open runs are moved.
    """

    requests: tuple[tuple[RunWrite, ...], ...]
    restarts: frozenset[int]
    silences: frozenset[int]


def _fields(number: int) -> dict[str, dict[RunField, FieldValue]]:
    """What the create, a progress patch and the ending patch of a run say; they overlap in tags and outputs."""
    start_us = START_US + number * 1000
    child = number > 0
    place: dict[RunField, FieldValue] = {
        RunField.TRACE_ID: run_id(0),
        RunField.DOTTED_ORDER: append_segment(ROOT_ORDER, start_us, run_id(number)) if child else ROOT_ORDER,
    }
    if child:
        place[RunField.PARENT_RUN_ID] = run_id(0)
    return {
        "create": {
            **place,
            RunField.NAME: f"step {number}",
            RunField.RUN_TYPE: "llm",
            RunField.START_TIME: start_us,
            RunField.INPUTS: b'{"messages": [{"role": "user", "content": "caf\\u00e9"}]}',
            RunField.EXTRA: b'{"metadata": {"thread_id": "t", "ls_model_name": "gpt-4o", "ls_provider": "openai"}}',
            RunField.TAGS: ("created",),
        },
        "progress": {**place, RunField.TAGS: ("progress",), RunField.OUTPUTS: b'{"text": "so far"}'},
        "end": {
            **place,
            RunField.END_TIME: start_us + 5_000_000,
            RunField.OUTPUTS: b'{"text": "done", "usage_metadata": {"input_tokens": 7, "output_tokens": 3}}',
            **({RunField.ERROR: "it broke"} if number % 3 == 2 else {}),
        },
    }


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    writes: list[RunWrite] = []
    for number in range(draw(st.integers(1, 4))):
        for name, fields in _fields(number).items():
            kind = WriteKind.CREATE if name == "create" else WriteKind.PATCH
            for part in _split(draw, fields, kind):
                writes.extend([_write(kind, number, part)] * draw(st.integers(1, 2)))
    order = draw(st.permutations(writes))
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=5)))
    bounds = [0, *cuts, len(order)]
    requests = tuple(tuple(order[a:b]) for a, b in pairwise(bounds))
    restarts = frozenset(draw(st.sets(st.integers(1, len(requests)), max_size=2)))
    silences = frozenset(draw(st.sets(st.integers(1, len(requests)), max_size=2)))
    return Script(requests, restarts, silences)


def _write(kind: WriteKind, number: int, fields: dict[RunField, FieldValue]) -> RunWrite:
    return RunWrite(kind=kind, run_id=run_id(number), fields=fields, session_name="p")


def _split(draw: st.DrawFn, fields: dict[RunField, FieldValue], kind: WriteKind) -> list[dict[RunField, FieldValue]]:
    """One write, or two that say half each; an ending patch is not split, because its end time ranks its fields."""
    if RunField.END_TIME in fields or not draw(st.booleans()):
        return [fields]
    names = sorted(fields)
    cut = draw(st.integers(1, len(names) - 1))
    return [{n: fields[n] for n in names[:cut]}, {n: fields[n] for n in names[cut:]}]


Opener = Callable[[], AbstractContextManager[OpenStore]]


def _outcomes(open_again: Opener, script: Script) -> tuple[list[Row], list[Row]]:
    """The runs of two tenants of one store: of one that was sent the canonical script, of one that was sent this."""
    expecting, tenant_id = uuid4(), uuid4()
    remaining = list(enumerate(script.requests))
    expected: list[Row] = []
    while True:
        with open_again() as store:
            if not expected:
                store.write(*_canonical(script), tenant_id=expecting)
                expected = store.select(COLUMNS, expecting)
            while remaining:
                number, request = remaining.pop(0)
                store.write(*request, tenant_id=tenant_id)
                if number + 1 in script.silences:
                    store.clock.us += MOVED_AFTER_US + 1
                    store.between_commits(store.writer._silent_runs.move)
                    assert not store.moments.current(tenant_id).open_rows
                if number + 1 in script.restarts:
                    break
            else:
                return expected, store.select(COLUMNS, tenant_id)


def _canonical(script: Script) -> list[RunWrite]:
    """The same writes without repetition: creates first, ends last, for one request."""
    writes: list[RunWrite] = []
    for request in script.requests:
        writes.extend(write for write in request if write not in writes)
    return sorted(writes, key=_rank)


def _rank(write: RunWrite) -> tuple[UUID, int]:
    return write.run_id, 0 if write.kind is WriteKind.CREATE else 1 + (RunField.END_TIME in write.fields)


def _check(open_again: Opener, script: Script) -> None:
    expected, actual = _outcomes(open_again, script)
    assert actual == expected
    assert len({row_id for row_id, *_ in actual}) == len(actual) == len(_run_ids(script.requests))


_PATIENT: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(scope="class")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChdbEngine, Clock]]:
    """One engine for all examples, each of which is two tenants of it; opening one takes longer than an example."""
    with open_engine(tmp_path_factory.mktemp("laws") / "engine") as engine:
        for table in ("runs", "open_runs"):
            # That rows outlast the power is proved with processes, in tests/faults.
            engine.command(
                Statement(f"ALTER TABLE {table} MODIFY SETTING fsync_after_insert=0, fsync_part_directory=0")
            )
        yield engine, Clock()


class TestOnOneEngine:
    """Apart from what opens engines of its own, because a process has one at a time."""

    @settings(_PATIENT, max_examples=25)
    @given(script=scripts())
    def test_the_run_does_not_depend_on_how_its_writes_came(
        self, tables: tuple[ChdbEngine, Clock], script: Script
    ) -> None:
        """A restart is one of everything above the engine, which then knows what the tables tell."""
        _check(partial(open_on, *tables), script)


@pytest.mark.slow
@settings(_PATIENT, max_examples=40)
@given(script=scripts())
def test_nor_does_it_where_the_engine_restarts_too(script: Script) -> None:
    with TemporaryDirectory() as folder:
        _check(partial(open_store, Path(folder) / "engine", Clock()), script)


def _run_ids(requests: Sequence[Sequence[RunWrite]]) -> set[UUID]:
    return {write.run_id for request in requests for write in request}
