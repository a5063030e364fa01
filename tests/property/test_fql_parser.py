"""Laws of the filter language: reading is total, printing is faithful, binding never breaks."""

from __future__ import annotations

import time
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from runlake.errors import FilterError
from runlake.fql import Mode, bind_filter, parse_filter, print_filter, read_filter
from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    CountTest,
    Expr,
    FieldPath,
    Function,
    ListValue,
    Not,
    NullValue,
    NumberValue,
    ObjectValue,
    Or,
    Related,
    TextValue,
    Value,
)
from runlake.fql.axes import Axis
from runlake.fql.bound import Constant
from runlake.fql.fields import FIELDS
from runlake.fql.logic import any_of, leaves, negation

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=60)
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *["and(", "or(", "not(", "eq(", "has(", "search(", "in(", "(", ")", "[", "]", "{", "}", ",", ".", ":", " "],
            *["name", "metadata", "metadata.k", "latency", "'a'", '"b"', '"', "'", "\\", "1", "1.5e3", "1s", "-", "=="],
            *[
                "child(",
                "count(",
                "trace(eq(id, null))",
                ", gte, 2)",
                "null",
                "true",
                "and",
                "\n",
                "é",
                "2024-01-01",
                '{"k": ',
                "\\u",
                "eq(name, 'a')",
                "eq(id, 1)",
            ],
        ]
    ),
    max_size=25,
).map("".join)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
texts = st.text(max_size=12)
segments = st.one_of(names, st.text(min_size=1, max_size=8))
paths = st.builds(lambda first, rest: FieldPath(segments=(first, *rest)), names, st.lists(segments, max_size=2))
numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
)
scalars: st.SearchStrategy[Value] = st.one_of(
    st.builds(TextValue, value=texts),
    st.builds(NumberValue, value=numbers),
    st.builds(BooleanValue, value=st.booleans()),
    st.just(NullValue()),
)


def _containers(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda items: ListValue(items=tuple(items))),
        st.lists(st.tuples(texts, inner), max_size=3).map(lambda pairs: ObjectValue(members=tuple(pairs))),
    )


values = st.recursive(scalars, _containers, max_leaves=6)
functions = st.sampled_from([function for function in Function if function is not Function.SEARCH])

counts = st.builds(
    CountTest,
    function=st.sampled_from([Function.EQ, Function.NEQ, Function.GT, Function.GTE, Function.LT, Function.LTE]),
    number=st.integers(0, 3),
)


def _nested(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    children = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(And, children=children),
        st.builds(Or, children=children),
        st.builds(Not, child=inner),
        st.builds(Related, axis=st.sampled_from(Axis), child=inner, count=st.none() | counts),
    )


def _trees(fields: st.SearchStrategy[FieldPath]) -> st.SearchStrategy[Expr]:
    comparisons: st.SearchStrategy[Expr] = st.one_of(
        st.builds(Comparison, function=functions, field=fields, value=values),
        st.builds(Comparison, function=st.just(Function.SEARCH), field=st.none() | fields, value=values),
    )
    return st.recursive(comparisons, _nested, max_leaves=10)


known_paths = st.sampled_from(
    [FieldPath(segments=(row.name,)) for row in FIELDS]
    + [FieldPath(segments=("metadata", "k")), FieldPath(segments=("feedback", "k", "score"))]
)


@given(st.one_of(ANY_TEXT, FRAGMENTS))
@settings(max_examples=600, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a filter error ever comes out, whatever goes in, and its places lie inside the text."""
    for mode in Mode:
        try:
            read_filter(text, mode=mode)
        except FilterError as error:
            for found in error.diagnostics:
                assert 0 <= found.start <= found.end <= len(text)
                assert found.line >= 1
                assert found.column >= 1


@given(_trees(paths))
@settings(max_examples=200, deadline=None)
def test_printing_and_parsing_is_identity(tree: Expr) -> None:
    """A tree survives being printed and parsed, and its text is already canonical."""
    text = print_filter(tree)
    again = parse_filter(text)
    assert again == tree
    assert again is not None
    assert print_filter(again) == text


@given(_trees(known_paths))
@settings(max_examples=300, deadline=None)
def test_binding_gives_a_tree_or_a_filter_error(tree: Expr) -> None:
    """Any combination of field, function and value binds or is refused; what binds is hashable."""
    text = print_filter(tree)
    placed = parse_filter(text)
    assert placed is not None
    try:
        bound = bind_filter(placed, text)
    except FilterError:
        return
    hash(bound)
    assert isinstance(bound, Constant) or Constant(value=True) not in list(leaves(bound))
    assert read_filter(f"not({text})") == negation(bound)
    assert read_filter(f"or({text}, in(id, []))") == any_of([bound])


def test_reading_takes_linear_time() -> None:
    """The longest texts of the worst shapes are read in a blink."""
    size = 60_000
    shapes = [
        "(" * size,
        "not(" * (size // 4),
        '"' + "\\" * size,
        "'" * size,
        "a." * (size // 2),
        "1" * size,
        "eq(a, [" + "1," * (size // 2),
        "and(" + "eq(a, 1), " * (size // 10),
        'search("' + '\\" ' * (size // 3) + '")',
        "has(metadata, '" + '{"a":' * (size // 5) + "')",
        " " * size,
        "\\" * size,
        "-" * size,
    ]
    for shape in shapes:
        begin = time.perf_counter()
        with suppress(FilterError):
            read_filter(shape)
        assert time.perf_counter() - begin < 5, shape[:20]
