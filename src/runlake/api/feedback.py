"""Feedback: ``/feedback`` of the v1 API. Handlers decode, call ``FeedbackService``, encode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.answers import Deleted
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import ListLimit, Offset, read_ids, read_path_id, read_texts
from runlake.ingest.feedback_service import FeedbackService
from runlake.store.feedback import FeedbackFilter, FeedbackLevel
from runlake.wire.feedback import Receipt, read_feedback
from runlake.wire.feedback_objects import (
    FeedbackBody,
    FeedbackCreate,
    FeedbackPatch,
    apply_feedback_patch,
    feedback_body,
)
from runlake.wire.scalars import read_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """The clock and the id source, for what a body leaves open."""

    now_us: Callable[[], int]
    new_id: Callable[[], UUID]


@post(
    ["/feedback", "/feedback/eager"],
    status_code=200,
    access=Access.INGEST,
    summary="Judge a run, a thread or a project",
    opt={"request_body": FeedbackCreate},
)
async def create_feedback(
    request: AnyRequest,
    tenant_id: NamedDependency[UUID],
    feedback: NamedDependency[FeedbackService],
    stamps: NamedDependency[Stamps],
) -> FeedbackBody:
    """The run need not exist yet. The same id again replaces what was stored under it."""
    receipt = Receipt(tenant_id=tenant_id, now_us=stamps.now_us(), new_id=stamps.new_id)
    return feedback_body(await feedback.create(read_feedback(await read_small_body(request), receipt)))


@get("/feedback", access=Access.READ, summary="List feedback")
async def list_feedback(
    *,
    tenant_id: NamedDependency[UUID],
    feedback: NamedDependency[FeedbackService],
    run: Annotated[list[str] | None, QueryParameter(description="On these runs, repeated or by commas.")] = None,
    run_id: Annotated[list[str] | None, QueryParameter(description="The same as run.")] = None,
    session: Annotated[list[str] | None, QueryParameter(description="Of these projects, or on their runs.")] = None,
    key: Annotated[list[str] | None, QueryParameter(description="With one of these keys.")] = None,
    source: Annotated[list[str] | None, QueryParameter(description="From api, model, app or auto_eval.")] = None,
    comparative_experiment_id: FromQuery[str | None] = None,
    has_comment: FromQuery[bool | None] = None,
    has_score: FromQuery[bool | None] = None,
    feedback_thread_id: Annotated[list[str] | None, QueryParameter(description="On these threads.")] = None,
    level: Annotated[FeedbackLevel | None, QueryParameter(description="What is judged as a whole.")] = None,
    min_created_at: FromQuery[str | None] = None,
    max_created_at: FromQuery[str | None] = None,
    user: Annotated[list[str] | None, QueryParameter(description="Whose source names this user id.")] = None,
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> list[FeedbackBody]:
    """A bare array, newest first; every condition must hold, a list means any of it."""
    runs = [*(run or ()), *(run_id or ())] if run is not None or run_id is not None else None
    experiment = (
        None
        if comparative_experiment_id is None
        else read_path_id(comparative_experiment_id, "comparative_experiment_id")
    )
    wanted = FeedbackFilter(
        runs=read_ids(runs, "run"),
        sessions=read_ids(session, "session"),
        keys=None if key is None else tuple(key),
        sources=read_texts(source),
        users=read_texts(user),
        threads=None if feedback_thread_id is None else tuple(feedback_thread_id),
        comparative_experiment=experiment,
        has_comment=has_comment,
        has_score=has_score,
        level=level,
        min_created_at=None if min_created_at is None else read_time(min_created_at, "min_created_at"),
        max_created_at=None if max_created_at is None else read_time(max_created_at, "max_created_at"),
    )
    return [feedback_body(item) for item in await feedback.list(tenant_id, wanted, offset=offset, limit=limit)]


@get("/feedback/{feedback_id:str}", access=Access.READ, summary="Read feedback")
async def read_one_feedback(
    feedback_id: FromPath[str], tenant_id: NamedDependency[UUID], feedback: NamedDependency[FeedbackService]
) -> FeedbackBody:
    """One feedback in its latest version."""
    return feedback_body(await feedback.read(tenant_id, read_path_id(feedback_id, "feedback_id")))


@patch(
    "/feedback/{feedback_id:str}", access=Access.EDIT, summary="Change feedback", opt={"request_body": FeedbackPatch}
)
async def update_feedback(
    request: AnyRequest,
    feedback_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    feedback: NamedDependency[FeedbackService],
    stamps: NamedDependency[Stamps],
) -> FeedbackBody:
    """Only keys that are in the body change; null clears."""
    body = await read_small_body(request)
    changed = await feedback.update(
        tenant_id,
        read_path_id(feedback_id, "feedback_id"),
        lambda old: apply_feedback_patch(old, body, now_us=stamps.now_us()),
    )
    return feedback_body(changed)


@delete("/feedback/{feedback_id:str}", status_code=200, access=Access.EDIT, summary="Delete feedback")
async def delete_feedback(
    feedback_id: FromPath[str], tenant_id: NamedDependency[UUID], feedback: NamedDependency[FeedbackService]
) -> Deleted:
    """Gone from every query when this is answered."""
    await feedback.delete(tenant_id, read_path_id(feedback_id, "feedback_id"))
    return Deleted("feedback is deleted")


FEEDBACK_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_feedback,
    list_feedback,
    read_one_feedback,
    update_feedback,
    delete_feedback,
)
