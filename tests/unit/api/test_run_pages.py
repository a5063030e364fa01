"""A page in parts is the page in one piece."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from runlake.api.run_pages import parts, whole
from runlake.model.run_record import RunRecord
from runlake.query.service import ListedRuns
from runlake.wire.run_queries import DEFAULT_SELECT
from runlake.wire.runs import RunEncoder

ENCODER = RunEncoder(UUID(int=1), DEFAULT_SELECT)


def page(count: int, payload_bytes: int) -> ListedRuns:
    payload = msgspec.json.encode({"text": "x" * payload_bytes})
    ids = [str(UUID(int=number)) for number in range(count)]
    runs = [RunRecord(id=id_, session_id=ids[0], trace_id=id_, start_time=0, version=1, inputs=payload) for id_ in ids]
    return ListedRuns(runs=runs, next_cursor="next", select=DEFAULT_SELECT, explanation='a "plan"')


@pytest.mark.parametrize(
    ("count", "payload_bytes", "expected_parts"),
    [(0, 0, 2), (1, 10, 3), (5, 600_000, 5), (3, 2_000_000, 5), (2_000, 10, 4)],
    ids=["none", "one", "two a part", "one a part", "many"],
)
def test_parts_join_to_the_page(count: int, payload_bytes: int, expected_parts: int) -> None:
    in_one_piece = whole(page(count, payload_bytes), ENCODER)
    in_parts = list(parts(page(count, payload_bytes), ENCODER))
    assert b"".join(in_parts) == in_one_piece
    assert len(in_parts) == expected_parts
    assert len(msgspec.json.decode(in_one_piece)["runs"]) == count


def test_runs_that_were_sent_are_held_no_longer() -> None:
    listed = page(5, 600_000)
    stream = parts(listed, ENCODER)
    left = [len(listed.runs) for _ in stream]
    assert left == [5, 3, 1, 0, 0]
