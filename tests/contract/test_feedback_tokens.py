"""Links that take feedback, as the SDK makes them and as browsers and scripts of other sites use them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from langsmith import Client

Json = dict[str, Any]
FROM_ELSEWHERE = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=10) as client:
        yield client


@pytest.fixture
def sdk(live_server: str) -> Client:
    return Client(api_url=live_server, api_key="unused", info={})


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


def make(client: httpx.Client, run_id: str, key: str = "helpful", **more: Any) -> Json:
    answer = client.post("/feedback/tokens", json={"run_id": run_id, "feedback_key": key, **more})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def judgements(client: httpx.Client, run_id: str) -> list[Json]:
    found: list[Json] = client.get("/feedback", params={"run": run_id}).json()
    return found


def test_the_sdk_makes_lists_and_uses_tokens(sdk: Client, client: httpx.Client, run_id: str) -> None:
    feedback_id = uuid.uuid4()
    token = sdk.create_presigned_feedback_token(run_id, "helpful", feedback_id=feedback_id)
    assert timedelta(hours=2, minutes=59) < token.expires_at - datetime.now(UTC) < timedelta(hours=3, minutes=1)
    many = sdk.create_presigned_feedback_tokens(run_id, ["a", "b"], expiration=timedelta(days=2))
    assert {found.id for found in sdk.list_presigned_feedback_tokens(run_id)} == {token.id, *(one.id for one in many)}
    assert len(list(sdk.list_presigned_feedback_tokens(run_id, limit=2))) == 2

    sdk.create_feedback_from_token(token.url, score=0)
    sdk.create_feedback_from_token(token.id, score=1, comment="better", metadata={"user": "u1"})
    (found,) = judgements(client, run_id)
    assert (found["id"], found["key"], found["score"], found["comment"]) == (str(feedback_id), "helpful", 1, "better")
    assert found["feedback_source"]["metadata"] == {"user": "u1"}


def test_a_link_of_a_prefixed_endpoint_goes_back_to_the_sdk(live_server: str, run_id: str) -> None:
    sdk = Client(api_url=f"{live_server}/api/v1", api_key="unused", info={})
    token = sdk.create_presigned_feedback_token(run_id, "helpful")
    assert token.url.startswith(f"{live_server}/api/v1/feedback/tokens/")
    sdk.create_feedback_from_token(token.url, score=1)
    assert [found.score for found in sdk.list_feedback(run_ids=[run_id])] == [1]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"score": "0.5", "comment": "so so"}, {"score": 0.5, "comment": "so so"}),
        ({"score": "true"}, {"score": 1}),
        ({"value": "blue"}, {"value": "blue"}),
        ({"value": "3"}, {"value": 3}),
        ({"value": "False", "correction": "Paris"}, {"value": False, "correction": "Paris"}),
        ({"value": '"><script>', "utm_source": "mail"}, {"value": '"><script>'}),
        ({}, {"score": None, "value": None}),
    ],
)
def test_a_link_takes_feedback_from_its_parameters(
    client: httpx.Client, run_id: str, parameters: Json, expected: Json
) -> None:
    link = make(client, run_id)["url"]
    assert httpx.get(link, params=parameters).json() == {"message": "feedback is stored"}
    (found,) = judgements(client, run_id)
    assert {name: found[name] for name in expected} == expected
    assert (found["key"], found["feedback_source"]["type"]) == ("helpful", "api")


def test_without_an_id_each_use_adds_feedback(client: httpx.Client, run_id: str) -> None:
    link = make(client, run_id)["url"]
    for score in ("1", "0"):
        httpx.get(link, params={"score": score})
    assert sorted(found["score"] for found in judgements(client, run_id)) == [0, 1]


def test_a_browser_is_asked_and_thanked(client: httpx.Client, run_id: str) -> None:
    link = make(client, run_id, key="<b>helpful</b>")["url"]
    page = httpx.get(link, headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert "<form" in page.text
    assert "&lt;b&gt;helpful" in page.text
    assert "no-store" in page.headers["cache-control"]
    assert judgements(client, run_id) == []
    # Under no-referrer a browser names no origin even for its own forms.
    sent = httpx.post(link, data={"score": "1", "comment": "a&b"}, headers={**BROWSER, "Origin": "null"})
    assert "Thank you" in sent.text
    assert [(found["score"], found["comment"]) for found in judgements(client, run_id)] == [(1, "a&b")]
    assert "Thank you" in httpx.get(link, params={"score": "0"}, headers=BROWSER).text


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        (None, ['value="1">Good<', 'value="0">Bad<']),
        ({"type": "freeform"}, ["<button>Send</button>"]),
        (
            {"type": "categorical", "categories": [{"value": 0.5, "label": "<so so>"}, {"value": 2}]},
            ['value="0.5">&lt;so so&gt;<', 'value="2">2<'],
        ),
    ],
)
def test_a_browser_is_asked_in_the_terms_of_the_key(
    client: httpx.Client, run_id: str, config: Json | None, shown: list[str]
) -> None:
    page = httpx.get(make(client, run_id, feedback_config=config)["url"], headers=BROWSER).text
    assert [text for text in shown if text not in page] == []
    assert page.count("<button") == len(shown)


def test_a_browser_that_fetches_ahead_gives_no_feedback(client: httpx.Client, run_id: str) -> None:
    link = make(client, run_id)["url"]
    answer = httpx.get(link, params={"score": "1"}, headers={**BROWSER, "Sec-Purpose": "prefetch;prerender"})
    assert answer.status_code == 403
    assert judgements(client, run_id) == []


def test_scripts_of_other_sites_may_use_a_link_and_nothing_else(client: httpx.Client, run_id: str) -> None:
    link = make(client, run_id)["url"]
    asked = {**FROM_ELSEWHERE, "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(link, headers={**asked, "Access-Control-Request-Headers": "content-type"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "https://shop.example")
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    sent = httpx.post(link, json={"score": 1}, headers=FROM_ELSEWHERE)
    assert sent.headers["access-control-allow-origin"] == "https://shop.example"
    assert [found["score"] for found in judgements(client, run_id)] == [1]
    for path in ("/feedback/tokens", "/feedback"):
        answer = client.post(path, json={"run_id": run_id, "feedback_key": "k", "key": "k"}, headers=FROM_ELSEWHERE)
        assert (answer.status_code, answer.json()["field"]) == (403, "Origin")


def test_only_what_was_made_opens(client: httpx.Client, run_id: str) -> None:
    for token, status in ((uuid.uuid4(), 404), ("x", 400)):
        for method in ("GET", "POST"):
            assert client.request(method, f"/feedback/tokens/{token}").status_code == status


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"run_id": None}, 422, "run_id"),
        ({"run_id": "x"}, 400, "run_id"),
        ({"feedback_key": ""}, 422, "feedback_key"),
        ({"feedback_key": "k" * 181}, 422, "feedback_key"),
        ({"expires_in": {"minutes": 0}}, 422, "expires_in"),
        ({"expires_in": {"minutes": -1}}, 422, "expires_in"),
        ({"expires_in": {"days": 10**9}}, 422, "expires_in"),
        ({"expires_in": 5}, 422, "expires_in"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "expires_at"),
        ({"expires_at": "soon"}, 400, "expires_at"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(client: httpx.Client, body: Json, status: int, field: str) -> None:
    """Alone, and as one of two that are asked for together: then neither is made."""
    good = {"run_id": str(uuid.uuid4()), "feedback_key": "k"}
    for whole in ({**good, **body}, [good, {**good, **body}]):
        answer = client.post("/feedback/tokens", json=whole)
        assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert client.get("/feedback/tokens", params={"run_id": good["run_id"]}).json() == []


@pytest.mark.parametrize("body", ["[]", "[1]", "1", "{", '{"score": "much"}', '{"metadata": 1}', "\xff"])
def test_what_is_no_judgement_is_refused(client: httpx.Client, run_id: str, body: str) -> None:
    link = make(client, run_id)["url"]
    answer = httpx.post(link, content=body.encode("latin-1"))
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["detail"]
    assert judgements(client, run_id) == []
