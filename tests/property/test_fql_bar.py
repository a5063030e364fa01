"""Laws of the search bar: reading is total, printing is faithful, and both languages say the same."""

from __future__ import annotations

import time
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from runlake.errors import FilterError
from runlake.fql import Mode, parse_bar, parse_filter, print_bar, print_filter, read_bar, read_filter
from runlake.fql.bar_meaning import normal_form

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=60)
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *["status:", "name:", "metadata.k:", 'input."a b".c:', "feedback.k.score:", "feedback:{", "k.score:", "}"],
            *["error", "5", "-1.5", "007", "true", '"a b"', '"', "*", "a*b", r"a\ b", r"\*", "\\", "~", ">", "<=", "("],
            *[
                "[1 TO 5}",
                "{a TO",
                "]",
                ")",
                " ",
                " AND ",
                " OR ",
                "or",
                " NOT ",
                "-",
                "word",
                "é",
                "\n",
                ":",
                ".",
                "{",
            ],
            *["latency:>3", "-tags:x", "metadata.k:[1 TO 2]", "feedback:*", "status!=error", "eq(name", "http://x"],
        ]
    ),
    max_size=20,
).map("".join)

words = st.sampled_from(
    ["error", "llm", "gpt-4", "007", "5", "-1.5", "1e3", "true", "FALSE", "and", "a_b", "100%", "é"]
)
awkward = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
quoted = st.one_of(awkward, st.sampled_from(["", "a b", "*", "5", "true", 'say "a"', "\\"])).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
starred = st.lists(words | st.just("*"), min_size=1, max_size=3).map("".join)
values = st.one_of(words, quoted, starred)
ends = st.one_of(words, quoted)
keys = st.one_of(st.sampled_from(["k", "a.b", "score", "a.score", "k-1"]), quoted.filter(lambda text: text != '""'))
fields = st.one_of(
    st.sampled_from(["status", "name", "run_type", "id", "tags", "error", "is_root", "latency", "start_time"]),
    st.sampled_from(["input", "outputs", "metadata", "total_tokens", "total_cost", "dotted_order", "thread_id"]),
    st.sampled_from(
        ["metadata_key", "metadata_value", "feedback_key", "feedback_score", "feedback_comment", "feedback"]
    ),
    st.builds("{}.{}".format, st.sampled_from(["metadata", "extra.metadata", "input", "outputs", "feedback"]), keys),
    st.builds("feedback.{}.{}".format, keys, st.sampled_from(["score", "value", "comment", "source"])),
)
tests = st.one_of(
    values,
    st.just("*"),
    values.map("~{}".format),
    st.builds("{}{}".format, st.sampled_from([">", ">=", "<", "<="]), ends),
    st.builds("{}{} TO {}{}".format, st.sampled_from("[{"), ends, ends, st.sampled_from("]}")),
)
clauses = st.builds("{}:{}".format, fields, tests)
grouped = st.builds(
    "{}.{}:{}".format, st.sampled_from(["a", "b", '"c d"']), st.sampled_from(["score", "value", "comment"]), tests
)
groups = st.lists(grouped, min_size=1, max_size=3).map(lambda parts: "feedback:{" + " ".join(parts) + "}")


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
        st.lists(inner, min_size=2, max_size=3).map(" AND ".join),
        st.lists(inner, min_size=2, max_size=3).map(" or ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        inner.map("NOT {}".format),
    )


searches = st.recursive(st.one_of(clauses, groups, values), _nested, max_leaves=6)


@given(st.one_of(ANY_TEXT, FRAGMENTS, searches))
@settings(max_examples=600, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a filter error ever comes out, and its places lie inside the text."""
    try:
        read_bar(text)
    except FilterError as error:
        for found in error.diagnostics:
            assert 0 <= found.start <= found.end <= len(text)
            assert found.column >= 1
    with suppress(FilterError):
        read_bar(text, mode=Mode.STRICT)


@given(st.one_of(searches, FRAGMENTS))
@settings(max_examples=600, deadline=None)
def test_printing_and_reading_a_search_is_identity(text: str) -> None:
    """A tree read from a bar survives being printed as a search and as a filter, and its text is canonical."""
    try:
        tree = parse_bar(text)
    except FilterError:
        return
    if tree is None:
        return
    printed = print_bar(tree)
    assert parse_bar(printed) == tree
    assert print_bar(tree) == printed
    assert parse_filter(print_filter(tree)) == tree


def test_reading_takes_linear_time() -> None:
    """The longest texts of the worst shapes are read in a blink."""
    size = 60_000
    shapes = [
        "(" * size,
        "-" * size,
        "a." * (size // 2),
        'a."' * (size // 3),
        'a."b".' * (size // 6),
        "a:{" * (size // 3),
        "x:[ y TO z:" * (size // 11),
        'x:["' * (size // 4),
        "\\" * size,
        '"' * size,
        "*" * size,
        "name:" + "a*" * (size // 2),
        "feedback:{" + "a.score:1 " * (size // 10) + "}",
        "metadata.k:1 " * (size // 13),
        "metadata_key:k " * (size // 15),
        "a b " * (size // 4),
        "a OR " * (size // 5),
        "NOT " * (size // 4),
        " " * size,
    ]
    for shape in shapes:
        begin = time.perf_counter()
        with suppress(FilterError):
            read_bar(shape)
        assert time.perf_counter() - begin < 5, shape[:20]


@given(searches)
@settings(max_examples=300, deadline=None)
def test_a_filter_said_in_a_bar_means_the_same(text: str) -> None:
    """Through the filter language and back a search keeps its meaning."""
    try:
        bound = read_bar(text)
        tree = parse_bar(text)
    except FilterError:
        return
    assert (bound is None) == (tree is None)
    if bound is None or tree is None:
        return
    again = parse_filter(print_filter(tree))
    assert again is not None
    said = read_bar(print_bar(again))
    assert said is not None
    assert normal_form(said) == normal_form(bound)
    assert read_filter(print_filter(tree)) == bound
