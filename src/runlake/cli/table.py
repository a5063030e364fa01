"""Rows for people: columns that fit the terminal, and word of what did not fit.

Numbers, times and ids are shown whole or not at all; only free text is shortened, and ends in an ellipsis then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from rich.cells import cell_len, set_cell_size

Row = Mapping[str, Any]

_GAP: Final = "  "
_SHORTEST_TEXT: Final = 10
_LONGEST_TEXT: Final = 80
_WHOLE: Final = ("_id", "_time", "_at")
"""Ends of the names of fields that are of no use in part."""
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_SMALL_COST: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column: its title, the fields of a row that it is made of, and how."""

    title: str
    fields: tuple[str, ...]
    show: Callable[[Row], str]
    is_number: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Lines to print, header first; ``notes`` say what the width took away."""

    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Filled:
    """A column with its cells; ``width`` is in cells of the terminal and includes the title."""

    column: TableColumn
    cells: list[str]
    width: int

    @property
    def least(self) -> int:
        return min(self.width, _SHORTEST_TEXT) if self.column.is_text else self.width


def field_column(name: str) -> TableColumn:
    """A field as it comes."""
    is_text = name != "id" and not name.endswith(_WHOLE)
    return TableColumn(title=name, fields=(name,), show=lambda row: shown(row[name]), is_text=is_text)


def time_column(name: str) -> TableColumn:
    """A moment, to the second."""
    return TableColumn(title=f"{name} (UTC)", fields=(name,), show=lambda row: shown(row[name]))


def id_column(name: str) -> TableColumn:
    """An id, or another short word that is of no use in part."""
    return TableColumn(title=name, fields=(name,), show=lambda row: shown(row[name]))


def count_column(title: str, name: str) -> TableColumn:
    """A number."""
    return TableColumn(title=title, fields=(name,), show=lambda row: shown(row[name]), is_number=True)


def cost_column(name: str) -> TableColumn:
    """US dollars, to a hundredth of a cent; less than that to two digits."""
    return TableColumn(title="cost", fields=(name,), show=lambda row: _dollars(row[name]), is_number=True)


def latency_column() -> TableColumn:
    """From start to end; empty while a run has not ended."""

    def show(row: Row) -> str:
        return "" if row["end_time"] is None else _duration(row["end_time"] - row["start_time"])

    return TableColumn(title="latency", fields=("start_time", "end_time"), show=show, is_number=True)


def seconds_column(name: str) -> TableColumn:
    """A latency that is in a field, in seconds."""

    def show(row: Row) -> str:
        return "" if row[name] is None else _duration(timedelta(seconds=row[name]))

    return TableColumn(title="latency", fields=(name,), show=show, is_number=True)


def fields_of(columns: Sequence[TableColumn]) -> list[str]:
    """Every field that some columns are made of."""
    return list(dict.fromkeys(field for column in columns for field in column.fields))


def lay_out(columns: Sequence[TableColumn], rows: Sequence[Row], *, width: int | None) -> Table:
    """The table in ``width`` cells of a terminal, None for as many as it takes.

    Texts get shorter first; where that is not enough, columns are left out from the last on.
    """
    filled = [_fill(column, rows) for column in columns]
    shown_columns = list(filled)
    while width is not None and len(shown_columns) > 1 and _least(shown_columns) > width:
        shown_columns.pop()
    if width is not None:
        _shorten(shown_columns, width)
    titles = [column.column.title for column in filled]
    return Table(_lines(shown_columns, len(rows)), _notes(shown_columns, titles[len(shown_columns) :]))


def shown(value: Any) -> str:
    """A value on one line, without what would move the cursor of a terminal."""
    match value:
        case None:
            return ""
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case list():
            return _one_line(", ".join(map(str, value)))
        case _:
            return _one_line(str(value))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return (
        line
        if line.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    )


def _dollars(value: Decimal | None) -> str:
    if value is None:
        return ""
    return f"${value:.2g}" if 0 < abs(value) < _SMALL_COST else f"${value:,.4f}"


def _duration(value: timedelta) -> str:
    if value >= _HOUR:
        return f"{value // _HOUR}h{value % _HOUR // _MINUTE:02}m"
    if value >= _MINUTE:
        return f"{value // _MINUTE}m{(value % _MINUTE).seconds:02}s"
    seconds = value.total_seconds()
    return f"{seconds:.2f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"


def _fill(column: TableColumn, rows: Sequence[Row]) -> _Filled:
    cells = [column.show(row) for row in rows]
    widest = max(map(cell_len, [column.title, *cells]))
    return _Filled(column, cells, min(widest, _LONGEST_TEXT) if column.is_text else widest)


def _least(columns: Sequence[_Filled]) -> int:
    return sum(column.least for column in columns) + len(_GAP) * (len(columns) - 1)


def _shorten(columns: Sequence[_Filled], width: int) -> None:
    """Take what is too much from the widest text, cell by cell."""
    too_much = sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1) - width
    for _ in range(too_much):
        widest = max(columns, key=lambda column: column.width - column.least)
        if widest.width == widest.least:
            return
        widest.width -= 1


def _lines(columns: Sequence[_Filled], count: int) -> tuple[str, ...]:
    header = _line((column, column.column.title) for column in columns)
    return (header, *(_line((column, column.cells[number]) for column in columns) for number in range(count)))


def _line(cells: Any) -> str:
    return _GAP.join(_padded(column, text) for column, text in cells).rstrip()


def _padded(column: _Filled, text: str) -> str:
    if column.column.is_number:
        return " " * (column.width - cell_len(text)) + text
    if cell_len(text) > column.width:
        return set_cell_size(text, column.width - 1) + "…"
    return set_cell_size(text, column.width)


def _notes(columns: Sequence[_Filled], left_out: Sequence[str]) -> tuple[str, ...]:
    cut = [column.column.title for column in columns if any(cell_len(cell) > column.width for cell in column.cells)]
    notes = [f"shortened: {', '.join(cut)}"] if cut else []
    if left_out:
        notes.append(f"left out for want of width: {', '.join(left_out)}")
    return tuple(notes)
