"""Tables of the ledger as SQLAlchemy Core sees them; the migrations in ``ledger_migrations`` create them.

Every table of tenants' data has the tenant in its primary key, so an id that one tenant chose can neither collide with
nor reveal another tenant's.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    text,
)

HEAD_REVISION: Final = "0010"
"""The newest migration. Start-up compares it before it imports Alembic, which would cost a third of the start time."""

METADATA: Final = MetaData()

TENANTS: Final = Table(
    "tenants",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

PROJECTS: Final = Table(
    "projects",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("description", Text),
    Column("extra", LargeBinary),
    Column("reference_dataset_id", Uuid),
    Column("default_dataset_id", Uuid),
    Column("trace_tier", String(40)),
    Column("deleted_at", BigInteger),
    Column("purged_at", BigInteger),
    Index(
        "projects_live_name",
        "tenant_id",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("projects_reference_dataset", "tenant_id", "reference_dataset_id"),
)

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(20), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("ingest_per_minute", Integer),
    Column("query_per_minute", Integer),
    Column("export_per_minute", Integer),
)

OBJECT_NOTES: Final = Table(
    "object_notes",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("run_id", Uuid, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("noted_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("dropped", Boolean, nullable=False),
    Index("object_notes_due", "due_at"),
)
"""Objects that may belong to no run; see ``store.object_notes``."""

SECRETS: Final = Table(
    "secrets",
    METADATA,
    Column("name", String(100), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

SHARES: Final = Table(
    "shares",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("token", Uuid, primary_key=True),
    Column("project_id", Uuid, nullable=False),
    Column("trace_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("thread_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("shares_token", "token", unique=True),
    Index("shares_trace", "tenant_id", "trace_id"),
)
"""The token is unique among all tenants, because it is all that a public request shows."""
