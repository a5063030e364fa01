"""Feedback objects: every member, defaults from the receipt, and clear refusals."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from runlake.errors import UserError
from runlake.model.project import Feedback
from runlake.wire.feedback import Receipt, read_feedback

TENANT, NEW_ID, RUN, ID = (UUID(int=number) for number in (7, 8, 9, 10))
RECEIPT = Receipt(tenant_id=TENANT, now_us=99, new_id=lambda: NEW_ID)


def _read(**members: object) -> Feedback:
    return read_feedback(json.dumps({"key": "k", **members}).encode(), RECEIPT)


def test_only_a_key_is_needed() -> None:
    assert _read() == Feedback(tenant_id=TENANT, id=NEW_ID, key="k", created_at=99, modified_at=99)


def test_every_member_arrives() -> None:
    feedback = _read(
        id=str(ID),
        run_id=RUN.hex,
        session_id=str(UUID(int=1)),
        trace_id=str(UUID(int=2)),
        start_time="1970-01-01T00:00:01Z",
        score=0.25,
        value={"a": 1},
        comment="fine",
        correction="better",
        feedback_source={"type": "model", "metadata": {"__run": {"run_id": "x"}}},
        comparative_experiment_id=str(UUID(int=3)),
        feedback_group_id=str(UUID(int=4)),
        error=True,
        extra={"e": 1},
        feedback_config={"type": "continuous"},
        created_at="1970-01-01T00:00:02Z",
        modified_at=3000,
    )
    assert feedback == Feedback(
        tenant_id=TENANT,
        id=ID,
        key="k",
        run_id=RUN,
        session_id=UUID(int=1),
        trace_id=UUID(int=2),
        start_time=1_000_000,
        score=0.25,
        value=b'{"a": 1}',
        comment="fine",
        correction=b'"better"',
        source_type="model",
        source=b'{"type": "model", "metadata": {"__run": {"run_id": "x"}}}',
        comparative_experiment_id=UUID(int=3),
        feedback_group_id=UUID(int=4),
        error=True,
        extra=b'{"e": 1}',
        feedback_config=b'{"type": "continuous"}',
        created_at=2_000_000,
        modified_at=3_000_000,
    )


def test_nulls_are_as_good_as_absent() -> None:
    names = (
        "id",
        "run_id",
        "score",
        "value",
        "comment",
        "correction",
        "feedback_source",
        "error",
        "extra",
        "created_at",
    )
    assert _read(**dict.fromkeys(names)) == _read()


@pytest.mark.parametrize(("score", "stored"), [(True, 1.0), (False, 0.0), (3, 3.0), (-0.5, -0.5)])
def test_scores_are_numbers_and_booleans(score: object, stored: float) -> None:
    assert _read(score=score).score == stored


def test_the_configuration_may_be_in_camel_case() -> None:
    assert _read(feedbackConfig={"type": "freeform"}).feedback_config == b'{"type": "freeform"}'


@pytest.mark.parametrize(
    ("feedback_id", "own", "part_id", "expected"),
    [
        (ID, UUID(int=1), UUID(int=2), ID),
        (None, UUID(int=1), UUID(int=2), UUID(int=1)),
        (None, None, UUID(int=2), UUID(int=2)),
        (None, None, RUN, NEW_ID),
        (None, None, None, NEW_ID),
    ],
)
def test_where_the_id_comes_from(
    feedback_id: UUID | None, own: UUID | None, part_id: UUID | None, expected: UUID
) -> None:
    body = json.dumps({"key": "k", "run_id": str(RUN), "id": own and str(own)}).encode()
    assert read_feedback(body, RECEIPT, feedback_id=feedback_id, part_id=part_id).id == expected


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"key": None}, "key is missing"),
        ({"key": ""}, "key is missing"),
        ({"key": 5}, "key is missing"),
        ({"key": "k" * 181}, "181 characters; at most 180"),
        ({"score": "0.5"}, "score is the text '0.5'; a number, true, false or null is accepted"),
        ({"score": [1]}, "score is a value of type list"),
        ({"score": 10**400}, "score is a value of type int"),
        ({"run_id": "x"}, "run_id 'x' is not a uuid"),
        ({"error": "yes"}, "error must be true, false or null"),
        ({"start_time": "x"}, "start_time: 'x' is not a time"),
        ({"feedback_source": "app"}, "feedback_source is not an object with a type"),
        ({"feedback_source": {"type": 1}}, "feedback_source is not an object with a type"),
    ],
)
def test_bad_members_are_refused_by_name(members: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        _read(**members)
    assert message in caught.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"key":"\xff"}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(UserError):
        read_feedback(body, RECEIPT)
