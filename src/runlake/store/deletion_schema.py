"""Tables of deletions and retention in the ledger; a migration of ``ledger_migrations`` creates them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Uuid

from runlake.store.ledger_schema import METADATA

DELETIONS: Final = Table(
    "deletions",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("project_id", Uuid),
    Column("traces", BigInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("feedback", BigInteger, nullable=False),
    Column("disk_bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("masked_at", BigInteger),
    Column("done_at", BigInteger),
    Index("deletions_state", "state"),
)

RETENTION_RULES: Final = Table(
    "retention_rules",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    # The zero id stands for the tenant's default, because a key column cannot be null.
    Column("project_id", Uuid, primary_key=True),
    Column("days", Integer),
    Column("updated_at", BigInteger, nullable=False),
)
