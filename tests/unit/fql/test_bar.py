"""The corpus of searches, and how filters are said in a search bar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest
import yaml

from runlake.errors import FilterError
from runlake.fql import (
    Mode,
    bar_to_filter,
    filter_to_bar,
    parse_bar,
    parse_filter,
    print_bar,
    print_filter,
    read_bar,
    read_filter,
)
from runlake.fql.ast import And, Comparison, FieldPath, Function, NumberValue, TextValue
from runlake.fql.lexer import MAX_TEXT_BYTES
from runlake.fql.parser import MAX_DEPTH
from runlake.fql.source import Span


class Search(TypedDict):
    search: str
    filter: str
    canonical: NotRequired[str]


class Failing(TypedDict):
    search: str
    says: list[str]


class Corpus(TypedDict):
    valid: list[Search]
    parse_fails: list[Failing]
    bind_fails: list[Failing]


CORPUS: Corpus = yaml.safe_load((Path(__file__).parents[2] / "corpus" / "searches.yaml").read_text("utf-8"))


def problems(error: FilterError) -> list[str]:
    return [f"{found.line}:{found.column} {found.message}" for found in error.diagnostics]


@pytest.mark.parametrize("case", CORPUS["valid"], ids=lambda case: str(case["search"]))
def test_a_search_stands_for_a_filter(case: Search) -> None:
    tree = parse_bar(case["search"])
    assert tree is not None
    assert print_filter(tree) == case["filter"]
    assert read_bar(case["search"]) == read_filter(case["filter"])


@pytest.mark.parametrize("case", CORPUS["valid"], ids=lambda case: str(case["search"]))
def test_a_search_has_one_canonical_text(case: Search) -> None:
    tree = parse_bar(case["search"])
    assert tree is not None
    canonical = case.get("canonical", case["search"])
    assert print_bar(tree) == canonical
    assert parse_bar(canonical) == tree


@pytest.mark.parametrize("case", CORPUS["parse_fails"], ids=lambda case: str(case["search"]))
def test_what_is_no_search_is_refused_with_one_problem(case: Failing) -> None:
    with pytest.raises(FilterError) as caught:
        parse_bar(case["search"])
    assert problems(caught.value) == case["says"]


@pytest.mark.parametrize("case", CORPUS["bind_fails"], ids=lambda case: str(case["search"]))
def test_values_that_do_not_fit_are_refused_at_their_place(case: Failing) -> None:
    assert parse_bar(case["search"]) is not None
    with pytest.raises(FilterError) as caught:
        read_bar(case["search"])
    assert problems(caught.value) == case["says"]
    assert caught.value.field == "search"


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_blank_text_is_no_search(text: str) -> None:
    assert parse_bar(text) is None
    assert read_bar(text) is None


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("statuss:error", "status"),
        ("model:gpt-4", "metadata.ls_model_name"),
        ("latency>10", "latency:>10"),
        ("status=error", "status:error"),
        ("status!=error", "-status:error"),
        ("total_cost<=1", "total_cost:<=1"),
        ("latency:[10 TO *]", "latency:>=10"),
        ("latency:[* TO 10}", "latency:<=10"),
        ("OR", '"OR"'),
    ],
)
def test_look_alikes_get_the_text_to_write_instead(text: str, instead: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_bar(text)
    assert caught.value.suggestion == instead


def test_nodes_know_their_places() -> None:
    text = "name:a metadata.k:>2"
    tree = parse_bar(text)
    assert isinstance(tree, And)
    name, entry = tree.children
    assert isinstance(name, Comparison)
    assert name.span == Span(0, 6)
    assert name.name_span == Span(0, 4)
    assert name.value.span == Span(5, 6)
    assert isinstance(entry, And)
    test = entry.children[1]
    assert isinstance(test, Comparison)
    assert (test.span, test.value.span) == (Span(7, 20), Span(19, 20))


@pytest.mark.parametrize(
    "text",
    [
        "-" * (MAX_DEPTH + 2) + "a",
        "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1),
        "a" * (MAX_TEXT_BYTES + 1),
    ],
    ids=["signs", "parentheses", "length"],
)
def test_limits(text: str) -> None:
    with pytest.raises(FilterError, match=r"deeper than|longer than"):
        parse_bar(text)


def test_deep_negation_survives_printing() -> None:
    tree = parse_bar("NOT " * (MAX_DEPTH - 1) + "a")
    assert tree is not None
    assert parse_bar(print_bar(tree)) == tree


SAYABLE = [
    ('in(name, ["a", "b"])', "name:a OR name:b"),
    ('in(name, ["a"])', "name:a"),
    ('in(metadata_key, ["a", "b"])', "metadata.a:* OR metadata.b:*"),
    ('in(metadata.k, ["a", "b"])', "metadata.k:a OR metadata.k:b"),
    (
        'and(in(metadata_key, ["a", "b"]), eq(metadata_value, "v"))',
        "(metadata.a:* OR metadata.b:*) AND metadata_value:v",
    ),
    ('nin(status, ["error", "pending"])', "NOT (status:error OR status:pending)"),
    ('and(eq(is_root, true), in(name, ["a", "b"]))', "is_root:true AND (name:a OR name:b)"),
    ('eq(metadata.user_id, "u")', "metadata.user_id:u"),
    ('neq(metadata.user_id, "u")', "-metadata.user_id:u"),
    ("eq(metadata.user_id, null)", "-metadata.user_id:*"),
    ("gt(feedback.k, 0.5)", "feedback.k.score:>0.5"),
    ('eq(feedback.k, "good")', "feedback.k.value:good"),
    ("eq(feedback.k.score, null)", "-feedback.k.score:*"),
    ('has(metadata, \'{"a": 1, "b": {"c": "x"}, "d": null}\')', "metadata.a:1 AND metadata.b.c:x AND -metadata.d:*"),
    ('exists(metadata, "k")', "metadata.k:*"),
    ('neq(tags, "x")', "-tags:x"),
    ('like(inputs, "two words")', "input:~two AND input:~words"),
    ('notlike(inputs, "word")', "-input:~word"),
    ('like(inputs, "%\\"a b\\"%")', 'input:*\\"a\\ b\\"*'),
    ("neq(error, null)", "error:*"),
    ('search("gpt-4 \\"exact words\\" pre*")', 'gpt-4 "exact words" pre*'),
    ('search("and -x a:b")', r"\and \-x a\:b"),
    ('eq(name, "and")', "name:and"),
    ('eq(name, "")', 'name:""'),
    ("eq(name, 5)", "name:5"),
    ('eq(total_tokens, "5")', 'total_tokens:"5"'),
    ('eq(name, "a \\"b\\" \\\\")', r'name:"a \"b\" \\"'),
    ('like(name, "50\\%%")', r"name:50\%*"),
    (
        'and(eq(feedback_key, "k"), or(lt(feedback_score, 0.2), gt(feedback_score, 0.8)))',
        "feedback.k:* AND (feedback_score:<0.2 OR feedback_score:>0.8)",
    ),
    ('and(eq(metadata_key, "k"), neq(metadata_value, "v"))', "metadata.k:* AND -metadata_value:v"),
    (
        'and(eq(name, "n"), eq(metadata_key, "k"), eq(metadata_value, "v"))',
        "name:n AND metadata.k:v",
    ),
    ("not(not(eq(is_root, true)))", "NOT NOT (is_root:true)"),
    ('not(nin(name, ["a", "b"]))', "NOT NOT (name:a OR name:b)"),
]


@pytest.mark.parametrize(("text", "search"), SAYABLE, ids=[text for text, _ in SAYABLE])
def test_filters_are_said_in_the_words_of_a_bar(text: str, search: str) -> None:
    tree = parse_filter(text)
    assert tree is not None
    assert print_bar(tree, text) == search


UNSAYABLE = [
    ('like(name, "a_c")', "1:1", "any one character"),
    ('like(name, "abc")', "1:1", "stars only"),
    ('and(eq(run_type, "llm"), in(id, []))', "1:26", "asks nothing like it"),
    ("has(metadata, {})", "1:1", "asks for nothing"),
    ('search("say a\\"b")', "1:1", "look for a quote"),
    ('and(eq(metadata_key, "k"), and(eq(metadata_value, "v")))', "1:1", "grouped in another way"),
    ('and(neq(metadata.k, null), eq(metadata_value, "v"))', "1:1", "grouped in another way"),
]


@pytest.mark.parametrize(("text", "place", "reason"), UNSAYABLE, ids=[text for text, _, _ in UNSAYABLE])
def test_what_a_bar_cannot_say_is_named(text: str, place: str, reason: str) -> None:
    tree = parse_filter(text)
    assert tree is not None
    with pytest.raises(FilterError) as caught:
        print_bar(tree, text)
    (found,) = caught.value.diagnostics
    assert found.code == "unsupported"
    assert f"{found.line}:{found.column}" == place
    assert reason in found.message


def test_a_tree_without_text_is_named_by_its_own_print() -> None:
    tree = Comparison(function=Function.LIKE, field=FieldPath(segments=("name",)), value=TextValue(value="a_c"))
    with pytest.raises(FilterError) as caught:
        print_bar(tree)
    assert caught.value.diagnostics[0].excerpt.startswith('like(name, "a_c")\n^')


def test_a_tree_that_is_no_filter_is_refused_as_the_binder_does() -> None:
    tree = Comparison(function=Function.EQ, field=FieldPath(segments=("status",)), value=NumberValue(value=1))
    with pytest.raises(FilterError, match="status takes one of"):
        print_bar(And(children=(tree, tree)))


def test_strict_mode_speaks_of_the_filter() -> None:
    with pytest.raises(FilterError) as caught:
        read_bar("name:a -tags:b input:~c", mode=Mode.STRICT)
    assert problems(caught.value) == ["1:48 search takes text alone in the hosted service"]


def test_whole_texts_are_translated_both_ways() -> None:
    assert bar_to_filter("status:error latency:>5") == 'and(eq(status, "error"), gt(latency, 5))'
    assert filter_to_bar('and(eq(status, "error"), gt(latency, 5))') == "status:error AND latency:>5"
    assert bar_to_filter(" ") == filter_to_bar("") == ""


@pytest.mark.parametrize(
    ("translate", "text", "field"),
    [(bar_to_filter, "status:bad", "search"), (filter_to_bar, 'eq(status, "bad")', "filter")],
)
def test_only_what_binds_is_translated(translate: Callable[[str], str], text: str, field: str) -> None:
    with pytest.raises(FilterError, match="status takes one of") as caught:
        translate(text)
    assert caught.value.field == field
