"""Many look-ups by id at once: few statements, each caller's own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from uuid import UUID

import pytest

from runlake.errors import StoreError
from runlake.ingest.feedback_lookup import FeedbackLookup
from runlake.model.project import Feedback

TENANTS = (UUID(int=1), UUID(int=2))
STORED = UUID(int=7)


class Store:
    """Has the judgement ``STORED`` of the first tenant; its first read waits until it is let go."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[tuple[UUID, tuple[UUID, ...]]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self._fails = fails

    def read(self, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Feedback]:
        self.asked.append((tenant_id, tuple(ids)))
        self.begun.set()
        self.go_on.wait(5)
        if self._fails:
            raise StoreError("the disk is gone")
        known = Feedback(tenant_id=TENANTS[0], id=STORED, key="k")
        return {STORED: known} if tenant_id == TENANTS[0] and STORED in ids else {}


async def begun(lookup: FeedbackLookup, store: Store) -> asyncio.Task[Feedback | None]:
    """A look that is under way."""
    first = asyncio.create_task(lookup.find(TENANTS[0], UUID(int=99)))
    await asyncio.to_thread(store.begun.wait, 5)
    return first


def test_those_who_come_during_a_look_share_the_next_one() -> None:
    async def scenario() -> None:
        store = Store()
        lookup = FeedbackLookup(store.read)
        first = await begun(lookup, store)
        others = [asyncio.create_task(lookup.find(TENANTS[0], UUID(int=number))) for number in (5, 6, 7, 7)]
        await asyncio.sleep(0)
        store.go_on.set()
        assert await first is None
        found = await asyncio.gather(*others)
        assert [feedback and feedback.id for feedback in found] == [None, None, STORED, STORED]
        assert store.asked == [(TENANTS[0], (UUID(int=99),)), (TENANTS[0], (UUID(int=5), UUID(int=6), STORED))]
        assert await lookup.find(TENANTS[0], STORED) is not None, "a lookup at rest begins again"

    asyncio.run(scenario())


def test_each_tenant_is_looked_up_by_itself() -> None:
    async def scenario() -> None:
        store = Store()
        store.go_on.set()
        lookup = FeedbackLookup(store.read)
        mine, theirs = await asyncio.gather(*(lookup.find(tenant_id, STORED) for tenant_id in TENANTS))
        assert mine is not None
        assert theirs is None

    asyncio.run(scenario())


def test_a_failure_reaches_all_who_wait_and_nobody_later() -> None:
    async def scenario() -> None:
        store = Store(fails=True)
        store.go_on.set()
        lookup = FeedbackLookup(store.read)
        outcomes = await asyncio.gather(*(lookup.find(TENANTS[0], STORED) for _ in range(3)), return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["the disk is gone"] * 3
        with pytest.raises(StoreError):
            await lookup.find(TENANTS[0], STORED)

    asyncio.run(scenario())


def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        store = Store()
        lookup = FeedbackLookup(store.read)
        first = await begun(lookup, store)
        leaver, stayer = (asyncio.create_task(lookup.find(TENANTS[0], UUID(int=number))) for number in (5, 7))
        await asyncio.sleep(0)
        leaver.cancel()
        first.cancel()
        await asyncio.sleep(0)
        store.go_on.set()
        found = await stayer
        assert found is not None
        assert store.asked[-1] == (TENANTS[0], (STORED,))

    asyncio.run(scenario())
