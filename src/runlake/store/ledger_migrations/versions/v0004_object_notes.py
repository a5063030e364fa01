"""Keys of objects that may turn out to belong to no run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "object_notes",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("dropped", sa.Boolean, nullable=False),
    )
    op.create_index("object_notes_due", "object_notes", ["due_at"])
