"""The page on the filter language agrees with the tables and the code.

Run this file as a script to write the generated blocks anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from runlake.errors import FilterError
from runlake.fql import read_filter
from runlake.fql.axes import AXES, MAX_AXES, MAX_AXIS_DEPTH, Axis
from runlake.fql.fields import FIELDS, FUNCTIONS
from runlake.fql.lexer import MAX_TEXT_BYTES
from runlake.fql.numeric import MAX_NUMBER_LENGTH
from runlake.fql.parser import MAX_DEPTH, MAX_LIST_ITEMS

CALLS = "|".join(["and", "or", "not", "eq", "neq", "has", "exists", "in", "nin", "lte", "gt", "search", "count", *Axis])
PAGE = Path(__file__).parents[2] / "docs" / "filter-language.md"
SOURCES = Path(__file__).parents[2] / "src" / "runlake" / "fql"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def code_list(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names) or "-"


def functions_block() -> str:
    rows = ((f"`{row.function}`", row.takes, row.doc, row.absent, "yes" if row.strict else "no") for row in FUNCTIONS)
    return table(("Function", "Takes", "Says", "Absent", "Strict"), rows)


def fields_block() -> str:
    rows = (
        (
            code_list((row.name, *row.aliases)),
            row.kind.value,
            row.doc + (f" One of {code_list(row.values)}." if row.values else ""),
            code_list(row.functions),
            code_list(row.strict),
        )
        for row in FIELDS
    )
    return table(("Field and aliases", "Kind", "What it is", "Functions", "Strict"), rows)


def axes_block() -> str:
    return table(("Function", "Relative"), ((f"`{row.axis}`", row.doc) for row in AXES))


BLOCKS = {"functions": functions_block, "fields": fields_block, "axes": axes_block}


def block_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- generated: {name} -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def fenced(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", BLOCKS)
def test_generated_blocks_are_current(name: str) -> None:
    found = block_pattern(name).search(PAGE.read_text("utf-8"))
    assert found is not None
    assert found[2] == BLOCKS[name](), f"run python {Path(__file__).name} to write it anew"


@pytest.mark.parametrize("text", [line for block in fenced("fql") for line in block.splitlines()])
def test_examples_are_filters(text: str) -> None:
    assert read_filter(text) is not None


@pytest.mark.parametrize(
    "text",
    sorted(set(re.findall(rf"`((?:{CALLS})\([^`]*\))`", PAGE.read_text("utf-8")))),
)
def test_filters_in_the_prose_parse(text: str) -> None:
    """Placeholders are filled in first; a row of the truth table is about any field."""
    filled = text.replace("(f,", "(name,").replace(", v)", ', "v")').replace(", p)", ', "p")')
    filled = filled.replace("[...]", "[]").replace("...", "has(tags, 'x')").replace("not(c)", "not(has(tags, 'c'))")
    filled = filled.replace("(F)", "(has(tags, 'f'))")
    assert read_filter(filled.replace("\"has(tags, 'x')\"", '"x"')) is not None


def test_the_sample_error_is_the_real_one() -> None:
    (text,), (shown,) = fenced("error"), fenced("text")
    with pytest.raises(FilterError) as caught:
        read_filter(text.rstrip("\n"))
    (found,) = caught.value.diagnostics
    expected = f"{found.line}:{found.column} {found.message}\n{found.excerpt}\ninstead: {found.suggestion}\n"
    assert shown == expected


def test_every_error_code_is_listed() -> None:
    sources = "".join(path.read_text("utf-8") for path in SOURCES.glob("*.py"))
    used = set(re.findall(r"\bcode(?:: str)? ?= ?\"(\w+)\"", sources))
    section = PAGE.read_text("utf-8").partition("| Code | Meaning |")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == used


def test_the_limits_are_the_real_ones() -> None:
    limits = (
        f"{MAX_TEXT_BYTES // 1024} KiB of text, {MAX_DEPTH} levels of nesting, {MAX_LIST_ITEMS} items in a list, "
        f"{MAX_NUMBER_LENGTH} characters in a number, {MAX_AXES} conditions on relatives, {MAX_AXIS_DEPTH} of them"
    )
    assert limits in " ".join(PAGE.read_text("utf-8").split())


def write_blocks() -> None:
    page = PAGE.read_text("utf-8")
    for name, render in BLOCKS.items():
        before, begin, rest = page.partition(f"<!-- generated: {name} -->\n")
        page = before + begin + render() + rest[rest.index("<!-- end -->") :]
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    write_blocks()
