"""The page on OpenTelemetry agrees with the code: its mapping tables are the code's own.

Run this file as a script to write the tables anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from runlake.api.prefixes import PREFIXES, canonical_path
from runlake.otlp.answers import Encoding
from runlake.otlp.conventions import TABLES
from runlake.otlp.events import ATTRIBUTE_EVENTS, CHOICE_EVENT, CHUNK_EVENTS, EXCEPTION_EVENT, MESSAGE_ROLES
from runlake.otlp.read import read_traces
from runlake.otlp.rules import Rule, Table
from runlake.wire.encoding import ACCEPTED_ENCODINGS

PAGE: Final = Path(__file__).parents[2] / "docs" / "opentelemetry.md"
BEGIN, END = "<!-- tables: generated -->\n", "<!-- tables: end -->\n"


def row(rule: Rule) -> str:
    name = f"`{rule.attribute}{'*' if rule.attribute.endswith('.') else ''}`"
    key = f" `{rule.key}`" if rule.key else ""
    kept = "yes" if rule.keep else ""
    return f"| {name} | {rule.target.value}{key} | {rule.rank} | {kept} |\n"


def table(name: str, rules: Table) -> str:
    head = f"### {name}\n\n| Attribute | Becomes | Rank | Also in metadata |\n| --- | --- | --- | --- |\n"
    return head + "".join(map(row, rules)) + "\n"


def tables() -> str:
    return "".join(table(name, rules) for name, rules in TABLES.items())


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def with_tables(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + tables() + END + rest.partition(END)[2]


def test_the_tables_are_those_of_the_code() -> None:
    assert page() == with_tables(page()), "run this file as a script"


@pytest.mark.parametrize(
    "word",
    [*MESSAGE_ROLES, CHOICE_EVENT, EXCEPTION_EVENT, *sorted(ATTRIBUTE_EVENTS), *sorted(CHUNK_EVENTS - {"new_token"})],
)
def test_every_event_that_means_something_is_named(word: str) -> None:
    assert f"`{word}`" in page()


def test_every_path_and_encoding_is_named() -> None:
    paths = re.findall(r"^\| `(/\S*v1/traces)` \|", page(), re.MULTILINE)
    assert {canonical_path(path) for path in paths} == {"/otel/v1/traces"}
    assert len(paths) == 4
    assert ("/v1/traces", "/otel/v1/traces") in PREFIXES
    words = [encoding.value for encoding in Encoding] + [
        f"`{name}`" for name in ACCEPTED_ENCODINGS if name != "identity"
    ]
    assert [word for word in words if word not in page()] == []


def test_the_example_is_a_request_that_is_taken() -> None:
    block = re.search(r"-d '(\{.*?\})'\n", page(), re.DOTALL)
    assert block is not None
    batch = read_traces(json.dumps(json.loads(block[1])).encode(), Encoding.JSON)
    assert (len(batch.writes), batch.refused) == (1, ())


if __name__ == "__main__":
    PAGE.write_text(with_tables(page()), encoding="utf-8")
