"""Derived columns, one rule a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from runlake.ingest.costs import CostBook
from runlake.ingest.derive import DerivedRun, derive_run
from runlake.model.run import NO_ID, Entry, FieldValue, RunField, RunState, RunStatus

RUN, PARENT, TRACE = (UUID(int=number, version=4) for number in (1, 2, 3))
UUID7 = UUID("019b7cc5-5d08-7000-8000-000000000001")
START_US = 1_767_323_045_000_006
PRICES = CostBook()


def _derive(fields: Mapping[RunField, FieldValue], run_id: UUID = RUN, now_us: int = 5) -> DerivedRun:
    state = RunState(run_id, True, {name: Entry(0, value) for name, value in fields.items()})
    return derive_run(state, now_us=now_us, prices=PRICES)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def test_an_empty_state_is_a_pending_root_chain_of_its_own_trace() -> None:
    derived = _derive({})
    assert derived == DerivedRun(start_time=5, trace_id=RUN, dotted_order=f"19700101T000000000005Z{RUN}")


@pytest.mark.parametrize(
    ("fields", "status", "has_error"),
    [
        ({}, RunStatus.PENDING, False),
        ({RunField.END_TIME: START_US}, RunStatus.SUCCESS, False),
        ({RunField.ERROR: "x", RunField.END_TIME: START_US}, RunStatus.ERROR, True),
        ({RunField.ERROR: "x"}, RunStatus.ERROR, True),
        ({RunField.ERROR: "", RunField.END_TIME: START_US}, RunStatus.SUCCESS, False),
    ],
)
def test_status(fields: dict[RunField, FieldValue], status: RunStatus, has_error: bool) -> None:
    derived = _derive(fields)
    assert (derived.status, derived.has_error) == (status, has_error)


ORDER = f"20260102T030405000006Z{RUN}"


@pytest.mark.parametrize(
    ("fields", "run_id", "start_time"),
    [
        ({RunField.START_TIME: 7, RunField.DOTTED_ORDER: ORDER}, RUN, 7),
        ({RunField.DOTTED_ORDER: ORDER, RunField.END_TIME: 9}, RUN, START_US),
        ({RunField.END_TIME: 9}, UUID7, (UUID7.int >> 80) * 1000),
        ({RunField.END_TIME: 9}, RUN, 9),
        ({RunField.END_TIME: 9}, UUID("ffffffff-ffff-7000-8000-000000000001"), 9),
        ({}, RUN, 5),
    ],
)
def test_start_time(fields: dict[RunField, FieldValue], run_id: UUID, start_time: int) -> None:
    assert _derive(fields, run_id).start_time == start_time


@pytest.mark.parametrize(("end", "duration_us"), [(None, None), (START_US + 10, 10), (START_US - 10, 0)])
def test_duration_is_never_negative(end: int | None, duration_us: int | None) -> None:
    fields: dict[RunField, FieldValue] = {RunField.START_TIME: START_US}
    if end is not None:
        fields[RunField.END_TIME] = end
    assert _derive(fields).duration_us == duration_us


@pytest.mark.parametrize(
    ("fields", "trace_id", "parent_id", "dotted_order", "is_root"),
    [
        ({}, RUN, NO_ID, ORDER, True),
        ({RunField.TRACE_ID: RUN}, RUN, NO_ID, ORDER, True),
        ({RunField.TRACE_ID: RUN, RunField.DOTTED_ORDER: ORDER}, RUN, NO_ID, ORDER, True),
        ({RunField.PARENT_RUN_ID: PARENT}, RUN, PARENT, "", False),
        ({RunField.PARENT_RUN_ID: PARENT, RunField.TRACE_ID: TRACE}, TRACE, PARENT, "", False),
        ({RunField.TRACE_ID: TRACE}, TRACE, NO_ID, "", False),
    ],
)
def test_lineage(
    fields: dict[RunField, FieldValue], trace_id: UUID, parent_id: UUID, dotted_order: str, is_root: bool
) -> None:
    derived = _derive({RunField.START_TIME: START_US, **fields})
    assert (derived.trace_id, derived.parent_run_id, derived.dotted_order, derived.is_root) == (
        trace_id,
        parent_id,
        dotted_order,
        is_root,
    )


@pytest.mark.parametrize(
    ("metadata", "thread_id"),
    [
        ({"thread_id": "c", "conversation_id": "b", "session_id": "a"}, "a"),
        ({"thread_id": "c", "conversation_id": "b"}, "b"),
        ({"thread_id": "c"}, "c"),
        ({"session_id": None, "thread_id": "c"}, "c"),
        ({"session_id": "", "thread_id": "c"}, "c"),
        ({"session_id": 17}, "17"),
        ({"session_id": False}, "false"),
        ({"session_id": ["x"], "thread_id": "c"}, "c"),
        ({}, ""),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_thread(metadata: object, thread_id: str) -> None:
    assert _derive({RunField.EXTRA: _json({"metadata": metadata, "runtime": {"x": 1}})}).thread_id == thread_id


@pytest.mark.parametrize(
    ("events", "first_token_time"),
    [
        ([{"name": "new_token", "time": "1970-01-01T00:00:01Z"}, {"name": "new_token", "time": 2000}], 1_000_000),
        ([{"name": "start", "time": 1000}, {"name": "new_token", "time": 2000, "kwargs": {"token": "x"}}], 2_000_000),
        (
            [{"name": "new_token"}, {"name": "new_token", "time": "soon"}, {"name": "new_token", "time": 3000}],
            3_000_000,
        ),
        ([{"name": "start", "time": 1000, "kwargs": "new_token"}], None),
        ([], None),
        ({"name": "new_token", "time": 1000}, None),
        (["new_token"], None),
        ("new_token", None),
    ],
)
def test_first_token_time(events: object, first_token_time: int | None) -> None:
    assert _derive({RunField.EVENTS: _json(events)}).first_token_time == first_token_time


@pytest.mark.parametrize(
    ("extra", "outputs", "run_type", "model", "provider"),
    [
        (
            {"metadata": {"ls_model_name": "a", "ls_provider": "p"}, "invocation_params": {"model": "b"}},
            {},
            "llm",
            "a",
            "p",
        ),
        ({"invocation_params": {"model": "b", "model_name": "c"}}, {"model": "d"}, "llm", "b", ""),
        ({"invocation_params": {"model": None, "model_name": "c"}}, {}, "chain", "c", ""),
        ({}, {"llm_output": {"model_name": "e"}, "model": "d"}, "llm", "e", ""),
        ({}, {"model": "d"}, "llm", "d", ""),
        ({}, {"model": "d"}, "chain", "", ""),
        ({"metadata": {"ls_model_name": 5}, "invocation_params": []}, {"model": {}}, "llm", "", ""),
        ([], [], "llm", "", ""),
    ],
)
def test_model_and_provider(extra: object, outputs: object, run_type: str, model: str, provider: str) -> None:
    derived = _derive({RunField.EXTRA: _json(extra), RunField.OUTPUTS: _json(outputs), RunField.RUN_TYPE: run_type})
    assert (derived.model, derived.provider) == (model, provider)


USAGE = {"input_tokens": 1000, "output_tokens": 10, "input_token_details": {"cache_read": 400}}
OPENAI = {"metadata": {"ls_model_name": "gpt-4o", "ls_provider": "openai"}}


def test_costs_come_from_the_price_book() -> None:
    derived = _derive(
        {
            RunField.EXTRA: _json(OPENAI),
            RunField.RUN_TYPE: "llm",
            RunField.OUTPUTS: _json({"usage_metadata": USAGE}),
            RunField.START_TIME: START_US,
        }
    )
    assert (derived.prompt_tokens, derived.completion_tokens, derived.total_tokens) == (1000, 10, 1010)
    assert (derived.prompt_cost, derived.completion_cost, derived.total_cost) == (
        Decimal("0.002"),
        Decimal("0.0001"),
        Decimal("0.0021"),
    )
    assert json.loads(derived.usage_details) == {
        "prompt_token_details": {"cache_read": 400},
        "completion_token_details": {},
        "prompt_cost_details": {"cache_read": "0.000500000000"},
        "completion_cost_details": {},
    }


def test_costs_that_the_client_reports_win() -> None:
    usage = {**USAGE, "input_cost": 0.5, "output_cost": 0.25, "input_cost_details": {"cache_read": 0.125}}
    derived = _derive(
        {RunField.RUN_TYPE: "llm", RunField.EXTRA: _json(OPENAI), RunField.OUTPUTS: _json({"usage_metadata": usage})}
    )
    assert (derived.prompt_cost, derived.completion_cost, derived.total_cost) == (
        Decimal("0.5"),
        Decimal("0.25"),
        Decimal("0.75"),
    )
    assert json.loads(derived.usage_details)["prompt_cost_details"] == {"cache_read": "0.125000000000"}


def test_an_unknown_model_has_tokens_and_no_costs() -> None:
    usage = {"usage_metadata": {"input_tokens": 3, "output_tokens": 4}}
    derived = _derive({RunField.RUN_TYPE: "llm", RunField.OUTPUTS: _json(usage)})
    assert (derived.total_tokens, derived.total_cost, derived.usage_details) == (7, None, b"")


ODD_PAYLOADS = [
    b"",
    b"null",
    b"5",
    b"[]",
    rb'{"metadata":{"session_id":"\ud800x"},"messages":[{"role":"user","content":"\ud800"}]}',
    b'{"a":1e999,"metadata":{"session_id":1e999}}',
    b'{"a":' + b"9" * 9000 + b"}",
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"usage_metadata":{"input_tokens":1e999,"output_tokens":[]},"generations":[[[]]],"choices":[null]}',
    b'{"metadata":{"":{"":[[],{}]}},"invocation_params":null}',
    b"not json",
    b'{"x":"\xff"}',
]


@pytest.mark.parametrize("payload", ODD_PAYLOADS)
@pytest.mark.parametrize("run_type", ["llm", "chain"])
def test_odd_payloads_give_columns_that_can_be_stored(payload: bytes, run_type: str) -> None:
    names = (RunField.INPUTS, RunField.OUTPUTS, RunField.EXTRA, RunField.EVENTS, RunField.SERIALIZED)
    derived = _derive({**dict.fromkeys(names, payload), RunField.RUN_TYPE: run_type})
    stored = json.loads(msgspec.json.encode(derived))
    assert (stored["start_time"], stored["run_type"]) == (5, run_type)
