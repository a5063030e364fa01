"""The commands ``runlake keys`` and ``runlake tenants``: a new key goes to standard output, all else is for people."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import App, Parameter

from runlake.config import load_settings
from runlake.errors import SettingsError

if TYPE_CHECKING:
    from runlake.access_admin import AccessAdmin
    from runlake.wire.access import KeyBody

KEY_VARIABLE: Final = "LANGSMITH_API_KEY"
_AGE: Final = re.compile(r"(\d{1,5})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

Data = Annotated[Path | None, Parameter(help="Data directory of a stopped server; default as for serve.")]
Url = Annotated[str | None, Parameter(help=f"Address of a running server, asked with the key in {KEY_VARIABLE}.")]
OfTenant = Annotated[str | None, Parameter(name="--tenant", help="Name or id; default the first, or the key's own.")]
PerMinute = Annotated[int | None, Parameter(help="Requests a minute; 0 for no limit, default as the server is set.")]

keys_app: Final = App(name="keys", help="Create, list and revoke API keys.")
tenants_app: Final = App(name="tenants", help="Create and list tenants.")


@keys_app.command(name="create")
def create_key(
    *,
    scope: Annotated[list[str], Parameter(help="ingest, read, admin, operator or metrics; may be repeated.")],
    name: Annotated[str | None, Parameter(help="What the key is for.")] = None,
    expires: Annotated[str | None, Parameter(help="After 12h, 90d, 8w, or at a time such as 2027-01-31.")] = None,
    ingest_per_minute: PerMinute = None,
    query_per_minute: PerMinute = None,
    export_per_minute: PerMinute = None,
    tenant: OfTenant = None,
    data: Data = None,
    url: Url = None,
) -> None:
    """Make a key and print it, this once: only its digest is kept."""
    body: dict[str, Any] = {
        "description": name,
        "scopes": [part for item in scope for part in item.split(",")],
        "expires_at": None if expires is None else _read_expiry(expires),
        "ingest_per_minute": ingest_per_minute,
        "query_per_minute": query_per_minute,
        "export_per_minute": export_per_minute,
    }
    with _admin(data, url, create=True) as admin:
        key = admin.create_key(tenant, body)
    print(key.key)
    print(f"key {key.id} ({', '.join(key.scopes)}) is made; keep it, it is not shown again", file=sys.stderr)


@keys_app.command(name="list")
def list_keys(
    *,
    revoked: Annotated[bool, Parameter(help="Revoked ones too.", negative="")] = False,
    tenant: OfTenant = None,
    data: Data = None,
    url: Url = None,
) -> None:
    """Show the keys of a tenant, the newest first."""
    with _admin(data, url) as admin:
        keys = admin.list_keys(tenant, with_revoked=revoked)
    head = ("ID", "KEY", "SCOPES", "NAME", "CREATED", "EXPIRES", "LAST USED", *(("REVOKED",) if revoked else ()))
    _print_table([head, *(_key_row(key, revoked=revoked) for key in keys)])


@keys_app.command(name="revoke")
def revoke_key(
    key_id: Annotated[str, Parameter(name="ID", help="As `runlake keys list` shows it.")],
    /,
    *,
    tenant: OfTenant = None,
    data: Data = None,
    url: Url = None,
) -> None:
    """Have a key open nothing any more."""
    with _admin(data, url) as admin:
        key = admin.revoke_key(tenant, key_id)
    print(f"key {key.id} ({key.description}) is revoked")


@tenants_app.command(name="create")
def create_tenant(
    name: Annotated[str, Parameter(name="NAME", help="One line, not taken yet.")],
    /,
    *,
    data: Data = None,
    url: Url = None,
) -> None:
    """Make a tenant, whose data no key of another one sees."""
    with _admin(data, url, create=True) as admin:
        tenant = admin.create_tenant(name)
    print(tenant.id)


@tenants_app.command(name="list")
def list_tenants(*, data: Data = None, url: Url = None) -> None:
    """Show the tenants, the oldest first; over HTTP those that the key may see."""
    with _admin(data, url) as admin:
        tenants = admin.list_tenants()
    _print_table([("ID", "NAME", "CREATED"), *((str(t.id), t.display_name, _minute(t.created_at)) for t in tenants)])


@contextmanager
def _admin(data: Path | None, url: str | None, *, create: bool = False) -> Iterator[AccessAdmin]:
    from runlake.access_admin import DirectoryAdmin, HttpAdmin  # noqa: PLC0415 -- slow, and not needed for --help

    if data is not None and url is not None:
        raise SettingsError("--data and --url are two places; give one of them")
    if url is not None:
        yield HttpAdmin(url, os.environ.get(KEY_VARIABLE))
        return
    flags = {} if data is None else {"data": str(data)}
    with DirectoryAdmin.open(load_settings(flags=flags, environment=os.environ).data, create=create) as admin:
        yield admin


def _read_expiry(text: str) -> str:
    if found := _AGE.fullmatch(text.strip()):
        return (datetime.now(UTC) + int(found[1]) * _UNITS[found[2]]).isoformat()
    return text


def _key_row(key: KeyBody, *, revoked: bool) -> tuple[str, ...]:
    row = (
        str(key.id),
        key.short_key,
        ",".join(key.scopes),
        key.description,
        _minute(key.created_at),
        _minute(key.expires_at),
        _minute(key.last_used_at),
    )
    return (*row, _minute(key.revoked_at)) if revoked else row


def _minute(time: str | None) -> str:
    return "-" if time is None else time[:16].replace("T", " ")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
