"""What the scores of feedback keys mean: ``/feedback-configs``."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.parameters import ListLimit, Offset, read_path_id
from runlake.ingest.feedback_configs import FeedbackConfigs
from runlake.store.feedback_setup import ConfigFilter
from runlake.wire.feedback_configs import (
    FeedbackConfigBody,
    FeedbackConfigCreate,
    FeedbackConfigPatch,
    config_body,
    read_config_change,
    read_new_config,
)

_PATH: Final = "/feedback-configs"


@post(
    _PATH,
    status_code=200,
    access=Access.EDIT,
    summary="Say what the scores of a key mean",
    opt={"request_body": FeedbackConfigCreate},
)
async def create_feedback_config(
    request: AnyRequest, tenant_id: NamedDependency[UUID], feedback_configs: NamedDependency[FeedbackConfigs]
) -> FeedbackConfigBody:
    """The same again changes nothing; another one for the key is refused with 400."""
    return config_body(await feedback_configs.create(tenant_id, read_new_config(await read_small_body(request))))


@get(_PATH, access=Access.READ, summary="List feedback configs")
async def list_feedback_configs(
    *,
    tenant_id: NamedDependency[UUID],
    feedback_configs: NamedDependency[FeedbackConfigs],
    key: Annotated[list[str] | None, QueryParameter(description="Of one of these keys.")] = None,
    name_contains: Annotated[str | None, QueryParameter(description="Of keys with this in them.")] = None,
    include_all_configs: Annotated[bool, QueryParameter(description="Deleted ones too.")] = False,
    is_enforced: FromQuery[bool | None] = None,
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> list[FeedbackConfigBody]:
    """By key. No config is enforced here, so `is_enforced=true` finds none."""
    if is_enforced:
        return []
    wanted = ConfigFilter(
        keys=None if key is None else tuple(key), name_contains=name_contains, with_deleted=include_all_configs
    )
    found = await feedback_configs.list_of(tenant_id, wanted, offset=offset, limit=limit)
    return [config_body(config) for config in found]


@patch(_PATH, access=Access.EDIT, summary="Change a feedback config", opt={"request_body": FeedbackConfigPatch})
async def update_feedback_config(
    request: AnyRequest, tenant_id: NamedDependency[UUID], feedback_configs: NamedDependency[FeedbackConfigs]
) -> FeedbackConfigBody:
    """`feedback_config` replaces the whole; categories can also be added and removed. Feedback stays as it is."""
    return config_body(await feedback_configs.update(tenant_id, read_config_change(await read_small_body(request))))


@delete(_PATH, status_code=204, access=Access.EDIT, summary="Delete a feedback config")
async def delete_feedback_config(
    tenant_id: NamedDependency[UUID],
    feedback_configs: NamedDependency[FeedbackConfigs],
    feedback_key: Annotated[str | None, QueryParameter(description="The one of this key, or")] = None,
    config_id: Annotated[str | None, QueryParameter(name="id", description="the one with this id.")] = None,
) -> None:
    """Its key may get a new one."""
    found = None if config_id is None else read_path_id(config_id, "id")
    await feedback_configs.delete(tenant_id, key=feedback_key, config_id=found)


FEEDBACK_CONFIG_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    create_feedback_config,
    list_feedback_configs,
    update_feedback_config,
    delete_feedback_config,
)
