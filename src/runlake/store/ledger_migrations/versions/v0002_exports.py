"""Destinations, exports and export runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_destinations()
    _create_exports()
    _create_runs()


def _create_destinations() -> None:
    op.create_table(
        "export_destinations",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("place", sa.LargeBinary, nullable=False),
        sa.Column("credentials_keys", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )


def _create_exports() -> None:
    op.create_table(
        "exports",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("spec", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("source_id", sa.Uuid),
        sa.Column("watermark", sa.BigInteger),
        sa.Column("changed_since", sa.BigInteger),
        sa.Column("changes_from_us", sa.BigInteger),
        sa.Column("next_start_us", sa.BigInteger),
        sa.Column("deadline_us", sa.BigInteger),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("exports_status", "exports", ["status"])
    op.create_index("exports_source", "exports", ["tenant_id", "source_id"])


def _create_runs() -> None:
    op.create_table(
        "export_runs",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("export_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("project_id", sa.Uuid),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("retry_number", sa.Integer, nullable=False),
        sa.Column("attempts_left", sa.Integer, nullable=False),
        sa.Column("errors", sa.LargeBinary, nullable=False),
        sa.Column("not_before_us", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.String(100)),
        sa.Column("lease_until_us", sa.BigInteger),
        sa.Column("estimated_rows", sa.BigInteger),
        sa.Column("result", sa.LargeBinary),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("export_runs_export", "export_runs", ["tenant_id", "export_id", "start_us"])
    op.create_index("export_runs_work", "export_runs", ["status", "not_before_us"])
