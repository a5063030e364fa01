"""The ledger: is the file whole, and of a version that we know? Read only, beside a running server too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from uuid import UUID

from runlake.doctor.finding import Finding, error, note, or_well
from runlake.store.ledger import LEDGER_NAME
from runlake.store.ledger_schema import HEAD_REVISION

_CHECK: Final = "ledger"


def examine_ledger(data: Path) -> list[Finding]:
    """Integrity and revision."""
    return or_well(_CHECK, _problems(data / LEDGER_NAME), f"the ledger is whole and at revision {HEAD_REVISION}")


def known_projects(data: Path) -> set[tuple[UUID, UUID]] | None:
    """(tenant id, project id) of every project, deleted ones included; None when the ledger cannot be read."""
    try:
        with closing(_open(data / LEDGER_NAME)) as connection:
            rows = connection.execute("SELECT tenant_id, id FROM projects").fetchall()
    except sqlite3.Error:
        return None
    return {(UUID(str(tenant)), UUID(str(project))) for tenant, project in rows}


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _problems(path: Path) -> Iterator[Finding]:
    try:
        with closing(_open(path)) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as problem:
        yield _damaged(path, str(problem))
        return
    if answer != "ok":
        yield _damaged(path, str(answer))
    found = None if revision is None else str(revision[0])
    if found is None or found < HEAD_REVISION:
        yield note(
            _CHECK,
            f"the ledger is at revision {found}, and this version works with {HEAD_REVISION}",
            cause="it was written by an older version",
            cure="nothing to do, the next start upgrades it",
        )
    elif found > HEAD_REVISION:
        yield error(
            _CHECK,
            f"the ledger is at revision {found}, and this version knows {HEAD_REVISION}",
            cause="it was written by a newer version of Runlake",
            cure="start it with that version, or restore a backup made before the upgrade",
        )


def _damaged(path: Path, problem: str) -> Finding:
    return error(
        _CHECK,
        f"{path} is damaged: {problem}",
        cause="the disk lost or changed what was written, or the file was edited or copied while in use",
        cure="stop the server and restore a backup; runs themselves lie in the engine and are not affected",
    )
