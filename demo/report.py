"""How the demo prints: the call as one would write it, then its result as a table. Made for 100 columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from langsmith.schemas import Run
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from demo.export import TraceLine
from demo.queries import Answer, Shown

COLUMNS: Final = 100
NOTE_CHARS: Final = 40
"""Width of the last column of a result."""
ROWS_SHOWN: Final = 6
"""Rows of a result that are printed; the rest is counted."""


def make_console() -> Console:
    console = Console(highlight=False)
    console.width = min(console.width, COLUMNS) if console.is_terminal else COLUMNS
    return console


def print_heading(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{text}", align="left", style="dim")


def print_answer(console: Console, number: int, answer: Answer) -> None:
    """The query, its first rows, and every way in which the result is not what the program made."""
    mark = "[green]✓[/]" if answer.right else "[red]✗[/]"
    console.print()
    console.print(f"{mark} [bold]{number}. {answer.query.title}[/]  [dim]{_count(len(answer.runs))}[/]")
    console.print(Syntax(_call(answer.query.arguments), "python", theme="ansi_dark", background_color="default"))
    if answer.runs:
        console.print(_table(answer.runs))
    for run in answer.missing:
        console.print(f"  [red]missing[/] {run.name} {run.id}")
    for found in answer.unexpected:
        console.print(f"  [red]unexpected[/] {found.name} {found.id}")
    if not answer.in_order:
        console.print("  [red]wrong order[/]")


def _count(number: int) -> str:
    return "no run" if number == 0 else "1 run" if number == 1 else f"{number} runs"


def _call(arguments: dict[str, Any]) -> str:
    """The call in Python, in one line where it fits."""
    given = {name: _literal(value) for name, value in arguments.items()}
    short = f"client.list_runs({', '.join(f'{name}={text}' for name, text in given.items())})"
    if len(short) <= COLUMNS:
        return short
    lines = []
    for name, text in given.items():
        line = f"    {name}={text},"
        lines.append(line if len(line) <= COLUMNS else f"    {name}=({_split_literal(arguments[name])}\n    ),")
    return "\n".join(("client.list_runs(", *lines, ")"))


def _literal(value: object) -> str:
    match value:
        case Shown():
            return value.text
        case list():
            return f"[{', '.join(_literal(item) for item in value)}]"
        case str() if '"' not in value:
            return f'"{value}"'
        case _:
            return repr(value)


def _split_literal(text: str) -> str:
    """A long text as adjacent literals, one a line, broken after commas."""
    pieces: list[str] = []
    for part in text.replace(", ", ", \0").split("\0"):
        if pieces and len(pieces[-1]) + len(part) <= COLUMNS - 20:
            pieces[-1] += part
        else:
            pieces.append(part)
    quote = "'" if '"' in text else '"'
    return "".join(f"\n        {quote}{piece}{quote}" for piece in pieces)


def _table(runs: Sequence[Run]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    table.add_column("  name", no_wrap=True)
    table.add_column("type", no_wrap=True)
    for title in ("started", "took", "tokens"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for run in runs[:ROWS_SHOWN]:
        table.add_row(f"  {run.name}", run.run_type, _ago(run.start_time), _took(run), _tokens(run), _note(run))
    if len(runs) > ROWS_SHOWN:
        table.add_row(f"  [dim]and {len(runs) - ROWS_SHOWN} more[/]")
    return table


def _ago(time: datetime) -> str:
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - aware).total_seconds()
    if seconds < 90:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 100 * 3600 else f"{seconds / 86400:.0f} d ago"


def _took(run: Run) -> str:
    if run.latency is None:
        return "[yellow]running[/]" if run.status == "pending" else ""
    return _duration(run.latency)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _tokens(run: Run) -> str:
    return f"{run.total_tokens:,}" if run.total_tokens else ""


def _note(run: Run) -> str:
    """The most telling thing: the error, the question, what was said."""
    if run.error:
        return f"[red]{_plain(run.error)}[/]"
    for payload in (run.inputs, run.outputs or {}):
        for key in ("question", "content", "query", "order", "reply", "facts", "day"):
            if payload and payload.get(key):
                return _plain(f"{key}: {payload[key]}")
    return ""


def _plain(text: str) -> str:
    """The first line, cut to its column, safe for markup."""
    line = text.splitlines()[0] if text else ""
    return escape(line if len(line) <= NOTE_CHARS else f"{line[: NOTE_CHARS - 1]}…")


def print_traces(console: Console, lines: Sequence[TraceLine]) -> None:
    """The flat lines but for their ids, start and question, which are in the file."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for title in ("  trace", "tools", "took", "tokens", "cost", "feedback"):
        right = title in ("took", "tokens", "cost")
        table.add_column(title, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(
            f"  {line.name}",
            line.tools,
            "" if line.seconds is None else _duration(line.seconds),
            f"{line.tokens:,}" if line.tokens else "",
            "" if line.cost is None else f"${line.cost:.5f}",
            line.feedback,
        )
    console.print(table)
