"""A reader for exports that a server can be given when it starts, at no cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from runlake.export.content import ExportSelection
from runlake.export.run_files import RunFile
from runlake.query.read_request import LiveProjects
from runlake.store.engine import Engine
from runlake.store.moment import Moments
from runlake.store.objects import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

    from runlake.export.source import ExportPiece, ExportSource


class LateReader:
    """An ``ExportReader`` that loads pyarrow with the first export, not with the server."""

    def __init__(self, *, engine: Engine, moments: Moments, live_projects: LiveProjects, objects: ObjectStore) -> None:
        self._engine = engine
        self._objects = objects
        self._moments = moments
        self._live_projects = live_projects

    @cached_property
    def _source(self) -> ExportSource:
        from runlake.export.source import ExportSource  # noqa: PLC0415 -- this is the point of the class

        return ExportSource(
            engine=self._engine, moments=self._moments, live_projects=self._live_projects, objects=self._objects
        )

    def watermark(self) -> int:
        return self._moments.current(UUID(int=0)).visible_version

    def check(self, selection: ExportSelection, /) -> None:
        self._source.check(selection)

    def count(self, selection: ExportSelection, /) -> int:
        return self._source.count(selection)

    def counts(self, selection: ExportSelection, ends_us: Sequence[int], /) -> list[int]:
        return self._source.counts(selection, ends_us)

    def schema(self, selection: ExportSelection, /) -> pa.Schema:
        return self._source.schema(selection)

    def windows(
        self, selection: ExportSelection, ends_us: Sequence[int], /
    ) -> AbstractContextManager[Iterator[tuple[int, pa.RecordBatch]]]:
        return self._source.windows(selection, ends_us)

    def file_chunks(self, tenant_id: UUID, run_id: UUID, file: RunFile, /) -> Iterator[bytes]:
        return self._source.file_chunks(tenant_id, run_id, file)

    def pieces(self, selection: ExportSelection, /) -> AbstractContextManager[Iterator[ExportPiece]]:
        return self._source.pieces(selection)
