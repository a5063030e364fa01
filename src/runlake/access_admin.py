"""Keys and tenants for the command line: in the data directory of a stopped server, or over HTTP at a running one.

Both ways take the same requests and give the same answers, those of the API.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import msgspec

from runlake.api.key_ring import KeyRing
from runlake.api.parameters import read_path_id
from runlake.errors import NotFoundError, RunlakeError, SettingsError, StoreUnavailableError, UserError
from runlake.model.access import KeyScope
from runlake.store.access_ledger import AccessLedger
from runlake.store.ledger import LEDGER_NAME, Ledger
from runlake.store.lock import DataLock
from runlake.wire.access import KeyBody, WorkspaceBody, key_body, read_key_create, read_name, workspace_body

_TIMEOUT_S: Final = 30
BodyT = TypeVar("BodyT")


class AccessAdmin(Protocol):
    """``tenant`` is a name or an id; None is the default tenant of a directory, or the tenant of the key over HTTP."""

    def create_key(self, tenant: str | None, body: Mapping[str, Any]) -> KeyBody: ...
    def list_keys(self, tenant: str | None, *, with_revoked: bool) -> list[KeyBody]: ...
    def revoke_key(self, tenant: str | None, key_id: str) -> KeyBody: ...
    def create_tenant(self, name: str) -> WorkspaceBody: ...
    def list_tenants(self) -> list[WorkspaceBody]: ...


class DirectoryAdmin:
    """Works on the ledger of a data directory that no server uses."""

    def __init__(self, ring: KeyRing, default_tenant_id: UUID) -> None:
        self._ring = ring
        self._default_tenant_id = default_tenant_id

    @classmethod
    @contextmanager
    def open(cls, data: Path, *, create: bool) -> Iterator[DirectoryAdmin]:
        """Lock the directory; SettingsError when a server holds it, or when it is none and ``create`` is not set."""
        if not create and not (data / LEDGER_NAME).exists():
            raise SettingsError(f"{data} is no data directory of Runlake; give one with --data", field="data")
        lock = _lock(data)
        try:
            ledger = Ledger.open(data / LEDGER_NAME, now=_now_us, new_id=uuid.uuid4)
            try:
                yield cls(KeyRing(AccessLedger(ledger), now_us=_now_us, new_id=uuid.uuid4), ledger.default_tenant_id)
            finally:
                ledger.close()
        finally:
            lock.release()

    def create_key(self, tenant: str | None, body: Mapping[str, Any]) -> KeyBody:
        spec = read_key_create(json.dumps(body).encode())
        key, text = self._ring.create_key(self._tenant_id(tenant), spec)
        return key_body(key, text=text)

    def list_keys(self, tenant: str | None, *, with_revoked: bool) -> list[KeyBody]:
        keys = self._ring.list_keys(self._tenant_id(tenant), with_revoked=with_revoked)
        return [key_body(key) for key in keys]

    def revoke_key(self, tenant: str | None, key_id: str) -> KeyBody:
        return key_body(self._ring.revoke_key(self._tenant_id(tenant), read_path_id(key_id, "key_id")))

    def create_tenant(self, name: str) -> WorkspaceBody:
        tenant = self._ring.create_tenant(read_name(name, "name"))
        return workspace_body(tenant, organization_id=self._default_tenant_id, scopes=frozenset(KeyScope))

    def list_tenants(self) -> list[WorkspaceBody]:
        return [
            workspace_body(tenant, organization_id=self._default_tenant_id, scopes=frozenset(KeyScope))
            for tenant in self._ring.tenants()
        ]

    def _tenant_id(self, tenant: str | None) -> UUID:
        return self._default_tenant_id if tenant is None else _find_tenant(self.list_tenants(), tenant)


class HttpAdmin:
    """Asks a running server, with an admin's or operator's key."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise SettingsError(f"--url must be the address of a server, such as http://127.0.0.1:1984, not {url!r}")
        self._url = url.rstrip("/")
        self._api_key = api_key

    def create_key(self, tenant: str | None, body: Mapping[str, Any]) -> KeyBody:
        return self._ask(KeyBody, "POST", "/api-key", tenant=tenant, body=body)

    def list_keys(self, tenant: str | None, *, with_revoked: bool) -> list[KeyBody]:
        query = "?include_revoked=true" if with_revoked else ""
        return self._ask(list[KeyBody], "GET", f"/api-key{query}", tenant=tenant)

    def revoke_key(self, tenant: str | None, key_id: str) -> KeyBody:
        return self._ask(KeyBody, "DELETE", f"/api-key/{urllib.parse.quote(key_id, safe='')}", tenant=tenant)

    def create_tenant(self, name: str) -> WorkspaceBody:
        return self._ask(WorkspaceBody, "POST", "/workspaces", body={"display_name": name})

    def list_tenants(self) -> list[WorkspaceBody]:
        return self._ask(list[WorkspaceBody], "GET", "/workspaces")

    def _ask(
        self,
        answer: type[BodyT],
        method: str,
        path: str,
        *,
        tenant: str | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> BodyT:
        headers = {"Content-Type": "application/json"}
        if self._api_key:
            headers["X-API-Key"] = self._api_key
        if tenant is not None:
            headers["X-Tenant-Id"] = str(_find_tenant(self.list_tenants(), tenant))
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 -- checked above
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 -- checked above
                return msgspec.json.decode(response.read(), type=answer)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise StoreUnavailableError(f"no Runlake server answers at {self._url}: {reason}") from error


def _lock(data: Path) -> DataLock:
    try:
        return DataLock.acquire(data)
    except SettingsError as error:
        if "in use by process" not in error.message:
            raise
        raise SettingsError(
            f"a server uses the data directory {data}; ask it instead, with --url http://HOST:PORT and the key of an"
            " admin or operator in LANGSMITH_API_KEY, or stop it first",
            field="data",
        ) from error


def _find_tenant(tenants: list[WorkspaceBody], wanted: str) -> UUID:
    for tenant in tenants:
        if wanted in {tenant.display_name, str(tenant.id)}:
            return tenant.id
    names = ", ".join(tenant.display_name for tenant in tenants)
    raise NotFoundError(f"no tenant has the name or id {wanted!r}; there are {names}", field="tenant")


class _Refusal(msgspec.Struct):
    detail: str


def _refusal(error: urllib.error.HTTPError) -> RunlakeError:
    try:
        detail = msgspec.json.decode(error.read(), type=_Refusal).detail
    except msgspec.MsgspecError:
        detail = str(error.reason)
    return UserError(f"the server answered {error.code}: {detail}")


def _now_us() -> int:
    return time.time_ns() // 1000
