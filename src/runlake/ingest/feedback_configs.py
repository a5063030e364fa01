"""What the scores of each feedback key mean: set by clients, or learnt from the first judgement that says it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from uuid import UUID

from runlake.errors import ConflictError, InvalidError, NotFoundError, UserError
from runlake.ingest.batch import BatchWriter, IngestBatch
from runlake.model.feedback_config import FeedbackConfig, FeedbackScale
from runlake.model.project import Feedback
from runlake.store.feedback_setup import ConfigFilter, ConfigStore
from runlake.wire.feedback_configs import ConfigChange, NewConfig, read_scale_text


class FeedbackConfigs:
    """The configs of one server. Public methods run the ledger on a thread."""

    def __init__(self, store: ConfigStore, *, now_us: Callable[[], int], new_id: Callable[[], UUID]) -> None:
        self._store = store
        self._now_us = now_us
        self._new_id = new_id
        self._known: set[tuple[UUID, str]] = set()

    async def create(self, tenant_id: UUID, wished: NewConfig) -> FeedbackConfig:
        """Keep it; an equal one that is there already is handed back, one that differs is refused with a UserError."""
        new = self._new(tenant_id, wished.key, wished.scale, is_lower_better=wished.is_lower_score_better or False)
        found = await asyncio.to_thread(self._store.create, new)
        lower = found.is_lower_score_better if wished.is_lower_score_better is None else wished.is_lower_score_better
        if (found.scale, found.is_lower_score_better) != (wished.scale, lower):
            raise UserError(
                f"the key {wished.key!r} has another feedback config already; change it with PATCH, or delete it first",
                field="feedback_key",
            )
        return found

    async def list_of(self, tenant_id: UUID, wanted: ConfigFilter, *, offset: int, limit: int) -> list[FeedbackConfig]:
        return await asyncio.to_thread(self._store.list, tenant_id, wanted, offset=offset, limit=limit)

    async def update(self, tenant_id: UUID, change: ConfigChange) -> FeedbackConfig:
        """NotFoundError when the key has no config, or not the one that is named."""
        old = await asyncio.to_thread(self._store.read, tenant_id, change.key)
        if old is None or change.id not in {None, old.id}:
            raise NotFoundError(f"no feedback config of that id has the key {change.key!r}", field="feedback_key")
        new = change.apply(old, now_us=max(self._now_us(), old.modified_at))
        await self._replace(old, new)
        return new

    async def delete(self, tenant_id: UUID, *, key: str | None, config_id: UUID | None) -> None:
        """By its key or its id. It stays in the history of the key, which may get a new one."""
        if (key is None) == (config_id is None):
            raise InvalidError("exactly one of feedback_key and id says which config to delete", field="feedback_key")
        wanted = ConfigFilter(keys=None if key is None else (key,), ids=None if config_id is None else (config_id,))
        found = await asyncio.to_thread(self._store.list, tenant_id, wanted, offset=0, limit=1)
        if not found:
            raise NotFoundError("there is no such feedback config", field="feedback_key" if key is not None else "id")
        await self._replace(found[0], replace(found[0], deleted_at=self._now_us()))
        self._known.discard((tenant_id, found[0].key))

    async def learn(self, judgements: Iterable[Feedback]) -> None:
        """Give each key that has no config the one that came with a judgement; existing ones stay as they are."""
        for judgement in judgements:
            place = (judgement.tenant_id, judgement.key)
            if judgement.feedback_config is None or place in self._known:
                continue
            scale = read_scale_text(judgement.feedback_config)
            if scale is not None:
                await asyncio.to_thread(self._store.create, self._new(*place, scale))
                self._known.add(place)

    async def _replace(self, old: FeedbackConfig, new: FeedbackConfig) -> None:
        if not await asyncio.to_thread(self._store.replace, old, new):
            raise ConflictError("the feedback config was changed by somebody else meanwhile", field="feedback_key")

    def _new(self, tenant_id: UUID, key: str, scale: FeedbackScale, *, is_lower_better: bool = False) -> FeedbackConfig:
        now_us = self._now_us()
        return FeedbackConfig(
            tenant_id=tenant_id,
            id=self._new_id(),
            key=key,
            scale=scale,
            is_lower_score_better=is_lower_better,
            created_at=now_us,
            modified_at=now_us,
        )


class LearningWriter:
    """``BatchWriter`` in front of another one; judgements that pass teach what their keys mean."""

    def __init__(self, writer: BatchWriter, configs: FeedbackConfigs) -> None:
        self._writer = writer
        self._configs = configs

    async def write(self, batch: IngestBatch) -> None:
        """As the writer behind."""
        if batch.feedback:
            await self._configs.learn(batch.feedback)
        await self._writer.write(batch)
