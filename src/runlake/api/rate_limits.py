"""How many requests a key may make: a token bucket for each key and kind of request. For the event loop only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from runlake.api.asgi import Message, Scope
from runlake.errors import RateLimitedError
from runlake.model.access import RateClass, RateLimits

_MINUTE_S: Final = 60.0
_STANDING: Final = "rate_standing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a caller stands after a request: requests a minute, whole requests left, seconds until all are back."""

    limit: int
    remaining: int
    reset_s: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_s: float


class RateLimiter:
    """Buckets hold one minute's requests and fill steadily. ``now_s`` is a clock that only goes forward."""

    def __init__(self, defaults: RateLimits, *, now_s: Callable[[], float]) -> None:
        self._defaults = defaults
        self._now_s = now_s
        self._buckets: dict[tuple[UUID | None, RateClass], _Bucket] = {}

    def take(self, key_id: UUID | None, rate_class: RateClass, own: RateLimits, scope: Scope) -> None:
        """Count one request of a key, or with None of everybody who needs none.

        Leaves the standing in ``scope`` for ``add_rate_headers``. RateLimitedError when the bucket is empty.
        """
        limit = own.per_minute(rate_class)
        if limit is None:
            limit = self._defaults.per_minute(rate_class)
        if not limit:
            return
        bucket = self._filled(key_id, rate_class, limit)
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        per_second = limit / _MINUTE_S
        scope["state"][_STANDING] = Standing(
            limit=limit, remaining=int(bucket.tokens), reset_s=math.ceil((limit - bucket.tokens) / per_second)
        )
        if not allowed:
            raise RateLimitedError(
                f"over the limit of {limit} {rate_class.value} requests a minute for this key",
                wait_s=max(1, math.ceil((1 - bucket.tokens) / per_second)),
            )

    def _filled(self, key_id: UUID | None, rate_class: RateClass, limit: int) -> _Bucket:
        now_s = self._now_s()
        bucket = self._buckets.get((key_id, rate_class))
        if bucket is None:
            bucket = self._buckets[key_id, rate_class] = _Bucket(limit, now_s)
        bucket.tokens = min(limit, bucket.tokens + (now_s - bucket.filled_at_s) * limit / _MINUTE_S)
        bucket.filled_at_s = now_s
        return bucket


async def add_rate_headers(message: Message, scope: Scope) -> None:
    """Hook before each message of an answer: says where the caller stands, on refusals too."""
    if message["type"] != "http.response.start":
        return
    standing = scope["state"].get(_STANDING)
    if isinstance(standing, Standing):
        message["headers"] = [
            *message["headers"],
            (b"x-ratelimit-limit", str(standing.limit).encode()),
            (b"x-ratelimit-remaining", str(standing.remaining).encode()),
            (b"x-ratelimit-reset", str(standing.reset_s).encode()),
        ]
