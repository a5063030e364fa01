"""From settings to the parts that decide who is let in: who checks keys, what limits hold."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from litestar.middleware import DefineMiddleware

from runlake.api.auth import Access, Doorkeeper, KeyDoor, OpenDoor, RouteAccess
from runlake.api.browsers import BrowserRules, host_name, origin_of
from runlake.api.key_ring import KeyRing
from runlake.api.rate_limits import RateLimiter
from runlake.api.workspaces import TenantService
from runlake.config import Settings
from runlake.errors import SettingsError
from runlake.model.access import RateLimits
from runlake.store.access_ledger import AccessLedger
from runlake.wiring.foundation import Foundation

_FIRST_KEY: Final = (
    "API keys are required and there is none yet. Stop the server, make the first one, and start it again:\n"
    '  runlake keys create --data {data} --scope operator --name "me"'
)
_UNCHECKED: Final = (
    "There are {count} API keys, but requests on loopback need none; --auth required has the server ask for them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What stands between a request and the handlers."""

    ring: KeyRing
    tenants: TenantService
    middleware: DefineMiddleware
    browser_rules: BrowserRules
    keys_required: bool
    data: str

    @property
    def services(self) -> dict[str, object]:
        """What handlers ask for, by the name of their parameter."""
        return {"key_ring": self.ring, "tenants": self.tenants}

    @property
    def notice(self) -> str | None:
        """What whoever starts the server should know about its keys."""
        if self.keys_required and not self.ring.key_count:
            return _FIRST_KEY.format(data=self.data)
        if self.ring.key_count and not self.keys_required:
            return _UNCHECKED.format(count=self.ring.key_count)
        return None


def open_entrance(foundation: Foundation) -> Entrance:
    """Read the keys and put the checks together; close the ring before the ledger."""
    settings, ledger = foundation.settings, foundation.ledger
    ring = KeyRing(AccessLedger(ledger), now_us=foundation.now_us, new_id=foundation.new_id)
    required = settings.keys_required
    doorkeeper: Doorkeeper = KeyDoor(ring) if required else OpenDoor(ring, ledger.default_tenant_id)
    limiter = RateLimiter(
        RateLimits(
            ingest_per_minute=settings.ingest_requests_per_minute,
            query_per_minute=settings.query_requests_per_minute,
            export_per_minute=settings.export_requests_per_minute,
        ),
        now_s=time.monotonic,
    )
    open_to_all = frozenset({Access.METRICS} if settings.metrics_access == "open" else ())
    return Entrance(
        ring=ring,
        tenants=TenantService(ring=ring, first_tenant_id=ledger.default_tenant_id),
        # The framework types its middleware by its own scope; ours is the plain one of ASGI.
        middleware=DefineMiddleware(
            cast("Any", RouteAccess), doorkeeper=doorkeeper, limiter=limiter, open_to_all=open_to_all
        ),
        browser_rules=browser_rules(settings),
        keys_required=required,
        data=str(settings.data),
    )


def browser_rules(settings: Settings) -> BrowserRules:
    """Names matter only where no key is asked for: a page behind a borrowed name has no key to show."""
    origins = frozenset(_origin(site) for site in _parts(settings.cors_origins))
    if "*" in origins and not settings.keys_required:
        raise SettingsError(
            "cors_origins * lets every web page read and delete everything, because no keys are required; name the"
            " sites, or set auth to required",
            field="cors_origins",
        )
    if settings.public_url is not None:
        origins |= {origin_of(settings.public_url)}
    names = set(_parts(settings.allowed_hosts))
    if settings.keys_required or "*" in names:
        return BrowserRules(hosts=None, origins=origins)
    names |= {
        settings.host,
        socket.gethostname(),
        *([urlsplit(settings.public_url).netloc] if settings.public_url else ()),
    }
    return BrowserRules(hosts=frozenset(host_name(name) for name in names), origins=origins)


def _origin(site: str) -> str:
    if site == "*":
        return site
    parts = urlsplit(site)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingsError(f"cors_origins names sites such as https://app.example, not {site!r}", field="cors_origins")
    return origin_of(site)


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
