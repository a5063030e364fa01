"""The command ``runlake query``: everything that matches, from a running server into a file, a pipe or a table.

It pulls Arrow and writes files itself, so that a broken connection is gone on from exactly, whatever the format.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from runlake.errors import SettingsError
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
_TABLE_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "runs": ("start_time", "name", "run_type", "status", "total_tokens", "error", "id"),
    "feedback": ("created_at", "key", "score", "value", "comment", "run_id"),
    "flattened": (
        "start_time", "name", "status", "latency_s", "run_count", "error_count", "tools_used", "trace_id",
    ),
}  # fmt: skip

_MIN_WIDTHS: Final[Mapping[str, int]] = {"start_time": 19, "created_at": 19}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A pull and where it goes, as given on the command line."""

    request: Mapping[str, Any]
    format: Format
    compression: str | None
    output: Path | None
    arguments: tuple[str, ...]


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
    if format_ == "table" and not fields:
        request["fields"] = list(_TABLE_COLUMNS.get(content, _TABLE_COLUMNS["runs"]))
    wanted = _Wanted(
        request={name: value for name, value in request.items() if value is not None},
        format=format_,
        compression=compression,
        output=output,
        arguments=_arguments(request, format_, compression, url),
    )
    sys.exit(_run(wanted, ServerClient.from_environment(url), cursor))


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
    _print_table(rows[:MAX_TABLE_ROWS], wanted.request["fields"])
    if len(rows) <= MAX_TABLE_ROWS:
        return 0
    print(
        f"runlake: these are the first {MAX_TABLE_ROWS} rows, there are more; use --format jsonl for all",
        file=sys.stderr,
    )
    return PARTIAL_EXIT


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
    from runlake.model.export_content import Compression, FileFormat  # noqa: PLC0415 -- as above

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


def _print_table(rows: list[dict[str, Any]], fields: list[str]) -> None:
    from rich.console import Console  # noqa: PLC0415 -- slow; not for --help
    from rich.table import Table  # noqa: PLC0415 -- as above

    names = [name for field in fields for name in field.split(",")]
    table = Table(box=None, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=_MIN_WIDTHS.get(name, 3))
    for row in rows:
        table.add_row(*(_shown(row[name]) for name in names))
    Console(markup=False, emoji=False).print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S"))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())[:80]
