"""``ExampleService``: examples from a request's bytes to the ledger and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from runlake.api.bodies import AnyRequest
from runlake.api.body_budget import BodyBudget, receive_body
from runlake.api.dataset_service import DatasetService
from runlake.api.example_files import ExampleFiles
from runlake.api.schema_check import check_against
from runlake.errors import InvalidError, NotFoundError, UserError
from runlake.model.attachments import StoredAttachment
from runlake.model.dataset import ChangeDraft, Dataset, Example, ExampleChange, ExampleDraft
from runlake.model.run_record import RunRecord, RunSelect
from runlake.model.usage import UsageOf
from runlake.query.service import RunQueries
from runlake.store.datasets import ExampleStore
from runlake.store.objects import ObjectKey
from runlake.wire.attachment_links import AttachmentLinks
from runlake.wire.encoding import decode_body
from runlake.wire.examples import ExampleAnswer, ExampleEncoder, Receipt

_SOURCE: Final = frozenset({RunSelect.INPUTS, RunSelect.OUTPUTS, RunSelect.S3_URLS})

ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleService:
    """Over one store; ``max_body_bytes`` bounds what a compressed body may become."""

    store: ExampleStore
    datasets: DatasetService
    files: ExampleFiles
    runs: RunQueries
    links: AttachmentLinks
    bodies: BodyBudget
    max_body_bytes: int
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    async def read_body(self, request: AnyRequest, read: Callable[[bytes], ReadT]) -> ReadT:
        """The body as ``read`` understands it, off the event loop."""
        with self.bodies.share() as share:
            body, encoding = await receive_body(request, share), request.headers.get("content-encoding")
            limit = self.max_body_bytes
            return await asyncio.to_thread(
                lambda: read(decode_body(body, encoding, limit_bytes=limit, claim=share.claim))
            )

    def receipt(self, tenant_id: UUID) -> Receipt:
        return Receipt(tenant_id=tenant_id, now_us=self.now_us(), new_id=self.new_id)

    async def create(self, tenant_id: UUID, dataset_id: UUID, drafts: Sequence[ExampleDraft]) -> Sequence[Example]:
        """Store examples of one dataset in one version, all or none."""
        dataset = await asyncio.to_thread(self.datasets.store.read, tenant_id, dataset_id)
        sources = await self._sources(tenant_id, drafts)
        return await asyncio.to_thread(self._create, dataset, drafts, sources)

    async def update(
        self, tenant_id: UUID, dataset_id: UUID, drafts: Sequence[ChangeDraft]
    ) -> tuple[int, Sequence[UUID]]:
        """Change examples of one dataset in one version, all or none; the version, and the examples' ids."""
        return await asyncio.to_thread(self._update, tenant_id, dataset_id, drafts)

    def dataset_of(self, tenant_id: UUID, example_id: UUID) -> UUID:
        """The dataset of a live example."""
        return self.store.read(tenant_id, example_id).dataset_id

    def read(self, tenant_id: UUID, example_id: UUID, as_of: str | None) -> Example:
        """An example as it is, or was in a version."""
        if as_of is None:
            return self.store.read(tenant_id, example_id)
        dataset_id = self.store.datasets_of(tenant_id, [example_id]).get(example_id)
        if dataset_id is None:
            raise NotFoundError(f"no example has the id {example_id}", field="example_id")
        moment = self.datasets.moment(self.datasets.store.read(tenant_id, dataset_id), as_of)
        return self.store.read(tenant_id, example_id, as_of=moment)

    def erase(self, tenant_id: UUID, example_ids: Sequence[UUID]) -> None:
        """Remove examples and their files from every version."""
        self.files.delete(tenant_id, self.store.erase(tenant_id, example_ids))

    def encode(self, base_url: str, examples: Sequence[Example], fields: frozenset[str]) -> list[ExampleAnswer]:
        """The wire objects of examples of one tenant."""
        names = self._names(examples) if "name" in fields else {}
        encoder = ExampleEncoder(fields, names, partial(self._link, base_url))
        return [encoder.body(example) for example in examples]

    def file(self, tenant_id: UUID, example_id: UUID, name: str) -> tuple[StoredAttachment, ObjectKey]:
        """The file that a link names, by revision and name; NotFoundError when it is gone."""
        version, _, name = name.partition("/")
        example = self.store.read(tenant_id, example_id, as_of=int(version))
        for file in example.attachments:
            if file.name == name:
                return file, self.files.key(tenant_id, example_id, file.digest)
        raise NotFoundError(f"example {example_id} has no attachment of that name", field="name")

    def _link(self, base_url: str, example: Example, name: str) -> str:
        return self.links.url(base_url, example.tenant_id, example.id, f"{example.modified_at}/{name}")

    def _names(self, examples: Sequence[Example]) -> Mapping[UUID, str]:
        found = {}
        for dataset_id in {example.dataset_id for example in examples}:
            found[dataset_id] = self.datasets.store.read(examples[0].tenant_id, dataset_id).name
        return found

    async def _sources(self, tenant_id: UUID, drafts: Sequence[ExampleDraft]) -> Mapping[UUID, RunRecord]:
        """The runs that some drafts take from; NotFoundError names the first that is not there."""
        found = {}
        for draft in drafts:
            run_id = draft.example.source_run_id
            if run_id is not None and (draft.takes_source_io or draft.source_files):
                found[run_id] = await self.runs.run(run_id, tenant_id=tenant_id, select=_SOURCE, usage_of=UsageOf.RUN)
        return found

    def _create(
        self, dataset: Dataset, drafts: Sequence[ExampleDraft], sources: Mapping[UUID, RunRecord]
    ) -> Sequence[Example]:
        filled = [_with_source(draft, sources) for draft in drafts]
        for number, example in enumerate(filled):
            _check(dataset, example.inputs, example.outputs, number)
        examples = []
        for draft, example in zip(drafts, filled, strict=True):
            files = self._copied(draft, sources) + self.files.store(example.tenant_id, example.id, draft.files)
            examples.append(replace(example, attachments=files))
        return self.store.create(dataset.tenant_id, dataset.id, examples)

    def _update(self, tenant_id: UUID, dataset_id: UUID, drafts: Sequence[ChangeDraft]) -> tuple[int, Sequence[UUID]]:
        dataset = self.datasets.store.read(tenant_id, dataset_id)
        changes: list[ExampleChange] = []
        for number, draft in enumerate(drafts):
            _check(dataset, draft.change.inputs, draft.change.outputs, number)
            # Read before anything is written, so that files are never stored for what is not there.
            self.store.read(tenant_id, draft.change.id)
            files = self.files.store(tenant_id, draft.change.id, draft.files)
            changes.append(replace(draft.change, attachments=files))
        return self.store.update(tenant_id, dataset_id, changes), [change.id for change in changes]

    def _copied(self, draft: ExampleDraft, sources: Mapping[UUID, RunRecord]) -> tuple[StoredAttachment, ...]:
        """The files that an example takes over from its source run."""
        example = draft.example
        run = sources.get(example.source_run_id) if example.source_run_id is not None else None
        if run is None:
            return ()
        names = [file.name for file in run.attachments] if draft.takes_source_io else draft.source_files
        return self.files.copy(example.tenant_id, example.id, run, names)


def _with_source(draft: ExampleDraft, sources: Mapping[UUID, RunRecord]) -> Example:
    """The example with inputs and outputs of its source run, where it takes them from there."""
    example = draft.example
    if not draft.takes_source_io or example.source_run_id is None:
        return example
    run = sources[example.source_run_id]
    return replace(example, inputs=example.inputs or run.inputs or b"{}", outputs=example.outputs or run.outputs)


def _check(dataset: Dataset, inputs: bytes | None, outputs: bytes | None, number: int) -> None:
    try:
        check_against(dataset.inputs_schema, inputs, "inputs")
        check_against(dataset.outputs_schema, outputs, "outputs")
    except UserError as error:
        raise InvalidError(f"example {number}: {error.message}", field=error.field) from None
