"""Shares in the ledger. Every method blocks; a returned write is fsynced, so a revoked token is revoked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from runlake.model.run import NO_ID
from runlake.model.share import Share
from runlake.store.ledger import Ledger
from runlake.store.ledger_schema import SHARES


class ShareLedger:
    """The shares of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, share: Share) -> Share:
        """Keep a share; one of the same trace or thread that exists already is handed back instead."""
        with self._ledger.writing() as connection:
            found = connection.execute(sa.select(SHARES).where(*_same(share))).mappings().first()
            if found is not None:
                return _from_row(found)
            connection.execute(sa.insert(SHARES).values(**_to_row(share)))
        return share

    def is_taken(self, token: UUID) -> bool:
        """Whether a token opens something, of whichever tenant."""
        with self._ledger.reading() as connection:
            return connection.execute(sa.select(SHARES.c.token).where(SHARES.c.token == token)).first() is not None

    def by_token(self, token: UUID) -> Share | None:
        """What a token opens, whoever shows it."""
        with self._ledger.reading() as connection:
            found = connection.execute(sa.select(SHARES).where(SHARES.c.token == token)).mappings().first()
        return None if found is None else _from_row(found)

    def of_trace(self, tenant_id: UUID, trace_id: UUID) -> Share | None:
        """The share of a trace."""
        return self._one(SHARES.c.tenant_id == tenant_id, SHARES.c.trace_id == trace_id)

    def of_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> Share | None:
        """The share of a thread."""
        place = (SHARES.c.project_id == project_id, SHARES.c.thread_id == thread_id)
        return self._one(SHARES.c.tenant_id == tenant_id, *place)

    def tokens_of(self, tenant_id: UUID, trace_ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
        """The tokens of those traces that are shared."""
        query = sa.select(SHARES.c.trace_id, SHARES.c.token).where(
            SHARES.c.tenant_id == tenant_id, SHARES.c.trace_id.in_(trace_ids)
        )
        with self._ledger.reading() as connection:
            return {row.trace_id: row.token for row in connection.execute(query)}

    def revoke_trace(self, tenant_id: UUID, trace_id: UUID) -> None:
        """The token of the trace opens nothing from now on; nothing happens when there is none."""
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(SHARES).where(SHARES.c.tenant_id == tenant_id, SHARES.c.trace_id == trace_id))

    def revoke_thread(self, tenant_id: UUID, project_id: UUID, thread_id: str) -> None:
        """As ``revoke_trace``, of a thread."""
        place = (SHARES.c.project_id == project_id, SHARES.c.thread_id == thread_id)
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(SHARES).where(SHARES.c.tenant_id == tenant_id, *place))

    def _one(self, *conditions: sa.ColumnElement[bool]) -> Share | None:
        with self._ledger.reading() as connection:
            found = connection.execute(sa.select(SHARES).where(*conditions)).mappings().first()
        return None if found is None else _from_row(found)


def _same(share: Share) -> list[sa.ColumnElement[bool]]:
    """Whatever opens the same."""
    row = _to_row(share)
    return [SHARES.c[name] == row[name] for name in ("tenant_id", "project_id", "trace_id", "thread_id")]


def _to_row(share: Share) -> dict[str, Any]:
    """Absent ids are the zero UUID and an absent thread is empty text, so that equality finds them."""
    return {
        "tenant_id": share.tenant_id,
        "token": share.token,
        "project_id": share.project_id,
        "trace_id": share.trace_id or NO_ID,
        "run_id": share.run_id or NO_ID,
        "thread_id": share.thread_id or "",
        "created_at": share.created_at,
    }


def _from_row(row: Mapping[Any, Any]) -> Share:
    return Share(
        token=row["token"],
        tenant_id=row["tenant_id"],
        project_id=row["project_id"],
        trace_id=None if row["trace_id"] == NO_ID else row["trace_id"],
        run_id=None if row["run_id"] == NO_ID else row["run_id"],
        thread_id=row["thread_id"] or None,
        created_at=row["created_at"],
    )
