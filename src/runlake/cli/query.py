"""The command ``runlake query``: everything that matches, from a running server into a file, a pipe or a table.

It pulls Arrow and writes files itself, so that a broken connection is gone on from exactly, whatever the format.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from runlake.cli.table import (
    TableColumn,
    cost_column,
    count_column,
    field_column,
    fields_of,
    id_column,
    latency_column,
    lay_out,
    seconds_column,
    time_column,
)
from runlake.errors import SettingsError
from runlake.model.export_content import Compression, FileFormat
from runlake.server_client import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, ServerClient

if TYPE_CHECKING:
    import pyarrow as pa

    from runlake.export.content import FileWriter
    from runlake.export.remote_pull import RemotePull

Format = Literal["jsonl", "parquet", "arrow", "csv", "table"]
Content = Literal["runs", "traces", "feedback", "flattened"]
CompressionName = Literal["none", "gzip", "snappy", "zstandard", "zstd"]

DEFAULT_LIMIT: Final = 100
MAX_TABLE_ROWS: Final = 1_000
PARTIAL_EXIT: Final = 3
INTERRUPTED_EXIT: Final = 130
_RUN_COLUMNS: Final = (
    time_column("start_time"),
    field_column("name"),
    id_column("run_type"),
    id_column("status"),
    latency_column(),
    count_column("tokens", "total_tokens"),
    cost_column("total_cost"),
    id_column("id"),
)
_TABLE_COLUMNS: Final[Mapping[Content, tuple[TableColumn, ...]]] = {
    "runs": _RUN_COLUMNS,
    "traces": _RUN_COLUMNS,
    "feedback": (
        time_column("created_at"),
        field_column("key"),
        count_column("score", "score"),
        field_column("value"),
        field_column("comment"),
        id_column("run_id"),
    ),
    "flattened": (
        time_column("start_time"),
        field_column("name"),
        id_column("status"),
        seconds_column("latency_s"),
        count_column("runs", "run_count"),
        count_column("errors", "error_count"),
        cost_column("total_cost"),
        field_column("tools_used"),
        id_column("trace_id"),
    ),
}
"""What a table shows unless fields are named, the most wanted first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A pull and where it goes, as given on the command line."""

    request: Mapping[str, Any]
    format: Format
    compression: str | None
    output: Path | None
    arguments: tuple[str, ...]
    columns: tuple[TableColumn, ...] = ()


def query(
    filter_text: Annotated[
        str | None, Parameter(name="FILTER", help="A filter such as 'eq(status, \"error\")'; all when absent.")
    ] = None,
    /,
    *,
    project: Annotated[list[str] | None, Parameter(help="Name of a project; may be repeated. All by default.")] = None,
    trace_filter: Annotated[str | None, Parameter(help="Filter on the root of the trace.")] = None,
    tree_filter: Annotated[str | None, Parameter(help="Filter on some run of the trace.")] = None,
    start: Annotated[str | None, Parameter(help="Only what started at this time or later, such as 2026-11-01.")] = None,
    end: Annotated[str | None, Parameter(help="Only what started before this time.")] = None,
    content: Annotated[Content, Parameter(help="What a row is.")] = "runs",
    fields: Annotated[list[str] | None, Parameter(help="Columns, joined by commas or repeated.")] = None,
    everything: Annotated[bool, Parameter(name="--all", negative="", help="No limit.")] = False,
    limit: Annotated[int | None, Parameter(help=f"Most rows; {DEFAULT_LIMIT} when neither is given.")] = None,
    format_: Annotated[Format, Parameter(name="--format", help="Form of the result.")] = "jsonl",
    compression: Annotated[CompressionName | None, Parameter(help="Parquet is zstandard by default.")] = None,
    output: Annotated[Path | None, Parameter(alias="-o", help="File to write; else the standard output.")] = None,
    cursor: Annotated[str | None, Parameter(help="Go on from here; a broken pull prints the command.")] = None,
    url: Annotated[
        str | None,
        Parameter(help=f"Address of the server; default {URL_VARIABLE}, else {DEFAULT_URL}. Key: {KEY_VARIABLE}."),
    ] = None,
) -> None:
    """Pull runs, whole traces, feedback or flattened traces, by project and in order of start.

    Goes on by itself when a connection breaks. Ends with status 3 when the result is not whole, and prints the command
    that fetches the rest.
    """
    request = {
        "filter": filter_text,
        "project": project or None,
        "trace_filter": trace_filter,
        "tree_filter": tree_filter,
        "start_time": start,
        "end_time": end,
        "content": content,
        "fields": fields or None,
        "limit": _limit(everything, limit, format_),
    }
    columns = _columns(content, fields) if format_ == "table" else ()
    if columns:
        request["fields"] = fields_of(columns)
    wanted = _Wanted(
        request={name: value for name, value in request.items() if value is not None},
        format=format_,
        compression=compression,
        output=output,
        arguments=_arguments(request, format_, compression, url),
        columns=columns,
    )
    sys.exit(_run(wanted, ServerClient.from_environment(url), cursor))


def _columns(content: Content, fields: list[str] | None) -> tuple[TableColumn, ...]:
    if fields:
        return tuple(field_column(name) for field in fields for name in field.split(","))
    return _TABLE_COLUMNS[content]


def _limit(everything: bool, limit: int | None, format_: Format) -> int | None:
    if everything and limit is not None:
        raise SettingsError("--all and --limit exclude each other; give one of them")
    if limit is not None and limit < 1:
        raise SettingsError("--limit must be at least 1")
    if format_ == "table":
        if (limit or 0) > MAX_TABLE_ROWS:
            raise SettingsError(f"a table shows at most {MAX_TABLE_ROWS} rows; use --format jsonl for more")
        # One more than is shown tells that there are more.
        return MAX_TABLE_ROWS + 1 if everything else limit or DEFAULT_LIMIT
    return None if everything else limit or DEFAULT_LIMIT


def _run(wanted: _Wanted, server: ServerClient, cursor: str | None) -> int:
    from runlake.export.remote_pull import BrokenPullError, RemotePull  # noqa: PLC0415 -- slow; not for --help

    with _progress(wanted.output) as show:
        request = {**wanted.request, "total": show is not None and cursor is None}
        pull = RemotePull(server, request, time.sleep, cursor=cursor)
        try:
            if wanted.format == "table":
                return _show(wanted, pull)
            _write(wanted, pull, show)
        except BrokenPullError as error:
            print(f"runlake: {error.message}", file=sys.stderr)
        except KeyboardInterrupt:
            _print_rest(wanted, pull)
            return INTERRUPTED_EXIT
        else:
            return 0
    _print_rest(wanted, pull)
    return PARTIAL_EXIT


def _show(wanted: _Wanted, pull: RemotePull) -> int:
    """A table of all rows, or of as many as one shows, and then word that there are more."""
    rows = [row for batch in pull.batches() for row in batch.to_pylist()]
    table = lay_out(wanted.columns, rows[:MAX_TABLE_ROWS], width=_terminal_width())
    print(*table.lines, sep="\n")
    if table.notes:
        notes = "; ".join((*table.notes, "choose columns with --fields, or take --format jsonl, which cuts nothing"))
        print(f"runlake: {notes}", file=sys.stderr)
    if len(rows) <= MAX_TABLE_ROWS:
        return 0
    print(
        f"runlake: these are the first {MAX_TABLE_ROWS} rows, there are more; use --format jsonl for all",
        file=sys.stderr,
    )
    return PARTIAL_EXIT


def _terminal_width() -> int | None:
    """Cells a line; None where no terminal shows it, and nobody has said how wide it is."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return None


def _write(wanted: _Wanted, pull: RemotePull, show: Any) -> None:
    """Everything to where it goes. Where the pull breaks the file is ended, so that what came can be read."""
    with ExitStack() as files:
        batches = pull.batches()
        # Before the file is touched: a mistake in the request must not empty a file that is there.
        first = next(batches, None)
        sink = files.enter_context(wanted.output.open("wb") if wanted.output else nullcontext(sys.stdout.buffer))
        writer = _writer(wanted, pull, sink)
        try:
            for batch in _with_first(first, batches):
                writer.write(batch)
                if show is not None:
                    show(pull.rows, writer.bytes_written, pull.total)
        finally:
            writer.close()
            sink.flush()


def _with_first(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest


def _writer(wanted: _Wanted, pull: RemotePull, sink: Any) -> FileWriter:
    from runlake.export.formats import open_writer  # noqa: PLC0415 -- slow; not for --help

    usual = "zstandard" if wanted.format == "parquet" else "none"
    name = "zstandard" if wanted.compression == "zstd" else wanted.compression or usual
    return open_writer(FileFormat(wanted.format), Compression(name), pull.schema, sink)


def _arguments(
    request: Mapping[str, Any], format_: Format, compression: str | None, url: str | None
) -> tuple[str, ...]:
    """The command line again, without limit, cursor and file."""
    names = {"start_time": "--start", "end_time": "--end"}
    parts = ["runlake", "query"]
    if request["filter"]:
        parts.append(request["filter"])
    for name, value in request.items():
        if name in ("filter", "limit") or value is None or (name == "content" and value == "runs"):
            continue
        flag = names.get(name, "--" + name.replace("_", "-"))
        for item in value if isinstance(value, list) else [value]:
            parts += [flag, str(item)]
    parts += ["--format", format_]
    parts += ["--compression", compression] if compression else []
    parts += ["--url", url] if url else []
    return tuple(parts)


def _print_rest(wanted: _Wanted, pull: RemotePull) -> None:
    """Say what is there, and how to get the rest: into a file of its own, which is read together with the first."""
    limit = wanted.request.get("limit")
    parts = [*wanted.arguments, *(["--all"] if limit is None else ["--limit", str(limit - pull.rows)])]
    parts += ["--cursor", pull.cursor] if pull.cursor else []
    if wanted.output:
        parts += ["--output", str(_next_name(wanted.output) if pull.rows else wanted.output)]
    where = wanted.output or "the output"
    print(f"runlake: {where} has {pull.rows} rows and is not whole; the rest:", file=sys.stderr)
    print(f"  {shlex.join(parts)}", file=sys.stderr)


def _next_name(path: Path) -> Path:
    """``runs.parquet``, then ``runs-2.parquet``, and so on."""
    stem, _, number = path.stem.rpartition("-")
    if stem and number.isdecimal():
        return path.with_name(f"{stem}-{int(number) + 1}{path.suffix}")
    return path.with_name(f"{path.stem}-2{path.suffix}")


@contextmanager
def _progress(output: Path | None) -> Iterator[Any]:
    """A bar on a terminal: a function of rows, bytes and total. None where nobody looks, or the rows go there."""
    if not sys.stderr.isatty() or (output is None and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 -- slow; not for --help
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 -- as above

    columns = (
        TextColumn("{task.fields[rows]:,} rows"),
        BarColumn(),
        TextColumn("{task.fields[size]}"),
        TextColumn("{task.fields[rate]:,.0f} rows/s"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task("pull", total=None, rows=0, size="0 MB", rate=0.0)

        def show(rows: int, size_bytes: int, total: int | None) -> None:
            rate = rows / max(time.monotonic() - started, 0.001)
            progress.update(task, completed=rows, total=total, rows=rows, size=f"{size_bytes / 1e6:,.1f} MB", rate=rate)

        yield show
