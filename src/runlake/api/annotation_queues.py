"""Annotation queues: ``/annotation-queues`` of the v1 API. Handlers decode, call ``AnnotationQueues``, encode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, cast
from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import Deleted
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import ExactName, NamePart, Offset, read_ids, read_path_id
from runlake.api.run_bodies import EncoderOf, RunBodies, runs_answer
from runlake.errors import NotFoundError
from runlake.model.annotation_queue import QueuedRun
from runlake.model.run_record import RunRecord, RunSelect
from runlake.query.service import RunQueries
from runlake.store.annotations import MAX_QUEUED_RUNS, AnnotationStore, QueueChanges, QueueFilter
from runlake.wire.annotation_queues import (
    QueueBody,
    QueueCreate,
    QueuedRunBody,
    QueuePatch,
    QueueSize,
    RunInQueue,
    queue_body,
    queued_run_body,
    read_queue,
    read_queue_changes,
    read_runs_to_add,
    read_runs_to_remove,
    run_in_queue,
)
from runlake.wire.run_queries import DEFAULT_SELECT, RunQuerySpec

_ID_ALONE: Final = frozenset({RunSelect.ID})
Status = Literal["needs_my_review", "needs_others_review", "completed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationQueues:
    """What can be done with queues."""

    store: AnnotationStore
    queries: RunQueries
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    def create(self, tenant_id: UUID, body: bytes) -> QueueBody:
        queue = read_queue(body, tenant_id=tenant_id, now_us=self.now_us(), new_id=self.new_id)
        self.store.create(queue)
        return queue_body(queue)

    def update(self, tenant_id: UUID, queue_id: UUID, body: bytes) -> QueueBody:
        changes = cast("QueueChanges", read_queue_changes(body))
        return queue_body(self.store.update(tenant_id, queue_id, changes, now_us=self.now_us()))

    async def add(self, tenant_id: UUID, queue_id: UUID, body: bytes) -> list[QueuedRunBody]:
        """All or none; NotFoundError names the first run that is not there."""
        run_ids = read_runs_to_add(body)
        there = await self._existing(tenant_id, run_ids)
        missing = next((run_id for run_id in run_ids if run_id not in there), None)
        if missing is not None:
            raise NotFoundError(f"no run has the id {missing}; nothing was added", field="run_ids")
        now_us = self.now_us()
        runs = [QueuedRun(id=self.new_id(), queue_id=queue_id, run_id=run_id, added_at=now_us) for run_id in run_ids]
        return [queued_run_body(run) for run in await asyncio.to_thread(self.store.add, tenant_id, queue_id, runs)]

    async def live(self, tenant_id: UUID, queue_id: UUID) -> list[QueuedRun]:
        """The places of all runs that still exist, in order; deleted ones leave no gap, so that pages are whole."""
        found = await asyncio.to_thread(self.store.runs, tenant_id, queue_id)
        there = await self._existing(tenant_id, [place.run_id for place in found])
        return [place for place in found if place.run_id in there]

    async def records(self, tenant_id: UUID, places: Sequence[QueuedRun]) -> list[tuple[RunRecord, QueuedRun]]:
        """The runs at some places."""
        ids = tuple(place.run_id for place in places)
        runs = await self.queries.all(RunQuerySpec(ids=ids), tenant_id=tenant_id) if ids else []
        by_id = {UUID(run.id): run for run in runs}
        return [(by_id[place.run_id], place) for place in places if place.run_id in by_id]

    async def _existing(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> frozenset[UUID]:
        if not run_ids:
            return frozenset()
        spec = RunQuerySpec(ids=tuple(run_ids), select=_ID_ALONE)
        return frozenset(UUID(run.id) for run in await self.queries.all(spec, tenant_id=tenant_id))


@post(
    "/annotation-queues",
    status_code=200,
    access=Access.EDIT,
    summary="Create an annotation queue",
    opt={"request_body": QueueCreate},
)
async def create_queue(
    request: AnyRequest, tenant_id: NamedDependency[UUID], annotation_queues: NamedDependency[AnnotationQueues]
) -> QueueBody:
    """Names need not differ; a taken id is a conflict."""
    return await asyncio.to_thread(annotation_queues.create, tenant_id, await read_small_body(request))


@get("/annotation-queues", access=Access.READ, summary="List annotation queues")
async def list_queues(
    *,
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
    ids: Annotated[list[str] | None, QueryParameter(description="Only these.")] = None,
    name: ExactName = None,
    name_contains: NamePart = None,
    offset: Offset = 0,
    limit: Annotated[int, QueryParameter(ge=0, le=MAX_QUEUED_RUNS)] = 100,
) -> list[QueueBody]:
    """A bare array, newest first."""
    wanted = QueueFilter(ids=read_ids(ids, "ids"), name=name, name_contains=name_contains)
    found = await asyncio.to_thread(annotation_queues.store.list, tenant_id, wanted, offset=offset, limit=limit)
    return [queue_body(queue) for queue in found]


@get("/annotation-queues/{queue_id:str}", access=Access.READ, summary="Read an annotation queue")
async def read_one_queue(
    queue_id: FromPath[str], tenant_id: NamedDependency[UUID], annotation_queues: NamedDependency[AnnotationQueues]
) -> QueueBody:
    """With its rubric."""
    found = read_path_id(queue_id, "queue_id")
    return queue_body(await asyncio.to_thread(annotation_queues.store.read, tenant_id, found))


@patch(
    "/annotation-queues/{queue_id:str}",
    access=Access.EDIT,
    summary="Change an annotation queue",
    opt={"request_body": QueuePatch},
)
async def update_queue(
    request: AnyRequest,
    queue_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
) -> QueueBody:
    """What is absent stays as it is; rubric items are replaced as a whole."""
    body = await read_small_body(request)
    return await asyncio.to_thread(annotation_queues.update, tenant_id, read_path_id(queue_id, "queue_id"), body)


@delete("/annotation-queues/{queue_id:str}", status_code=200, access=Access.EDIT, summary="Delete an annotation queue")
async def delete_queue(
    queue_id: FromPath[str], tenant_id: NamedDependency[UUID], annotation_queues: NamedDependency[AnnotationQueues]
) -> Deleted:
    """Its runs and their feedback stay."""
    await asyncio.to_thread(annotation_queues.store.delete, tenant_id, read_path_id(queue_id, "queue_id"))
    return Deleted("deleted")


@post(
    ["/annotation-queues/{queue_id:str}/runs", "/annotation-queues/{queue_id:str}/runs/by-key"],
    status_code=200,
    access=Access.EDIT,
    summary="Add runs to an annotation queue",
    opt={"request_body": list[UUID]},
)
async def add_runs(
    request: AnyRequest,
    queue_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
) -> list[QueuedRunBody]:
    """Ids, or objects with `run_id`; all or none. A run that is in the queue keeps its place."""
    body = await read_small_body(request)
    return await annotation_queues.add(tenant_id, read_path_id(queue_id, "queue_id"), body)


@get(
    "/annotation-queues/{queue_id:str}/runs",
    access=Access.READ,
    summary="List the runs of an annotation queue",
    opt={"answer": list[RunInQueue]},
)
async def list_queued_runs(
    request: AnyRequest,
    *,
    queue_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
    run_bodies: NamedDependency[RunBodies],
    status: FromQuery[Status | None] = None,
    offset: Offset = 0,
    limit: Annotated[int, QueryParameter(ge=0, le=MAX_QUEUED_RUNS)] = 100,
) -> Response[bytes]:
    """A bare array in the order in which they came. Nobody reviews here, so all of them need a review."""
    places = await annotation_queues.live(tenant_id, read_path_id(queue_id, "queue_id"))
    page = places[offset : offset + limit] if status in (None, "needs_my_review") else []
    found = await annotation_queues.records(tenant_id, page)
    bodies = await asyncio.to_thread(_runs_in_queue, found, run_bodies.of(request, tenant_id))
    return runs_answer(request, msgspec.json.encode(bodies))


@get(
    "/annotation-queues/{queue_id:str}/run/{index:int}",
    access=Access.READ,
    summary="Read one run of an annotation queue",
    opt={"answer": RunInQueue},
)
async def read_queued_run(
    request: AnyRequest,
    *,
    queue_id: FromPath[str],
    index: FromPath[int],
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
    run_bodies: NamedDependency[RunBodies],
) -> Response[bytes]:
    """By its place, counted from 0."""
    places = await annotation_queues.live(tenant_id, read_path_id(queue_id, "queue_id"))
    found = await annotation_queues.records(tenant_id, places[index : index + 1] if index >= 0 else [])
    if not found:
        raise NotFoundError(f"the queue has no run {index}; it has {len(places)}, counted from 0", field="index")
    bodies = await asyncio.to_thread(_runs_in_queue, found, run_bodies.of(request, tenant_id))
    return runs_answer(request, msgspec.json.encode(bodies[0]))


@get("/annotation-queues/{queue_id:str}/size", access=Access.READ, summary="How many runs a queue has")
async def read_queue_size(
    queue_id: FromPath[str], tenant_id: NamedDependency[UUID], annotation_queues: NamedDependency[AnnotationQueues]
) -> QueueSize:
    """Of those that still exist."""
    return QueueSize(len(await annotation_queues.live(tenant_id, read_path_id(queue_id, "queue_id"))))


@delete(
    "/annotation-queues/{queue_id:str}/runs/{run_id:str}",
    status_code=200,
    access=Access.EDIT,
    summary="Take a run out of an annotation queue",
)
async def remove_run(
    queue_id: FromPath[str],
    run_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
) -> Deleted:
    """By the id of the run or of its place. The run itself stays."""
    queue, run = read_path_id(queue_id, "queue_id"), read_path_id(run_id, "run_id")
    if not await asyncio.to_thread(annotation_queues.store.remove, tenant_id, queue, [run]):
        raise NotFoundError(f"the queue has no run {run}", field="run_id")
    return Deleted("deleted")


@post(
    "/annotation-queues/{queue_id:str}/runs/delete",
    status_code=200,
    access=Access.EDIT,
    summary="Take runs out of an annotation queue",
)
async def remove_runs(
    request: AnyRequest,
    queue_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    annotation_queues: NamedDependency[AnnotationQueues],
) -> Deleted:
    """`run_ids`; those that are not in the queue do not matter."""
    runs = read_runs_to_remove(await read_small_body(request))
    queue = read_path_id(queue_id, "queue_id")
    count = await asyncio.to_thread(annotation_queues.store.remove, tenant_id, queue, runs)
    return Deleted(f"{count} deleted")


def _runs_in_queue(found: Sequence[tuple[RunRecord, QueuedRun]], encoder_of: EncoderOf) -> list[RunInQueue]:
    encoder = encoder_of([run for run, _ in found], DEFAULT_SELECT)
    return [run_in_queue(encoder.body(run), place) for run, place in found]


ANNOTATION_QUEUE_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_queue,
    list_queues,
    read_one_queue,
    update_queue,
    delete_queue,
    add_runs,
    list_queued_runs,
    read_queued_run,
    read_queue_size,
    remove_run,
    remove_runs,
)
