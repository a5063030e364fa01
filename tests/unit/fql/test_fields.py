"""The tables are complete and agree with the bound tree."""

from __future__ import annotations

import pytest

from runlake.fql.ast import Function
from runlake.fql.fields import FIELDS, FUNCTIONS, NEAR_NAMES, DottedField, FieldRow, Kind, PairTarget, find_field
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart, ScalarField


def test_every_function_has_one_row() -> None:
    assert [row.function for row in FUNCTIONS] == list(Function)


def test_every_comparator_is_a_function() -> None:
    assert {comparator.value for comparator in Comparator} < {function.value for function in Function}


def test_what_a_function_says_of_absent_values_is_what_its_comparator_says() -> None:
    negative = {comparator.value for comparator in Comparator if comparator.is_negative}
    assert {row.function.value for row in FUNCTIONS if row.absent == "true"} == negative


def test_every_scalar_field_has_a_row_of_its_name() -> None:
    for field in ScalarField:
        row = find_field((field.value,))
        assert isinstance(row, FieldRow)
        assert row.target is field


def test_names_and_aliases_are_unique() -> None:
    names = [name for row in FIELDS for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: str(row.name))
def test_rows_are_sound(row: FieldRow) -> None:
    assert len(set(row.functions)) == len(row.functions) > 0
    assert set(row.strict) <= set(row.functions)
    assert bool(row.values) == (row.kind is Kind.ENUM)
    assert row.doc.endswith(".")


def test_near_names_lead_to_fields() -> None:
    for name, meant in NEAR_NAMES.items():
        assert find_field((name,)) is None
        assert find_field(tuple(meant.split("."))) is not None


@pytest.mark.parametrize("family", PairFamily)
def test_every_family_has_a_key_and_a_value(family: PairFamily) -> None:
    for part in (PairPart.KEY, PairPart.VALUE):
        row = find_field((f"{family}_{part}",))
        assert isinstance(row, FieldRow)
        assert row.target == PairTarget(family, part)


@pytest.mark.parametrize(
    ("path", "family", "key", "part"),
    [
        ("metadata.user_id", PairFamily.METADATA, "user_id", PairPart.VALUE),
        ("metadata.a.b", PairFamily.METADATA, "a.b", PairPart.VALUE),
        ("extra.metadata.thread_id", PairFamily.METADATA, "thread_id", PairPart.VALUE),
        ("inputs.question", PairFamily.INPUT, "question", PairPart.VALUE),
        ("input.a.0.b", PairFamily.INPUT, "a.0.b", PairPart.VALUE),
        ("outputs.messages.role", PairFamily.OUTPUT, "messages.role", PairPart.VALUE),
        ("output.x", PairFamily.OUTPUT, "x", PairPart.VALUE),
        ("feedback.correctness", PairFamily.FEEDBACK, "correctness", None),
        ("feedback.correctness.score", PairFamily.FEEDBACK, "correctness", PairPart.SCORE),
        ("feedback.my.metric.comment", PairFamily.FEEDBACK, "my.metric", PairPart.COMMENT),
        ("feedback.score", PairFamily.FEEDBACK, "score", None),
        ("feedback.a.key", PairFamily.FEEDBACK, "a.key", None),
    ],
)
def test_dotted_names_lead_to_one_key(path: str, family: PairFamily, key: str, part: PairPart | None) -> None:
    assert find_field(tuple(path.split("."))) == DottedField(family=family, key=key, part=part)


@pytest.mark.parametrize("path", ["nothing", "extra", "extra.user_id", "name.first", "feedback", "Name"])
def test_other_names_lead_nowhere(path: str) -> None:
    assert find_field(tuple(path.split("."))) is None


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("project_id", "session_id"),
        ("session", "session_id"),
        ("input", "inputs"),
        ("output", "outputs"),
        ("extra.metadata", "metadata"),
    ],
)
def test_aliases_lead_to_the_field(alias: str, name: str) -> None:
    assert find_field(tuple(alias.split("."))) is find_field((name,))
