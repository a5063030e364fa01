"""Keys of a tenant: ``/api-key`` of the v1 API."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access, Caller
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.key_ring import KeyRing
from runlake.api.parameters import read_path_id
from runlake.errors import ForbiddenError
from runlake.model.access import KeyScope, with_implied
from runlake.wire.access import KeyBody, KeyCreate, key_body, read_key_create


@post(
    "/api-key",
    status_code=200,
    access=Access.ADMIN,
    summary="Create an API key",
    opt={"request_body": KeyCreate},
)
async def create_key(
    request: AnyRequest, caller: NamedDependency[Caller], key_ring: NamedDependency[KeyRing]
) -> KeyBody:
    """The answer has the key itself under `key`, this once. A key cannot be given more than its maker has."""
    spec = read_key_create(await read_small_body(request))
    _check_within(caller, spec.scopes, "create")
    key, text = await asyncio.to_thread(key_ring.create_key, caller.tenant_id, spec)
    return key_body(key, text=text)


@get("/api-key", access=Access.ADMIN, summary="List API keys")
async def list_keys(
    caller: NamedDependency[Caller],
    key_ring: NamedDependency[KeyRing],
    include_revoked: Annotated[bool, QueryParameter(description="Revoked ones too.")] = False,
) -> list[KeyBody]:
    """Keys of the caller's tenant, the newest first, never with the keys themselves."""
    keys = await asyncio.to_thread(key_ring.list_keys, caller.tenant_id, with_revoked=include_revoked)
    return [key_body(key) for key in keys]


@delete("/api-key/{key_id:str}", status_code=200, access=Access.ADMIN, summary="Revoke an API key")
async def revoke_key(
    key_id: FromPath[str], caller: NamedDependency[Caller], key_ring: NamedDependency[KeyRing]
) -> KeyBody:
    """Opens nothing any more when this is answered."""
    wanted = read_path_id(key_id, "key_id")
    key = await asyncio.to_thread(key_ring.read_key, caller.tenant_id, wanted)
    _check_within(caller, key.scopes, "revoke")
    return key_body(await asyncio.to_thread(key_ring.revoke_key, caller.tenant_id, wanted))


def _check_within(caller: Caller, scopes: frozenset[KeyScope], verb: str) -> None:
    beyond = sorted(scope.value for scope in with_implied(scopes) - caller.scopes)
    if beyond:
        raise ForbiddenError(f"this key cannot {verb} one with the scope {' and '.join(beyond)}, which it lacks itself")


KEY_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (create_key, list_keys, revoke_key)
