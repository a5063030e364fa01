"""Sharing: making and revoking tokens, and reading what a token opens. Blocks where the ledger is asked.

What a token opens is decided here alone: every public read is a query whose project and trace come from the share and
not from the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from runlake.errors import NotFoundError
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.share import Share
from runlake.query.service import RunQueries
from runlake.store.shares import ShareStore
from runlake.wire.run_queries import RunQuerySpec

_RANDOM: Final = 4
"""The version of UUID that is random throughout; a token of any other could be guessed."""


class Shares:
    """Shares of one server. Thread-safe."""

    def __init__(
        self, *, ledger: ShareStore, runs: RunQueries, now_us: Callable[[], int], new_id: Callable[[], UUID]
    ) -> None:
        self._ledger = ledger
        self._runs = runs
        self._now_us = now_us
        self._new_id = new_id

    def share_run(self, tenant_id: UUID, run: RunRecord, wished: UUID | None = None) -> Share:
        """Share the trace of a run, or find its share. A token that the client made is kept when it is a random one."""
        return self._ledger.create(
            Share(
                token=self._token(wished),
                tenant_id=tenant_id,
                project_id=UUID(run.session_id),
                trace_id=UUID(run.trace_id),
                run_id=UUID(run.id),
                created_at=self._now_us(),
            )
        )

    def share_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> Share:
        """Share a thread, or find its share."""
        return self._ledger.create(
            Share(
                token=self._token(None),
                tenant_id=tenant_id,
                project_id=project_id,
                thread_id=thread_id,
                created_at=self._now_us(),
            )
        )

    def find(self, token: UUID) -> Share:
        """What a token opens; NotFoundError for one that was never made or is revoked."""
        share = self._ledger.by_token(token)
        if share is None:
            raise NotFoundError("this link opens nothing; it was revoked or never made", field="share_token")
        return share

    def of_trace(self, tenant_id: UUID, trace_id: UUID) -> Share | None:
        """The share of a trace, None when it is not shared."""
        return self._ledger.of_trace(tenant_id, trace_id)

    def of_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> Share | None:
        """As ``of_trace``, of a thread."""
        return self._ledger.of_thread(tenant_id, project_id, thread_id)

    def shown_tokens(self, tenant_id: UUID, runs: Sequence[RunRecord], select: frozenset[RunSelect]) -> dict[str, str]:
        """The tokens of the traces that some runs belong to, by trace, where the caller asked for them."""
        if RunSelect.SHARE_TOKEN not in select or not runs:
            return {}
        tokens = self._ledger.tokens_of(tenant_id, sorted({UUID(run.trace_id) for run in runs}))
        return {str(trace): str(token) for trace, token in tokens.items()}

    def revoke_trace(self, tenant_id: UUID, trace_id: UUID) -> None:
        """The token of the trace opens nothing from now on."""
        self._ledger.revoke_trace(tenant_id, trace_id)

    def revoke_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> None:
        """As ``revoke_trace``, of a thread."""
        self._ledger.revoke_thread(tenant_id, project_id, thread_id)

    def opened(self, share: Share, spec: RunQuerySpec) -> RunQuerySpec:
        """A query that finds what ``spec`` asks for, within what the share opens."""
        spec = replace(
            spec,
            sessions=(share.project_id,),
            ids=None,
            among=spec.ids if spec.among is None else spec.among,
            explain=False,
        )
        if share.thread_id is None:
            return replace(spec, trace=share.trace_id)
        return replace(spec, thread_of_root=share.thread_id)

    async def run(self, share: Share, run_id: UUID | None, select: frozenset[RunSelect]) -> RunRecord:
        """One run of what the share opens, by default the one that was shared; NotFoundError for any other."""
        wanted = run_id or share.run_id
        spec = RunQuerySpec(
            among=None if wanted is None else (wanted,),
            is_root=True if wanted is None else None,
            limit=1,
            select=select,
        )
        page = await self._runs.page(self.opened(share, spec), tenant_id=share.tenant_id)
        if not page.runs:
            raise NotFoundError("what this link opens has no such run", field="run_id")
        return page.runs[0]

    def _token(self, wished: UUID | None) -> UUID:
        if wished is not None and wished.version == _RANDOM and not self._ledger.is_taken(wished):
            return wished
        return self._new_id()
