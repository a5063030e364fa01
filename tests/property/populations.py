"""Random runs, once as writes for the store and once as plain records for the reference."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st

from property.reference import Entry, Record
from runlake.model.attachments import StoredAttachment, encode_attachments
from runlake.model.dotted_order import append_segment, root_segment
from runlake.model.project import Feedback
from runlake.model.run import FieldValue, RunField, RunWrite, WriteKind

START = datetime(2026, 9, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
EXAMPLE = UUID(int=0xE1)
LONG = "The long answer begins here and goes on " + "with many more words " * 15 + "until its Unusual-Ending"

NAMES = ["alpha", "Beta", "a%b_c", "re-rank", "日本 bot", "Ünïcode", "5", ""]
ERRORS = [None, None, "", "Timeout: disk full", "boom", 'said "no"']
TAGS = ["prod", "Beta", 'a"b', "日本", "x_y", "", "5"]
LETTERS = ["one", "two", "three", "four", "five"]
MANY = [{"n": number, "word": f"{word}-{number}"} for number in range(600) for word in LETTERS]
"""More entries than are indexed: every number and every word of them counts all the same."""
VECTOR = [0.5] * 65
VALUES: list[Any] = ["v1", "V1", "5", "5.0", 5, 0.5, True, None, "a%b", "quick brown", "naïve", "", [], ["v1", "v2"]]
TEXTS = [
    "The quick brown fox",
    "quick\nbrown",
    'he said "quick" brown',
    "gpt-4 and gpt_4",
    "capital of France",
    "量子计算机",
    "emoji 🎉 here",
    "naïve café",
    "C:\\temp\\file",
    "Straße nach Köln, STRASSE",
    "Привет, мир",
    "مرحبا بالعالم",
    "שלום עולם",
    "İstanbul'dan Iğdır'a",  # noqa: RUF001 - the dotless i is what is tried
    "see https://example.org/a?b=1&&c for 3.14159",
    LONG,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """``batches`` are written one after the other; ``records`` are what is true afterwards."""

    tenant_id: UUID
    session_id: UUID
    batches: tuple[tuple[RunWrite, ...], ...] = field(repr=False)
    feedback: tuple[tuple[Feedback, ...], ...] = field(repr=False)
    records: tuple[Record, ...]

    def fill_in(self, text: str) -> str:
        """A filter of ``field_atoms`` with ids of this population."""
        run, root = UUID(self.records[len(self.records) // 2].id), self.records[0]
        parent = next((record.parent_run_id for record in self.records if record.parent_run_id), root.id)
        known = {"RUN": run, "UPPER": str(run).upper(), "HEX": run.hex, "TRACE": root.id, "PARENT": parent}
        for name, value in {**known, "SESSION": self.session_id}.items():
            text = text.replace(f"${name}", str(value))
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What is drawn of one run. ``parent`` counts back from the run itself; 0 makes it a root."""

    parent: int
    delay_s: int
    name: str
    run_type: str
    life: str
    latency_ms: int
    first_token_ms: int | None
    error: str | None
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    inputs: dict[str, Any] | None
    outputs: dict[str, Any]
    tokens: tuple[int, int] | None
    has_costs: bool
    has_example: bool
    is_ascii: bool
    marks: tuple[tuple[str, float | None, str | None, str | None, str], ...]


_TEXT = st.sampled_from(TEXTS)
_DRAFTS = st.builds(
    _Draft,
    parent=st.integers(0, 3),
    delay_s=st.integers(0, 2),
    name=st.sampled_from(NAMES),
    run_type=st.sampled_from(["llm", "llm", "chain", "tool"]),
    life=st.sampled_from(["done", "done", "open", "amended"]),
    latency_ms=st.sampled_from([0, 500, 5000, 5001, 12_000]),
    first_token_ms=st.sampled_from([None, 100, 2000]),
    error=st.sampled_from(ERRORS),
    tags=st.lists(st.sampled_from(TAGS), max_size=3, unique=True).map(tuple),
    metadata=st.dictionaries(
        st.sampled_from(["k1", "k2", "env", "thread_id", "session_id", "a.b", "ls_user_id"]),
        st.sampled_from(VALUES),
        max_size=4,
    ),
    inputs=st.none()
    | st.fixed_dictionaries(
        {"question": _TEXT},
        optional={
            "messages": st.lists(st.fixed_dictionaries({"content": _TEXT}), max_size=3),
            "vector": st.just(VECTOR),
            "many": st.sampled_from([[], [], [], [], [], [], [], MANY]),
        },
    ),
    outputs=st.fixed_dictionaries({"answer": _TEXT}, optional={"score": st.sampled_from([1, 2.5, True, "2.50"])}),
    tokens=st.none() | st.tuples(st.sampled_from([0, 3, 1000]), st.sampled_from([1, 4000])),
    has_costs=st.booleans(),
    has_example=st.booleans(),
    is_ascii=st.booleans(),
    marks=st.lists(
        st.tuples(
            st.sampled_from(["ok", "score"]),
            st.sampled_from([None, 0.0, 0.25, 1.0]),
            st.sampled_from([None, '"good"', '"2"', "7", "true"]),
            st.sampled_from([None, "nice", "so so", "5"]),
            st.sampled_from(["keep", "keep", "change", "delete"]),
        ),
        max_size=4,
    ).map(tuple),
)


def populations(min_size: int = 6, max_size: int = 14) -> st.SearchStrategy[Population]:
    """Some traces of some runs each, in one new project of one new tenant."""
    return st.lists(_DRAFTS, min_size=min_size, max_size=max_size).map(_assemble)


def _assemble(drafts: list[_Draft]) -> Population:
    # Named by its content: the same runs again are the same rows, and different ones never meet.
    tenant_id = uuid5(EXAMPLE, repr(drafts))
    session_id = uuid5(tenant_id, "project")
    first: list[RunWrite] = []
    later: list[RunWrite] = []
    feedback: list[Feedback] = []
    changes: list[Feedback] = []
    records: list[Record] = []
    start_time = START_US
    for number, draft in enumerate(drafts):
        start_time += draft.delay_s * 1_000_000
        run_id = uuid5(tenant_id, f"run {number}")
        parent = records[number - draft.parent] if draft.parent and number >= draft.parent else None
        records.append(_record(draft, run_id, session_id, start_time, parent))
        first += _writes(draft, records[-1])
        if draft.life == "amended":
            later.append(_amendment(draft, records[-1]))
        for index, mark in enumerate(draft.marks):
            mark_id = uuid5(run_id, f"mark {index}")
            feedback.append(_feedback(tenant_id, run_id, mark_id, mark))
            if mark[4] != "keep":
                changes.append(_changed(feedback[-1], deleted=mark[4] == "delete"))
    return Population(
        tenant_id=tenant_id,
        session_id=session_id,
        batches=(tuple(first), tuple(later)),
        feedback=(tuple(feedback), tuple(changes)),
        records=tuple(records),
    )


def _record(draft: _Draft, run_id: UUID, session_id: UUID, start_time: int, parent: Record | None) -> Record:
    is_open = draft.life == "open"
    tokens = None if is_open else _counted_tokens(draft)
    order = root_segment(start_time, run_id)
    if parent is not None:
        order = append_segment(parent.dotted_order, start_time, run_id)
    return Record(
        id=str(run_id),
        trace_id=str(run_id) if parent is None else parent.trace_id,
        parent_run_id=None if parent is None else parent.id,
        session_id=str(session_id),
        start_time=start_time,
        dotted_order=order,
        name=draft.name,
        run_type=draft.run_type,
        end_time=None if is_open else start_time + draft.latency_ms * 1000,
        first_token_time=None if draft.first_token_ms is None else start_time + draft.first_token_ms * 1000,
        error=draft.error,
        reference_example_id=str(EXAMPLE) if draft.has_example else None,
        tags=(*draft.tags, "amended") if draft.life == "amended" else draft.tags,
        metadata=draft.metadata,
        inputs=None if draft.inputs is None else json.dumps(draft.inputs, ensure_ascii=draft.is_ascii),
        outputs=None if is_open else _json(_outputs(draft)),
        feedback=_marks(draft),
        tokens=tokens or (0, 0),
        costs=(Decimal("0.25"), Decimal("0.5")) if tokens and draft.has_costs else None,
        details={} if is_open else _details(draft),
        attachments=("a",) if draft.has_example else (),
    )


def _counted_tokens(draft: _Draft) -> tuple[int, int] | None:
    """What outputs say of tokens counts for the calls of a model alone."""
    return draft.tokens if draft.run_type == "llm" else None


def _details(draft: _Draft) -> dict[str, Decimal]:
    found = {}
    tokens = _counted_tokens(draft)
    if tokens and tokens[0]:
        found["prompt_token_details.cache_read"] = Decimal(tokens[0] - 1)
    if tokens and draft.has_costs:
        found["completion_cost_details.reasoning"] = Decimal("0.000125")
    return found


def _outputs(draft: _Draft) -> dict[str, Any]:
    if draft.tokens is None:
        return draft.outputs
    usage: dict[str, Any] = {"input_tokens": draft.tokens[0], "output_tokens": draft.tokens[1]}
    if draft.tokens[0]:
        usage["input_token_details"] = {"cache_read": draft.tokens[0] - 1}
    if draft.has_costs:
        usage |= {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}
        usage["output_cost_details"] = {"reasoning": 0.000125}
    return {**draft.outputs, "usage_metadata": usage}


def _writes(draft: _Draft, record: Record) -> list[RunWrite]:
    fields: dict[RunField, FieldValue] = {
        RunField.SESSION_ID: UUID(record.session_id),
        RunField.TRACE_ID: UUID(record.trace_id),
        RunField.DOTTED_ORDER: record.dotted_order,
        RunField.START_TIME: record.start_time,
        RunField.NAME: record.name,
        RunField.RUN_TYPE: record.run_type,
        RunField.TAGS: draft.tags,
        RunField.EXTRA: _json({"metadata": draft.metadata}).encode(),
    }
    if record.parent_run_id is not None:
        fields[RunField.PARENT_RUN_ID] = UUID(record.parent_run_id)
    if record.inputs is not None:
        fields[RunField.INPUTS] = record.inputs.encode()
    if record.error is not None:
        fields[RunField.ERROR] = record.error
    if draft.has_example:
        fields[RunField.REFERENCE_EXAMPLE_ID] = EXAMPLE
        fields[RunField.ATTACHMENTS] = encode_attachments([StoredAttachment("a", "text/plain", "0f", 1)])
    if record.first_token_time is not None:
        token = {"name": "new_token", "time": _iso(record.first_token_time)}
        fields[RunField.EVENTS] = _json([token]).encode()
    writes = [RunWrite(kind=WriteKind.CREATE, run_id=UUID(record.id), fields=fields)]
    if record.end_time is not None and record.outputs is not None:
        # An amended run ends a millisecond earlier at first, because a later end is what lets a later write win.
        end_time = record.end_time - 1000 if draft.life == "amended" else record.end_time
        ended: dict[RunField, FieldValue] = {RunField.END_TIME: end_time, RunField.OUTPUTS: record.outputs.encode()}
        writes.append(RunWrite(kind=WriteKind.PATCH, run_id=UUID(record.id), fields=ended))
    return writes


def _amendment(draft: _Draft, record: Record) -> RunWrite:
    assert record.end_time is not None
    fields: dict[RunField, FieldValue] = {RunField.END_TIME: record.end_time, RunField.TAGS: (*draft.tags, "amended")}
    return RunWrite(kind=WriteKind.PATCH, run_id=UUID(record.id), fields=fields)


def _marks(draft: _Draft) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            key=key,
            score=0.75 if fate == "change" else score,
            value=_plain(value),
            comment=comment,
            source="api",
        )
        for key, score, value, comment, fate in draft.marks
        if fate != "delete"
    )


def _plain(value: str | None) -> str | None:
    if value is None:
        return None
    found = json.loads(value)
    return found if isinstance(found, str) else value


def _feedback(
    tenant_id: UUID, run_id: UUID, mark_id: UUID, mark: tuple[str, float | None, str | None, str | None, str]
) -> Feedback:
    key, score, value, comment, _ = mark
    return Feedback(
        tenant_id=tenant_id,
        id=mark_id,
        key=key,
        run_id=run_id,
        score=score,
        value=None if value is None else value.encode(),
        comment=comment,
    )


def _changed(feedback: Feedback, *, deleted: bool) -> Feedback:
    return Feedback(
        tenant_id=feedback.tenant_id,
        id=feedback.id,
        key=feedback.key,
        run_id=feedback.run_id,
        score=0.75,
        value=feedback.value,
        comment=feedback.comment,
        deleted=deleted,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _iso(moment_us: int) -> str:
    return (START + timedelta(microseconds=moment_us - START_US)).isoformat()
