"""Which project a write belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol, TypeAlias
from uuid import UUID

from runlake.ingest.batch import IngestBatch
from runlake.model.run import RunField, RunWrite

_Said: TypeAlias = tuple[UUID | None, str | None]
"""Id and name of a project, as a write gives them."""


class Projects(Protocol):
    """Finds, or on first use creates, the project a write belongs to. Callable from any thread."""

    def resolve(
        self, tenant_id: UUID, *, session_id: UUID | None, session_name: str | None, started: int | None
    ) -> UUID:
        """The project's id; the default project when neither is given.

        A new project starts at ``started`` (microseconds UTC) if that is past, so that it holds its first runs.
        """
        ...


def in_projects(projects: Projects, batch: IngestBatch) -> Iterator[RunWrite]:
    """The writes with their project's id instead of a name; one that names no project stays without."""
    starts = _first_starts(batch)
    for write in batch.runs:
        said = _said(write)
        if said == (None, None):
            yield write
            continue
        session_id, name = said
        found = projects.resolve(batch.tenant_id, session_id=session_id, session_name=name, started=starts.get(said))
        yield replace(write, fields={**write.fields, RunField.SESSION_ID: found})


def _first_starts(batch: IngestBatch) -> Mapping[_Said, int]:
    """When the first run of each project starts; batches of exporters have it last, because it ends last."""
    found: dict[_Said, int] = {}
    for write in batch.runs:
        start = write.fields.get(RunField.START_TIME)
        if isinstance(start, int):
            said = _said(write)
            found[said] = min(start, found.get(said, start))
    return found


def _said(write: RunWrite) -> _Said:
    session_id = write.fields.get(RunField.SESSION_ID)
    return session_id if isinstance(session_id, UUID) else None, write.session_name
