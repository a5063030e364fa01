"""Tables of annotation queues in the ledger; a migration of ``ledger_migrations`` creates them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, Uuid

from runlake.store.ledger_schema import METADATA

ANNOTATION_QUEUES: Final = Table(
    "annotation_queues",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("description", Text),
    Column("rubric_instructions", Text),
    Column("rubric_items", LargeBinary),
)

QUEUED_RUNS: Final = Table(
    "queued_runs",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("queue_id", Uuid, primary_key=True),
    Column("run_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Index("queued_runs_place", "tenant_id", "queue_id", "place"),
)
"""``place`` counts up in a queue; several runs may be added in one microsecond."""
