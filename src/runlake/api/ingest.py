"""Writes of runs: ``POST /runs``, ``PATCH /runs/{id}``, ``POST /runs/batch``, ``POST /runs/multipart``.

Each handler reads the body, hands the accepted writes to the writer, and answers 202 when they are on disk. Writes
that cannot be accepted are named under ``refused``; their neighbours are stored. The answer never has a key ``errors``,
because a known client takes that for failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from runlake.api.auth import Access
from runlake.api.body_budget import BodyBudget, BodyShare, receive_body, receive_spooled
from runlake.api.parameters import read_path_id
from runlake.errors import MalformedError, UserError
from runlake.ingest.batch import BatchWriter, IngestBatch
from runlake.model.run import RunWrite, WriteKind
from runlake.wire.encoding import decode_body, decode_stored
from runlake.wire.feedback import Receipt
from runlake.wire.run_writes import ReadBatch, Refusal, read_batch, read_multipart, read_run
from runlake.wire.spool import Body, Spool


class RefusedWrite(msgspec.Struct, frozen=True, omit_defaults=True):
    """One write that was not stored, and why."""

    part: str
    message: str
    run_id: UUID | None = None
    suggestion: str | None = None


class WriteAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer to every write of runs; clients do not read it, people do."""

    message: str
    accepted: int = 0
    refused: tuple[RefusedWrite, ...] = ()


Incoming = Request[Any, Any, State]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestService:
    """From a request's bytes to durable runs; ``max_decoded_body_bytes`` bounds what a compressed body may become.

    Large bodies are put down in ``spool_directory`` while they are read; without one they stay in memory.
    """

    writer: BatchWriter
    bodies: BodyBudget
    max_decoded_body_bytes: int
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]
    count_refused: Callable[[str, int], None] = lambda _reason, _count: None
    spool_directory: Path | None = None

    async def create_run(self, tenant_id: UUID, request: Incoming) -> WriteAnswer:
        return await self._write_one(tenant_id, request, partial(read_run, kind=WriteKind.CREATE, new_id=self.new_id))

    async def patch_run(self, tenant_id: UUID, run_id: UUID, request: Incoming) -> WriteAnswer:
        return await self._write_one(tenant_id, request, partial(read_run, kind=WriteKind.PATCH, run_id=run_id))

    async def write_batch(self, tenant_id: UUID, request: Incoming) -> WriteAnswer:
        with self.bodies.share() as share:
            return await self._write(tenant_id, await self._read(request, share, read_batch))

    async def write_multipart(self, tenant_id: UUID, request: Incoming) -> WriteAnswer:
        content_type = request.headers.get("content-type", "")
        receipt = Receipt(tenant_id=tenant_id, now_us=self.now_us(), new_id=self.new_id)

        def read(body: Body) -> ReadBatch:
            return read_multipart(body, content_type, receipt)

        with self.bodies.share() as share:
            return await self._write(tenant_id, await self._read_spooled(request, share, read))

    async def write_spans(
        self, tenant_id: UUID, request: Incoming, read: Callable[[bytes], ReadBatch]
    ) -> tuple[Refusal, ...]:
        """Store what ``read`` makes of the body; the refusals are the caller's to tell, also when nothing is left."""
        with self.bodies.share() as share:
            found = await self._read(request, share, read)
            refused = found.refused
            batches = [IngestBatch(tenant_id=tenant_id, runs=found.writes)]
            del found
            await self._store(batches, refused)
        return refused

    async def _read(self, request: Incoming, share: BodyShare, read: Callable[[bytes], T]) -> T:
        """Decode and parse the body on another thread, so that a large one does not hold up small requests."""
        body = await receive_body(request, share)
        encoding = request.headers.get("content-encoding")
        limit_bytes = self.max_decoded_body_bytes
        return await asyncio.to_thread(
            lambda: read(decode_body(body, encoding, limit_bytes=limit_bytes, claim=share.claim))
        )

    async def _read_spooled(self, request: Incoming, share: BodyShare, read: Callable[[Body], T]) -> T:
        """As ``_read`` with a large body on disk, so that files go from there to where they stay."""
        body = await receive_spooled(request, share, Spool(self.spool_directory))
        encoding = request.headers.get("content-encoding")
        limit_bytes, plain = self.max_decoded_body_bytes, Spool(self.spool_directory)
        return await asyncio.to_thread(
            lambda: read(decode_stored(body, encoding, limit_bytes=limit_bytes, claim=share.claim, spool=plain))
        )

    async def _write_one(self, tenant_id: UUID, request: Incoming, read: Callable[[bytes], RunWrite]) -> WriteAnswer:
        def read_alone(body: bytes) -> ReadBatch:
            return ReadBatch((read(body),))

        with self.bodies.share() as share:
            return await self._write(tenant_id, await self._read(request, share, read_alone), done="run is stored")

    async def _write(self, tenant_id: UUID, read: ReadBatch, *, done: str = "batch is stored") -> WriteAnswer:
        refused, accepted = read.refused, len(read.writes) + len(read.feedback)
        if refused and not accepted:
            raise _all_refused(refused)
        batches = [IngestBatch(tenant_id=tenant_id, runs=read.writes, feedback=read.feedback)]
        # No frame but the writer's holds the payloads, so that what it puts elsewhere is free during the commit.
        del read
        await self._store(batches, refused)
        return WriteAnswer(done, accepted, tuple(_refused(refusal) for refusal in refused))

    async def _store(self, batches: list[IngestBatch], refused: Sequence[Refusal]) -> None:
        """Write the one batch of ``batches``; it is taken out, so that nothing here holds its payloads."""
        await self.writer.write(batches.pop())
        for refusal in refused:
            self.count_refused(refusal.error.code, 1)


def _refused(refusal: Refusal) -> RefusedWrite:
    return RefusedWrite(refusal.part, refusal.error.message, refusal.run_id, refusal.error.suggestion)


def _all_refused(refused: Sequence[Refusal]) -> UserError:
    """Nothing of the batch could be stored: the first reason, with the part it belongs to."""
    first = refused[0]
    more = f" (and {len(refused) - 1} more were refused)" if len(refused) > 1 else ""
    return MalformedError(f"{first.part}: {first.error.message}{more}", field=first.part)


@post("/runs", status_code=202, access=Access.INGEST, summary="Store one run")
async def create_run(
    request: Incoming, tenant_id: NamedDependency[UUID], ingest: NamedDependency[IngestService]
) -> WriteAnswer:
    """Store one started or finished run."""
    return await ingest.create_run(tenant_id, request)


@patch("/runs/{run_id:str}", status_code=202, access=Access.INGEST, summary="Change one run")
async def patch_run(
    request: Incoming,
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    ingest: NamedDependency[IngestService],
) -> WriteAnswer:
    """Change one run; fields that are absent or null stay as they are."""
    return await ingest.patch_run(tenant_id, read_path_id(run_id, "run_id"), request)


@post("/runs/batch", status_code=202, access=Access.INGEST, summary="Store many runs sent as JSON")
async def write_batch(
    request: Incoming, tenant_id: NamedDependency[UUID], ingest: NamedDependency[IngestService]
) -> WriteAnswer:
    """Store many creates and patches sent as one JSON object."""
    return await ingest.write_batch(tenant_id, request)


@post("/runs/multipart", status_code=202, access=Access.INGEST, summary="Store many runs sent as multipart")
async def write_multipart(
    request: Incoming, tenant_id: NamedDependency[UUID], ingest: NamedDependency[IngestService]
) -> WriteAnswer:
    """Store many creates, patches, feedback and attachments sent as one multipart document."""
    return await ingest.write_multipart(tenant_id, request)


INGEST_HANDLERS: Final = (create_run, patch_run, write_batch, write_multipart)
