"""Annotation queues and the runs in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "annotation_queues",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("rubric_instructions", sa.Text),
        sa.Column("rubric_items", sa.LargeBinary),
    )
    op.create_table(
        "queued_runs",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("queue_id", sa.Uuid, primary_key=True),
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
    )
    op.create_index("queued_runs_place", "queued_runs", ["tenant_id", "queue_id", "place"])
