"""The pages on settings, errors, projects and feedback agree with the code.

Run this file as a script to write the generated tables anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runlake import errors
from runlake.api.errors import ErrorBody, describe
from runlake.api.projects import SORT_KEYS
from runlake.config import SETTINGS
from runlake.errors import FaultError, FilterError, RunlakeError, SettingsError, UserError
from runlake.fql import read_filter
from runlake.wire.feedback_objects import FeedbackCreate
from runlake.wire.projects import ProjectBody, ProjectCreate
from runlake.wiring.http import API_HANDLERS

DOCS = Path(__file__).parents[2] / "docs"
CONFIGURATION = DOCS / "configuration.md"
ERRORS = DOCS / "wire" / "errors.md"
PROJECTS = DOCS / "wire" / "projects-and-feedback.md"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def settings_table() -> str:
    rows = (
        (
            f"`{setting.name}`",
            f"`{setting.variable}`",
            f"`{setting.default_text}`" if setting.default is not None else "-",
            setting.doc
            + (f" One of {', '.join(f'`{choice}`' for choice in setting.choices)}." * bool(setting.choices)),
        )
        for setting in SETTINGS
    )
    return table(("Setting", "Variable", "Default", "What it does"), rows)


def error_classes() -> Iterator[type[RunlakeError]]:
    """Every error that a request can be answered with."""
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, RunlakeError) and found not in {RunlakeError, SettingsError}:
            yield found


def errors_table() -> str:
    rows = (
        (
            f"`{found.code}`",
            str(found.status),
            "the sender's" if issubclass(found, UserError) else "ours",
            (found.__doc__ or "What was asked for is not there.").strip().splitlines()[0].replace("``", "`"),
        )
        for found in error_classes()
        if found.__name__ not in {"NotFoundError", "ConflictError"}
    )
    plain = (
        ("`not_found`", "404", "the sender's", "No such route, project, run or feedback."),
        ("`conflict`", "409", "the sender's", "The name or id is taken."),
    )
    return table(("Code", "Status", "Whose fault", "When"), sorted((*rows, *plain), key=lambda row: (row[1], row[0])))


TABLES = {(CONFIGURATION, "settings"): settings_table, (ERRORS, "errors"): errors_table}


def block(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- table: {name} -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@pytest.mark.parametrize(("page", "name"), TABLES, ids=lambda part: part.stem if isinstance(part, Path) else part)
def test_table_is_current(page: Path, name: str) -> None:
    found = block(name).search(page.read_text(encoding="utf-8"))
    assert found is not None
    assert found[2] == TABLES[page, name]()


def test_every_error_class_is_in_the_table() -> None:
    text = ERRORS.read_text(encoding="utf-8")
    for found in error_classes():
        assert re.search(rf"\| `{found.code}` \| {found.status} \|", text), found.__name__
    assert any(issubclass(found, FaultError) for found in error_classes())


def json_examples(page: Path) -> list[Any]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)]


def test_the_error_example_is_what_the_filter_really_gives() -> None:
    with pytest.raises(FilterError) as caught:
        read_filter('eq(run_typ, "llm")')
    body = msgspec.to_builtins(describe(caught.value))
    (example,) = json_examples(ERRORS)
    assert example == json.loads(json.dumps(body))
    assert set(example) == set(ErrorBody.__struct_fields__)


def test_the_project_example_has_the_keys_that_are_always_there() -> None:
    (example,) = json_examples(PROJECTS)
    always = {field.name for field in msgspec.structs.fields(ProjectBody) if field.required}
    assert set(example) == always


def test_members_parameters_and_sort_keys_are_all_named() -> None:
    text = PROJECTS.read_text(encoding="utf-8")
    names = {*ProjectCreate.__struct_fields__, *ProjectBody.__struct_fields__, *FeedbackCreate.__struct_fields__}
    missing = {name for name in (*names, *SORT_KEYS) if f"`{name}`" not in text and f'"{name}"' not in text}
    assert missing == set()


@pytest.mark.parametrize("prefix", ["/sessions", "/feedback"])
def test_every_route_is_on_the_page(prefix: str) -> None:
    text = PROJECTS.read_text(encoding="utf-8")
    for handler in API_HANDLERS:
        for path in handler.paths:
            if path.startswith(prefix):
                shown = re.sub(r"\{\w+:str\}", "{id}", path)
                for method in handler.http_methods - {"OPTIONS"}:
                    assert f"`{method} {shown}" in text


if __name__ == "__main__":
    for (path, name), make in TABLES.items():
        path.write_text(
            block(name).sub(lambda match, make=make: match[1] + make() + match[3], path.read_text(encoding="utf-8")),  # type: ignore[misc]  # bound at once
            encoding="utf-8",
        )
