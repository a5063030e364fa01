"""The commands ``runlake delete`` and ``runlake retention``: they ask a running server and print what it answers."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import App, Parameter

from runlake.errors import UserError
from runlake.server_client import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, ServerClient

_POLL_S: Final = 1.0
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")

Url = Annotated[
    str | None,
    Parameter(help=f"Address of the server; default {URL_VARIABLE}, else {DEFAULT_URL}. The key is in {KEY_VARIABLE}."),
]
Project = Annotated[str, Parameter(help="Name of the project.")]

retention_app: Final = App(name="retention", help="Say for how long traces are kept.")


def delete(
    *,
    project: Annotated[str | None, Parameter(help="Name of the project to delete from.")] = None,
    filter_text: Annotated[
        str | None, Parameter(name="--filter", help="Delete the traces of the runs that meet this filter.")
    ] = None,
    before: Annotated[str | None, Parameter(help="Only traces of runs that started at this time or before.")] = None,
    trace: Annotated[list[str] | None, Parameter(help="Id of a trace; may be repeated.")] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Count, and delete nothing.")] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    wait: Annotated[bool, Parameter(negative="", help="Return when no file holds any of it.")] = False,
    url: Url = None,
) -> None:
    """Delete whole traces, by filter or by id. They are gone from every answer when this returns."""
    server = ServerClient.from_environment(url)
    path, body = _order(server, project, filter_text, before, trace)
    # Another server of the same API knows no dry run and would delete at once; it has no list of deletions either.
    server.ask("GET", "/runs/delete")
    found = server.ask("POST", path, {**body, "dry_run": True})
    print(f"{_counts(found)}{' would be deleted' if dry_run else ''}")
    if dry_run or not _is_sure(yes=yes):
        return
    deletion = server.ask("POST", path, body)
    print(f"deletion {deletion['id']}: gone from every answer")
    if wait:
        _wait(server, deletion["id"])


@retention_app.command(name="set")
def set_retention(
    *,
    days: Annotated[str, Parameter(help="A number of days, forever, or default for that of the workspace.")],
    project: Annotated[str | None, Parameter(help="Name of the project; the default of all when absent.")] = None,
    url: Url = None,
) -> None:
    """Keep traces of a project, or of every project without a rule of its own, for so many days."""
    server = ServerClient.from_environment(url)
    path = _rule_path(server, project)
    if days == "default":
        if project is None:
            raise UserError("--days default needs --project, because it is the default that would be set")
        answer = server.ask("DELETE", path)
    else:
        answer = server.ask("PUT", path, {"days": None if days == "forever" else _whole(days)})
    print(_rule(answer))


@retention_app.command(name="show")
def show_retention(
    *,
    project: Annotated[str | None, Parameter(help="Name of the project; the default of all when absent.")] = None,
    url: Url = None,
) -> None:
    """Print for how long traces are kept."""
    server = ServerClient.from_environment(url)
    print(_rule(server.ask("GET", _rule_path(server, project))))


@retention_app.command(name="preview")
def preview_retention(
    *,
    project: Project,
    days: Annotated[int | None, Parameter(help="Days to try; the rule in force when absent.")] = None,
    url: Url = None,
) -> None:
    """Count what a rule would delete from a project now."""
    server = ServerClient.from_environment(url)
    query = {} if days is None else {"days": str(days)}
    print(f"{_counts(server.ask('GET', _rule_path(server, project) + '/preview', None, **query))} would be deleted")


def _order(
    server: ServerClient, project: str | None, filter_text: str | None, before: str | None, trace: list[str] | None
) -> tuple[str, dict[str, Any]]:
    if trace:
        if filter_text is not None or before is not None:
            raise UserError("give either --trace or --filter and --before, not both")
        session = {} if project is None else {"session_id": server.project_id(project)}
        return "/runs/delete", {"trace_ids": trace, **session}
    if project is None:
        raise UserError("name the project with --project, or traces with --trace")
    if filter_text is None and before is None:
        raise UserError("say which traces with --filter or --before; nothing is deleted without a condition")
    body = {"session": [server.project_id(project)], "filter": filter_text, "end_time": before}
    return "/runs/delete/query", {name: value for name, value in body.items() if value is not None}


def _is_sure(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserError("nothing was deleted; say --yes where nobody can be asked")
    return input("Delete? [y/N] ").strip().lower() in {"y", "yes"}


def _wait(server: ServerClient, deletion_id: str) -> None:
    shown = None
    while True:
        found = server.ask("GET", f"/runs/delete/{quote(deletion_id)}")
        if found["state"] == "done":
            print("done: no file holds any of it")
            return
        left = found["left"]
        line = f"{found['state']}: {left['runs']} runs on disk, about {_size(left['disk_bytes'])}"
        if line != shown:
            print(line, flush=True)
        shown = line
        time.sleep(_POLL_S)


def _rule_path(server: ServerClient, project: str | None) -> str:
    return "/retention" if project is None else f"/sessions/{server.project_id(project)}/retention"


def _rule(answer: Any) -> str:
    days = "for ever" if answer["days"] is None else f"for {answer['days']} days"
    return f"kept {days}{', by the default' if answer['inherited'] else ''}"


def _counts(found: Any) -> str:
    parts = (("traces", "trace"), ("runs", "run"), ("feedback", "feedback"))
    counted = ", ".join(f"{found[name]} {one if found[name] == 1 else name}" for name, one in parts)
    return f"{counted}, about {_size(found['disk_bytes'])} on disk"


def _size(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < 1000:  # noqa: PLR2004 -- the step between units
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.0f} {_UNITS[-1]}"


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"--days {text!r} is not a number of days, forever or default")
    return int(text)
