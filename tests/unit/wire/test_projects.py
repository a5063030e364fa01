"""Projects and feedback on the wire, without a server."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from runlake.errors import InvalidError, MalformedError, UserError
from runlake.model.project import Feedback, Project
from runlake.model.project_stats import ProjectStats
from runlake.wire.containment import holds, read_wanted
from runlake.wire.feedback_objects import apply_feedback_patch, feedback_body
from runlake.wire.projects import project_body, project_metadata, read_project_changes, read_project_create

TENANT, ID = UUID(int=1), UUID(int=2)
PROJECT = Project(tenant_id=TENANT, id=ID, name="p", start_time=1_767_323_045_000_006)
FEEDBACK = Feedback(
    tenant_id=TENANT, id=ID, key="k", score=0.5, value=b'"good"', comment="fine", created_at=5, modified_at=6
)


def create(body: bytes) -> Project:
    return read_project_create(body, tenant_id=TENANT, now_us=7, new_id=lambda: ID)


def wire(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_a_minimal_create_gets_an_id_and_the_time() -> None:
    assert create(b'{"name": "p"}') == Project(tenant_id=TENANT, id=ID, name="p", start_time=7)


def test_extra_is_kept_byte_for_byte() -> None:
    extra = b'{"metadata":  {"n": 1.10, "big": 123456789012345678901234567890}, "tags": ["x"]}'
    project = create(b'{"name": "p", "extra": ' + extra + b"}")
    assert project.extra == extra
    assert bytes(project_body(project).extra or b"") == extra


def test_a_patch_holds_only_what_is_set() -> None:
    body = b'{"name": null, "description": "d", "end_time": "2026-01-02T03:04:05Z", "extra": null, "other": 1}'
    assert read_project_changes(body) == {"description": "d", "end_time": 1_767_323_045_000_000}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "name"),
        (b'{"name": " "}', "name"),
        (b'{"name": "p", "extra": [1]}', "extra"),
        (b'{"name": "p", "extra": {"metadata": 1}}', "extra"),
        (b'{"name": "p", "trace_tier": "gold"}', "trace_tier"),
        (b'{"name": "p", "description": {}}', "description"),
        (b'{"name": "p", "id": "x"}', "id"),
        (b'{"name": "p", "start_time": "x"}', "start_time"),
    ],
)
def test_a_bad_create_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(UserError) as caught:
        create(body)
    assert caught.value.field == field


def test_required_keys_are_always_there() -> None:
    body = wire(project_body(PROJECT))
    assert body["tenant_id"] == str(TENANT)
    assert body["reference_dataset_id"] is None
    assert body["start_time"] == "2026-01-02T03:04:05.000006"
    assert "run_count" not in body


def test_statistics_come_with_costs_as_text() -> None:
    stats = ProjectStats(run_count=3, total_cost=Decimal("0.000001200"), latency_p50=1.5, last_run_start_time=0)
    body = wire(project_body(PROJECT, stats))
    assert body["total_cost"] == "0.0000012"
    assert (body["run_count"], body["latency_p50"], body["prompt_cost"]) == (3, 1.5, None)
    assert (body["run_facets"], body["feedback_stats"]) == ([], {})
    assert body["last_run_start_time"] == "1970-01-01T00:00:00.000000"


def test_metadata_of_a_project_without_any_is_empty() -> None:
    assert project_metadata(PROJECT) == {}
    assert project_metadata(replace(PROJECT, extra=b'{"metadata": null}')) == {}


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, True),
        ({"a": [1, 2, 3]}, {"a": [3, 1]}, True),
        ({"a": [1, 2]}, {"a": [4]}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": 1}, {}, True),
    ],
)
def test_containment(value: object, wanted: object, *, expected: bool) -> None:
    assert holds(value, wanted) is expected


@pytest.mark.parametrize("text", ["", "{", "[1]", "1", "null", "[" * 100_000])
def test_a_wanted_object_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        read_wanted(text, "metadata")


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (b"{}", {}),
        (b'{"score": true}', {"score": 1.0}),
        (b'{"score": null}', {"score": None}),
        (b'{"comment": null, "value": null}', {"comment": None, "value": None}),
        (b'{"value": {"a":  1}}', {"value": b'{"a":  1}'}),
        (b'{"correction": "x"}', {"correction": b'"x"'}),
        (b'{"key": "other", "run_id": null}', {}),
    ],
)
def test_a_feedback_patch_changes_present_keys_and_null_clears(body: bytes, changes: dict[str, Any]) -> None:
    assert apply_feedback_patch(FEEDBACK, body, now_us=9) == replace(FEEDBACK, **changes, modified_at=9)


def test_a_feedback_patch_never_goes_back_in_time() -> None:
    assert apply_feedback_patch(FEEDBACK, b"{}", now_us=1).modified_at == FEEDBACK.modified_at


def test_a_feedback_patch_refuses_a_comment_that_is_no_text() -> None:
    with pytest.raises(InvalidError):
        apply_feedback_patch(FEEDBACK, b'{"comment": 1}', now_us=9)


def test_feedback_has_all_keys_and_a_source_with_its_type() -> None:
    source = b'{"type": "model", "metadata": {"__run": {"run_id": "r"}}, "odd": 1e999}'
    body = msgspec.json.encode(feedback_body(replace(FEEDBACK, source_type="model", source=source)))
    assert b'"odd":1e999' in body
    found = wire(feedback_body(FEEDBACK))
    assert found["run_id"] is None
    assert found["trace_id"] is None
    assert found["value"] == "good"
    assert found["feedback_source"]["type"] == "api"
