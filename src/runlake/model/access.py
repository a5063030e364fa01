"""Who may do what: tenants, keys and their scopes, as plain data."""

from __future__ import annotations

from enum import Enum


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


IMPLIED: dict[KeyScope, frozenset[KeyScope]] = {
    KeyScope.ADMIN: frozenset({KeyScope.INGEST, KeyScope.READ}),
    KeyScope.OPERATOR: frozenset({KeyScope.INGEST, KeyScope.READ, KeyScope.ADMIN, KeyScope.METRICS}),
}
"""The scopes that another one includes."""


def with_implied(scopes: frozenset[KeyScope]) -> frozenset[KeyScope]:
    """The scopes and all that they include."""
    return scopes.union(*(IMPLIED.get(scope, frozenset()) for scope in scopes))
