"""The page on compatibility names every client that is tried, and gives a reason for everything that does not work."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from compat.clients import CLIENTS, Client
from compat.page import PAGE

CELLS = re.compile(r"yes|-|no \(([1-9]\d*)\)")


@dataclass(frozen=True, slots=True)
class Section:
    """A family's table, by version and feature, and its notes."""

    cells: dict[tuple[str, str], str]
    notes: list[str]


def sections() -> dict[str, Section]:
    found = {}
    for block in PAGE.read_text("utf-8").split("\n## ")[1:]:
        family, _, rest = block.partition("\n")
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in rest.splitlines() if line[:1] == "|"]
        versions = rows[0][1:]
        cells = {(version, row[0]): cell for row in rows[2:] for version, cell in zip(versions, row[1:], strict=True)}
        found[family] = Section(cells, re.findall(r"^\d+\. (.+)$", rest, re.MULTILINE))
    return found


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_client_is_on_the_page(client: Client) -> None:
    assert client.version in {version for version, _ in sections()[client.family].cells}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_misses_are_on_the_page_with_their_reasons(client: Client) -> None:
    section = sections()[client.family]
    told = {}
    for (version, title), cell in section.cells.items():
        found = CELLS.fullmatch(cell)
        assert found is not None, f"{cell!r} says nothing"
        if version == client.version and found[1] is not None:
            told[title] = section.notes[int(found[1]) - 1]
    assert told == dict(client.misses)


def test_page_has_no_other_clients() -> None:
    families = {client.family for client in CLIENTS}
    assert set(sections()) == families
