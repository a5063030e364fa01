"""Tables of datasets in the ledger; a migration of ``ledger_migrations`` creates them.

``examples`` is narrow, so that listing, counting and comparing versions read little; ``example_contents`` holds the
payloads and is read for the rows of a page only. A revision that still holds is ``valid_until = ALWAYS``: equality with
a constant serves the newest version, by far the most read, straight from an index in the order of a listing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, String, Table, Text, Uuid

from runlake.store.ledger_schema import METADATA

DATASETS: Final = Table(
    "datasets",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("data_type", String(20), nullable=False),
    Column("externally_managed", Boolean, nullable=False),
    Column("description", Text),
    Column("extra", LargeBinary),
    Column("inputs_schema", LargeBinary),
    Column("outputs_schema", LargeBinary),
    Column("transformations", LargeBinary),
    Index("datasets_name", "tenant_id", "name", unique=True),
)

DATASET_VERSIONS: Final = Table(
    "dataset_versions",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, primary_key=True),
    Column("as_of", BigInteger, primary_key=True),
)

DATASET_TAGS: Final = Table(
    "dataset_tags",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("as_of", BigInteger, nullable=False),
)

EXAMPLES: Final = Table(
    "examples",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("modified_at", BigInteger, primary_key=True),
    Column("valid_until", BigInteger, nullable=False),
    Column("dataset_id", Uuid, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("splits", Text, nullable=False),
    Column("source_run_id", Uuid),
    Index("examples_listing", "tenant_id", "dataset_id", "valid_until", "modified_at", "created_at", "id"),
    Index("examples_source", "tenant_id", "source_run_id"),
)
"""``splits`` is a JSON list, so that one split can be looked for as its quoted name."""

EXAMPLE_CONTENTS: Final = Table(
    "example_contents",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("modified_at", BigInteger, primary_key=True),
    Column("metadata", LargeBinary),
    Column("attachments", LargeBinary),
    Column("inputs", LargeBinary),
    Column("outputs", LargeBinary),
)

COMPARATIVE_EXPERIMENTS: Final = Table(
    "comparative_experiments",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("reference_dataset_id", Uuid, nullable=False),
    Column("experiment_ids", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("name", Text),
    Column("description", Text),
    Column("extra", LargeBinary),
    Index("comparative_experiments_dataset", "tenant_id", "reference_dataset_id", "created_at"),
)

DATASET_SHARES: Final = Table(
    "dataset_shares",
    METADATA,
    Column("tenant_id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, primary_key=True),
    Column("token", Uuid, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("dataset_shares_token", "token", unique=True),
)
"""As with shares of traces, the token is unique among all tenants."""
