"""Which route a missing one is likened to."""

from __future__ import annotations

import pytest

from runlake.api.similar_routes import similar_route

ROUTES = ("/runs/query", "/runs/stats", "/runs/{run_id:str}", "/v2/threads/{thread_id:str}/stats", "/sessions")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/runs/querry", "/runs/query"),
        ("/run/stats", "/runs/stats"),
        ("/session", "/sessions"),
        ("/v2/thread/abc/stats", "/v2/threads/{thread_id}/stats"),
        ("/v2/threads/abc/turns", "/v2/threads/{thread_id}/stats"),
        ("/nothing/like/this/at/all", None),
        ("/", None),
        ("/" + "x" * 100_000, None),
    ],
)
def test_the_nearest_route_is_named_when_it_is_near(path: str, expected: str | None) -> None:
    assert similar_route(path, ROUTES) == expected
