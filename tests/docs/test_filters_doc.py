"""The examples of the page on help with filters are what the server answers."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import cast

import pytest
from litestar.handlers import HTTPRouteHandler

from runlake.api.filters import FILTER_HANDLERS
from runlake.errors import FilterError
from runlake.fql import Mode, filter_to_bar, read_filter
from runlake.model.snippet import Snippet
from runlake.query.names import SAMPLE_RUNS
from runlake.query.snippets import CONTEXT_CHARS, MAX_SNIPPETS
from runlake.wire.filter_texts import FilterTextBody

HANDLERS = cast("list[HTTPRouteHandler]", [*FILTER_HANDLERS])
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "wire" / "filters.md").read_text("utf-8")
LANGUAGE = (DOCS / "filter-language.md").read_text("utf-8")


def examples() -> list[dict[str, object]]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_translation_is_the_real_one() -> None:
    asked, answer, _ = examples()
    assert filter_to_bar(str(asked["text"])) == answer["text"]
    assert asked["to"] == answer["language"]


def test_the_snippet_is_well_formed() -> None:
    *_, snippet = examples()
    assert list(snippet) == [field.name for field in dataclasses.fields(Snippet)]
    found = Snippet(**snippet)  # type: ignore[arg-type]
    assert found.end - found.start == len(found.text)
    assert [found.text[low:high] for low, high in found.highlights] == ["capital of France"]


def test_every_route_member_and_number_is_on_the_page() -> None:
    routes = {f"`POST {path}`" for handler in HANDLERS for path in handler.paths}
    members = {f"`{name}`" for name in FilterTextBody.__struct_fields__}
    numbers = {f"{SAMPLE_RUNS:,} runs", f"{CONTEXT_CHARS} characters around", f"At most {MAX_SNIPPETS} excerpts"}
    assert {text for text in routes | members | numbers if text not in PAGE} == set()


def test_the_strict_mode_reports_every_example_of_its_table() -> None:
    section = LANGUAGE.partition("## Strict mode")[2].partition("## ")[0]
    shown = re.findall(r"\| `([^`]+\))` \|$", section, re.MULTILINE)
    assert len(shown) == section.count("\n|") - 2
    for text in shown:
        assert read_filter(text) is not None
        with pytest.raises(FilterError) as caught:
            read_filter(text, mode=Mode.STRICT)
        assert {found.code for found in caught.value.diagnostics} == {"hosted"}
