"""Conditions on relatives against fixed traces: each axis, runs without neighbours, and guesses that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from runlake.fql import read_filter
from runlake.model.dotted_order import append_segment, root_segment
from runlake.model.run import NO_ID, FieldValue, RunField, RunWrite, WriteKind
from runlake.query import compile as compiling
from runlake.query import plan, relatives
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from store.harness import START_US, TENANT, OpenStore, open_store

PROJECT = UUID(int=0x51)
ENDED = 1_000


def uid(name: str) -> UUID:
    return UUID(bytes=name.encode().ljust(16, b"\1"))


ORDERS: dict[str, str] = {}


def made(
    name: str,
    parent: str | None,
    start_s: int,
    *,
    trace: str | None = None,
    orderless: bool = False,
    is_open: bool = False,
) -> RunWrite:
    """A run that begins so many seconds after the start; its trace is named by the first letter unless given."""
    start_time = START_US + start_s * 1_000_000
    own = root_segment(start_time, uid(name))
    ORDERS[name] = own if parent is None else append_segment(ORDERS[parent], start_time, uid(name))
    fields: dict[RunField, FieldValue] = {
        RunField.SESSION_ID: PROJECT,
        RunField.TRACE_ID: uid(trace or name[0]),
        RunField.NAME: name,
        RunField.START_TIME: start_time,
    }
    if parent is not None:
        fields[RunField.PARENT_RUN_ID] = uid(parent)
    if not orderless:
        fields[RunField.DOTTED_ORDER] = ORDERS[name]
    if not is_open:
        fields[RunField.END_TIME] = start_time + ENDED
    return RunWrite(kind=WriteKind.CREATE, run_id=uid(name), fields=fields)


RUNS = (
    # a ── ab ── abc
    #  │    └── abd (open)
    #  ├── ae
    #  └── af (came without a dotted order)
    made("a", None, 0),
    made("ab", "a", 1),
    made("abc", "ab", 2),
    made("abd", "ab", 3, is_open=True),
    made("ae", "a", 4),
    made("af", "a", 5, orderless=True),
    # a root alone, and a run whose parent never came
    made("g", None, 6),
    made("h", None, 7),
    RunWrite(
        kind=WriteKind.CREATE,
        run_id=uid("hx"),
        fields={
            RunField.SESSION_ID: PROJECT,
            RunField.TRACE_ID: uid("h"),
            RunField.NAME: "hx",
            RunField.PARENT_RUN_ID: uid("lost"),
            RunField.START_TIME: START_US + 8_000_000,
            RunField.END_TIME: START_US + 8_000_000 + ENDED,
        },
    ),
    # names a parent of another trace: no relative of it
    made("z", None, 9),
    made("zstray", "a", 10, trace="z"),
)
EVERYONE = {str(write.fields[RunField.NAME]) for write in RUNS}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    with open_store(Path(tmp_path_factory.mktemp("relatives")) / "engine") as opened:
        opened.write(*RUNS)
        yield opened


def names(store: OpenStore, text: str, *, start_time_from: int | None = None) -> set[str]:
    query = RunQuery(
        tenant_id=TENANT,
        sessions=(PROJECT,),
        filter=read_filter(text),
        page_rows=100,
        start_time_from=start_time_from,
    )
    page = RunFetcher(store.engine, QueryLimits()).page(query, store.moments.current(TENANT))
    found = [run.name for run in page.runs]
    assert len(found) == len(set(found))
    return set(found)


CASES: list[tuple[str, set[str]]] = [
    ('child(eq(name, "abc"))', {"ab"}),
    ('child(eq(name, "abd"))', {"ab"}),
    ('descendant(eq(name, "abc"))', {"a", "ab"}),
    ('descendant(eq(name, "af"))', {"a"}),
    ('parent(eq(name, "a"))', {"ab", "ae", "af"}),
    ('parent(eq(name, "lost"))', set()),
    ('ancestor(eq(name, "a"))', {"ab", "abc", "abd", "ae", "af"}),
    ('ancestor(eq(name, "ab"))', {"abc", "abd"}),
    ('sibling(eq(name, "ae"))', {"ab", "af"}),
    ('sibling(like(name, "a%"))', {"ab", "abc", "abd", "ae", "af"}),
    ('sibling(in(name, ["hx", "g", "a"]))', set()),
    ('root(eq(name, "a"))', {"a", "ab", "abc", "abd", "ae", "af"}),
    ('root(eq(name, "h"))', {"h", "hx"}),
    ('trace(eq(name, "abd"))', {"a", "ab", "abc", "abd", "ae", "af"}),
    ('trace(eq(name, "g"))', {"g"}),
    ('trace(eq(name, "zstray"))', {"z", "zstray"}),
    ('not(parent(neq(name, "no such")))', {"a", "g", "h", "hx", "z", "zstray"}),
    ('count(child(like(name, "%")), gte, 3)', {"a"}),
    ('count(child(like(name, "%")), eq, 2)', {"ab"}),
    ('count(child(like(name, "%")), lt, 3)', EVERYONE - {"a"}),
    ('count(child(like(name, "%")), neq, 3)', EVERYONE - {"a"}),
    ('count(descendant(like(name, "%")), eq, 5)', {"a"}),
    ('count(ancestor(like(name, "%")), eq, 2)', {"abc", "abd"}),
    ('count(ancestor(like(name, "%")), lte, 1)', EVERYONE - {"abc", "abd"}),
    ('count(sibling(like(name, "%")), eq, 2)', {"ab", "ae", "af"}),
    ('count(sibling(in(name, ["ab", "ae"])), eq, 2)', {"af"}),
    ('count(sibling(in(name, ["ab", "ae"])), lt, 2)', EVERYONE - {"af"}),
    ('count(trace(like(name, "%")), eq, 2)', {"h", "hx", "z", "zstray"}),
    ('child(child(eq(name, "abc")))', {"a"}),
    ('parent(sibling(eq(name, "ae")))', {"abc", "abd"}),
    ('child(count(child(like(name, "%")), gte, 2))', {"a"}),
    ('and(eq(is_root, true), descendant(eq(status, "pending")))', {"a"}),
    ('and(eq(name, "abc"), parent(and(eq(name, "ab"), parent(eq(is_root, true)))))', {"abc"}),
    ('or(child(eq(name, "abc")), sibling(eq(name, "abc")))', {"ab", "abd"}),
    ('not(or(trace(eq(name, "a")), eq(name, "g")))', {"h", "hx", "z", "zstray"}),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_relatives_are_found(store: OpenStore, text: str, expected: set[str]) -> None:
    assert names(store, text) == expected


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_relatives_before_the_window_count(store: OpenStore, text: str, expected: set[str]) -> None:
    """A bound on time makes the search for relatives start from the traces in it; the result only loses early runs."""
    late = {str(write.fields[RunField.NAME]) for write in RUNS[2:]}
    assert names(store, text, start_time_from=START_US + 2_000_000) == expected & late


@pytest.mark.parametrize("are_few", [True, False])
def test_guesses_change_the_work_and_not_the_result(
    store: OpenStore, are_few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "leaves_few", lambda _: are_few)
    monkeypatch.setattr(relatives, "leaves_few", lambda _: are_few)
    monkeypatch.setattr(plan, "_names_few", lambda _: are_few)
    for text, expected in CASES:
        assert names(store, text) == expected, text
        assert names(store, f'and(nin(name, ["x"]), {text})') == expected, text


def test_another_tenant_has_no_relatives_here(store: OpenStore) -> None:
    query = RunQuery(
        tenant_id=TENANT, sessions=(UUID(int=0x52),), filter=read_filter('trace(like(name, "%"))'), page_rows=100
    )
    fetcher = RunFetcher(store.engine, QueryLimits())
    assert fetcher.page(query, store.moments.current(TENANT)).runs == []
    stranger = replace(query, tenant_id=NO_ID, sessions=(PROJECT,))
    assert fetcher.page(stranger, store.moments.current(NO_ID)).runs == []
