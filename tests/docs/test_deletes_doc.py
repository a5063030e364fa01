"""The page on deletes and retention agrees with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
from litestar.handlers import HTTPRouteHandler

from runlake.api.deletes import DELETE_HANDLERS
from runlake.model.deletion import DeletionState
from runlake.wire.deletes import ContentsAnswer

PAGE = (Path(__file__).parents[2] / "docs" / "wire" / "deletes.md").read_text(encoding="utf-8")


def test_every_route_and_method_is_on_the_page() -> None:
    for handler in DELETE_HANDLERS:
        assert isinstance(handler, HTTPRouteHandler)
        for path in handler.paths:
            shown = re.sub(r"\{\w+:str\}", "{id}", path)
            rows = [line for line in PAGE.splitlines() if re.search(rf"^\|.* {re.escape(shown)}[`?]", line)]
            for method in handler.http_methods - {"OPTIONS"}:
                assert any(method in row for row in rows), (method, path)


def test_every_state_is_explained() -> None:
    for state in DeletionState:
        assert f"| `{state.value}` |" in PAGE


def test_the_example_of_a_dry_run_is_an_answer() -> None:
    (example,) = [text for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if "dry_run" in text]
    assert list(json.loads(example)) == [field.encode_name for field in msgspec.structs.fields(ContentsAnswer)]
