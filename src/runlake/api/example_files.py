"""Files of examples: objects beside those of runs.

They lie under an id of their own that is derived from the example's, so that deleting a run whose id an example shares
never takes the example's files along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from runlake.errors import NotFoundError
from runlake.model.attachments import Attachment, StoredAttachment
from runlake.model.run_record import RunRecord
from runlake.store.objects import ObjectKey, ObjectStore, digest_of

_FOLDERS: Final = UUID("6f0d3c1e-2a57-4a7f-9b53-0f3b9a6e51c4")


@dataclass(frozen=True, slots=True)
class ExampleFiles:
    """Reads and writes them. Every method blocks; a returned write is durable."""

    objects: ObjectStore

    def store(self, tenant_id: UUID, example_id: UUID, files: Sequence[Attachment]) -> tuple[StoredAttachment, ...]:
        """Put files into objects; what the example is to name."""
        found = []
        for file in files:
            stored = StoredAttachment(file.name, file.mime_type, digest_of(file.data), len(file.data))
            self.objects.put_attachment(self.key(tenant_id, example_id, stored.digest), file.data)
            found.append(stored)
        return tuple(found)

    def copy(
        self, tenant_id: UUID, example_id: UUID, run: RunRecord, names: Sequence[str]
    ) -> tuple[StoredAttachment, ...]:
        """Copies of files of a run; NotFoundError for one that it does not have."""
        files = {file.name: file for file in run.attachments}
        for name in names:
            if name not in files:
                raise NotFoundError(
                    f"run {run.id} has no attachment {name[:100]!r}", field="use_source_run_attachments"
                )
            file = files[name]
            source = ObjectKey(tenant_id, UUID(run.id), file.digest)
            data = b"".join(self.objects.attachment_chunks(source, 0, file.size_bytes))
            self.objects.put_attachment(self.key(tenant_id, example_id, file.digest), data)
        return tuple(files[name] for name in names)

    def delete(self, tenant_id: UUID, example_ids: Iterable[UUID]) -> None:
        """Remove the files of examples; may be repeated."""
        self.objects.delete_runs(tenant_id, (uuid5(_FOLDERS, str(identity)) for identity in example_ids))

    def key(self, tenant_id: UUID, example_id: UUID, digest: str) -> ObjectKey:
        """Where a file lies."""
        return ObjectKey(tenant_id, uuid5(_FOLDERS, str(example_id)), digest)
