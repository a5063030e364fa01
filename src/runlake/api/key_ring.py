"""All valid keys in memory, so that a request is let in within microseconds; every change goes to the ledger first.

This process is the only one that changes keys while it runs (the data directory's lock), so what is in memory is what
holds: a revocation works from the moment it is answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

import structlog

from runlake.errors import AccessError, NotFoundError, StoreError
from runlake.model.access import KEY_CHARS, KEY_PREFIX, ApiKey, KeySpec, Tenant, key_digest, key_hint, new_key_text

_LOG: Final = structlog.get_logger("runlake.keys")
_STORE_USES_EVERY_US: Final = 60_000_000


class AccessStore(Protocol):
    """Where keys and tenants are kept; blocks."""

    def create_tenant(self, tenant: Tenant) -> None: ...
    def list_tenants(self) -> list[Tenant]: ...
    def create_key(self, key: ApiKey) -> None: ...
    def list_keys(self, tenant_id: UUID, *, with_revoked: bool = False) -> list[ApiKey]: ...
    def valid_keys(self) -> list[ApiKey]: ...
    def revoke_key(self, tenant_id: UUID, key_id: UUID, *, at_us: int) -> None: ...
    def note_uses(self, uses: Mapping[tuple[UUID, UUID], int]) -> None: ...


class KeyRing:
    """Keys and tenants. ``find`` and ``tenant`` take no I/O; everything else blocks."""

    def __init__(self, store: AccessStore, *, now_us: Callable[[], int], new_id: Callable[[], UUID]) -> None:
        self._store = store
        self._now_us = now_us
        self._new_id = new_id
        self._by_digest = {key.digest: key for key in store.valid_keys()}
        self._tenants = {tenant.id: tenant for tenant in store.list_tenants()}
        self._uses: dict[tuple[UUID, UUID], int] = {}
        self._uses_lock = threading.Lock()
        self._uses_stored_at = now_us()
        self._background: ThreadPoolExecutor | None = None

    @property
    def key_count(self) -> int:
        """How many keys are not revoked."""
        return len(self._by_digest)

    def find(self, text: str) -> ApiKey:
        """The valid key of that text; AccessError says what is wrong without repeating it.

        The digest is the key of a dict: how long that takes tells nothing about the text, because nobody can choose
        a text by its digest.
        """
        if len(text) != KEY_CHARS or not text.startswith(KEY_PREFIX):
            raise AccessError(f"the API key is not one of this server's, which begin with {KEY_PREFIX}")
        key = self._by_digest.get(key_digest(text))
        if key is None:
            raise AccessError("the API key is unknown here, or was revoked")
        now_us = self._now_us()
        if key.expires_at is not None and key.expires_at <= now_us:
            raise AccessError("the API key has expired")
        self._note_use(key, now_us)
        return key

    def tenant(self, tenant_id: UUID) -> Tenant | None:
        return self._tenants.get(tenant_id)

    def tenants(self) -> list[Tenant]:
        """All tenants, the oldest first."""
        return sorted(self._tenants.values(), key=lambda tenant: (tenant.created_at, tenant.id))

    def create_tenant(self, name: str, tenant_id: UUID | None = None) -> Tenant:
        tenant = Tenant(id=tenant_id or self._new_id(), name=name, created_at=self._now_us())
        self._store.create_tenant(tenant)
        self._tenants[tenant.id] = tenant
        return tenant

    def create_key(self, tenant_id: UUID, spec: KeySpec) -> tuple[ApiKey, str]:
        """A new key of the tenant, and its text, which is kept nowhere."""
        text = new_key_text()
        key = ApiKey(
            tenant_id=tenant_id,
            id=self._new_id(),
            name=spec.name,
            digest=key_digest(text),
            hint=key_hint(text),
            scopes=spec.scopes,
            created_at=self._now_us(),
            expires_at=spec.expires_at,
            limits=spec.limits,
        )
        self._store.create_key(key)
        self._by_digest[key.digest] = key
        return key, text

    def list_keys(self, tenant_id: UUID, *, with_revoked: bool = False) -> list[ApiKey]:
        """Keys of the tenant, the newest first, with uses that are not stored yet."""
        keys = self._store.list_keys(tenant_id, with_revoked=with_revoked)
        with self._uses_lock:
            uses = {key_id: at_us for (_, key_id), at_us in self._uses.items()}
        return [replace(key, last_used_at=uses.get(key.id, key.last_used_at)) for key in keys]

    def read_key(self, tenant_id: UUID, key_id: UUID) -> ApiKey:
        """NotFoundError when the tenant has no such key that is not revoked."""
        for key in self.list_keys(tenant_id):
            if key.id == key_id:
                return key
        raise NotFoundError(f"no key has the id {key_id}", field="key_id")

    def revoke_key(self, tenant_id: UUID, key_id: UUID) -> ApiKey:
        """The key as it is now; it opens nothing any more."""
        key = self.read_key(tenant_id, key_id)
        now_us = self._now_us()
        self._store.revoke_key(tenant_id, key_id, at_us=now_us)
        self._by_digest.pop(key.digest, None)
        return replace(key, revoked_at=now_us)

    def close(self) -> None:
        """Store the uses of the last minute; harmless when called twice."""
        if self._background is not None:
            self._background.shutdown()
            self._background = None
        self._store_uses()

    def _note_use(self, key: ApiKey, now_us: int) -> None:
        with self._uses_lock:
            self._uses[key.tenant_id, key.id] = now_us
            if now_us - self._uses_stored_at < _STORE_USES_EVERY_US:
                return
            self._uses_stored_at = now_us
            if self._background is None:
                self._background = ThreadPoolExecutor(1, thread_name_prefix="key-uses")
        self._background.submit(self._store_uses)

    def _store_uses(self) -> None:
        with self._uses_lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            self._store.note_uses(uses)
        except StoreError as error:
            _LOG.warning("uses of keys are not stored", error=type(error).__name__)
            with self._uses_lock:
                self._uses = {**uses, **self._uses}
