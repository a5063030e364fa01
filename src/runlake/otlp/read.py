"""An OTLP body as a whole: spans to runs, bad ones refused beside their neighbours.

A run whose ancestors are all in the same body, up to its root, is placed here; that is the same place the writer finds
for it when they come apart, and saves the search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import msgspec

from runlake.errors import MalformedError, UserError
from runlake.model.dotted_order import append_segment, root_segment
from runlake.model.run import RunField, RunWrite
from runlake.otlp.answers import Encoding
from runlake.otlp.json_body import read_json
from runlake.otlp.protobuf import read_protobuf
from runlake.otlp.run import run_of
from runlake.otlp.spans import ReadSpans, Span, Unreadable
from runlake.wire.run_writes import ReadBatch, Refusal

_READERS: Final[dict[Encoding, Callable[[bytes], ReadSpans]]] = {
    Encoding.PROTOBUF: read_protobuf,
    Encoding.JSON: read_json,
}


def read_traces(body: bytes, encoding: Encoding, project: str | None = None) -> ReadBatch:
    """The runs of a request, in the order sent; ``project`` is the name that a header gives.

    Raises ``MalformedError`` when the body cannot be read at all; a bad span is refused alone.
    """
    writes: list[RunWrite] = []
    refused: list[Refusal] = []
    for index, span in enumerate(_READERS[encoding](body)):
        try:
            writes.append(_run(span, project))
        except UserError as error:
            refused.append(Refusal(f"span[{index}]", None, error))
    return ReadBatch(tuple(_placed(writes)), (), tuple(refused))


def _run(span: Span | Unreadable, project: str | None) -> RunWrite:
    if isinstance(span, Unreadable):
        raise MalformedError(span.reason)
    try:
        return run_of(span, project)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError):
        problem = "an attribute is nested too deeply, or cannot be written as JSON"
        raise MalformedError(problem) from None


def _placed(writes: Sequence[RunWrite]) -> list[RunWrite]:
    by_id = {write.run_id: write for write in writes}
    places: dict[UUID, tuple[UUID, str] | None] = {}
    return [_with_place(write, _place(write.run_id, by_id, places)) for write in writes]


def _with_place(write: RunWrite, place: tuple[UUID, str] | None) -> RunWrite:
    if place is None or RunField.DOTTED_ORDER in write.fields:
        return write
    return replace(write, fields={**write.fields, RunField.TRACE_ID: place[0], RunField.DOTTED_ORDER: place[1]})


def _place(
    run_id: UUID, by_id: dict[UUID, RunWrite], places: dict[UUID, tuple[UUID, str] | None]
) -> tuple[UUID, str] | None:
    """Trace and dotted order, from the root down; None where an ancestor or a start is not in this body."""
    chain: list[RunWrite] = []
    current: object = run_id
    while isinstance(current, UUID) and current not in places and current in by_id:
        places[current] = None  # a circle of parents ends here
        chain.append(by_id[current])
        current = by_id[current].fields.get(RunField.PARENT_RUN_ID)
    above = places.get(current) if isinstance(current, UUID) else None
    is_root = current is None
    for write in reversed(chain):
        above = _below(write, above, is_root=is_root)
        places[write.run_id] = above
        is_root = False
    return places.get(run_id)


def _below(write: RunWrite, above: tuple[UUID, str] | None, *, is_root: bool) -> tuple[UUID, str] | None:
    said, trace_id = write.fields.get(RunField.DOTTED_ORDER), write.fields.get(RunField.TRACE_ID)
    if isinstance(said, str) and isinstance(trace_id, UUID):
        return trace_id, said
    start = write.fields.get(RunField.START_TIME)
    if not isinstance(start, int):
        return None
    if is_root:
        return write.run_id, root_segment(start, write.run_id)
    return None if above is None else (above[0], append_segment(above[1], start, write.run_id))
