"""Deletions and retention rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("project_id", sa.Uuid),
        sa.Column("traces", sa.BigInteger, nullable=False),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("feedback", sa.BigInteger, nullable=False),
        sa.Column("disk_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("masked_at", sa.BigInteger),
        sa.Column("done_at", sa.BigInteger),
    )
    op.create_index("deletions_state", "deletions", ["state"])
    op.create_table(
        "retention_rules",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("project_id", sa.Uuid, primary_key=True),
        sa.Column("days", sa.Integer),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
