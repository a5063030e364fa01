"""The command ``runlake export``: asks a server to export, follows it, and proves what has arrived.

What scripts want goes to standard output, everything for people to standard error. The exit status is 0 only when an
export is complete, or whole.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from cyclopts import App, Parameter

from runlake.errors import SettingsError, UserError
from runlake.export.local_directory import LocalDirectory
from runlake.export.object_store import open_from_environment
from runlake.model.export_destination import LocalPlace
from runlake.server_client import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, ServerClient

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from runlake.export.manifest import Manifest
    from runlake.export.storage import Storage
    from runlake.export.verify import Verification

_POLL_S: Final = 1.0
_UNFINISHED: Final = frozenset({"Created", "Running"})
_EXPORTS: Final = "/bulk-exports"
_DESTINATIONS: Final = "/bulk-exports/destinations"

Url = Annotated[
    str | None,
    Parameter(help=f"Address of the server; default {URL_VARIABLE}, else {DEFAULT_URL}. The key is in {KEY_VARIABLE}."),
]
ExportId = Annotated[str, Parameter(name="EXPORT", help="Id of an export.")]

export_app: Final = App(name="export", help="Export traces to a bucket or a directory, and prove that they arrived.")
destinations_app: Final = App(name="destinations", help="List and create the places that exports go to.")
export_app.command(destinations_app)


@export_app.command(name="run")
def run_export(
    *,
    to: Annotated[str, Parameter(help="Name or id of a destination.")],
    start: Annotated[str, Parameter(help="First moment, such as 2026-01-02 or 2026-01-02T03:04:05Z.")],
    end: Annotated[str | None, Parameter(help="The moment to end before; default now, none with --every.")] = None,
    project: Annotated[list[str] | None, Parameter(help="Name of a project; may be repeated.")] = None,
    all_experiments: Annotated[bool, Parameter(negative="", help="Every experiment instead of projects.")] = False,
    every: Annotated[int | None, Parameter(help="Make it a schedule that exports every so many hours.")] = None,
    include_changes: Annotated[
        bool, Parameter(negative="", help="With --every: export again what changed since the window before.")
    ] = False,
    filter_text: Annotated[str | None, Parameter(name="--filter", help="Only runs that meet this filter.")] = None,
    trace_filter: Annotated[str | None, Parameter(help="Only runs whose root meets this filter.")] = None,
    tree_filter: Annotated[str | None, Parameter(help="Only runs with such a run in their trace.")] = None,
    content: Annotated[
        Literal["runs", "traces", "feedback", "flattened"], Parameter(help="What a row is; traces: all their runs.")
    ] = "runs",
    file_format: Annotated[
        Literal["Parquet", "JSONL", "Arrow", "CSV"], Parameter(name="--format", help="Form of the files.")
    ] = "Parquet",
    compression: Annotated[str | None, Parameter(help="zstandard, gzip, snappy or none.")] = None,
    field: Annotated[list[str] | None, Parameter(help="A column; may be repeated; default all.")] = None,
    files: Annotated[
        list[Literal["attachment", "payload"]] | None,
        Parameter(
            help="What of the runs to write as files of their own: attachments, large payloads; may be repeated."
        ),
    ] = None,
    watch: Annotated[bool, Parameter(help="Wait until it has ended.")] = True,
    url: Url = None,
) -> None:
    """Start an export, print its id and follow it; the server goes on whether or not anybody watches."""
    server = ServerClient.from_environment(url)
    body: dict[str, Any] = {
        "bulk_export_destination_id": _destination_id(server, to),
        "session_ids": [server.project_id(name) for name in project or ()] or None,
        "all_experiments": all_experiments,
        "start_time": start,
        "end_time": end or (None if every else _now()),
        "interval_hours": every,
        "include_changes": include_changes,
        "filter": filter_text,
        "trace_filter": trace_filter,
        "tree_filter": tree_filter,
        "content": content,
        "format": file_format,
        "compression": compression,
        "export_fields": field or None,
        "include_files": files or None,
    }
    export = server.ask("POST", _EXPORTS, {name: value for name, value in body.items() if value is not None})
    print(export["id"], flush=True)
    if watch and every is None:
        _follow(server, export)


@export_app.command(name="list")
def list_exports(*, url: Url = None) -> None:
    """Print exports and schedules, newest first: id, status, days done, rows, window."""
    for export in ServerClient.from_environment(url).ask("GET", _EXPORTS):
        progress = export["progress"]
        window = f"{export['start_time'][:16]} to {(export['end_time'] or 'on')[:16]}"
        days = f"{progress['runs_completed']}/{progress['runs_total']} days"
        print(f"{export['id']}  {export['status']:<17}  {days:>12}  {progress['rows_written']:>12,} rows  {window}")


@export_app.command(name="watch")
def watch_export(export_id: ExportId, /, *, url: Url = None) -> None:
    """Follow an export until it has ended; the exit status is 0 when it is complete."""
    server = ServerClient.from_environment(url)
    _follow(server, server.ask("GET", f"{_EXPORTS}/{export_id}"))


@export_app.command(name="cancel")
def cancel_export(export_id: ExportId, /, *, url: Url = None) -> None:
    """Stop an export or a schedule; days that are complete stay where they are."""
    server = ServerClient.from_environment(url)
    export = server.ask("PATCH", f"{_EXPORTS}/{export_id}", {"status": "Cancelled"})
    print(f"{export['id']} {export['status']}; to go on: runlake export resume {export['id']}", file=sys.stderr)


@export_app.command(name="resume")
def resume_export(export_id: ExportId, /, *, watch: bool = True, url: Url = None) -> None:
    """Go on with a cancelled export or schedule."""
    _go_on(ServerClient.from_environment(url), export_id, "resume", watch=watch)


@export_app.command(name="retry")
def retry_export(export_id: ExportId, /, *, watch: bool = True, url: Url = None) -> None:
    """Export the days of an export again that failed, and no others."""
    _go_on(ServerClient.from_environment(url), export_id, "retry", watch=watch)


@export_app.command(name="verify")
def verify_export(
    place: Annotated[str, Parameter(name="PLACE", help="Folder of an export, as a path or s3://bucket/path.")],
    /,
    *,
    store: Annotated[bool, Parameter(negative="", help="Compare with the server's store too.")] = False,
    url: Url = None,
) -> None:
    """Read an export again: counts, checksums and ids against its manifest, and with --store against the server.

    A bucket is read with the credentials and the endpoint in the usual AWS_* variables.
    """
    from runlake.export.store_comparison import ServerComparison  # noqa: PLC0415 -- slow to import
    from runlake.export.verify import Verifier  # noqa: PLC0415 -- slow to import

    server = ServerClient.from_environment(url) if store else None
    with _Bar() as bar:
        verifier = Verifier(
            storage=_open_place(place),
            stored_ids=None if server is None else ServerComparison(server),
            advance=bar.advance_bytes,
        )
        found = verifier.verify()
    _report(found, compared=store)


@destinations_app.command(name="list")
def list_destinations(*, url: Url = None) -> None:
    """Print destinations: id, type, name, place."""
    for destination in ServerClient.from_environment(url).ask("GET", _DESTINATIONS):
        config = destination["config"]
        place = "/".join(part for part in (config.get("bucket_name") or config.get("path"), config["prefix"]) if part)
        print(f"{destination['id']}  {destination['destination_type']:<6}  {destination['display_name']}  {place}")


@destinations_app.command(name="create")
def create_destination(
    name: Annotated[str, Parameter(name="NAME", help="What to call it.")],
    /,
    *,
    path: Annotated[str | None, Parameter(help="A directory of the server's machine.")] = None,
    bucket: Annotated[str | None, Parameter(help="A bucket; its keys are read from the AWS_* variables.")] = None,
    prefix: Annotated[str | None, Parameter(help="Folder in it.")] = None,
    region: Annotated[str | None, Parameter(help="Region of AWS.")] = None,
    endpoint_url: Annotated[str | None, Parameter(help="Address of another S3-compatible store.")] = None,
    url: Url = None,
) -> None:
    """Create a destination and print its id; the server writes a small file there first."""
    if (path is None) == (bucket is None):
        raise SettingsError("give --path for a directory or --bucket for a bucket")
    body: dict[str, Any] = {"display_name": name, "destination_type": "local", "config": {"path": path}}
    if bucket is not None:
        config = {"bucket_name": bucket, "region": region, "endpoint_url": endpoint_url}
        body |= {"destination_type": "s3", "config": config, "credentials": _aws_credentials(os.environ)}
    body["config"]["prefix"] = prefix
    destination = ServerClient.from_environment(url).ask("POST", _DESTINATIONS, body)
    print(destination["id"])


def _destination_id(server: ServerClient, wanted: str) -> str:
    known = server.ask("GET", _DESTINATIONS)
    found = [item["id"] for item in known if wanted in {item["id"], item["display_name"]}]
    if len(found) == 1:
        return str(found[0])
    names = ", ".join(repr(item["display_name"]) for item in known) or "none yet: runlake export destinations create"
    problem = "several destinations have" if found else "no destination has"
    raise UserError(f"{problem} the name or id {wanted!r}; there are {names}")


def _aws_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    names = {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    }
    found = {name: environment[variable] for name, variable in names.items() if environment.get(variable)}
    if not {"access_key_id", "secret_access_key"} <= found.keys():
        raise SettingsError("a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _go_on(server: ServerClient, export_id: str, verb: str, *, watch: bool) -> None:
    export = server.ask("POST", f"{_EXPORTS}/{export_id}/{verb}")
    if watch and export["interval_hours"] is None:
        _follow(server, export)


def _follow(server: ServerClient, export: dict[str, Any]) -> None:
    """Wait for the end, and exit with status 1 and the command that goes on unless all of it is there."""
    export_id = export["id"]
    if export["status"] == "IntervalScheduled":
        raise UserError(f"{export_id} is a schedule and does not end; runlake export list shows what it has made")
    with _Bar() as bar:
        while export["status"] in _UNFINISHED:
            bar.show(export)
            time.sleep(_POLL_S if export["progress"]["runs_completed"] else _POLL_S / 5)
            export = server.ask("GET", f"{_EXPORTS}/{export_id}")
        bar.show(export)
    progress = export["progress"]
    done = f"{progress['rows_written']:,} rows in {progress['exported_files']:,} files"
    if export["status"] == "Completed":
        print(f"complete: {done}; manifest {export['manifest']}", file=sys.stderr)
        return
    print(f"{export['status'].lower()}: {done} of {progress['runs_total']} days so far", file=sys.stderr)
    for run in server.ask("GET", f"{_EXPORTS}/{export_id}/runs"):
        if run["status"] in {"Failed", "TimedOut"}:
            last = list(run["errors"].values())[-1:]
            print(f"  {run['start_time'][:10]} {run['status']}: {' '.join(last)}", file=sys.stderr)
    verb = "resume" if export["status"] == "Cancelled" else "retry"
    print(f"to go on: runlake export {verb} {export_id}", file=sys.stderr)
    sys.exit(1)


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._bytes = 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 -- only where somebody looks
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 -- ditto

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[detail]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._progress.add_task("export", total=None, detail="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, export: Mapping[str, Any]) -> None:
        progress = export["progress"]
        rows, total = progress["rows_written"], progress["estimated_rows"]
        by_days = total is None
        done, of = (progress["runs_completed"], progress["runs_total"]) if by_days else (rows, total)
        detail = f"{rows:,} rows  {progress['bytes_written'] / 1e6:,.1f} MB  {progress['exported_files']} files"
        self._update(export["status"], done, of, detail)

    def advance_bytes(self, manifest: Manifest, size_bytes: int) -> None:
        self._bytes += size_bytes
        self._update("verify", self._bytes, manifest.bytes, f"{self._bytes / 1e6:,.1f} MB")

    def _update(self, description: str, done: int, total: int, detail: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=description, completed=done, total=total, detail=detail)


def _open_place(place: str) -> Storage:
    if "://" in place:
        return open_from_environment(place)
    folder = Path(place).resolve()
    folder = folder.parent if folder.is_file() else folder
    return LocalDirectory(LocalPlace(path=str(folder)), (folder,))


def _report(found: Verification, *, compared: bool) -> None:
    for problem in found.problems:
        print(problem)
    read = f"{found.files:,} files, {found.rows:,} rows, {found.bytes / 1e6:,.1f} MB read"
    if compared:
        read += f"; {found.compared:,} rows of the store compared, {found.newer:,} of them came later"
    print(f"{read}: {'whole' if not found.problems else f'{len(found.problems)} problems'}", file=sys.stderr)
    if found.problems:
        sys.exit(1)
