"""What one request hands to the writer, and what the writer says back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from runlake.model.project import Feedback
from runlake.model.run import RunWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestBatch:
    """Validated writes of one request. Order matters only between writes of equal rank to the same run."""

    tenant_id: UUID
    runs: tuple[RunWrite, ...] = ()
    feedback: tuple[Feedback, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(write.size_bytes for write in self.runs) + 1000 * len(self.feedback)


class BatchWriter(Protocol):
    """The write path as the API sees it (``ingest.writer.Writer`` is the one implementation outside tests)."""

    async def write(self, batch: IngestBatch) -> None:
        """Return when the batch is on disk and visible to every query; raise and store nothing otherwise."""
        ...
