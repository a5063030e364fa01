"""Tokens with which feedback is given, and what the scores of a key mean."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "feedback_tokens",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("token", sa.Uuid, primary_key=True),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("feedback_id", sa.Uuid),
        sa.Column("feedback_config", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("feedback_tokens_token", "feedback_tokens", ["token"], unique=True)
    op.create_index("feedback_tokens_run", "feedback_tokens", ["tenant_id", "run_id"])
    op.create_index("feedback_tokens_expiry", "feedback_tokens", ["expires_at"])
    op.create_table(
        "feedback_configs",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("scale", sa.LargeBinary, nullable=False),
        sa.Column("is_lower_score_better", sa.Boolean, nullable=False),
        sa.Column("is_first", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
    )
    live = sa.text("deleted_at IS NULL")
    op.create_index(
        "feedback_configs_live_key",
        "feedback_configs",
        ["tenant_id", "key"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index("feedback_configs_key", "feedback_configs", ["tenant_id", "key", "created_at"])
