"""The seam over the ledger's feedback tokens and configs: what services need, without the database library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from runlake.model.feedback_config import FeedbackConfig
from runlake.model.feedback_token import FeedbackToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFilter:
    """Which configs a listing wants; every given condition must hold, a list means any of it."""

    keys: tuple[str, ...] | None = None
    ids: tuple[UUID, ...] | None = None
    name_contains: str | None = None
    with_deleted: bool = False


class TokenStore(Protocol):
    """Feedback tokens, as services see them; ``store.feedback_ledger.TokenLedger`` documents each method."""

    def create(self, tokens: Sequence[FeedbackToken], *, forget_before: int) -> None: ...

    def find(self, token: UUID) -> FeedbackToken | None: ...

    def list(self, tenant_id: UUID, run_id: UUID, *, now_us: int, offset: int, limit: int) -> list[FeedbackToken]: ...


class ConfigStore(Protocol):
    """Feedback configs, as services see them; ``store.feedback_ledger.ConfigLedger`` documents each method."""

    def create(self, config: FeedbackConfig) -> FeedbackConfig: ...

    def read(self, tenant_id: UUID, key: str) -> FeedbackConfig | None: ...

    def list(self, tenant_id: UUID, wanted: ConfigFilter, *, offset: int, limit: int) -> list[FeedbackConfig]: ...

    def replace(self, old: FeedbackConfig, new: FeedbackConfig) -> bool: ...
