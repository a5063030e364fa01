"""The pages on what an export holds agree with the code. Run this file as a script to write the tables anew."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from runlake.export.columns import SCHEMA_VERSION, ExportColumn, columns_of
from runlake.model.export_content import Compression, ContentKind, FileFormat
from runlake.wire.pull import PullBody

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = DOCS / "export-schema.md"
PULL = DOCS / "wire" / "pull.md"
TABLES = (ContentKind.RUNS, ContentKind.FEEDBACK, ContentKind.FLATTENED)


def column_table(content: ContentKind) -> str:
    with_marks = content is ContentKind.RUNS
    head = ("Column", "Type", *(("Upstream",) if with_marks else ()), "Content")
    return table(head, (column_row(column, with_marks=with_marks) for column in columns_of(content)))


def column_row(column: ExportColumn, *, with_marks: bool) -> tuple[str, ...]:
    marks = ("yes" if column.documented else "",) if with_marks else ()
    doc = column.doc if column.default else f"{column.doc} Only when named."
    return (f"`{column.name}`", f"`{column.type.value}`", *marks, doc)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def section(content: ContentKind) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {content.value} -->\n).*?(<!-- end -->)", re.DOTALL)


@pytest.mark.parametrize("content", TABLES)
def test_the_table_of_columns_is_that_of_the_code(content: ContentKind) -> None:
    found = section(content).search(SCHEMA.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == f"{found[1]}{column_table(content)}{found[2]}"


def test_the_version_of_the_schema_is_told() -> None:
    assert f"version {SCHEMA_VERSION}" in SCHEMA.read_text(encoding="utf-8")


def test_every_member_and_value_of_a_pull_is_described() -> None:
    text = PULL.read_text(encoding="utf-8")
    values = [item.value for kind in (ContentKind, FileFormat, Compression) for item in kind]
    for name in (*PullBody.__struct_fields__, *values):
        assert f"`{name}`" in text, name


if __name__ == "__main__":
    text = SCHEMA.read_text(encoding="utf-8")
    for kind in TABLES:
        begin, end = f"<!-- {kind.value} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + column_table(kind) + end + rest.partition(end)[2]
    SCHEMA.write_text(text, encoding="utf-8")
