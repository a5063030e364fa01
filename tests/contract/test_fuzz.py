"""Whatever a client sends, the answer is never a 5xx: wrong types, sizes and bytes in every member of every body."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from runlake.wire.access import KeyCreate, WorkspaceCreate
from runlake.wire.datasets import ComparativeCreate, DatasetCreate
from runlake.wire.example_requests import DeleteBody
from runlake.wire.examples import ExampleBody
from runlake.wire.feedback_objects import FeedbackCreate
from runlake.wire.projects import ProjectCreate
from runlake.wire.run_queries import RunQueryBody

SEED: Final = 20261123
REQUESTS_PER_ROUTE: Final = 120

VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 10**18, 10**19, 10**30, -(10**30), 1.5, 1e308, -0.0),
    *("", "x", "\x00", "\ud800", "é☃", "x" * 5000, "0" * 32, str(uuid.UUID(int=5)), [str(uuid.UUID(int=6))] * 3),
    *("2026-01-01T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59Z", "not a time"),
    *([], {}, [None], [[]], {"a": None}, [1, 2, "x"], ["id", "name"], ["nope"]),
    *("eq(", 'eq(name, "x")', 'search("a")', "has(metadata, '{\"a\": 1}')", "and("),
    *("asc", "llm", "success", "start_time", {"attribute": "metadata", "path": "x"}, {"attribute": "tag"}),
)
RUN_MEMBERS: Final = (
    *("id", "name", "run_type", "start_time", "end_time", "inputs", "outputs", "error", "extra", "events"),
    *("serialized", "tags", "trace_id", "dotted_order", "parent_run_id", "session_name", "session_id"),
)
BODIES: Final[dict[str, tuple[str, ...]]] = {
    "/runs": RUN_MEMBERS,
    "/runs/query": RunQueryBody.__struct_encode_fields__,
    "/runs/stats": RunQueryBody.__struct_encode_fields__,
    "/runs/query/validate": RunQueryBody.__struct_encode_fields__,
    "/sessions": ProjectCreate.__struct_encode_fields__,
    "/feedback": FeedbackCreate.__struct_encode_fields__,
    "/api-key": KeyCreate.__struct_encode_fields__,
    "/datasets": DatasetCreate.__struct_encode_fields__,
    "/datasets/comparative": ComparativeCreate.__struct_encode_fields__,
    "/examples": ExampleBody.__struct_encode_fields__,
    "/examples/bulk": ExampleBody.__struct_encode_fields__,
    "/platform/datasets/examples/delete": DeleteBody.__struct_encode_fields__,
    "/workspaces": WorkspaceCreate.__struct_encode_fields__,
}
PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "/sessions": (
        *("id", "name", "name_contains", "reference_free", "reference_dataset", "metadata", "sort_by"),
        *("sort_by_desc", "offset", "limit", "include_stats", "stats_start_time"),
    ),
    "/datasets": (
        *("id", "data_type", "name", "name_contains", "metadata", "sort_by", "sort_by_desc", "offset", "limit"),
    ),
    "/examples": (
        *("dataset", "id", "as_of", "splits", "metadata", "full_text_contains", "filter", "order", "descending"),
        *("random_seed", "offset", "limit", "select", "exclude_default_fields"),
    ),
    "/feedback": (
        *("run", "run_id", "session", "key", "source", "has_comment", "has_score", "level", "min_created_at"),
        *("max_created_at", "offset", "limit", "comparative_experiment_id"),
    ),
}


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=20) as client:
        yield client


def seeded() -> random.Random:
    """The same sequence in every run, so that a failure can be repeated."""
    return random.Random(SEED)  # noqa: S311 -- nothing here is secret


def bodies(members: tuple[str, ...], source: random.Random) -> Iterator[bytes]:
    """Bodies with some members of odd values, now and then with a byte changed."""
    for _ in range(REQUESTS_PER_ROUTE):
        chosen = source.sample(members, min(source.randint(1, 3), len(members)))
        whole = {"id": str(uuid.UUID(int=source.getrandbits(128))), "name": "fuzz", "key": "fuzz"}
        body = bytearray(json.dumps(whole | {member: source.choice(VALUES) for member in chosen}).encode())
        if source.random() < 0.1:
            body[source.randrange(len(body))] = source.randrange(256)
        yield bytes(body)


@pytest.mark.parametrize("path", BODIES)
def test_no_body_makes_the_server_fail(client: httpx.Client, path: str) -> None:
    for body in bodies(BODIES[path], seeded()):
        answer = client.post(path, content=body)
        assert answer.status_code < 500, body
        assert answer.json() is not None


@pytest.mark.parametrize("path", PARAMETERS)
def test_no_parameter_makes_the_server_fail(client: httpx.Client, path: str) -> None:
    source = seeded()
    for _ in range(REQUESTS_PER_ROUTE):
        chosen = source.sample(PARAMETERS[path], source.randint(1, 3))
        query = {name: str(source.choice(VALUES)).encode("utf-8", "replace")[:2000].decode() for name in chosen}
        answer = client.get(path, params=query)
        assert answer.status_code < 500, query


def test_the_server_is_whole_afterwards(client: httpx.Client) -> None:
    assert client.get("/readyz").status_code == 200
    assert client.get("/sessions?include_stats=true&limit=1000").status_code == 200
