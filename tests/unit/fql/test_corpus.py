"""The corpus of filters: each of its four lists is a promise."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest
import yaml

from runlake.errors import FilterError
from runlake.fql import Mode, bind_filter, parse_filter, print_filter, read_filter


class Failing(TypedDict):
    filter: str
    says: list[str]


class Corpus(TypedDict):
    valid: list[str]
    parse_fails: list[Failing]
    bind_fails: list[Failing]
    strict_refuses: list[Failing]


CORPUS: Corpus = yaml.safe_load((Path(__file__).parents[2] / "corpus" / "filters.yaml").read_text("utf-8"))
PARSABLE = [
    *CORPUS["valid"],
    *(case["filter"] for case in CORPUS["bind_fails"]),
    *(case["filter"] for case in CORPUS["strict_refuses"]),
]


def problems(error: FilterError) -> list[str]:
    return [f"{found.line}:{found.column} {found.message}" for found in error.diagnostics]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("text", CORPUS["valid"])
def test_valid_filters_bind_in_both_modes(text: str, mode: Mode) -> None:
    assert read_filter(text, mode=mode) is not None


@pytest.mark.parametrize("text", PARSABLE)
def test_printing_and_parsing_again_gives_the_same_tree(text: str) -> None:
    tree = parse_filter(text)
    assert tree is not None
    printed = print_filter(tree)
    assert parse_filter(printed) == tree
    assert print_filter(tree) == printed


@pytest.mark.parametrize("text", CORPUS["valid"])
def test_printed_filters_mean_the_same_and_please_the_hosted_service(text: str) -> None:
    tree = parse_filter(text)
    assert tree is not None
    assert read_filter(print_filter(tree), mode=Mode.STRICT) == bind_filter(tree, text)


@pytest.mark.parametrize("case", CORPUS["parse_fails"], ids=lambda case: str(case["filter"]))
def test_what_is_not_the_language_is_refused_with_one_problem(case: Failing) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(case["filter"])
    assert problems(caught.value) == case["says"]
    assert len(caught.value.diagnostics) == 1


@pytest.mark.parametrize("case", CORPUS["bind_fails"], ids=lambda case: str(case["filter"]))
def test_what_does_not_fit_is_refused_by_the_binder(case: Failing) -> None:
    assert parse_filter(case["filter"]) is not None
    with pytest.raises(FilterError) as caught:
        read_filter(case["filter"])
    assert problems(caught.value) == case["says"]


@pytest.mark.parametrize("case", CORPUS["strict_refuses"], ids=lambda case: str(case["filter"]))
def test_what_the_hosted_service_refuses_is_accepted_unless_strict(case: Failing) -> None:
    assert read_filter(case["filter"]) is not None
    with pytest.raises(FilterError) as caught:
        read_filter(case["filter"], mode=Mode.STRICT)
    assert problems(caught.value) == case["says"]


def test_messages_start_in_lower_case_and_have_no_full_stop() -> None:
    failing = CORPUS["parse_fails"] + CORPUS["bind_fails"] + CORPUS["strict_refuses"]
    for message in (said.partition(" ")[2] for case in failing for said in case["says"]):
        assert not message[0].isupper()
        assert not message.endswith(".")
