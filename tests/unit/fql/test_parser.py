"""Trees, spans, limits, and what is suggested instead of a look-alike."""

from __future__ import annotations

from decimal import Decimal

import pytest

from runlake.errors import Diagnostic, FilterError
from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    Expr,
    FieldPath,
    Function,
    ListValue,
    Not,
    NullValue,
    NumberValue,
    ObjectValue,
    Or,
    TextValue,
    Value,
)
from runlake.fql.parser import MAX_DEPTH, MAX_LIST_ITEMS, parse_filter, parse_object
from runlake.fql.source import Source


def compare(function: Function, path: str, value: Value) -> Comparison:
    return Comparison(function=function, field=FieldPath(segments=tuple(path.split("."))), value=value)


def text(value: str) -> TextValue:
    return TextValue(value=value)


def number(value: int | Decimal) -> NumberValue:
    return NumberValue(value=value)


def failure(filter_text: str) -> Diagnostic:
    with pytest.raises(FilterError) as caught:
        parse_filter(filter_text)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


TREES: list[tuple[str, Expr]] = [
    ("eq(name, 'a')", compare(Function.EQ, "name", text("a"))),
    ('eq( name ,"a" )', compare(Function.EQ, "name", text("a"))),
    ("neq(error, null)", compare(Function.NEQ, "error", NullValue())),
    ("eq(error, None)", compare(Function.EQ, "error", NullValue())),
    ("eq(is_root, TRUE)", compare(Function.EQ, "is_root", BooleanValue(value=True))),
    ("eq(is_root, False)", compare(Function.EQ, "is_root", BooleanValue(value=False))),
    ("gt(latency, 1s)", compare(Function.GT, "latency", text("1s"))),
    ("gt(latency, 1.50)", compare(Function.GT, "latency", number(Decimal("1.50")))),
    ("gt(latency, -1)", compare(Function.GT, "latency", number(-1))),
    ("eq(metadata.user_id, 1)", compare(Function.EQ, "metadata.user_id", number(1))),
    ("has('metadata', 'k')", compare(Function.HAS, "metadata", text("k"))),
    ("eq('metadata.k', 'v')", compare(Function.EQ, "metadata.k", text("v"))),
    (
        'eq(metadata."my.key".x, 1)',
        Comparison(function=Function.EQ, field=FieldPath(segments=("metadata", "my.key", "x")), value=number(1)),
    ),
    ("search('a b')", Comparison(function=Function.SEARCH, field=None, value=text("a b"))),
    ("search(name, 'a')", compare(Function.SEARCH, "name", text("a"))),
    ("search('name', 'a')", compare(Function.SEARCH, "name", text("a"))),
    ("in(id, [])", compare(Function.IN, "id", ListValue(items=()))),
    ("in(id, ['a', 1, ])", compare(Function.IN, "id", ListValue(items=(text("a"), number(1))))),
    (
        'has(metadata, {"a": {"b": [null]}})',
        compare(
            Function.HAS,
            "metadata",
            ObjectValue(members=(("a", ObjectValue(members=(("b", ListValue(items=(NullValue(),))),))),)),
        ),
    ),
    (
        "and(not(eq(a, 1)), or(eq(b, 2)))",
        And(
            children=(
                Not(child=compare(Function.EQ, "a", number(1))),
                Or(children=(compare(Function.EQ, "b", number(2)),)),
            )
        ),
    ),
]


@pytest.mark.parametrize(("filter_text", "tree"), TREES)
def test_text_becomes_the_tree(filter_text: str, tree: Expr) -> None:
    assert parse_filter(filter_text) == tree


@pytest.mark.parametrize("filter_text", ["", " ", "\r\n\t", "\ufeff"])
def test_blank_text_is_no_filter(filter_text: str) -> None:
    assert parse_filter(filter_text) is None


def test_nodes_know_where_they_stand() -> None:
    filter_text = "and(eq(name, 'a'), gt(metadata.x, 10))"
    tree = parse_filter(filter_text)
    assert isinstance(tree, And)
    second = tree.children[1]
    assert isinstance(second, Comparison)
    assert second.field is not None
    source = Source(filter_text)
    assert source.fragment(tree.span) == filter_text
    assert source.fragment(second.span) == "gt(metadata.x, 10)"
    assert source.fragment(second.name_span) == "gt"
    assert source.fragment(second.field.span) == "metadata.x"
    assert source.fragment(second.value.span) == "10"


@pytest.mark.parametrize(
    ("filter_text", "suggestion"),
    [
        ("eq(a, 1) and eq(b, 2)", "and(first, second)"),
        ("eq(a, 1) || eq(b, 2)", "or(first, second)"),
        ("speaker == 'Participant'", 'eq(speaker, "Participant")'),
        ("latency>=1.5", "gte(latency, 1.5)"),
        ("eq(latency > 5)", "gt(latency, 5)"),
        ("status:error", 'eq(status, "error")'),
        ("latency:>10", "gt(latency, 10)"),
        ("metadata.env:production", 'eq(metadata.env, "production")'),
        ("-status:error", "not(...)"),
        ("NOT status:error", "not(...)"),
        ('"capital of France"', 'search("capital of France")'),
        ('eq(metadata["environment"], "x")', "metadata.environment"),
        ('eq(metadata["a b"], "x")', 'metadata."a b"'),
        ('contains(error, "x")', 'like(field, "%text%")'),
        ('starts_with(name, "x")', 'like(field, "text%")'),
        ('ilike(name, "x")', "like"),
        ('regex(name, "x")', "like"),
        ('nott_in(name, ["x"])', "not"),
        ("is_null(error)", "eq(field, null)"),
        ('EQ(name, "x")', "eq"),
        ('serch("x")', "search"),
        ("eq(status, error)", '"error"'),
        ('in(id, "a", "b")', "in(field, [...])"),
        ("eq(a, 1), eq(b, 2)", "and(first, second)"),
        ("eq(a, now())", None),
        ("zzzz(a)", None),
    ],
)
def test_look_alikes_are_answered_with_what_was_meant(filter_text: str, suggestion: str | None) -> None:
    assert failure(filter_text).suggestion == suggestion


def test_a_problem_shows_its_place() -> None:
    found = failure('and(\n  eq(name, "a"),\n  contains(error, "b")\n)')
    assert (found.code, found.line, found.column) == ("unknown_function", 3, 3)
    assert found.excerpt == '  contains(error, "b")\n  ^^^^^^^^'
    assert "like" in found.expected


def test_the_first_problem_in_the_text_wins() -> None:
    assert failure('eq(name, [1 2], "\\q")').message == 'expected "," or "]", not "2"'
    assert failure('EQ(name, "\\q")').message == 'function names are lower case: eq, not "EQ"'


@pytest.mark.parametrize("opening", ["not(", "and(", "or(eq(a, 1), "])
def test_calls_nest_up_to_the_limit(opening: str) -> None:
    inner = "eq(name, 'a')"
    deepest = opening * (MAX_DEPTH - 1) + inner + ")" * (MAX_DEPTH - 1)
    assert parse_filter(deepest) is not None
    found = failure(opening + deepest + ")")
    assert (found.code, found.message) == ("limit", "nested deeper than 64 levels")


@pytest.mark.parametrize("opening", ["not(", "[", '{"a":', "eq(a, ["])
def test_endless_nesting_is_refused_like_any_other(opening: str) -> None:
    assert failure("eq(a, " + opening * 5000).code in ("limit", "syntax")
    assert failure(opening * 5000).code in ("limit", "syntax")


def test_lists_have_a_longest_length() -> None:
    longest = ", ".join(["1"] * MAX_LIST_ITEMS)
    assert parse_filter(f"in(total_tokens, [{longest}])") is not None
    found = failure(f"in(total_tokens, [{longest}, 1])")
    assert (found.code, found.message) == ("limit", "the list has more than 1000 items")


def test_text_has_a_longest_length() -> None:
    assert failure(" " * 70_000).message == "the filter is longer than 65536 bytes"


@pytest.mark.parametrize("json_text", ['{"a": 1}', "{'a': 1}", '{"a": 1,}', ' {"a" :1} '])
def test_an_object_alone_can_be_read(json_text: str) -> None:
    assert parse_object(json_text) == ObjectValue(members=(("a", number(1)),))


@pytest.mark.parametrize("json_text", ["", "[]", '{"a"}', '{"a": 1', '{"a": 1} x', "{a: 1}"])
def test_what_is_not_an_object_is_refused(json_text: str) -> None:
    with pytest.raises(FilterError):
        parse_object(json_text)
