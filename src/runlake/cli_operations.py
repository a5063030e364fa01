"""The commands ``runlake backup`` and ``runlake restore``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from runlake.config import load_settings
from runlake.server_client import KEY_VARIABLE

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
    from runlake.backup.restore import verify_backup  # noqa: PLC0415 -- slow, and not needed for --help
    from runlake.backup.save import OBJECTS_FOLDER, save_backup  # noqa: PLC0415 -- as above
    from runlake.backup.source import snapshot_of  # noqa: PLC0415 -- as above

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
    from runlake.backup.restore import restore_backup  # noqa: PLC0415 -- slow, and not needed for --help
    from runlake.store.snapshots import made_at_text  # noqa: PLC0415 -- as above

    done = restore_backup(source, data)
    print(f"{data} is as it was at {made_at_text(done.made_at)}: {done.files} files, {done.size_bytes / _MIB:.1f} MiB")
    print(f"start it with: runlake serve --data {data}")


OPERATION_COMMANDS: Final[tuple[Callable[..., Any], ...]] = (backup, restore)
