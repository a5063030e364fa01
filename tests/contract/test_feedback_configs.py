"""What the scores of a key mean, through the SDK and learnt from feedback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langsmith import Client
from langsmith.schemas import FeedbackConfig
from langsmith.utils import LangSmithError, LangSmithNotFoundError

Json = dict[str, Any]
STARS: FeedbackConfig = {"type": "continuous", "min": 0, "max": 5}
TOPICS: FeedbackConfig = {
    "type": "categorical",
    "categories": [{"value": 0, "label": "billing"}, {"value": 1, "label": "shipping"}],
    "allows_multiple_categories": True,
}


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=10) as client:
        yield client


@pytest.fixture
def sdk(live_server: str) -> Client:
    return Client(api_url=live_server, api_key="unused", info={})


@pytest.fixture
def key() -> str:
    return f"key {uuid.uuid4().hex[:8]}"


def configs_of(client: httpx.Client, key: str, **more: Any) -> list[Json]:
    answer = client.get("/feedback-configs", params={"key": key, **more})
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()
    return found


def test_the_sdk_creates_lists_changes_and_deletes(sdk: Client, key: str) -> None:
    made = sdk.create_feedback_config(key, feedback_config=STARS)
    assert (made.feedback_config["max"], made.is_lower_score_better, made.is_first) == (5, False, True)
    assert sdk.create_feedback_config(key, feedback_config=STARS).id == made.id
    with pytest.raises(LangSmithError, match="another feedback config already"):
        sdk.create_feedback_config(key, feedback_config={"type": "freeform"})

    changed = sdk.update_feedback_config(key, is_lower_score_better=True)
    assert (changed.is_lower_score_better, changed.feedback_config["max"]) == (True, 5)
    assert sdk.create_feedback_config(key, feedback_config=STARS).is_lower_score_better is True
    assert [found.id for found in sdk.list_feedback_configs(feedback_key=[key, "other"])] == [made.id]
    assert [found.id for found in sdk.list_feedback_configs(name_contains=key[2:], limit=1)] == [made.id]
    assert list(sdk.list_feedback_configs(feedback_key=[key], is_enforced=True)) == []

    sdk.delete_feedback_config(key)
    assert list(sdk.list_feedback_configs(feedback_key=[key])) == []
    with pytest.raises(LangSmithNotFoundError):
        sdk.update_feedback_config(key, is_lower_score_better=False)
    again = sdk.create_feedback_config(key, feedback_config={"type": "freeform"})
    assert again.is_first is False
    sdk.delete_feedback_config(config_id=again.id)
    history = sdk.list_feedback_configs(feedback_key=[key], include_all_configs=True)
    assert [(found.id, found.is_deleted) for found in history] == [(made.id, True), (again.id, True)]


def test_categories_are_added_and_removed(sdk: Client, key: str) -> None:
    made = sdk.create_feedback_config(key, feedback_config=TOPICS)
    assert made.feedback_config["allows_multiple_categories"] is True
    more = sdk.add_feedback_categories(key, [{"value": 2, "label": "returns"}], config_id=made.id)
    assert [item["label"] for item in more.feedback_config["categories"] or []] == ["billing", "shipping", "returns"]
    fewer = sdk.remove_feedback_categories(key, [0])
    assert [item["value"] for item in fewer.feedback_config["categories"] or []] == [1, 2]
    assert fewer.feedback_config["allows_multiple_categories"] is True
    for change in ({"add_categories": [{"value": 1, "label": "x"}]}, {"remove_categories": [1]}):
        with pytest.raises(LangSmithError, match="categories"):
            sdk._patch_feedback_config({"feedback_key": key, **change})


def test_feedback_teaches_what_its_key_means_until_that_is_known(client: httpx.Client, key: str) -> None:
    run_id = str(uuid.uuid4())
    for config in ({"type": "nonsense"}, STARS, TOPICS):
        body = {"key": key, "run_id": run_id, "score": 9, "feedback_config": config}
        assert client.post("/feedback", json=body).status_code == 200
    (learnt,) = configs_of(client, key)
    assert (learnt["feedback_config"]["type"], learnt["feedback_config"]["max"]) == ("continuous", 5)


def test_feedback_in_a_batch_teaches_too(client: httpx.Client, key: str) -> None:
    feedback_id = str(uuid.uuid4())
    part = f'{{"id":"{feedback_id}","key":"{key}","score":1,"feedback_config":{{"type":"freeform"}}}}'
    answer = client.post("/runs/multipart", files={f"feedback.{feedback_id}": (None, part, "application/json")})
    assert answer.status_code == 202, answer.text
    assert [found["feedback_config"]["type"] for found in configs_of(client, key)] == ["freeform"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"feedback_key": ""}, "feedback_key"),
        ({"feedback_config": None}, "feedback_config"),
        ({"feedback_config": "continuous"}, "feedback_config"),
        ({"feedback_config": {"type": "continous"}}, "feedback_config.type"),
        ({"feedback_config": {"type": "continuous", "min": "0"}}, "feedback_config.min"),
        ({"feedback_config": {"type": "continuous", "min": 2, "max": 1}}, "feedback_config.min"),
        ({"feedback_config": {"type": "continuous", "categories": [{"value": 1}]}}, "feedback_config.categories"),
        ({"feedback_config": {"type": "categorical"}}, "feedback_config.categories"),
        ({"feedback_config": {"type": "categorical", "categories": [1, 2]}}, "feedback_config.categories"),
        (
            {"feedback_config": {"type": "categorical", "categories": [{"value": 1}, {"value": 1}]}},
            "feedback_config.categories",
        ),
        ({"is_lower_score_better": "maybe"}, "is_lower_score_better"),
        ({"is_enforced": True}, "is_enforced"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(client: httpx.Client, key: str, body: Json, field: str) -> None:
    answer = client.post("/feedback-configs", json={"feedback_key": key, "feedback_config": STARS, **body})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert configs_of(client, key) == []


@pytest.mark.parametrize("parameters", [{}, {"feedback_key": "a", "id": str(uuid.uuid4())}])
def test_a_deletion_names_one_config(client: httpx.Client, parameters: Json) -> None:
    assert client.delete("/feedback-configs", params=parameters).status_code == 422


def test_what_is_not_there_cannot_be_deleted(client: httpx.Client, key: str) -> None:
    for parameters in ({"feedback_key": key}, {"id": str(uuid.uuid4())}):
        assert client.delete("/feedback-configs", params=parameters).status_code == 404
