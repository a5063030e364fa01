"""Tables around feedback in the ledger; a migration of ``ledger_migrations`` creates them.

Judgements themselves are rows of the engine (``store.feedback_rows``).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, Text, Uuid, text

from runlake.store.ledger_schema import METADATA

FEEDBACK_TOKENS: Final = Table(
    "feedback_tokens",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("token", Uuid, primary_key=True),
    Column("run_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("feedback_id", Uuid),
    Column("feedback_config", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("feedback_tokens_token", "token", unique=True),
    Index("feedback_tokens_run", "tenant_id", "run_id"),
    Index("feedback_tokens_expiry", "expires_at"),
)
"""The token is unique among all tenants, because it is all that a public request shows."""

FEEDBACK_CONFIGS: Final = Table(
    "feedback_configs",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("scale", LargeBinary, nullable=False),
    Column("is_lower_score_better", Boolean, nullable=False),
    Column("is_first", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Index(
        "feedback_configs_live_key",
        "tenant_id",
        "key",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("feedback_configs_key", "tenant_id", "key", "created_at"),
)
"""At most one that is not deleted for each key."""
