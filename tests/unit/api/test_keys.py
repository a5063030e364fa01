"""Keys in memory, the header they come in, the tenant they are for, and the limits on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from runlake.api.auth import KeyDoor, OpenDoor
from runlake.api.key_ring import KeyRing
from runlake.api.rate_limits import RateLimiter, Standing
from runlake.errors import AccessError, ForbiddenError, NotFoundError, RateLimitedError, StoreError
from runlake.model.access import (
    KEY_CHARS,
    ApiKey,
    KeyScope,
    KeySpec,
    RateClass,
    RateLimits,
    Tenant,
    key_digest,
    new_key_text,
)

OURS, THEIRS, NOBODY = UUID(int=1), UUID(int=2), UUID(int=3)
READ = frozenset({KeyScope.READ})
MINUTE_US = 60_000_000


class FakeStore:
    """What the ledger does, in memory."""

    def __init__(self) -> None:
        self.keys: dict[UUID, ApiKey] = {}
        self.tenants = [Tenant(id=OURS, name="ours", created_at=1), Tenant(id=THEIRS, name="theirs", created_at=2)]
        self.noted: list[dict[tuple[UUID, UUID], int]] = []
        self.broken = False

    def create_tenant(self, tenant: Tenant) -> None:
        self.tenants.append(tenant)

    def list_tenants(self) -> list[Tenant]:
        return self.tenants

    def create_key(self, key: ApiKey) -> None:
        self.keys[key.id] = key

    def list_keys(self, tenant_id: UUID, *, with_revoked: bool = False) -> list[ApiKey]:
        found = [key for key in self.keys.values() if key.tenant_id == tenant_id]
        return [key for key in found if with_revoked or key.revoked_at is None]

    def valid_keys(self) -> list[ApiKey]:
        return [key for key in self.keys.values() if key.revoked_at is None]

    def revoke_key(self, tenant_id: UUID, key_id: UUID, *, at_us: int) -> None:
        assert self.keys[key_id].tenant_id == tenant_id
        self.keys[key_id] = replace(self.keys[key_id], revoked_at=at_us)

    def note_uses(self, uses: Mapping[tuple[UUID, UUID], int]) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.noted.append(dict(uses))


class Clock:
    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        return self.us


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(store: FakeStore, clock: Clock) -> KeyRing:
    return open_ring(store, clock)


def open_ring(store: FakeStore, clock: Clock) -> KeyRing:
    ids = itertools.count(1000 + len(store.keys))
    return KeyRing(store, now_us=clock, new_id=lambda: UUID(int=next(ids)))


def make(ring: KeyRing, scopes: frozenset[KeyScope] = READ, *, expires_at: int | None = None) -> str:
    return ring.create_key(OURS, KeySpec(name="k", scopes=scopes, expires_at=expires_at))[1]


def headers(**sent: str) -> dict[str, list[tuple[bytes, bytes]]]:
    return {"headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in sent.items()]}


def test_no_key_is_made_twice_and_all_carry_the_prefix() -> None:
    made = {new_key_text() for _ in range(100)}
    assert len(made) == 100
    assert all(text.startswith("rl_") and text[3:].isalnum() and len(text) == KEY_CHARS for text in made)


def test_the_store_never_sees_a_key(ring: KeyRing, store: FakeStore) -> None:
    text = make(ring)
    (stored,) = store.keys.values()
    assert stored.digest == key_digest(text)
    assert text not in repr(stored)
    assert text[3:-4] not in repr(stored)


def test_a_key_is_found_until_it_is_revoked(ring: KeyRing) -> None:
    text = make(ring)
    key = ring.find(text)
    assert (key.tenant_id, key.scopes) == (OURS, READ)
    ring.revoke_key(OURS, key.id)
    with pytest.raises(AccessError, match="unknown here, or was revoked"):
        ring.find(text)
    with pytest.raises(NotFoundError):
        ring.revoke_key(OURS, key.id)


def test_keys_are_found_again_after_a_restart(ring: KeyRing, store: FakeStore, clock: Clock) -> None:
    kept, revoked = make(ring), make(ring)
    ring.revoke_key(OURS, ring.find(revoked).id)
    again = open_ring(store, clock)
    assert again.find(kept).tenant_id == OURS
    with pytest.raises(AccessError):
        again.find(revoked)


def test_another_tenant_can_neither_see_nor_revoke_a_key(ring: KeyRing) -> None:
    text = make(ring)
    key = ring.find(text)
    assert ring.list_keys(THEIRS) == []
    with pytest.raises(NotFoundError):
        ring.revoke_key(THEIRS, key.id)
    assert ring.find(text) == key


def test_a_key_opens_until_the_moment_it_expires(ring: KeyRing, clock: Clock) -> None:
    text = make(ring, expires_at=clock.us + 10)
    clock.us += 9
    assert ring.find(text).expires_at is not None
    clock.us += 1
    with pytest.raises(AccessError, match="has expired"):
        ring.find(text)


@pytest.mark.parametrize("text", ["", "any", "lsv2_pt_0123", "rl_", "rl_" + "x" * 42, "rl_" + "x" * 44, "é" * 46])
def test_what_cannot_be_a_key_is_told_apart_from_an_unknown_one(ring: KeyRing, text: str) -> None:
    with pytest.raises(AccessError, match="begin with rl_") as caught:
        ring.find(text)
    assert not text or text not in caught.value.message.replace("rl_", "")


def test_uses_are_stored_once_a_minute_and_shown_at_once(ring: KeyRing, store: FakeStore, clock: Clock) -> None:
    text = make(ring)
    for _ in range(50):
        clock.us += 1
        ring.find(text)
    assert store.noted == []
    assert [key.last_used_at for key in ring.list_keys(OURS)] == [clock.us]
    clock.us += MINUTE_US
    key = ring.find(text)
    ring.close()
    assert store.noted == [{(OURS, key.id): clock.us}]


def test_uses_that_cannot_be_stored_are_kept_for_later(ring: KeyRing, store: FakeStore, clock: Clock) -> None:
    text = make(ring)
    clock.us += MINUTE_US
    store.broken = True
    key = ring.find(text)
    ring.close()
    store.broken = False
    ring.close()
    assert store.noted == [{(OURS, key.id): clock.us}]


@pytest.mark.parametrize(
    "sent",
    [
        lambda text: {"x_api_key": text},
        lambda text: {"x_api_key": f" {text} "},
        lambda text: {"authorization": f"Bearer {text}"},
        lambda text: {"authorization": f"bearer {text}"},
        lambda text: {"x_api_key": text, "x_tenant_id": str(OURS)},
        lambda text: {"x_api_key": text, "x_tenant_id": OURS.hex.upper()},
    ],
)
def test_a_key_may_come_in_either_header(ring: KeyRing, sent: Callable[[str], dict[str, str]]) -> None:
    caller = KeyDoor(ring).identify(headers(**sent(make(ring))))
    assert (caller.tenant_id, caller.scopes) == (OURS, READ)


@pytest.mark.parametrize(
    "sent", [{}, {"x_api_key": ""}, {"x_api_key": "  "}, {"authorization": "Basic abc"}, {"authorization": "Bearer"}]
)
def test_without_a_key_the_answer_says_how_to_send_one(ring: KeyRing, sent: dict[str, str]) -> None:
    with pytest.raises(AccessError, match="X-API-Key or as Authorization: Bearer"):
        KeyDoor(ring).identify(headers(**sent))


@pytest.mark.parametrize("scope", [KeyScope.INGEST, KeyScope.READ, KeyScope.ADMIN])
@pytest.mark.parametrize("named", [str(THEIRS), str(NOBODY), "ours", ""])
def test_a_key_is_for_its_own_tenant_alone(ring: KeyRing, scope: KeyScope, named: str) -> None:
    """The answer is the same for tenants that exist and for those that do not."""
    text = make(ring, frozenset({scope}))
    with pytest.raises(ForbiddenError, match="does not name the tenant of this API key"):
        KeyDoor(ring).identify(headers(x_api_key=text, x_tenant_id=named))


def test_an_operator_may_name_any_tenant_that_exists(ring: KeyRing) -> None:
    text = make(ring, frozenset({KeyScope.OPERATOR}))
    door = KeyDoor(ring)
    assert door.identify(headers(x_api_key=text)).tenant_id == OURS
    assert door.identify(headers(x_api_key=text, x_tenant_id=str(THEIRS))).tenant_id == THEIRS
    with pytest.raises(ForbiddenError):
        door.identify(headers(x_api_key=text, x_tenant_id=str(NOBODY)))


@pytest.mark.parametrize(
    ("named", "tenant"), [(None, OURS), (str(THEIRS), THEIRS), (str(NOBODY), OURS), ("workspace", OURS)]
)
def test_where_no_keys_are_required_the_header_selects_what_exists(
    ring: KeyRing, named: str | None, tenant: UUID
) -> None:
    sent = {"x_api_key": "any"} if named is None else {"x_tenant_id": named}
    caller = OpenDoor(ring, OURS).identify(headers(**sent))
    assert (caller.tenant_id, caller.scopes) == (tenant, frozenset(KeyScope))


class Second:
    """A clock in seconds."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def take(limiter: RateLimiter, key_id: UUID | None, kind: RateClass, own: RateLimits) -> Standing | None:
    scope = {"state": dict[str, object]()}
    limiter.take(key_id, kind, own, scope)
    found = scope["state"].get("rate_standing")
    assert found is None or isinstance(found, Standing)
    return found


def test_without_a_limit_nothing_is_counted() -> None:
    limiter = RateLimiter(RateLimits(), now_s=Second())
    assert [take(limiter, OURS, kind, RateLimits()) for kind in RateClass] == [None, None, None]


def test_a_burst_of_a_minute_passes_and_then_the_steady_rate() -> None:
    clock = Second()
    limiter = RateLimiter(RateLimits(query_per_minute=30), now_s=clock)
    for left in reversed(range(30)):
        assert take(limiter, OURS, RateClass.QUERY, RateLimits()) == Standing(
            limit=30, remaining=left, reset_s=(30 - left) * 2
        )
    with pytest.raises(RateLimitedError, match="over the limit of 30 query requests") as caught:
        take(limiter, OURS, RateClass.QUERY, RateLimits())
    assert caught.value.retry_after_s == 2
    clock.s += 2
    assert take(limiter, OURS, RateClass.QUERY, RateLimits()) is not None
    with pytest.raises(RateLimitedError):
        take(limiter, OURS, RateClass.QUERY, RateLimits())
    clock.s += 3600
    full = take(limiter, OURS, RateClass.QUERY, RateLimits())
    assert full == Standing(limit=30, remaining=29, reset_s=2)


def test_kinds_and_keys_are_counted_apart_and_a_key_may_have_its_own_limit() -> None:
    limiter = RateLimiter(RateLimits(ingest_per_minute=1, query_per_minute=1), now_s=Second())
    for key_id in (OURS, THEIRS, None):
        for kind in (RateClass.INGEST, RateClass.QUERY):
            take(limiter, key_id, kind, RateLimits())
            with pytest.raises(RateLimitedError):
                take(limiter, key_id, kind, RateLimits())
    free = RateLimits(ingest_per_minute=0)
    assert [take(limiter, NOBODY, RateClass.INGEST, free) for _ in range(5)] == [None] * 5
    wide = take(limiter, NOBODY, RateClass.QUERY, RateLimits(query_per_minute=100))
    assert wide is not None
    assert wide.remaining == 99
