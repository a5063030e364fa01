"""Keys and tenants as clients write and read them; the wire calls a tenant a workspace.

The paths, ``short_key``, ``read_only``, ``description`` and the shape of a workspace are documented upstream, scopes
and limits are our choice. Unlike elsewhere unknown members of a body are refused: a misspelt ``expires_at`` that is
ignored makes a key that never ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.access import ApiKey, KeyScope, KeySpec, RateLimits, Tenant
from runlake.wire.json_text import decode_value
from runlake.wire.scalars import read_id, read_time
from runlake.wire.times import format_time

DEFAULT_SCOPES: Final = frozenset({KeyScope.INGEST, KeyScope.READ})
DEFAULT_KEY_NAME: Final = "api key"
MAX_NAME_CHARS: Final = 200
_LIMIT_NAMES: Final = ("ingest_per_minute", "query_per_minute", "export_per_minute")
_MAX_PER_MINUTE: Final = 2**31 - 1
_HANDLE: Final = re.compile(r"[a-z][a-z0-9_-]*")


class KeyCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /api-key``. Without ``scopes`` a key may ingest and read, or with ``read_only`` read."""

    description: str | None = None
    scopes: list[str] | None = None
    read_only: bool | None = None
    expires_at: str | None = None
    ingest_per_minute: int | None = None
    query_per_minute: int | None = None
    export_per_minute: int | None = None


class KeyBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key. ``key`` itself is there in the answer that creates it and never again."""

    id: UUID
    tenant_id: UUID
    description: str
    short_key: str
    scopes: tuple[str, ...]
    read_only: bool
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    ingest_per_minute: int | None
    query_per_minute: int | None
    export_per_minute: int | None
    key: str | msgspec.UnsetType = msgspec.UNSET


class WorkspaceCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /workspaces``."""

    display_name: str
    id: UUID | None = None


class WorkspaceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant."""

    id: UUID
    organization_id: UUID
    display_name: str
    created_at: str
    tenant_handle: str | None
    is_personal: bool = False
    is_deleted: bool = False
    read_only: bool = False
    permissions: tuple[str, ...] = ()


class OrganizationBody(msgspec.Struct, frozen=True, kw_only=True):
    """The server as the one organization of all its tenants."""

    id: UUID
    display_name: str
    created_at: str
    is_personal: bool = False


class SettingsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What SDKs read before they work with prompts."""

    id: UUID
    display_name: str
    created_at: str
    tenant_handle: str | None


def read_key_create(body: bytes) -> KeySpec:
    """The key that a ``POST /api-key`` asks for."""
    sent = _members(body, KeyCreate.__struct_fields__)
    expires_at = sent.get("expires_at")
    return KeySpec(
        name=read_name(sent.get("description") or DEFAULT_KEY_NAME, "description"),
        scopes=_scopes(sent.get("scopes"), read_only=_flag(sent.get("read_only"), "read_only")),
        expires_at=None if expires_at is None else read_time(expires_at, "expires_at"),
        limits=RateLimits(**{name: _per_minute(sent.get(name), name) for name in _LIMIT_NAMES}),
    )


def read_workspace_create(body: bytes) -> tuple[str, UUID | None]:
    """Name and, where one was given, id of the tenant that a ``POST /workspaces`` asks for."""
    sent = _members(body, WorkspaceCreate.__struct_fields__)
    return read_name(sent.get("display_name"), "display_name"), read_id(sent.get("id"), "id")


def read_scopes(names: list[str], field: str) -> frozenset[KeyScope]:
    """Scopes by name; InvalidError names the one that is none."""
    known = {scope.value: scope for scope in KeyScope}
    for name in names:
        if name not in known:
            raise InvalidError(f"{field} {name[:60]!r} is not known; accepted are {', '.join(known)}", field=field)
    if not names:
        raise InvalidError(f"{field} is empty; accepted are {', '.join(known)}", field=field)
    return frozenset(known[name] for name in names)


def read_name(value: object, field: str) -> str:
    """A name for people: one line of text."""
    if isinstance(value, str) and value.strip() and len(value) <= MAX_NAME_CHARS and value.isprintable():
        return value.strip()
    raise InvalidError(f"{field} must be one line of 1 to {MAX_NAME_CHARS} characters", field=field)


def key_body(key: ApiKey, *, text: str | None = None) -> KeyBody:
    """The wire object; ``text`` is the key itself, for the one answer that shows it."""
    return KeyBody(
        id=key.id,
        tenant_id=key.tenant_id,
        description=key.name,
        short_key=key.hint,
        scopes=tuple(sorted(scope.value for scope in key.scopes)),
        read_only=key.scopes == {KeyScope.READ},
        created_at=format_time(key.created_at),
        expires_at=_time(key.expires_at),
        revoked_at=_time(key.revoked_at),
        last_used_at=_time(key.last_used_at),
        ingest_per_minute=key.limits.ingest_per_minute,
        query_per_minute=key.limits.query_per_minute,
        export_per_minute=key.limits.export_per_minute,
        key=msgspec.UNSET if text is None else text,
    )


def workspace_body(tenant: Tenant, *, organization_id: UUID, scopes: frozenset[KeyScope]) -> WorkspaceBody:
    return WorkspaceBody(
        id=tenant.id,
        organization_id=organization_id,
        display_name=tenant.name,
        created_at=format_time(tenant.created_at),
        tenant_handle=_handle(tenant.name),
        read_only=scopes == {KeyScope.READ},
        permissions=tuple(sorted(scope.value for scope in scopes)),
    )


def settings_body(tenant: Tenant) -> SettingsBody:
    return SettingsBody(
        id=tenant.id,
        display_name=tenant.name,
        created_at=format_time(tenant.created_at),
        tenant_handle=_handle(tenant.name),
    )


def _handle(name: str) -> str | None:
    """The name where it can stand in the name of a prompt (``handle/prompt``), else none."""
    return name if _HANDLE.fullmatch(name) else None


def _time(moment_us: int | None) -> str | None:
    return None if moment_us is None else format_time(moment_us)


def _members(body: bytes, known: tuple[str, ...]) -> Mapping[str, Any]:
    sent = decode_value(body)
    if not isinstance(sent, dict):
        raise MalformedError(f"the body must be a JSON object with some of {', '.join(known)}")
    for name in sent:
        if name not in known:
            raise InvalidError(
                f"{name[:60]} is not a member of this body; accepted are {', '.join(known)}", field=name[:60]
            )
    return sent


def _scopes(value: object, *, read_only: bool) -> frozenset[KeyScope]:
    if value is None:
        return frozenset({KeyScope.READ}) if read_only else DEFAULT_SCOPES
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidError("scopes must be a list of texts", field="scopes")
    scopes = read_scopes(value, "scopes")
    if read_only and scopes != {KeyScope.READ}:
        raise InvalidError("read_only contradicts scopes; send one of the two", field="read_only")
    return scopes


def _flag(value: object, field: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidError(f"{field} must be true, false or null", field=field)


def _per_minute(value: object, field: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_PER_MINUTE:
        return value
    raise InvalidError(f"{field} must be a number of requests a minute, 0 for no limit, or null", field=field)
