"""Searches, notes, snippets and the routes that help with filters, over plain HTTP."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest


@pytest.fixture(scope="module")
def project(live_server: str) -> str:
    """Three finished runs with a question, a tag and a metadata key; the id of their project."""
    project_id = str(uuid4())
    for number in range(3):
        body = {
            "id": str(uuid4()),
            "name": f"helper {number}",
            "run_type": "chain",
            "session_id": project_id,
            "start_time": f"2026-01-02T03:04:0{number}",
            "end_time": f"2026-01-02T03:04:1{number}",
            "inputs": {"messages": [{"content": "How late may a Refund be?"}]},
            "tags": ["helpdesk"],
            "extra": {"metadata": {"customer_id": f"c{number}"}},
        }
        assert httpx.post(f"{live_server}/runs", json=body).status_code == 202
    return project_id


def ask(
    server: str, path: str, expected_status: int = 200, /, **body: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The body of an answer, and the notes on it."""
    answer = httpx.post(f"{server}{path}", json=body)
    assert answer.status_code == expected_status, answer.text
    found: dict[str, Any] = answer.json()
    return found, json.loads(answer.headers.get("X-Runlake-Notes", "[]"))


def test_a_search_is_a_filter_in_other_words(live_server: str, project: str) -> None:
    words: Any = {"search": "name:helper* metadata.customer_id:c1 refund", "filter": 'search("late")'}
    found, notes = ask(live_server, "/runs/query", session=[project], **words)
    assert [run["name"] for run in found["runs"]] == ["helper 1"]
    assert notes == []
    counted, _ = ask(live_server, "/runs/stats", session=[project], search="-name:*1", select=["run_count"])
    assert counted["run_count"] == 2


def test_a_wrong_search_shows_its_place(live_server: str) -> None:
    found, _ = ask(live_server, "/runs/query", 400, search="status:eror")
    assert (found["field"], found["position"], found["suggestion"]) == ("search", 7, "error")
    checked, _ = ask(live_server, "/runs/query/validate", search="status:eror")
    assert [problem["field"] for problem in checked["errors"]] == ["search"]


def test_an_answer_has_snippets_when_asked_and_no_field_more(live_server: str, project: str) -> None:
    asked: Any = {"session": [project], "search": "refund", "select": ["name"], "limit": 1}
    plain, _ = ask(live_server, "/runs/query", **asked)
    found, _ = ask(live_server, "/runs/query", **asked, snippets=True)
    assert set(found) == {*plain, "search_snippets"}
    assert found["runs"] == plain["runs"]
    (run_id,) = [run["id"] for run in found["runs"]]
    (snippet,) = found["search_snippets"][run_id]["snippets"]
    assert snippet["path"] == "messages[0].content"
    (low, high) = snippet["highlights"][0]
    assert snippet["text"][low:high] == "Refund"


def test_notes_tell_scans_and_misspelt_names(live_server: str, project: str) -> None:
    _, notes = ask(live_server, "/runs/query", session=[project], filter="search('→')")
    assert [note["code"] for note in notes] == ["scan"]
    found, notes = ask(live_server, "/runs/query", session=[project], filter="eq(metadata.custmer_id, 'c1')")
    assert found["runs"] == []
    assert [(note["code"], note["suggestion"]) for note in notes] == [("unknown_name", "customer_id")]
    _, notes = ask(live_server, "/runs/query", session=[project], filter="eq(metadata.customer_id, 'nobody')")
    assert notes == []


@pytest.mark.parametrize(
    ("body", "valid", "canonical", "codes"),
    [
        ({"text": "eq( status,'error' )"}, True, 'eq(status, "error")', []),
        ({"text": "status:error", "language": "search"}, True, 'eq(status, "error")', []),
        ({"text": " "}, True, "", []),
        ({"text": "and(eq(stat, 1), eq(latency, 'x'))"}, False, None, ["unknown_field", "type"]),
        ({"text": "eq(total_tokens, 5)", "mode": "strict"}, False, None, ["hosted"]),
        ({"text": "eq(status"}, False, None, ["syntax"]),
    ],
)
def test_a_text_is_checked(live_server: str, body: Any, valid: bool, canonical: str | None, codes: list[str]) -> None:
    found, _ = ask(live_server, "/filters/validate", **body)
    assert (found["valid"], found["canonical"]) == (valid, canonical)
    assert [problem["code"] for problem in found["diagnostics"]] == codes


def test_a_text_is_translated_both_ways(live_server: str) -> None:
    there, _ = ask(live_server, "/filters/translate", text='and(eq(status, "error"), gt(latency, 5))')
    back, _ = ask(live_server, "/filters/translate", text=there["text"], to="filter")
    assert (there["language"], back["language"]) == ("search", "filter")
    assert back["text"] == 'and(eq(status, "error"), gt(latency, 5))'
    refused, _ = ask(live_server, "/filters/translate", 400, text="child(eq(status, 'error'))")
    assert refused["diagnostics"][0]["code"] == "unsupported"


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("eq(sta", "filter", "status, "),
        ("eq(metadata.cust", "filter", "customer_id, "),
        ("has(tags, 'help", "filter", "'helpdesk'"),
        ("metadata.cust", "search", "customer_id:"),
    ],
)
def test_a_text_is_completed(live_server: str, project: str, text: str, language: str, expected: str) -> None:
    found, _ = ask(live_server, "/filters/complete", text=text, language=language, session=[project])
    assert expected in [item["text"] for item in found["items"]]
    assert found["end"] == len(text)
    empty, _ = ask(live_server, "/filters/complete", text="has(tags, 'help", session=[str(uuid4())])
    assert empty["items"] == []


def test_a_query_is_explained(live_server: str, project: str) -> None:
    found, _ = ask(live_server, "/runs/query/explain", session=[project], filter='search("refund")')
    assert found["rows_read"] >= 3
    assert found["bytes_read"] > 0
    statement = found["statements"][0]
    assert "hasAllTokens" in statement["sql"]
    assert "search_index" in {index["name"] for index in statement["indexes"]}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/filters/validate", {}, "text"),
        ("/filters/validate", {"text": 5}, "text"),
        ("/filters/validate", {"text": "", "language": "sql"}, "language"),
        ("/filters/validate", {"text": "", "mode": 1}, "mode"),
        ("/filters/translate", {"text": "", "to": "sql"}, "to"),
        ("/filters/complete", {"text": "", "position": "x"}, "position"),
        ("/runs/query/explain", {"limit": 0}, "limit"),
        ("/runs/query", {"snippets": "maybe"}, "snippets"),
    ],
)
def test_what_cannot_be_meant_is_named(live_server: str, path: str, body: Any, field: str) -> None:
    found, _ = ask(live_server, path, 422, **body)
    assert found["field"] == field
