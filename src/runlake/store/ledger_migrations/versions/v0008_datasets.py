"""Datasets, their examples, versions, tags and shares, and comparisons of experiments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _datasets()
    _examples()
    _comparisons()
    op.create_index("projects_reference_dataset", "projects", ["tenant_id", "reference_dataset_id"])


def _datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("data_type", sa.String(20), nullable=False),
        sa.Column("externally_managed", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("extra", sa.LargeBinary),
        sa.Column("inputs_schema", sa.LargeBinary),
        sa.Column("outputs_schema", sa.LargeBinary),
        sa.Column("transformations", sa.LargeBinary),
    )
    op.create_index("datasets_name", "datasets", ["tenant_id", "name"], unique=True)
    op.create_table(
        "dataset_versions",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("dataset_id", sa.Uuid, primary_key=True),
        sa.Column("as_of", sa.BigInteger, primary_key=True),
    )
    op.create_table(
        "dataset_tags",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("dataset_id", sa.Uuid, primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("as_of", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "dataset_shares",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("dataset_id", sa.Uuid, primary_key=True),
        sa.Column("token", sa.Uuid, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("dataset_shares_token", "dataset_shares", ["token"], unique=True)


def _examples() -> None:
    op.create_table(
        "examples",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("modified_at", sa.BigInteger, primary_key=True),
        sa.Column("valid_until", sa.BigInteger, nullable=False),
        sa.Column("dataset_id", sa.Uuid, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("splits", sa.Text, nullable=False),
        sa.Column("source_run_id", sa.Uuid),
    )
    listing = ["tenant_id", "dataset_id", "valid_until", "modified_at", "created_at", "id"]
    op.create_index("examples_listing", "examples", listing)
    op.create_index("examples_source", "examples", ["tenant_id", "source_run_id"])
    op.create_table(
        "example_contents",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("modified_at", sa.BigInteger, primary_key=True),
        sa.Column("metadata", sa.LargeBinary),
        sa.Column("attachments", sa.LargeBinary),
        sa.Column("inputs", sa.LargeBinary),
        sa.Column("outputs", sa.LargeBinary),
    )


def _comparisons() -> None:
    op.create_table(
        "comparative_experiments",
        sa.Column("tenant_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("reference_dataset_id", sa.Uuid, nullable=False),
        sa.Column("experiment_ids", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("extra", sa.LargeBinary),
    )
    op.create_index(
        "comparative_experiments_dataset",
        "comparative_experiments",
        ["tenant_id", "reference_dataset_id", "created_at"],
    )
