"""The law of writes: any order, split and repetition of a create and its patches gives the same run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from runlake.ingest.costs import CostBook
from runlake.ingest.derive import DerivedRun, derive_run
from runlake.model.attachments import StoredAttachment, encode_attachments
from runlake.model.run import (
    FieldValue,
    RunField,
    RunState,
    RunWrite,
    WriteKind,
    fold_writes,
    merge_states,
    merge_write,
)
from runlake.wire.run_writes import read_run

RUN_ID = UUID("019b7cc5-5d08-7000-8000-000000000001")
PRICES = CostBook()
JSON_BYTES = st.sampled_from([b"{}", b'{"a":1}', b'{"messages":[]}', b'{"metadata":{"thread_id":"t"}}', b"[]"])
IDS = st.sampled_from([UUID(int=number) for number in (1, 2, 3)])
TIMES = st.integers(2, 10**15)
FILES = st.lists(
    st.builds(
        StoredAttachment,
        st.sampled_from("abc"),
        st.sampled_from(["image/png", "text/plain"]),
        st.sampled_from(["0f", "1e", "2d"]),
        st.just(4),
    ),
    min_size=1,
    max_size=3,
)
VALUES: dict[RunField, st.SearchStrategy[FieldValue]] = {
    RunField.TRACE_ID: IDS,
    RunField.PARENT_RUN_ID: IDS,
    RunField.SESSION_ID: IDS,
    RunField.NAME: st.text(max_size=5),
    RunField.RUN_TYPE: st.sampled_from(["llm", "chain"]),
    RunField.START_TIME: TIMES,
    RunField.INPUTS: JSON_BYTES,
    RunField.OUTPUTS: JSON_BYTES,
    RunField.ERROR: st.text(max_size=5),
    RunField.EXTRA: JSON_BYTES,
    RunField.EVENTS: JSON_BYTES,
    RunField.TAGS: st.lists(st.text(max_size=3), max_size=2).map(tuple),
    RunField.ATTACHMENTS: FILES.map(encode_attachments),
}

Fields = dict[RunField, FieldValue]


@st.composite
def _fields(draw: st.DrawFn) -> Fields:
    """A value for some of the fields."""
    names = draw(st.lists(st.sampled_from(list(VALUES)), unique=True))
    return {name: draw(VALUES[name]) for name in names}


def _write(kind: WriteKind, fields: Fields) -> RunWrite:
    return RunWrite(kind=kind, run_id=RUN_ID, fields=fields)


@st.composite
def _histories(draw: st.DrawFn) -> list[RunWrite]:
    """A create and patches of which no two of one rank disagree: each is a part of what its rank has to say."""
    sayings: list[tuple[WriteKind, Fields, Fields]] = [(WriteKind.CREATE, draw(_fields()), {})]
    if draw(st.booleans()):
        sayings.append((WriteKind.PATCH, draw(_fields()), {}))
    end_times = draw(st.lists(TIMES, unique=True, max_size=3))
    sayings.extend((WriteKind.PATCH, draw(_fields()), {RunField.END_TIME: end_time}) for end_time in end_times)
    writes: list[RunWrite] = []
    for kind, fields, always in sayings:
        names = st.sets(st.sampled_from(list(fields))) if fields else st.just(set())
        parts = draw(st.lists(names, min_size=1, max_size=3))
        writes.extend(_write(kind, {**{name: fields[name] for name in part}, **always}) for part in parts)
    return writes


def _shuffled(draw: st.DrawFn, writes: Sequence[RunWrite]) -> list[RunWrite]:
    repeated = [*writes, *draw(st.lists(st.sampled_from(list(writes)), max_size=4))]
    return draw(st.permutations(repeated))


@given(st.data(), _histories())
def test_order_and_repetition_change_nothing(data: st.DataObject, writes: list[RunWrite]) -> None:
    expected = fold_writes(RUN_ID, writes)
    assert fold_writes(RUN_ID, data.draw(st.composite(_shuffled)(writes))) == expected


@given(st.data(), _histories())
def test_states_merge_like_the_writes_behind_them(data: st.DataObject, writes: list[RunWrite]) -> None:
    """Two processes that saw different writes, in any order, agree once their states meet."""
    shuffled = data.draw(st.permutations(writes))
    cut = data.draw(st.integers(0, len(shuffled)))
    left, right = fold_writes(RUN_ID, shuffled[:cut]), fold_writes(RUN_ID, shuffled[cut:])
    expected = fold_writes(RUN_ID, writes)
    assert merge_states(left, right) == merge_states(right, left) == expected
    assert merge_states(expected, left) == expected


def _values(state: RunState) -> Mapping[RunField, FieldValue]:
    return {name: entry.value for name, entry in state.entries.items()}


def _derived(state: RunState) -> DerivedRun:
    return derive_run(state, now_us=5, prices=PRICES)


@given(st.data(), _fields(), _fields(), TIMES)
def test_a_create_and_its_last_patch_may_be_split_at_will(
    data: st.DataObject, created: Fields, patched: Fields, end_time: int
) -> None:
    """One write per field, the end time as one of them: the run is the same, whatever comes first."""
    patched = {**patched, RunField.END_TIME: end_time}
    whole = fold_writes(RUN_ID, [_write(WriteKind.CREATE, created), _write(WriteKind.PATCH, patched)])
    pieces = [_write(WriteKind.CREATE, {})]
    pieces += [_write(WriteKind.CREATE, {name: value}) for name, value in created.items()]
    pieces += [_write(WriteKind.PATCH, {name: value}) for name, value in patched.items()]
    split = fold_writes(RUN_ID, data.draw(st.permutations(pieces)))
    assert _values(split) == _values(whole)
    assert _derived(split) == _derived(whole)


@given(_histories())
def test_a_repeated_write_returns_the_very_same_state(writes: list[RunWrite]) -> None:
    """So that a retry is recognised without comparing anything."""
    state = fold_writes(RUN_ID, writes)
    for write in writes:
        assert merge_write(state, write) is state


NULLABLE = [*(str(name) for name in RunField), "session_name", "status", "unknown"]


@given(_histories(), st.lists(st.sampled_from(NULLABLE), unique=True), st.sampled_from(WriteKind))
def test_nulls_never_overwrite(writes: list[RunWrite], names: list[str], kind: WriteKind) -> None:
    state = fold_writes(RUN_ID, writes)
    body = json.dumps({"id": str(RUN_ID), **dict.fromkeys(names)}).encode()
    nulls = read_run(body, kind)
    assert nulls.fields == {}
    assert merge_write(state, nulls) is state
