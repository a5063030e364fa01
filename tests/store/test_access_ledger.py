"""Keys and tenants in the ledger: what is kept, by whom it is seen, what survives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from runlake.errors import ConflictError, NotFoundError
from runlake.model.access import ApiKey, KeyScope, RateLimits, Tenant, key_digest
from runlake.store.access_ledger import AccessLedger
from runlake.store.ledger import Ledger

OTHER = UUID(int=77)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite3", now=lambda: 5, new_id=uuid4)
    yield opened
    opened.close()


@pytest.fixture
def access(ledger: Ledger) -> AccessLedger:
    return AccessLedger(ledger)


def key(number: int, tenant_id: UUID, **changes: object) -> ApiKey:
    made = ApiKey(
        tenant_id=tenant_id,
        id=UUID(int=number),
        name=f"key {number}",
        digest=key_digest(str(number)),
        hint=f"rl_...{number:04}",
        scopes=frozenset({KeyScope.INGEST, KeyScope.READ}),
        created_at=number,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name fields rightly


def test_a_key_comes_back_as_it_went_in(ledger: Ledger, access: AccessLedger) -> None:
    limits = RateLimits(ingest_per_minute=0, query_per_minute=9)
    stored = key(1, ledger.default_tenant_id, expires_at=99, limits=limits)
    access.create_key(stored)
    assert access.list_keys(ledger.default_tenant_id) == [stored]
    assert access.valid_keys() == [stored]


def test_a_revoked_key_is_valid_no_more_and_kept_for_the_record(ledger: Ledger, access: AccessLedger) -> None:
    tenant = ledger.default_tenant_id
    access.create_key(key(1, tenant))
    access.create_key(key(2, tenant))
    access.revoke_key(tenant, UUID(int=1), at_us=50)
    assert [found.id.int for found in access.valid_keys()] == [2]
    assert [found.id.int for found in access.list_keys(tenant)] == [2]
    kept = access.list_keys(tenant, with_revoked=True)
    assert [(found.id.int, found.revoked_at) for found in kept] == [(2, None), (1, 50)]
    with pytest.raises(NotFoundError):
        access.revoke_key(tenant, UUID(int=1), at_us=60)


def test_another_tenant_neither_sees_nor_revokes(ledger: Ledger, access: AccessLedger) -> None:
    access.create_key(key(1, ledger.default_tenant_id))
    assert access.list_keys(OTHER) == []
    with pytest.raises(NotFoundError):
        access.revoke_key(OTHER, UUID(int=1), at_us=1)
    access.note_uses({(OTHER, UUID(int=1)): 9})
    assert [found.last_used_at for found in access.valid_keys()] == [None]


def test_uses_are_noted(ledger: Ledger, access: AccessLedger) -> None:
    access.create_key(key(1, ledger.default_tenant_id))
    access.note_uses({(ledger.default_tenant_id, UUID(int=1)): 9})
    assert [found.last_used_at for found in access.valid_keys()] == [9]


def test_a_scope_of_a_later_release_opens_nothing(ledger: Ledger, access: AccessLedger) -> None:
    access.create_key(key(1, ledger.default_tenant_id))
    with ledger.writing() as connection:
        connection.execute(sa.text("UPDATE api_keys SET scopes = 'read,rule_the_world'"))
    assert [found.scopes for found in access.valid_keys()] == [frozenset({KeyScope.READ})]


def test_the_name_of_a_tenant_is_taken_once(ledger: Ledger, access: AccessLedger) -> None:
    access.create_tenant(Tenant(id=OTHER, name="research", created_at=9))
    assert [tenant.name for tenant in access.list_tenants()] == ["default", "research"]
    for taken in (Tenant(id=uuid4(), name="research", created_at=9), Tenant(id=OTHER, name="new", created_at=9)):
        with pytest.raises(ConflictError):
            access.create_tenant(taken)
    assert ledger.default_tenant_id != OTHER
