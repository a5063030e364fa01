"""The pages on security and keys agree with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import msgspec
from litestar.handlers import HTTPRouteHandler

from runlake.api.auth import Access, declared_access
from runlake.api.keys import KEY_HANDLERS
from runlake.api.openapi import DOCUMENT_HANDLERS
from runlake.api.workspaces import WORKSPACE_HANDLERS
from runlake.config import SETTINGS
from runlake.model.access import KEY_CHARS, KEY_PREFIX, KeyScope
from runlake.wire.access import KeyBody, KeyCreate
from runlake.wiring.http import API_HANDLERS

DOCS = Path(__file__).parents[2] / "docs"
SECURITY = (DOCS / "security.md").read_text(encoding="utf-8")
KEYS = (DOCS / "wire" / "keys.md").read_text(encoding="utf-8")


def test_the_example_of_a_key_has_all_its_members() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", KEYS, re.DOTALL)
    shown = set(json.loads(example))
    assert shown == {member.name for member in msgspec.structs.fields(KeyBody)} - {"key"}
    assert set(KeyCreate.__struct_fields__) <= set(re.findall(r"`(\w+)`", KEYS))


def test_every_route_of_keys_and_workspaces_is_on_the_page_with_what_it_takes() -> None:
    for handler in cast("list[HTTPRouteHandler]", [*KEY_HANDLERS, *WORKSPACE_HANDLERS]):
        for path in handler.paths:
            for method in handler.http_methods - {"OPTIONS"}:
                shown = path.replace("{key_id:str}", "{id}")
                access = declared_access(handler)
                assert access is not None
                row = rf"\| `{method} {re.escape(shown)}[^|]*\| {access.name.lower()} \|"
                assert re.search(row, KEYS), (method, shown)


def test_every_scope_and_every_public_route_is_named() -> None:
    for scope in KeyScope:
        assert f"`{scope.value}`" in SECURITY
        assert f"`{scope.value}`" in KEYS
    for handler in cast("list[HTTPRouteHandler]", [*API_HANDLERS, *DOCUMENT_HANDLERS]):
        if declared_access(handler) is Access.PUBLIC:
            for path in handler.paths:
                assert f"`{path.split('/{')[0]}" in SECURITY, path


def test_every_setting_that_the_page_names_exists() -> None:
    known = {setting.name for setting in SETTINGS}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", SECURITY))
    assert named <= known
    for name in ("auth", "allowed_hosts", "cors_origins", "max_connections", "max_header_bytes"):
        assert f"`{name}`" in SECURITY


def test_the_size_of_a_key_is_what_the_page_says() -> None:
    assert f"`{KEY_PREFIX}` and {KEY_CHARS - len(KEY_PREFIX)} letters and digits" in SECURITY
