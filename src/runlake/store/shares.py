"""The seam over the ledger's shares: what services need, without the database library behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from runlake.model.share import Share


class ShareStore(Protocol):
    """Shares, as services see them; ``store.share_ledger.ShareLedger`` documents each method."""

    def create(self, share: Share) -> Share: ...

    def is_taken(self, token: UUID) -> bool: ...

    def by_token(self, token: UUID) -> Share | None: ...

    def of_trace(self, tenant_id: UUID, trace_id: UUID) -> Share | None: ...

    def of_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> Share | None: ...

    def tokens_of(self, tenant_id: UUID, trace_ids: Sequence[UUID]) -> Mapping[UUID, UUID]: ...

    def revoke_trace(self, tenant_id: UUID, trace_id: UUID) -> None: ...

    def revoke_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> None: ...
