"""What a browser may do for a page, by the headers that browsers send and pages cannot choose."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from runlake.api.asgi import Message, Receive, Scope, Send
from runlake.api.browsers import BrowserGuard, BrowserRules

RULES = BrowserRules(hosts=frozenset({"lake.corp"}), origins=frozenset({"https://app.corp"}))
OWN = "http://127.0.0.1:1984"


def ask(method: str, sent: dict[str, str], rules: BrowserRules = RULES, content_type: str = "application/json") -> Any:
    """(status, headers, body) of an answer; what reaches the application is answered 200."""
    messages: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        head = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing here reads a body")

    headers = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "method": method, "path": "/", "headers": headers}
    asyncio.run(BrowserGuard(app, rules)(scope, receive, send))
    start, body = messages
    return start["status"], dict(start["headers"]), body["body"]


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:1984", "LOCALHOST.", "app.localhost:80", "127.0.0.1:1984", "[::1]:1984", "10.0.0.7"),
        *("lake.corp", "Lake.Corp:8080"),
    ],
)
def test_names_that_are_ours_pass(host: str) -> None:
    assert ask("GET", {"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:1984", "localhost.evil.example", "127.0.0.1.evil.example", "lake.corp.evil"),
        *("", "notlocalhost", "127.1.evil:80"),
    ],
)
def test_a_name_that_somebody_else_points_at_us_is_refused(host: str) -> None:
    status, _, body = ask("GET", {"Host": host})
    assert status == 403
    assert json.loads(body)["field"] == "Host"
    assert ask("GET", {"Host": host}, BrowserRules(hosts=None))[0] == 200


def test_a_client_without_a_name_is_no_browser() -> None:
    assert ask("POST", {})[0] == 200


ALLOWED = {
    "no browser": {},
    "own page": {"Origin": OWN},
    "own page through a proxy that renames the host": {"Origin": "https://x", "Sec-Fetch-Site": "same-origin"},
    "typed by a person": {"Sec-Fetch-Site": "none"},
    "a site that may": {"Origin": "https://app.corp", "Sec-Fetch-Site": "cross-site"},
}
REFUSED = {
    "another site": {"Origin": "http://evil.example"},
    "another port of this machine": {"Origin": "http://127.0.0.1:3000"},
    "another site on the same domain": {"Origin": OWN, "Sec-Fetch-Site": "same-site"},
    "a form without an origin": {"Sec-Fetch-Site": "cross-site"},
    "a sandboxed frame": {"Origin": "null"},
    "a site like one that may": {"Origin": "https://app.corp.evil"},
    "the other scheme of one that may": {"Origin": "http://app.corp"},
}


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
@pytest.mark.parametrize("sent", ALLOWED.values(), ids=ALLOWED)
def test_changes_by_ours_pass(method: str, sent: dict[str, str]) -> None:
    assert ask(method, {"Host": "127.0.0.1:1984", **sent})[0] == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_changes_by_pages_of_other_sites_are_refused(method: str, sent: dict[str, str]) -> None:
    status, headers, body = ask(method, {"Host": "127.0.0.1:1984", **sent})
    assert status == 403
    assert json.loads(body)["code"] == "forbidden"
    assert b"access-control-allow-origin" not in headers


def test_a_link_from_another_site_opens_our_page_and_its_scripts_cannot_read_it() -> None:
    sent = {"Host": "localhost", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    status, headers, _ = ask("GET", sent)
    assert status == 200
    assert b"access-control-allow-origin" not in headers
    assert headers[b"cross-origin-resource-policy"] == b"same-origin"


def test_a_site_that_may_is_told_so_before_and_with_every_answer() -> None:
    sent = {"Host": "localhost", "Origin": "https://app.corp", "Access-Control-Request-Headers": "x-api-key"}
    status, headers, _ = ask("OPTIONS", sent)
    assert status == 204
    assert headers[b"access-control-allow-headers"] == b"x-api-key"
    for method in ("GET", "POST"):
        _, headers, _ = ask(method, sent)
        assert headers[b"access-control-allow-origin"] == b"https://app.corp"
        assert headers[b"vary"] == b"Origin"
        assert b"x-ratelimit-remaining" in headers[b"access-control-expose-headers"]


def test_a_refusal_may_be_read_by_a_site_that_may() -> None:
    sent = {"Host": "evil.example", "Origin": "https://app.corp"}
    status, headers, _ = ask("GET", sent)
    assert (status, headers[b"access-control-allow-origin"]) == (403, b"https://app.corp")


def test_pages_cannot_be_framed_and_answers_are_not_cached() -> None:
    _, page, _ = ask("GET", {"Host": "localhost"}, content_type="text/html; charset=utf-8")
    assert page[b"x-frame-options"] == b"DENY"
    assert b"frame-ancestors 'none'" in page[b"content-security-policy"]
    assert page[b"x-content-type-options"] == b"nosniff"
    _, answer, _ = ask("GET", {"Host": "localhost"})
    assert answer[b"cache-control"] == b"no-store"
    assert b"x-frame-options" not in answer
