"""Tokens that let somebody without a key judge one run: making, listing, using."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from runlake.errors import ForbiddenError, NotFoundError
from runlake.ingest.feedback_service import FeedbackService
from runlake.model.feedback_token import FeedbackToken
from runlake.model.project import Feedback
from runlake.store.feedback_setup import TokenStore
from runlake.wire.feedback import Receipt
from runlake.wire.feedback_tokens import TokenRequest

REMEMBERED_US: Final = 30 * 86_400_000_000
"""How long a token is known after its end, so that its holder is told that it has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackTokens:
    """The run need not exist yet. ``new_id`` has to be random, because a token is all the permission there is."""

    store: TokenStore
    feedback: FeedbackService
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    async def create(self, tenant_id: UUID, wished: Sequence[TokenRequest]) -> list[FeedbackToken]:
        """One token for each request, all or none."""
        now_us = self.now_us()
        tokens = [
            FeedbackToken(
                token=self.new_id(),
                tenant_id=tenant_id,
                run_id=request.run_id,
                key=request.key,
                feedback_id=request.feedback_id,
                feedback_config=request.feedback_config,
                created_at=now_us,
                expires_at=request.expires_at,
            )
            for request in wished
        ]
        await asyncio.to_thread(self.store.create, tokens, forget_before=now_us - REMEMBERED_US)
        return tokens

    async def list_of(self, tenant_id: UUID, run_id: UUID, *, offset: int, limit: int) -> list[FeedbackToken]:
        """Those of a run that can still be used, the newest first."""
        return await asyncio.to_thread(
            self.store.list, tenant_id, run_id, now_us=self.now_us(), offset=offset, limit=limit
        )

    async def find(self, token: UUID) -> FeedbackToken:
        """What a token opens; NotFoundError when it was never made, ForbiddenError when it has expired."""
        found = await asyncio.to_thread(self.store.find, token)
        if found is None:
            raise NotFoundError("this link takes no feedback; it was never made", field="token")
        if found.expires_at <= self.now_us():
            raise ForbiddenError("this link has expired; ask for a new one", field="token")
        return found

    def receipt(self, token: FeedbackToken) -> Receipt:
        """What the server adds to a judgement given with a token."""
        return Receipt(tenant_id=token.tenant_id, now_us=self.now_us(), new_id=self.new_id)

    async def use(self, judgement: Feedback) -> None:
        """Store what was read with a ``receipt``."""
        await self.feedback.create(judgement)
