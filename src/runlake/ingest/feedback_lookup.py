"""Looks judgements up by id for many callers at once: a look costs the same for one id and for a hundred.

As with commits, those who come while a look is under way share the next one, so that nobody waits on purpose and the
number of statements follows the time that they take, not the number of requests.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from runlake.model.project import Feedback

ReadFeedback = Callable[[UUID, Sequence[UUID]], Mapping[UUID, Feedback]]
"""The latest versions of a tenant's judgements with these ids, without those that do not exist; blocks."""


@dataclass(frozen=True, slots=True)
class _Wish:
    tenant_id: UUID
    feedback_id: UUID
    found: asyncio.Future[Feedback | None]


class FeedbackLookup:
    """For the tasks of one event loop; ``read`` is called on a thread, never twice at once."""

    def __init__(self, read: ReadFeedback) -> None:
        self._read = read
        self._wishes: list[_Wish] = []
        self._looking: asyncio.Task[None] | None = None

    async def find(self, tenant_id: UUID, feedback_id: UUID) -> Feedback | None:
        """The judgement as the store has it at some moment after this call; None when it has none of the id."""
        wish = _Wish(tenant_id, feedback_id, asyncio.get_running_loop().create_future())
        self._wishes.append(wish)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await wish.found

    async def _look(self) -> None:
        while self._wishes:
            wishes, self._wishes = self._wishes, []
            by_tenant: dict[UUID, list[_Wish]] = defaultdict(list)
            for wish in wishes:
                by_tenant[wish.tenant_id].append(wish)
            for tenant_id, wished in by_tenant.items():
                await self._fulfil(tenant_id, wished)

    async def _fulfil(self, tenant_id: UUID, wishes: Iterable[_Wish]) -> None:
        # A caller that has gone away meanwhile has cancelled its future.
        waiting = [wish for wish in wishes if not wish.found.done()]
        if not waiting:
            return
        ids = tuple(dict.fromkeys(wish.feedback_id for wish in waiting))
        try:
            found = await asyncio.to_thread(self._read, tenant_id, ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            for wish in waiting:
                if not wish.found.done():
                    wish.found.set_exception(error)
            return
        for wish in waiting:
            if not wish.found.done():
                wish.found.set_result(found.get(wish.feedback_id))
