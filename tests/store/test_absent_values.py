"""The truth table of absent values in the documentation, row by row, for every field that a run may lack."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from runlake.fql import read_filter
from runlake.fql.fields import FUNCTIONS, find_field
from runlake.ingest.batch import IngestBatch
from runlake.model.project import Feedback
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from store.harness import START_US, TENANT, OpenStore, create, open_store, run_id

TABLE = (Path(__file__).parents[2] / "docs" / "filter-language.md").read_text("utf-8").partition("## Absent values")[2]
ROWS = re.findall(r"^\| (`[^|]+) \| ([^|]+) \| ([^|]+) \|$", TABLE.partition("## ")[0], re.MULTILINE)
VALUES = {
    "parent_run_id": f'"{run_id(3)}"',
    "reference_example_id": f'"{UUID(int=0xE1)}"',
    "thread_id": '"t1"',
    "name": '"agent"',
    "error": '"boom"',
    "end_time": '"2026-09-21T14:13:24Z"',
    "first_token_time": '"2026-09-21T14:13:22.1Z"',
    "latency": "5",
    "time_to_first_token": "1",
    "total_cost": "0.75",
    "prompt_cost": "0.25",
    "completion_cost": "0.5",
    "prompt_token_details.cache_read": "2",
    "metadata.env": '"prod"',
    "inputs.question": '"q"',
    "outputs.answer": '"a"',
    "feedback.correctness": '"good"',
    "feedback.correctness.score": "1",
    "feedback.correctness.comment": '"nice"',
    "ls_user_id": '"ada"',
    "tags": '"prod"',
    "reference_dataset_id": f'"{UUID(int=0xE1)}"',
    "last_queued_at": '"2026-09-21T14:13:24Z"',
}
"""Every field that a run may lack, with a value that could be its own."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    """Run 1 has everything, run 2 nothing that may be absent and is still open."""
    with open_store(Path(tmp_path_factory.mktemp("absent")) / "engine") as opened:
        opened.write(
            create(
                1,
                name="agent",
                run_type="llm",
                parent_run_id=run_id(3),
                reference_example_id=UUID(int=0xE1),
                error="boom",
                tags=("prod",),
                end_time=START_US + 6_000_000,
                events=b'[{"name":"new_token","time":"2026-09-21T14:13:22.1"}]',
                extra=b'{"metadata":{"env":"prod","thread_id":"t1","ls_user_id":"ada"}}',
                outputs=(
                    b'{"answer":"a","usage_metadata":{"input_tokens":3,"output_tokens":4,"input_cost":0.25,'
                    b'"output_cost":0.5,"total_cost":0.75,"input_token_details":{"cache_read":2}}}'
                ),
            ),
            create(2, name="", inputs=b"{}"),
        )
        mark = Feedback(
            tenant_id=TENANT,
            id=UUID(int=9),
            key="correctness",
            run_id=run_id(1),
            score=float(Decimal(1)),
            value=b'"good"',
            comment="nice",
        )
        asyncio.run(opened.writer.write(IngestBatch(tenant_id=TENANT, feedback=(mark,))))
        yield opened


def holds(store: OpenStore, text: str) -> set[int]:
    query = RunQuery(tenant_id=TENANT, sessions=(uuid5(TENANT, "p"),), filter=read_filter(text))
    page = RunFetcher(store.engine, QueryLimits()).page(replace(query), store.moments.current(TENANT))
    return {UUID(run.id).int - run_id(0).int for run in page.runs}


def comparisons(cell: str, field: str) -> Iterator[str]:
    """The conditions that a row of the table speaks of, on one field that takes them."""
    found = find_field(tuple(field.split(".")))
    assert found is not None
    for function, rest in re.findall(r"`(\w+)(\([^`]*\))?`", cell):
        if function not in found.functions or function == "search":
            continue
        value = {"like": '"%"', "notlike": '"%"', "in": f"[{VALUES[field]}]", "nin": f"[{VALUES[field]}]"}
        written = value.get(function, VALUES[field])
        if "null" in rest:
            written = "null"
        elif "[]" in rest:
            written = "[]"
        yield f"{function}({field}, {written})"


@pytest.mark.parametrize("field", VALUES)
def test_each_comparison_says_what_the_table_says_of_a_run_without_a_value(store: OpenStore, field: str) -> None:
    tried = 0
    for cell, _, without in ROWS:
        if without.strip("* ") not in ("true", "false"):
            continue
        for text in comparisons(cell, field):
            assert (2 in holds(store, text)) is (without.strip("* ") == "true"), text
            assert (2 in holds(store, f"not({text})")) is (without.strip("* ") == "false"), text
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize("field", [name for name in VALUES if name not in ("reference_dataset_id", "last_queued_at")])
def test_the_other_run_has_them_all(store: OpenStore, field: str) -> None:
    assert holds(store, f"neq({field}, null)") & {1, 2} == {1}


def test_the_table_has_every_function() -> None:
    named = {function for cell, *_ in ROWS for function in re.findall(r"`(\w+)", cell)}
    assert {str(row.function) for row in FUNCTIONS} <= named
