"""Datasets over plain HTTP: what no SDK call reaches."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def client(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=20) as client:
        yield client


def make(client: httpx.Client, path: str, body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


def dataset(client: httpx.Client, **more: Any) -> str:
    return str(make(client, "/datasets", {"name": str(uuid.uuid4()), **more})["id"])


def test_a_run_knows_its_datasets(client: httpx.Client) -> None:
    """It is in a dataset when an example was made from it, and has that of the example that it answers."""
    source, answer, dataset_id = str(uuid.uuid4()), str(uuid.uuid4()), dataset(client)
    run = {"run_type": "chain", "name": "n", "session_name": "members", "start_time": "2026-11-01T00:00:00Z"}
    make(client, "/runs", {**run, "id": source, "inputs": {"a": 1.50}, "outputs": {"b": [1]}})
    body = {"dataset_id": dataset_id, "source_run_id": source, "use_source_run_io": True}
    example = make(client, "/examples", body)
    make(client, "/runs", {**run, "id": answer, "reference_example_id": example["id"]})
    assert [example["inputs"], example["outputs"]] == [{"a": 1.5}, {"b": [1]}]
    seen = {key: client.get(f"/runs/{key}").json() for key in (source, answer)}
    listed = make(client, "/runs/query", {"id": [source, answer], "select": ["in_dataset", "reference_dataset_id"]})
    for shown in (seen, {item["id"]: item for item in listed["runs"]}):
        assert [shown[key]["in_dataset"] for key in (source, answer)] == [True, False]
        assert [shown[key]["reference_dataset_id"] for key in (source, answer)] == [None, dataset_id]


def test_payloads_keep_their_bytes(client: httpx.Client) -> None:
    text = '{"n": 1.500, "big": 123456789012345678901234567890, "u": "\\u00e9é", "a":{ } }'
    body = f'{{"dataset_id": "{dataset(client)}", "inputs": {text}, "outputs": {text}, "metadata": {text}}}'
    made = client.post("/examples", content=body.encode()).json()
    shown = client.get(f"/examples/{made['id']}").text
    assert shown.count(text) == 2
    assert text[1:-1].strip() in shown.partition('"metadata":')[2]


def test_a_link_opens_its_file_alone(client: httpx.Client) -> None:
    dataset_id, first, second = dataset(client), uuid.uuid4(), uuid.uuid4()
    parts = [
        (f"{key}{rest}", kind, data)
        for key in (first, second)
        for rest, kind, data in (
            ("", "application/json", b"{}"),
            (".inputs", "application/json", b"{}"),
            (".attachment.a.txt", "text/plain", str(key).encode()),
        )
    ]
    body = b"".join(
        b'--B\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: %s\r\n\r\n%s\r\n'
        % (name.encode(), kind.encode(), data)
        for name, kind, data in parts
    )
    headers = {"content-type": "multipart/form-data; boundary=B"}
    path = f"/v1/platform/datasets/{dataset_id}/examples"
    assert client.post(path, content=body + b"--B--\r\n", headers=headers).status_code == 201
    assert client.post(path, content=body + b"--B--\r\n", headers=headers).status_code == 409
    link = client.get(f"/examples/{first}").json()["attachment_urls"]["attachment.a.txt"]["presigned_url"]
    assert client.get(link).content == str(first).encode()
    assert client.get(link.replace(str(first), str(second))).status_code == 403
    assert client.get(link.replace("/example-attachments/", "/attachments/")).status_code == 403
    client.patch(f"/examples/{first}", json={"attachments_operations": {"retain": []}})
    assert client.get(f"/examples/{first}").json()["attachment_urls"] is None
    assert client.get(link).content == str(first).encode()  # of the version that it was made for
    assert client.delete(f"/datasets/{dataset_id}").status_code == 200
    assert client.get(link).status_code == 404


SCHEMA = {"type": "object", "required": ["q"], "properties": {"q": {"type": "string"}}}
BAD_SCHEMAS = {
    "unknown type": {"type": "nope"},
    "another document": {"$ref": "http://127.0.0.1:9/x"},
    "bad pattern": {"properties": {"a": {"pattern": "("}}},
}


@pytest.mark.parametrize("schema", BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_what_is_no_schema_is_refused(client: httpx.Client, schema: dict[str, Any]) -> None:
    answer = client.post("/datasets", json={"name": str(uuid.uuid4()), "inputs_schema_definition": schema})
    assert (answer.status_code, answer.json()["field"]) == (422, "inputs_schema_definition")


def test_examples_meet_the_schema_of_their_dataset(client: httpx.Client) -> None:
    dataset_id = dataset(client, inputs_schema_definition=SCHEMA)
    good = make(client, "/examples", {"dataset_id": dataset_id, "inputs": {"q": "x"}})
    bad = [{"dataset_id": dataset_id, "inputs": inputs} for inputs in ({"q": "y"}, {"q": 1})]
    answers = [
        client.post("/examples/bulk", json=bad),
        client.patch(f"/examples/{good['id']}", json={"inputs": {"q": 1}}),
    ]
    assert [(answer.status_code, answer.json()["field"]) for answer in answers] == [(422, "inputs.q")] * 2
    assert "example 1" in answers[0].json()["detail"]
    assert client.get("/examples/count", params={"dataset": dataset_id}).json() == 1


FILTERS = {
    'eq(metadata.k, "b")': [2],
    'has(metadata, \'{"k": "a"}\')': [1],
    'not(exists(metadata, "k"))': [3],
    "and(gt(inputs.n, 1), lt(inputs.n, 3))": [2],
    'or(eq(inputs.n, 1), eq(outputs.deep.x, "Yes"))': [1, 3],
    'in(metadata.k, ["a", "b"])': [1, 2],
    'nin(metadata.k, ["a"])': [2, 3],
    'like(outputs.deep.x, "y%")': [3],
    'search("YES")': [3],
    'eq(split, "test")': [2],
    'gte(created_at, "2026-01-02T00:00:00Z")': [2, 3],
    "neq(inputs.n, 1.0)": [2, 3],
}
BAD_FILTERS = (
    "eq(",
    "eq(nope, 1)",
    'eq(split.x, "a")',
    'has(metadata, "x")',
    'parent(eq(name, "x"))',
    'gt(created_at, "x")',
)


@pytest.fixture(scope="module")
def filtered(client: httpx.Client) -> str:
    dataset_id = dataset(client)
    rows: list[dict[str, Any]] = [
        {"inputs": {"n": 1}, "metadata": {"k": "a"}, "created_at": "2026-01-01T00:00:00Z"},
        {"inputs": {"n": 2}, "metadata": {"k": "b"}, "created_at": "2026-01-02T00:00:00Z", "split": "test"},
        {"inputs": {"n": 3}, "outputs": {"deep": {"x": "Yes"}}, "created_at": "2026-01-03T00:00:00Z"},
    ]
    make(client, "/examples/bulk", [{"dataset_id": dataset_id, **row} for row in rows])
    return dataset_id


@pytest.mark.parametrize("text", FILTERS)
def test_filters_on_examples(client: httpx.Client, filtered: str, text: str) -> None:
    params = {"dataset": filtered, "filter": text}
    found = client.get("/examples", params=params).json()
    assert sorted(example["inputs"]["n"] for example in found) == FILTERS[text]
    assert client.get("/examples/count", params=params).json() == len(FILTERS[text])


@pytest.mark.parametrize("text", BAD_FILTERS)
def test_wrong_filters_are_told(client: httpx.Client, filtered: str, text: str) -> None:
    answer = client.get("/examples", params={"dataset": filtered, "filter": text})
    assert answer.status_code in {400, 422}
    assert answer.json()["field"] == "filter"


def test_select_decides_what_is_shown(client: httpx.Client, filtered: str) -> None:
    def shown(**params: Any) -> set[str]:
        (first, *_) = client.get("/examples", params={"dataset": filtered, **params}).json()
        return set(first)

    default = {"id", "dataset_id", "name", "created_at", "modified_at", "inputs"}
    assert shown() == default | {"outputs", "metadata", "source_run_id"}
    assert shown(select=["outputs"]) == default | {"outputs"}
    assert shown(select=["outputs"], exclude_default_fields=True) == {"id", "outputs"}


def test_results_by_cursor_filter_and_feedback(client: httpx.Client) -> None:
    dataset_id = dataset(client)
    rows = [{"dataset_id": dataset_id, "inputs": {"n": n}} for n in range(5)]
    examples = make(client, "/examples/bulk", rows)
    experiment = make(client, "/sessions", {"name": str(uuid.uuid4()), "reference_dataset_id": dataset_id})["id"]
    for n, example in enumerate(examples):
        run_id = str(uuid.uuid4())
        run = {"id": run_id, "name": "n", "run_type": "chain", "session_id": experiment, "outputs": {"n": n}}
        times = {"start_time": f"2026-11-01T00:00:0{n}Z", "end_time": f"2026-11-01T00:01:0{n}Z"}
        make(client, "/runs", {**run, **times, "reference_example_id": example["id"]})
        make(client, "/feedback", {"run_id": run_id, "key": "good", "score": (n * 2) % 5})
    path, seen, cursor = f"/api/v2/datasets/{dataset_id}/experiment-runs", [], None
    while True:
        body = {"experiment_ids": [experiment], "selects": ["ID", "OUTPUTS"], "page_size": 2, "cursor": cursor}
        page = make(client, path, body)
        seen += [(item["inputs"]["n"], item["runs"][0]["outputs"]["n"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [(n, n) for n in range(5)]
    one = {"session_ids": [experiment], "limit": 10}
    sorting = {"sort_params": {"sort_by": "feedback.good", "sort_order": "ASC"}}
    narrow = {"filters": {experiment: ['and(eq(feedback_key, "good"), gte(feedback_score, 3))']}}
    runs_path = f"/datasets/{dataset_id}/runs"
    assert [item["inputs"]["n"] for item in make(client, runs_path, one | sorting)] == [0, 3, 1, 4, 2]
    assert [item["inputs"]["n"] for item in make(client, runs_path, one | narrow)] == [2, 4]
    preview = make(client, runs_path, {**one, "preview": True})[0]["runs"][0]
    assert "outputs_preview" in preview
    assert "outputs" not in preview
