"""Tenants, projects and the server's own secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "projects",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("start_time", sa.BigInteger, nullable=False),
        sa.Column("end_time", sa.BigInteger),
        sa.Column("description", sa.Text),
        sa.Column("extra", sa.LargeBinary),
        sa.Column("reference_dataset_id", sa.Uuid),
        sa.Column("default_dataset_id", sa.Uuid),
        sa.Column("trace_tier", sa.String(40)),
        sa.Column("deleted_at", sa.BigInteger),
        sa.Column("purged_at", sa.BigInteger),
    )
    live = sa.text("deleted_at IS NULL")
    op.create_index(
        "projects_live_name",
        "projects",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
