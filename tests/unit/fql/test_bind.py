"""Filter text to bound tree, field by field, and the errors of the binder."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from runlake.errors import FilterError
from runlake.fql import read_filter
from runlake.fql.bind import MAX_PROBLEMS
from runlake.fql.bound import (
    And,
    BoundExpr,
    Constant,
    NullTest,
    Or,
    PayloadLike,
    ScalarTest,
    SearchTest,
    Substring,
    TagTest,
    Word,
)
from runlake.fql.logic import all_of, any_of, leaves, negation
from runlake.fql.vocabulary import Comparator, ScalarField, SearchField

C, F = Comparator, ScalarField
RUN = UUID("0190a1b2-c3d4-7ef0-a5b6-6ea3a82e9328")
TRUE, FALSE = Constant(value=True), Constant(value=False)
CAR, BUS = Word(text="car"), Word(text="bus")

SCALARS = [
    (f'eq(id, "{RUN}")', F.ID, C.EQ, RUN),
    (f'eq(trace_id, "{str(RUN).upper()}")', F.TRACE_ID, C.EQ, RUN),
    (f'eq(parent_run_id, "{RUN.hex}")', F.PARENT_RUN_ID, C.EQ, RUN),
    (f"eq(project_id, {RUN})", F.SESSION_ID, C.EQ, RUN),
    (f'in(session, ["{RUN}", "{RUN.hex}"])', F.SESSION_ID, C.IN, (RUN,)),
    (f'nin(reference_example_id, ["{RUN}"])', F.REFERENCE_EXAMPLE_ID, C.NIN, (RUN,)),
    ('eq(thread_id, "t")', F.THREAD_ID, C.EQ, "t"),
    ("eq(thread_id, 7)", F.THREAD_ID, C.EQ, "7"),
    ('like(name, "%Run_")', F.NAME, C.LIKE, "%Run_"),
    ('notlike(name, "x")', F.NAME, C.NOTLIKE, "x"),
    ('eq(run_type, "LLM")', F.RUN_TYPE, C.EQ, "llm"),
    ('like(run_type, "L%")', F.RUN_TYPE, C.LIKE, "l%"),
    ('in(status, ["Error", "error", "PENDING"])', F.STATUS, C.IN, ("error", "pending")),
    ("eq(is_root, true)", F.IS_ROOT, C.EQ, True),
    ('neq(is_root, "False")', F.IS_ROOT, C.NEQ, False),
    ("eq(is_root, 1)", F.IS_ROOT, C.EQ, True),
    ("eq(execution_order, 1)", F.IS_ROOT, C.EQ, True),
    ("neq(execution_order, 1)", F.IS_ROOT, C.EQ, False),
    ('gt(start_time, "2024-01-31")', F.START_TIME, C.GT, datetime(2024, 1, 31, tzinfo=UTC)),
    ('lt(end_time, "2024-01-31T10:00:00")', F.END_TIME, C.LT, datetime(2024, 1, 31, 10, tzinfo=UTC)),
    ("gte(start_time, 2024-01-31T10:00Z)", F.START_TIME, C.GTE, datetime(2024, 1, 31, 10, tzinfo=UTC)),
    (
        'lte(first_token_time, "2024-01-31t10:00:00.123456789+02:30")',
        F.FIRST_TOKEN_TIME,
        C.LTE,
        datetime(2024, 1, 31, 7, 30, 0, 123456, tzinfo=UTC),
    ),
    (
        'eq(last_queued_at, "2024-01-31 10:00:00,5 -0100")',
        F.LAST_QUEUED_AT,
        C.EQ,
        datetime(2024, 1, 31, 11, 0, 0, 500000, tzinfo=UTC),
    ),
    ("gt(latency, 5)", F.LATENCY, C.GT, 5_000_000),
    ("gt(latency, 5e-05)", F.LATENCY, C.GT, 50),
    ('gt(latency, "1.5")', F.LATENCY, C.GT, 1_500_000),
    ('gt(latency, "1.5s")', F.LATENCY, C.GT, 1_500_000),
    ("gt(latency, 500ms)", F.LATENCY, C.GT, 500_000),
    ('gt(latency, "2 m")', F.LATENCY, C.GT, 120_000_000),
    ('gt(latency, "1h")', F.LATENCY, C.GT, 3_600_000_000),
    ('gt(time_to_first_token, "1d")', F.TIME_TO_FIRST_TOKEN, C.GT, 86_400_000_000),
    ("lt(latency, -1)", F.LATENCY, C.LT, -1_000_000),
    ("gt(total_tokens, 5e3)", F.TOTAL_TOKENS, C.GT, 5000),
    ('in(prompt_tokens, [1, "2"])', F.PROMPT_TOKENS, C.IN, (1, 2)),
    ('gt(total_cost, "0.01")', F.TOTAL_COST, C.GT, Decimal("0.01")),
    ("lte(prompt_cost, 1)", F.PROMPT_COST, C.LTE, Decimal(1)),
    ('gt(dotted_order, "20240101T")', F.DOTTED_ORDER, C.GT, "20240101T"),
    ('eq(error, "boom")', F.ERROR, C.EQ, "boom"),
    ('like(error, "%boom%")', F.ERROR, C.LIKE, "%boom%"),
]


@pytest.mark.parametrize(("text", "field", "comparator", "value"), SCALARS, ids=[row[0] for row in SCALARS])
def test_values_get_the_type_of_their_field(
    text: str, field: ScalarField, comparator: Comparator, value: object
) -> None:
    bound = read_filter(text)
    assert isinstance(bound, ScalarTest)
    assert (bound.field, bound.comparator, bound.value) == (field, comparator, value)
    assert type(bound.value) is type(value)


TREES: list[tuple[str, BoundExpr]] = [
    ("eq(end_time, null)", NullTest(field=F.END_TIME)),
    ("neq(total_cost, None)", NullTest(field=F.TOTAL_COST, negated=True)),
    ("neq(error, null)", NullTest(field=F.ERROR, negated=True)),
    ("eq(error, true)", NullTest(field=F.ERROR, negated=True)),
    ("eq(error, false)", NullTest(field=F.ERROR)),
    ("neq(error, true)", NullTest(field=F.ERROR)),
    ("neq(error, false)", NullTest(field=F.ERROR, negated=True)),
    ('eq(error, "")', NullTest(field=F.ERROR)),
    ('neq(error, "")', NullTest(field=F.ERROR, negated=True)),
    ("in(id, [])", FALSE),
    ("nin(id, [])", TRUE),
    ("in(tags, [])", FALSE),
    ("nin(tags, [])", TRUE),
    ("in(metadata_key, [])", FALSE),
    ("nin(metadata.k, [])", TRUE),
    ('has(tags, "a")', TagTest(comparator=C.EQ, value="a")),
    ('eq(tags, "a")', TagTest(comparator=C.EQ, value="a")),
    ('neq(tags, "a")', negation(TagTest(comparator=C.EQ, value="a"))),
    ('in(tags, ["a", "b", "a"])', TagTest(comparator=C.IN, value=("a", "b"))),
    ('nin(tags, ["a"])', negation(TagTest(comparator=C.IN, value=("a",)))),
    ('like(tags, "a%")', TagTest(comparator=C.LIKE, value="a%")),
    ('notlike(tags, "a%")', negation(TagTest(comparator=C.LIKE, value="a%"))),
    ("eq(tags, null)", negation(TagTest(comparator=C.LIKE, value="%"))),
    ("neq(tags, null)", TagTest(comparator=C.LIKE, value="%")),
    ('search("car bus")', SearchTest(terms=(CAR, BUS))),
    ('search("&")', SearchTest(terms=(Substring(text="&"),))),
    ('search(name, "car")', SearchTest(terms=(CAR,), fields=(SearchField.NAME,))),
    ('search(error, "car")', SearchTest(terms=(CAR,), fields=(SearchField.ERROR,))),
    ('search(tags, "car")', SearchTest(terms=(CAR,), fields=(SearchField.TAGS,))),
    ('search(input, "car")', SearchTest(terms=(CAR,), fields=(SearchField.INPUTS,))),
    ('search(metadata, "car")', SearchTest(terms=(CAR,), fields=(SearchField.METADATA,))),
    ('like(inputs, "%a%")', PayloadLike(side=SearchField.INPUTS, pattern="%a%")),
    ('notlike(outputs, "%a%")', negation(PayloadLike(side=SearchField.OUTPUTS, pattern="%a%"))),
    ('like(inputs, "car")', SearchTest(terms=(CAR,), fields=(SearchField.INPUTS,))),
    ('notlike(inputs, "car")', negation(SearchTest(terms=(CAR,), fields=(SearchField.INPUTS,)))),
    ('has(outputs, "car")', SearchTest(terms=(CAR,), fields=(SearchField.OUTPUTS,))),
    ('and(has(tags, "a"))', TagTest(comparator=C.EQ, value="a")),
    ('not(not(has(tags, "a")))', TagTest(comparator=C.EQ, value="a")),
    ('or(in(id, []), has(tags, "a"))', TagTest(comparator=C.EQ, value="a")),
    ('and(in(id, []), has(tags, "a"))', FALSE),
    ("not(in(id, []))", TRUE),
]


@pytest.mark.parametrize(("text", "bound"), TREES, ids=[row[0] for row in TREES])
def test_filters_become_conditions(text: str, bound: BoundExpr) -> None:
    assert read_filter(text) == bound


def test_conditions_join_flat_and_in_order() -> None:
    one, two, three = (TagTest(comparator=C.EQ, value=tag) for tag in "123")
    assert read_filter('and(has(tags, "1"), and(has(tags, "2"), has(tags, "3")))') == And(children=(one, two, three))
    assert read_filter('or(or(has(tags, "1"), has(tags, "2")), has(tags, "1"))') == Or(children=(one, two))
    mixed = read_filter('and(has(tags, "1"), or(has(tags, "2"), not(has(tags, "3"))))')
    assert mixed is not None
    assert list(leaves(mixed)) == [one, two, three]


def test_joining_nothing_gives_the_neutral_constant() -> None:
    assert (all_of([]), any_of([])) == (TRUE, FALSE)
    assert (all_of([TRUE]), any_of([TRUE, FALSE])) == (TRUE, TRUE)


def test_problems_are_collected_in_the_order_of_the_text() -> None:
    with pytest.raises(FilterError) as caught:
        read_filter('and(eq(nam, "x"), or(gt(status, 1), not(eq(id, "y"))), eq(feedback_score, "z"))')
    assert [(found.code, found.column, found.suggestion) for found in caught.value.diagnostics] == [
        ("unknown_field", 8, "name"),
        ("function", 22, None),
        ("type", 48, None),
        ("type", 75, None),
    ]


def test_only_so_many_problems_are_reported() -> None:
    with pytest.raises(FilterError) as caught:
        read_filter(f"and({', '.join(['eq(nothing, 1)'] * 30)})")
    assert len(caught.value.diagnostics) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("gt(latency_ms, 5)", "latency"),
        ("gt(duration_ms, 5)", "latency"),
        ("eq(project, 'x')", None),
        ("eq(metadata_keys, 'x')", "metadata_key"),
        ("eq(model, 'gpt')", "metadata.ls_model_name"),
        ("eq(inputs, 'x')", "eq(inputs.key, ...)"),
        ("gt(metadata, 1)", "gt(metadata.key, ...)"),
        ("has(name, 'x')", "eq(name, ...)"),
        ("exists(name, 'x')", "neq(name, null)"),
        ("search(status, 'x')", 'like(status, "%text%")'),
        ("in(name, 'x')", 'in(name, ["..."])'),
        ("eq(status, 'succes')", "success"),
        ("eq(execution_order, 3)", "eq(is_root, true)"),
        ("has(tags, ['x'])", "in(tags, [...])"),
    ],
)
def test_what_is_close_is_suggested(text: str, suggestion: str | None) -> None:
    with pytest.raises(FilterError) as caught:
        read_filter(text)
    assert caught.value.diagnostics[0].suggestion == suggestion


def test_the_error_names_the_parameter_and_what_is_accepted() -> None:
    with pytest.raises(FilterError) as caught:
        read_filter('gt(is_root, "x")', field="trace_filter")
    assert caught.value.field == "trace_filter"
    assert caught.value.diagnostics[0].expected == ("eq", "neq")
    with pytest.raises(FilterError) as caught:
        read_filter("gt(", field="tree_filter")
    assert caught.value.field == "tree_filter"


def test_blank_text_is_no_filter() -> None:
    assert read_filter("  ") is None


def test_equal_filters_have_equal_hashable_trees() -> None:
    one = read_filter("and(eq(metadata_key, 'a'), in(metadata_value, [1, 'x']))")
    two = read_filter('and( eq(metadata_key,"a"),in(metadata_value,[1,"x"]) )')
    assert one == two
    assert hash(one) == hash(two)
