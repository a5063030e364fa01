"""Every search on the page stands for the filter beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runlake.fql import bar_to_filter, filter_to_bar

PAGE = (Path(__file__).parents[2] / "docs" / "search-bar.md").read_text("utf-8")
BLOCKS = re.findall(r"<!-- searches -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
ROWS = [row for block in BLOCKS for row in re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", block, re.MULTILINE)]
COMMANDS = re.findall(r"^runlake translate '(.*?)' +# (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("search", "meant"), ROWS)
def test_a_search_stands_for_the_filter_beside_it(search: str, meant: str) -> None:
    assert bar_to_filter(search) == meant
    assert bar_to_filter(filter_to_bar(meant)) == meant


def test_every_block_has_rows() -> None:
    assert len(BLOCKS) >= 5
    assert len(ROWS) >= 5 * len(BLOCKS) - 4


def test_the_sample_commands_print_what_they_show() -> None:
    for text, printed in COMMANDS:
        assert filter_to_bar(text) == printed
    assert COMMANDS
