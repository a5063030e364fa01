"""The commands ``runlake doctor``, ``runlake backup`` and ``runlake restore``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from runlake.backup.restore import restore_backup, verify_backup
from runlake.backup.save import save_backup
from runlake.config import load_settings
from runlake.server_client import KEY_VARIABLE
from runlake.store.buckets import OBJECTS_FOLDER
from runlake.store.snapshots import made_at_text

DataFlag = Annotated[Path | None, Parameter(help="Data directory; default as for serve.")]
_MIB: Final = 1 << 20


def backup(
    repository: Annotated[Path, Parameter(name="DIR", help="Folder of backups; created when missing.")],
    /,
    *,
    data: DataFlag = None,
    url: Annotated[
        str | None, Parameter(help=f"Address of the server, when it cannot be found out; asked with {KEY_VARIABLE}.")
    ] = None,
    check: Annotated[bool, Parameter(help="Read everything again afterwards.", negative="")] = False,
) -> None:
    """Back a data directory up, whether a server uses it or not; only what is new since the last backup is copied."""
    from runlake.backup.source import snapshot_of  # noqa: PLC0415 -- slow, and not needed for --help

    settings = load_settings(flags={} if data is None else {"data": str(data)}, environment=os.environ)
    objects = settings.data / OBJECTS_FOLDER if settings.objects_url is None else None
    with snapshot_of(settings.data, url=url, api_key=os.environ.get(KEY_VARIABLE)) as snapshot:
        saved = save_backup(snapshot, objects, repository)
    if check:
        verify_backup(saved.path)
    print(saved.path)
    print(
        f"{saved.files} files, {saved.size_bytes / _MIB:.1f} MiB, of which {saved.copied_bytes / _MIB:.1f} MiB are new"
        + (", all checked" if check else "")
    )
    if objects is None:
        print(f"attachments and large payloads lie in {settings.objects_url} and are not part of this backup")


def restore(
    source: Annotated[Path, Parameter(name="BACKUP", help="A backup, or a folder of backups: then the newest one.")],
    /,
    *,
    data: Annotated[Path, Parameter(help="Data directory to make; must not exist or be empty.")],
) -> None:
    """Make a data directory from a backup; every file is held against its checksum."""
    done = restore_backup(source, data)
    print(f"{data} is as it was at {made_at_text(done.made_at)}: {done.files} files, {done.size_bytes / _MIB:.1f} MiB")
    print(f"start it with: runlake serve --data {data}")


def doctor(
    *,
    data: DataFlag = None,
    url: Annotated[str | None, Parameter(help="Address of the server, when it cannot be found out.")] = None,
    deep: Annotated[bool, Parameter(help="Read everything and check it; stopped servers only.", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="For programs.", negative="")] = False,
) -> None:
    """Examine a data directory, in use or not. Ends with 0 when all is well, 1 with warnings, 2 with errors."""
    from runlake.doctor.examine import examine  # noqa: PLC0415 -- slow, and not needed for --help

    settings = load_settings(flags={} if data is None else {"data": str(data)}, environment=os.environ)
    report = examine(settings, now_us=time.time_ns() // 1000, url=url, api_key=os.environ.get(KEY_VARIABLE), deep=deep)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        for finding in report.findings:
            print(f"{finding.severity.value:8}{finding.check}: {finding.says}")
            for name, text in (("because", finding.cause), ("cure", finding.cure)):
                if text:
                    print(f"{'':10}{name}: {text}")
    sys.exit(report.exit_status)


OPERATION_COMMANDS: Final[tuple[Callable[..., Any], ...]] = (doctor, backup, restore)
