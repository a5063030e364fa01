"""Tenants and API keys in the ledger. Every method blocks; a returned write is fsynced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runlake.errors import ConflictError, NotFoundError, StoreError
from runlake.model.access import ApiKey, KeyScope, RateLimits, Tenant
from runlake.store.ledger import Ledger
from runlake.store.ledger_schema import API_KEYS, TENANTS

_LIMITS: Final = ("ingest_per_minute", "query_per_minute", "export_per_minute")


class AccessLedger:
    """Who is known to the server."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create_tenant(self, tenant: Tenant) -> None:
        """ConflictError when the name or the id is taken."""
        try:
            with self._ledger.writing() as connection:
                connection.execute(
                    sa.insert(TENANTS).values(id=tenant.id, name=tenant.name, created_at=tenant.created_at)
                )
        except IntegrityError as error:
            raise ConflictError(f"a tenant named {tenant.name!r} or of that id exists already", field="name") from error

    def list_tenants(self) -> list[Tenant]:
        """All tenants, the oldest first."""
        with self._ledger.reading() as connection:
            rows = connection.execute(sa.select(TENANTS).order_by(TENANTS.c.created_at, TENANTS.c.id)).mappings()
            return [Tenant(id=row["id"], name=row["name"], created_at=row["created_at"]) for row in rows]

    def create_key(self, key: ApiKey) -> None:
        with self._ledger.writing() as connection:
            connection.execute(sa.insert(API_KEYS).values(**_to_row(key)))

    def list_keys(self, tenant_id: UUID, *, with_revoked: bool = False) -> list[ApiKey]:
        """Keys of the tenant, the newest first; expired ones are among them."""
        conditions = [API_KEYS.c.tenant_id == tenant_id]
        if not with_revoked:
            conditions.append(API_KEYS.c.revoked_at.is_(None))
        query = sa.select(API_KEYS).where(*conditions).order_by(API_KEYS.c.created_at.desc(), API_KEYS.c.id)
        with self._ledger.reading() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def valid_keys(self) -> list[ApiKey]:
        """Every key of every tenant that is not revoked."""
        query = sa.select(API_KEYS).where(API_KEYS.c.revoked_at.is_(None))
        with self._ledger.reading() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def revoke_key(self, tenant_id: UUID, key_id: UUID, *, at_us: int) -> None:
        """NotFoundError when the tenant has no such key, or has revoked it before."""
        statement = (
            sa.update(API_KEYS)
            .where(API_KEYS.c.tenant_id == tenant_id, API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
            .values(revoked_at=at_us)
        )
        with self._ledger.writing() as connection:
            if connection.execute(statement).rowcount == 0:
                raise NotFoundError(f"no key has the id {key_id}", field="key_id")

    def note_uses(self, uses: Mapping[tuple[UUID, UUID], int]) -> None:
        """Store when keys, named by tenant and id, were last used; StoreError when the ledger cannot be written."""
        try:
            with self._ledger.writing() as connection:
                for (tenant_id, key_id), at_us in uses.items():
                    connection.execute(
                        sa.update(API_KEYS)
                        .where(API_KEYS.c.tenant_id == tenant_id, API_KEYS.c.id == key_id)
                        .values(last_used_at=at_us)
                    )
        except SQLAlchemyError as error:
            raise StoreError(f"the uses of keys cannot be stored: {error}") from error


def _to_row(key: ApiKey) -> dict[str, Any]:
    return {
        "tenant_id": key.tenant_id,
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "hint": key.hint,
        "scopes": ",".join(sorted(scope.value for scope in key.scopes)),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        **{name: getattr(key.limits, name) for name in _LIMITS},
    }


def _from_row(row: Any) -> ApiKey:
    return ApiKey(
        tenant_id=row["tenant_id"],
        id=row["id"],
        name=row["name"],
        digest=bytes(row["digest"]),
        hint=row["hint"],
        scopes=_scopes(row["scopes"].split(",")),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        limits=RateLimits(**{name: row[name] for name in _LIMITS}),
    )


def _scopes(names: Iterable[str]) -> frozenset[KeyScope]:
    """Scopes that this release knows. One of a later release opens nothing here."""
    known = {scope.value: scope for scope in KeyScope}
    return frozenset(known[name] for name in names if name in known)
