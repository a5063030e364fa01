"""Conditions on relatives: spelling, folding of counts, limits, and what the hosted service would say."""

from __future__ import annotations

import pytest

from runlake.errors import Diagnostic, FilterError
from runlake.fql import Mode, filter_to_bar, parse_filter, print_filter, read_filter
from runlake.fql.ast import Comparison, CountTest, FieldPath, Function, Related, TextValue
from runlake.fql.axes import MAX_AXES, MAX_AXIS_DEPTH, Axis
from runlake.fql.bound import Constant, Not, ScalarTest
from runlake.fql.bound import CountTest as BoundCount
from runlake.fql.bound import Related as BoundRelated
from runlake.fql.logic import leaves
from runlake.fql.parser import MAX_COUNT
from runlake.fql.vocabulary import Comparator, ScalarField

NAMED = Comparison(function=Function.EQ, field=FieldPath(segments=("name",)), value=TextValue(value="a"))
BOUND_NAMED = ScalarTest(field=ScalarField.NAME, comparator=Comparator.EQ, value="a")


def failure(text: str) -> Diagnostic:
    with pytest.raises(FilterError) as caught:
        read_filter(text)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("axis", Axis)
def test_every_axis_is_a_function_of_one_condition(axis: Axis) -> None:
    text = f'{axis}(eq(name, "a"))'
    tree = parse_filter(text)
    assert tree == Related(axis=axis, child=NAMED)
    assert print_filter(tree) == text
    assert read_filter(text) == BoundRelated(axis=axis, child=BOUND_NAMED)


@pytest.mark.parametrize("function", ["eq", "neq", "gt", "gte", "lt", "lte"])
def test_every_comparator_counts(function: str) -> None:
    text = f'count(child(eq(name, "a")), {function}, 2)'
    tree = parse_filter(text)
    count = CountTest(function=Function(function), number=2)
    assert tree == Related(axis=Axis.CHILD, child=NAMED, count=count)
    assert parse_filter(text.replace(function + ",", f'"{function}" ,')) == tree
    assert print_filter(tree) == text
    bound = BoundCount(comparator=Comparator(function), number=2)
    assert read_filter(text) == BoundRelated(axis=Axis.CHILD, child=BOUND_NAMED, count=bound)


SOME = BoundRelated(axis=Axis.CHILD, child=BOUND_NAMED)


@pytest.mark.parametrize(
    ("test", "meaning"),
    [
        ("gte, 1", SOME),
        ("gt, 0", SOME),
        ("neq, 0", SOME),
        ("eq, 0", Not(child=SOME)),
        ("lt, 1", Not(child=SOME)),
        ("lte, 0", Not(child=SOME)),
        ("gte, 0", Constant(value=True)),
        ("lt, 0", Constant(value=False)),
    ],
)
def test_counts_that_say_some_or_none_are_no_counts(test: str, meaning: object) -> None:
    assert read_filter(f'count(child(eq(name, "a")), {test})') == meaning


@pytest.mark.parametrize("axis", ["parent", "root"])
@pytest.mark.parametrize(
    ("test", "of_none", "of_one"),
    [
        ("eq, 1", False, True),
        ("gt, 0", False, True),
        ("lte, 0", True, False),
        ("neq, 1", True, False),
        ("lt, 2", True, True),
        ("neq, 5", True, True),
        ("eq, 2", False, False),
    ],
)
def test_where_there_is_one_relative_at_most_no_count_is_left(
    axis: str, test: str, of_none: bool, of_one: bool
) -> None:
    one = BoundRelated(axis=Axis(axis), child=BOUND_NAMED)
    meaning = {
        (False, True): one,
        (True, False): Not(child=one),
        (True, True): Constant(value=True),
        (False, False): Constant(value=False),
    }[of_none, of_one]
    assert read_filter(f'count({axis}(eq(name, "a")), {test})') == meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("child(in(id, []))", False),
        ("count(child(in(id, [])), lt, 3)", True),
        ("count(sibling(in(id, [])), gte, 3)", False),
    ],
)
def test_a_condition_that_nothing_meets_counts_none(text: str, value: bool) -> None:
    assert read_filter(text) == Constant(value=value)


def test_a_relation_is_one_leaf_and_no_part_of_a_group() -> None:
    """What relatives must meet is not a condition on the run, and does not join the pairs beside it."""
    text = 'and(eq(metadata_key, "k"), child(eq(metadata_value, "v")), eq(metadata_value, "w"))'
    bound = read_filter(text)
    assert bound is not None
    first, second = leaves(bound)
    assert first == read_filter('and(eq(metadata_key, "k"), eq(metadata_value, "w"))')
    assert second == read_filter('child(eq(metadata_value, "v"))')


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("child()", "1:7", "child(...) needs a condition"),
        ('child(eq(name, "a"), eq(name, "b"))', "1:20", "child(...) takes one condition"),
        ("child(status)", "1:7", "expected a condition such as eq(field, value)"),
        ('count(eq(name, "a"), gt, 1)', "1:7", "count takes relatives, such as child(...)"),
        ("count(child, gt, 1)", "1:7", "count takes relatives, such as child(...)"),
        ('count(child(eq(name, "a")))', "1:27", 'expected ","'),
        ('count(child(eq(name, "a")), in, 1)', "1:29", "count compares with one of eq, neq, gt, gte, lt, lte"),
        ('count(child(eq(name, "a")), >=, 1)', "1:29", "count compares with one of eq, neq, gt, gte, lt, lte"),
        ('count(child(eq(name, "a")), gt, -1)', "1:33", "a whole number of 0 or more"),
        ('count(child(eq(name, "a")), gt, 1.5)', "1:33", "a whole number of 0 or more"),
        (f'count(child(eq(name, "a")), gt, {MAX_COUNT + 1})', "1:33", "a whole number of 0 or more"),
        ('count(child(eq(name, "a")), gt, "1")', "1:33", "a whole number of 0 or more"),
        ('children(eq(name, "a"))', "1:1", 'unknown function "children"'),
        ('Child(eq(name, "a"))', "1:1", "function names are lower case"),
        ('child(eq(nam, "a"))', "1:10", 'unknown field "nam"'),
    ],
)
def test_mistakes_are_told_at_their_place(text: str, place: str, message: str) -> None:
    found = failure(text)
    assert f"{found.line}:{found.column}" == place
    assert message in found.message


def test_a_sign_gets_the_comparator_to_write_instead() -> None:
    assert failure('count(child(eq(name, "a")), >=, 1)').suggestion == "gte"


def nested(depth: int) -> str:
    return "child(" * depth + 'eq(name, "a")' + ")" * depth


def test_relations_are_nested_so_deep_and_no_deeper() -> None:
    assert read_filter(nested(MAX_AXIS_DEPTH)) is not None
    found = failure(nested(MAX_AXIS_DEPTH + 1))
    assert (found.code, found.start) == ("limit", len("child(") * MAX_AXIS_DEPTH)


def test_a_filter_has_so_many_relations_and_no_more() -> None:
    assert read_filter(f"or({', '.join([nested(1)] * MAX_AXES)})") is not None
    assert failure(f"or({', '.join([nested(1)] * (MAX_AXES + 1))})").code == "limit"


@pytest.mark.parametrize(
    ("text", "name"),
    [('child(eq(name, "a"))', "child"), ('and(eq(is_root, true), count(trace(eq(name, "a")), gt, 2))', "count")],
)
def test_the_hosted_service_knows_no_relatives(text: str, name: str) -> None:
    with pytest.raises(FilterError) as caught:
        read_filter(text, mode=Mode.STRICT)
    (found,) = caught.value.diagnostics
    assert found.message == f"{name} is not a function of the hosted service, whose filters speak of one run"
    assert text[found.start : found.end] == name


def test_what_relatives_meet_is_checked_in_the_strict_mode_too() -> None:
    with pytest.raises(FilterError) as caught:
        read_filter('child(nin(name, ["a"]))', mode=Mode.STRICT)
    assert [found.start for found in caught.value.diagnostics] == [0, 6]


def test_a_bar_speaks_of_one_run() -> None:
    with pytest.raises(FilterError, match="one run at a time"):
        filter_to_bar('and(eq(name, "a"), child(eq(name, "b")))')
