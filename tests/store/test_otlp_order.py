"""Spans in any order, split and repeated over requests, become the same trace, the late root last or first."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Final

import pytest

from otlp_bodies import START_NS, SpanSource, as_protobuf
from runlake.otlp.answers import Encoding
from runlake.otlp.read import read_traces
from runlake.store.engine import Params, Statement
from store.harness import TENANT, OpenStore, open_store

TREE: Final = (
    SpanSource(number=1, name="root"),
    SpanSource(number=2, parent=1, start_ns=START_NS + 1000),
    SpanSource(number=3, parent=2, start_ns=START_NS + 2000),
    SpanSource(number=4, parent=3, start_ns=START_NS + 3000),
)
COLUMNS: Final = ("trace_id", "parent_run_id", "dotted_order", "is_root")
LOST: Final = SpanSource(number=9, parent=8, start_ns=START_NS + 1000)


def send(store: OpenStore, *spans: SpanSource) -> None:
    store.write(*read_traces(as_protobuf(*spans), Encoding.PROTOBUF).writes)


def places(store: OpenStore) -> set[tuple[str, ...]]:
    params = Params()
    tenant = params.add("UUID", TENANT)
    columns = ", ".join(f"toString(argMax({name}, version))" for name in COLUMNS)
    sql = f"SELECT toString(id), {columns} FROM runs WHERE tenant_id = {tenant} GROUP BY id"
    return {tuple(map(str, row)) for row in store.engine.select(Statement(sql, params.as_tuple())).rows}


def stored(path: Path, requests: list[tuple[SpanSource, ...]]) -> set[tuple[str, ...]]:
    with open_store(path) as store:
        for spans in requests:
            send(store, *spans)
        return places(store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, ...]]:
    """The trace sent at once."""
    return stored(tmp_path_factory.mktemp("whole"), [TREE])


def test_the_whole_tree_has_one_root(whole: set[tuple[str, ...]]) -> None:
    assert sorted(row[4] for row in whole) == ["false", "false", "false", "true"]
    assert len({row[1] for row in whole}) == 1


def test_every_order_of_single_spans_gives_the_same_trace(tmp_path: Path, whole: set[tuple[str, ...]]) -> None:
    for number, order in enumerate(list(permutations(TREE))[1::6]):
        assert stored(tmp_path / str(number), [(span,) for span in order]) == whole, order


def test_requests_sent_again_change_nothing(tmp_path: Path, whole: set[tuple[str, ...]]) -> None:
    first, second = TREE[2:], TREE[:2]
    assert stored(tmp_path, [first, first, second, TREE, first]) == whole


def test_a_span_whose_parent_never_comes_is_kept(tmp_path: Path, whole: set[tuple[str, ...]]) -> None:
    rows = stored(tmp_path, [(LOST, *TREE)])
    assert whole < rows
    ((run_id, trace_id, parent_id, _, is_root),) = rows - whole
    assert (run_id, parent_id[-1], is_root) == (trace_id, "8", "false")
