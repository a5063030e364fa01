"""Any bytes and any attributes are read or refused, never a failure of ours."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from otlp_bodies import SpanSource, as_json, as_protobuf
from runlake.errors import UserError
from runlake.ingest.costs import CostBook
from runlake.ingest.derive import derive_run
from runlake.model.run import PAYLOAD_FIELDS, fold_writes
from runlake.otlp.answers import Encoding
from runlake.otlp.conventions import TABLES
from runlake.otlp.read import read_traces
from runlake.wire.run_writes import ReadBatch

NAMES: Final = sorted({rule.attribute for rules in TABLES.values() for rule in rules})
REST: Final = st.sampled_from(
    ["0", "0.role", "0.message.role", "0.content", "1.message.contents.0", "x", "", "0.0.0", "."]
)
EVENTS: Final = (
    "exception",
    "gen_ai.choice",
    "gen_ai.user.message",
    "gen_ai.tool.message",
    "gen_ai.content.prompt",
    "x",
)
TEXTS: Final = st.sampled_from(
    [
        "",
        "{",
        "{}",
        "[]",
        '[{"role":1}]',
        '[{"role":"user","parts":[{"type":"text"}]}]',
        '{"a":[1]}',
        "null",
        "nan",
        "1e999",
    ]
) | st.text(max_size=8)
VALUES: Final = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def names(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(NAMES))
    return name + draw(REST) if name.endswith(".") else name


ATTRIBUTES: Final = st.dictionaries(names() | st.text(max_size=5), VALUES, max_size=6)
SPANS: Final = st.builds(
    SpanSource,
    number=st.integers(0, 3),
    parent=st.none() | st.integers(0, 3),
    start_ns=st.integers(0, 2**63),
    end_ns=st.integers(0, 2**64 - 1),
    attributes=ATTRIBUTES,
    events=st.lists(st.tuples(st.sampled_from(EVENTS), ATTRIBUTES), max_size=2),
    status=st.integers(0, 2),
)


def check(batch: ReadBatch) -> None:
    """Every run can be stored: its payloads are JSON, and its columns can be derived."""
    for write in batch.writes:
        for field in PAYLOAD_FIELDS:
            data = write.fields.get(field, b"null")
            assert isinstance(data, bytes)
            msgspec.json.decode(data)
        derive_run(fold_writes(write.run_id, [write]), now_us=0, prices=PRICES)


PRICES: Final = CostBook()


def read_or_refuse(body: bytes, encoding: Encoding) -> ReadBatch:
    try:
        return read_traces(body, encoding)
    except UserError:
        return ReadBatch()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for encoding in Encoding:
        read_or_refuse(body, encoding)


@given(st.lists(SPANS, min_size=1, max_size=3), st.data())
def test_any_spans_are_stored_or_refused(spans: list[SpanSource], data: st.DataObject) -> None:
    batch = read_traces(as_protobuf(*spans), Encoding.PROTOBUF)
    assert len(batch.writes) + len(batch.refused) == len(spans)
    check(batch)
    damaged = bytearray(as_protobuf(*spans))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    check(read_or_refuse(bytes(damaged), Encoding.PROTOBUF))


def finite(value: Any) -> bool:
    """JSON of NaN and infinity is not OTLP's business here."""
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(map(finite, value))
        case dict():
            return all(map(finite, value.values()))
        case _:
            return True


@given(SPANS)
def test_json_reads_as_protobuf_does(span: SpanSource) -> None:
    sides = (span.attributes, *(attributes for _, attributes in span.events))
    if all(finite(dict(side)) for side in sides):
        by_json = read_traces(as_json(span), Encoding.JSON)
        by_protobuf = read_traces(as_protobuf(span), Encoding.PROTOBUF)
        assert by_json.writes == by_protobuf.writes
        assert len(by_json.refused) == len(by_protobuf.refused)
