"""Who may do what: tenants, keys, their scopes and limits, as plain data."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final
from uuid import UUID

KEY_PREFIX: Final = "rl_"
"""What every key begins with, so that people and secret scanners recognise one."""
_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_CHARS: Final = 43
"""43 of 62 signs are 256 bits."""
KEY_CHARS: Final = len(KEY_PREFIX) + _SECRET_CHARS
_HINT_CHARS: Final = 4


class KeyScope(Enum):
    """What a key opens. A key has one or more scopes and belongs to one tenant."""

    INGEST = "ingest"
    """Add: runs, feedback."""
    READ = "read"
    """Query whatever the tenant has."""
    ADMIN = "admin"
    """Everything within the tenant, deletions and keys included."""
    OPERATOR = "operator"
    """Everything in every tenant, and tenants themselves: whoever runs the server."""
    METRICS = "metrics"
    """The numbers of the whole server at ``/metrics``, and nothing else."""


IMPLIED: Final[Mapping[KeyScope, frozenset[KeyScope]]] = {
    KeyScope.ADMIN: frozenset({KeyScope.INGEST, KeyScope.READ}),
    KeyScope.OPERATOR: frozenset({KeyScope.INGEST, KeyScope.READ, KeyScope.ADMIN, KeyScope.METRICS}),
}
"""The scopes that another one includes."""


def with_implied(scopes: frozenset[KeyScope]) -> frozenset[KeyScope]:
    """The scopes and all that they include."""
    return scopes.union(*(IMPLIED.get(scope, frozenset()) for scope in scopes))


class RateClass(Enum):
    """Kinds of requests that are limited apart from each other."""

    INGEST = "ingest"
    QUERY = "query"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests a minute for each kind; None leaves it to the server's setting, 0 is no limit."""

    ingest_per_minute: int | None = None
    query_per_minute: int | None = None
    export_per_minute: int | None = None

    def per_minute(self, rate_class: RateClass) -> int | None:
        match rate_class:
            case RateClass.INGEST:
                return self.ingest_per_minute
            case RateClass.QUERY:
                return self.query_per_minute
            case RateClass.EXPORT:
                return self.export_per_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An owner of projects, runs, feedback and keys; ``created_at`` in microseconds since 1970 UTC."""

    id: UUID
    name: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is stored: everything but the key. Times in microseconds since 1970 UTC."""

    tenant_id: UUID
    id: UUID
    name: str
    digest: bytes
    hint: str
    scopes: frozenset[KeyScope]
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None
    limits: RateLimits = RateLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """What a new key shall be."""

    name: str
    scopes: frozenset[KeyScope]
    expires_at: int | None = None
    limits: RateLimits = RateLimits()


def new_key_text() -> str:
    """A new key, from the system's source of randomness."""
    return KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS))


def key_digest(text: str) -> bytes:
    """What is stored of a key. Plain SHA-256: a slow hash protects secrets that can be guessed, and 256 bits cannot."""
    return sha256(text.encode()).digest()


def key_hint(text: str) -> str:
    """Enough of a key for its owner to recognise it, and too little for anybody else."""
    return f"{KEY_PREFIX}...{text[-_HINT_CHARS:]}"
