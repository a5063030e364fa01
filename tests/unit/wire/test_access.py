"""Bodies that ask for keys and tenants, and what is shown of them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from runlake.errors import InvalidError, MalformedError
from runlake.model.access import ApiKey, KeyScope, KeySpec, RateLimits, Tenant
from runlake.wire.access import key_body, read_key_create, read_workspace_create, settings_body

BOTH = frozenset({KeyScope.INGEST, KeyScope.READ})
READ = frozenset({KeyScope.READ})


def read(body: dict[str, Any]) -> KeySpec:
    return read_key_create(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, KeySpec(name="api key", scopes=BOTH)),
        ({"description": " ci "}, KeySpec(name="ci", scopes=BOTH)),
        ({"description": None, "scopes": None, "read_only": None}, KeySpec(name="api key", scopes=BOTH)),
        ({"read_only": True}, KeySpec(name="api key", scopes=READ)),
        ({"read_only": True, "scopes": ["read"]}, KeySpec(name="api key", scopes=READ)),
        ({"scopes": ["admin"]}, KeySpec(name="api key", scopes=frozenset({KeyScope.ADMIN}))),
        ({"expires_at": "1970-01-02T00:00:00Z"}, KeySpec(name="api key", scopes=BOTH, expires_at=86_400_000_000)),
        (
            {"ingest_per_minute": 0, "query_per_minute": 5},
            KeySpec(name="api key", scopes=BOTH, limits=RateLimits(ingest_per_minute=0, query_per_minute=5)),
        ),
    ],
)
def test_a_body_says_what_key_is_wanted(body: dict[str, Any], expected: KeySpec) -> None:
    assert read(body) == expected


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"expires": "2030-01-01"}, "expires is not a member of this body; accepted are description, scopes"),
        ({"scopes": ["write"]}, "scopes 'write' is not known; accepted are ingest, read, admin"),
        ({"scopes": []}, "scopes is empty"),
        ({"scopes": "read"}, "scopes must be a list"),
        ({"scopes": [1]}, "scopes must be a list of texts"),
        ({"read_only": True, "scopes": ["admin"]}, "read_only contradicts scopes"),
        ({"read_only": "yes"}, "read_only must be true, false or null"),
        ({"description": "a\nb"}, "description must be one line"),
        ({"description": "x" * 201}, "description must be one line of 1 to 200"),
        ({"description": 7}, "description must be one line"),
        ({"query_per_minute": -1}, "query_per_minute must be a number of requests"),
        ({"query_per_minute": True}, "query_per_minute must be a number of requests"),
        ({"query_per_minute": 2**31}, "query_per_minute must be a number of requests"),
    ],
)
def test_a_body_that_asks_for_something_else_is_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read(body)
    assert caught.value.message.startswith(says)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"key"', b'{"expires_at": "soon"}'])
def test_a_body_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_key_create(body)


def test_a_key_is_shown_by_its_hint_and_only_once_in_full() -> None:
    key = ApiKey(
        tenant_id=UUID(int=1),
        id=UUID(int=2),
        name="ci",
        digest=b"d" * 32,
        hint="rl_...abcd",
        scopes=BOTH,
        created_at=0,
    )
    shown = json.loads(msgspec.json.encode(key_body(key)))
    assert shown["short_key"] == "rl_...abcd"
    assert shown["scopes"] == ["ingest", "read"]
    assert "key" not in shown
    assert "digest" not in shown
    assert json.loads(msgspec.json.encode(key_body(key, text="rl_full")))["key"] == "rl_full"


def test_a_workspace_needs_a_name() -> None:
    named = UUID(int=9)
    assert read_workspace_create(b'{"display_name": "research"}') == ("research", None)
    assert read_workspace_create(json.dumps({"display_name": "r", "id": str(named)}).encode()) == ("r", named)
    with pytest.raises(InvalidError, match="display_name must be one line"):
        read_workspace_create(b"{}")


@pytest.mark.parametrize(("name", "handle"), [("research", "research"), ("My Team", None), ("9to5", None)])
def test_a_handle_is_what_can_stand_in_the_name_of_a_prompt(name: str, handle: str | None) -> None:
    assert settings_body(Tenant(id=UUID(int=1), name=name, created_at=0)).tenant_handle == handle
