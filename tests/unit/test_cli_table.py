"""``runlake query --format table``: what fits is whole, what does not is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.cells import cell_len

from runlake.cli.query import _TABLE_COLUMNS
from runlake.cli.table import count_column, field_column, fields_of, id_column, lay_out

_RUNS = _TABLE_COLUMNS["runs"]
_START = datetime(2026, 11, 23, 19, 12, 46, 987_654, tzinfo=UTC)
_ID = "33e6d606-adcd-4ac1-8bac-9e7d9e52bc2e"


def _run(**changes: Any) -> dict[str, Any]:
    run = {
        "start_time": _START,
        "end_time": _START + timedelta(milliseconds=1_234),
        "name": "look up the weather in Reykjavik",
        "run_type": "tool",
        "status": "success",
        "total_tokens": 1_200,
        "total_cost": Decimal("0.000285"),
        "id": _ID,
    }
    return run | changes


def test_a_wide_table_shows_all_that_a_person_looks_for() -> None:
    table = lay_out(_RUNS, [_run()], width=None)
    header, row = (" ".join(line.split()) for line in table.lines)
    assert header == "start_time (UTC) name run_type status latency tokens cost id"
    assert row == f"2026-11-23 19:12:46 look up the weather in Reykjavik tool success 1.23s 1,200 $0.0003 {_ID}"
    assert table.notes == ()


@pytest.mark.parametrize(
    ("width", "notes"),
    [
        (140, ()),
        (120, ("shortened: name",)),
        (80, ("shortened: name", "left out for want of width: id")),
        (40, ("shortened: name", "left out for want of width: run_type, status, latency, tokens, cost, id")),
    ],
)
def test_a_narrow_table_keeps_to_the_width_and_says_what_it_lacks(width: int, notes: tuple[str, ...]) -> None:
    table = lay_out(_RUNS, [_run(), _run(name="短い名前")], width=width)
    assert max(map(cell_len, table.lines)) <= width
    assert table.notes == notes


@pytest.mark.parametrize("name", ["x" * 11, "検索する検索する", "e\u0301" * 20, "\U0001f600" * 9])
def test_columns_stay_below_their_titles_whatever_the_letters(name: str) -> None:
    columns = (field_column("name"), id_column("id"))
    table = lay_out(columns, [{"name": name, "id": "A"}, {"name": "plain", "id": "B"}], width=20)
    ends = {cell_len(line[: line.rindex(letter)]) for line, letter in zip(table.lines, ("id", "A", "B"), strict=True)}
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("changes", "title", "cell"),
    [
        ({"end_time": None}, "latency", ""),
        ({"end_time": _START + timedelta(microseconds=31_400)}, "latency", "31ms"),
        ({"end_time": _START + timedelta(seconds=125)}, "latency", "2m05s"),
        ({"end_time": _START + timedelta(hours=26, minutes=6)}, "latency", "26h06m"),
        ({"total_cost": Decimal(0)}, "cost", "$0.0000"),
        ({"total_cost": Decimal("0.0000042")}, "cost", "$0.0000042"),
        ({"total_cost": None}, "cost", ""),
        ({"total_tokens": None}, "tokens", ""),
        ({"name": "two\nlines\tand \x1b[31mred"}, "name", "two lines and \ufffd[31mred"),
    ],
)
def test_values_are_written_for_people(changes: dict[str, Any], title: str, cell: str) -> None:
    column = next(column for column in _RUNS if column.title == title)
    assert lay_out([column], [_run(**changes)], width=None).lines[1].strip() == cell


def test_what_a_user_names_is_asked_for_and_ids_are_never_cut() -> None:
    columns = tuple(map(field_column, ("error", "trace_id")))
    assert fields_of(columns) == ["error", "trace_id"]
    table = lay_out(columns, [{"error": "e" * 200, "trace_id": _ID}], width=60)
    assert table.lines[1] == "e" * 21 + "…  " + _ID
    assert table.notes == ("shortened: error",)


def test_numbers_stand_under_each_other() -> None:
    table = lay_out([count_column("n", "n")], [{"n": 7}, {"n": 1_234}], width=None)
    assert table.lines == ("    n", "    7", "1,234")
