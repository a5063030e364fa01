"""How much memory request bodies may take, all requests together; who would take more is told to come back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runlake.api.bodies import AnyRequest
from runlake.errors import OverloadedError
from runlake.wire.spool import Body, Spool


class BodyBudget:
    """Bytes for bodies, as sent and as decompressed, from their first byte to their commit. Thread-safe.

    A request that is alone may take any amount: what a single body may be is limited elsewhere.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._lock = threading.Lock()

    @contextmanager
    def share(self) -> Iterator[BodyShare]:
        """One request's part, given back at the end."""
        share = BodyShare(self)
        try:
            yield share
        finally:
            with self._lock:
                self._used_bytes -= share.size_bytes

    def claim(self, share: BodyShare, size_bytes: int) -> None:
        with self._lock:
            others = self._used_bytes - share.size_bytes
            if others and self._used_bytes + size_bytes > self._limit_bytes:
                raise OverloadedError("more request bodies are arriving than memory allows (max_pending_bytes)")
            self._used_bytes += size_bytes
            share.size_bytes += size_bytes


class BodyShare:
    """What one request has claimed so far."""

    __slots__ = ("_budget", "size_bytes")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size_bytes = 0

    def claim(self, size_bytes: int) -> None:
        """Take so many bytes more; OverloadedError when others have taken what there is."""
        self._budget.claim(self, size_bytes)


async def receive_body(request: AnyRequest, share: BodyShare) -> bytes:
    """As ``receive_spooled``, in memory."""
    body = await receive_spooled(request, share, Spool())
    return body if isinstance(body, bytes) else body[:]


async def receive_spooled(request: AnyRequest, share: BodyShare, spool: Spool) -> Body:
    """The body as sent; claimed before it is read where its length is announced. The request does not keep it."""
    share.claim(request.content_length or 0)
    announced = share.size_bytes
    async for chunk in request.stream():
        if spool.is_file:
            await asyncio.to_thread(spool.write, chunk)
        else:
            spool.write(chunk)
        if len(spool) > announced:
            share.claim(len(chunk))
    return spool.body()
