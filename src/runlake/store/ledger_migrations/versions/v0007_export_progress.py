"""What each export run has written, as numbers that can be summed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("rows_written", "bytes_written", "files_written"):
        op.add_column("export_runs", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
