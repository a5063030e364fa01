"""Tables of exports in the ledger, as SQLAlchemy Core sees them; a migration of ``ledger_migrations`` creates them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, Uuid

from runlake.store.ledger_schema import METADATA

DESTINATIONS: Final = Table(
    "export_destinations",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("place", LargeBinary, nullable=False),
    Column("credentials_keys", LargeBinary, nullable=False),
    Column("sealed", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

EXPORTS: Final = Table(
    "exports",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("spec", LargeBinary, nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("source_id", Uuid),
    Column("watermark", BigInteger),
    Column("changed_since", BigInteger),
    Column("changes_from_us", BigInteger),
    Column("next_start_us", BigInteger),
    Column("deadline_us", BigInteger),
    Column("revision", Integer, nullable=False),
    Index("exports_status", "status"),
    Index("exports_source", "tenant_id", "source_id"),
)

EXPORT_RUNS: Final = Table(
    "export_runs",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("export_id", Uuid, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("project_id", Uuid),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("retry_number", Integer, nullable=False),
    Column("attempts_left", Integer, nullable=False),
    Column("errors", LargeBinary, nullable=False),
    Column("not_before_us", BigInteger, nullable=False),
    Column("lease_owner", String(100)),
    Column("lease_until_us", BigInteger),
    Column("estimated_rows", BigInteger),
    Column("result", LargeBinary),
    Column("revision", Integer, nullable=False),
    Column("rows_written", BigInteger, nullable=False, server_default="0"),
    Column("bytes_written", BigInteger, nullable=False, server_default="0"),
    Column("files_written", BigInteger, nullable=False, server_default="0"),
    Index("export_runs_export", "tenant_id", "export_id", "start_us"),
    Index("export_runs_work", "status", "not_before_us"),
)
