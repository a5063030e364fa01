"""Alembic's entry point. The caller passes an open connection; there is no configuration file to find."""

from __future__ import annotations

from alembic import context

from runlake.store.ledger_schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
