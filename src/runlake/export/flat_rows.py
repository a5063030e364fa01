"""Flattened traces of an export: one row for each root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from runlake.export.columns import ExportColumn
from runlake.export.rows import Piece
from runlake.query.bulk import BulkQuery
from runlake.store.engine import Engine
from runlake.store.moment import Moment


class FlatRows:
    """Reads the flattened traces of one ``BulkQuery`` at one moment."""

    def __init__(
        self, engine: Engine, bulk: BulkQuery, moment: Moment, columns: Sequence[ExportColumn], schema: pa.Schema
    ) -> None:
        self._parts = (engine, bulk, moment, columns, schema)

    @contextmanager
    def pieces(self) -> Iterator[Iterator[Piece]]:
        """The rows, in order of their roots."""
        raise NotImplementedError
        yield iter(())
