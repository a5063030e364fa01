"""Which project a write belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol
from uuid import UUID

from runlake.model.run import RunField, RunWrite


class Projects(Protocol):
    """Finds, or on first use creates, the project a write belongs to. Callable from any thread."""

    def resolve(self, tenant_id: UUID, *, session_id: UUID | None, session_name: str | None) -> UUID:
        """The project's id; the default project when neither is given."""
        ...


def in_project(projects: Projects, tenant_id: UUID, write: RunWrite) -> RunWrite:
    """The write with its project's id instead of a name; a write that names no project stays without one."""
    session_id = write.fields.get(RunField.SESSION_ID)
    if session_id is None and write.session_name is None:
        return write
    resolved = projects.resolve(
        tenant_id,
        session_id=session_id if isinstance(session_id, UUID) else None,
        session_name=write.session_name,
    )
    return replace(write, fields={**write.fields, RunField.SESSION_ID: resolved})
