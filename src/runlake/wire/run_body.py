"""One run object of the wire and how its members become the fields of a write.

Used by ``wire.run_writes``, which knows the bodies that such objects come in. Here is what a run may say: its ids must
agree with each other, its times must be readable, its payloads are passed on untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.attachments import Attachment
from runlake.model.dotted_order import Segment, parse_dotted_order
from runlake.model.run import FieldValue, RunField, RunType, RunWrite, WriteKind
from runlake.wire.json_text import ABSENT, raw_bytes
from runlake.wire.scalars import read_id, read_text, read_time
from runlake.wire.times import EARLIEST_US, LATEST_US

WRITE_OVERHEAD_BYTES: Final = 500
"""What a write weighs in memory besides its payload."""

RUN_TYPES: Final = frozenset(str(run_type) for run_type in RunType)

_EXCERPT_CHARS: Final = 100


class RunBody(msgspec.Struct, gc=False):
    """The run object of the wire; ``Any`` where senders vary and we look closer, ``Raw`` where bytes are kept."""

    id: Any = None
    trace_id: Any = None
    dotted_order: Any = None
    parent_run_id: Any = None
    session_id: Any = None
    session_name: Any = None
    project_name: Any = None
    name: Any = None
    run_type: Any = None
    start_time: Any = None
    end_time: Any = None
    reference_example_id: Any = None
    tags: Any = None
    error: Any = None
    attachments: Any = None
    inputs: msgspec.Raw = ABSENT
    outputs: msgspec.Raw = ABSENT
    extra: msgspec.Raw = ABSENT
    events: msgspec.Raw = ABSENT
    serialized: msgspec.Raw = ABSENT


RUN_DECODER: Final = msgspec.json.Decoder(RunBody)


def build_write(
    kind: WriteKind,
    run_id: UUID,
    fields: dict[RunField, FieldValue],
    run: RunBody,
    attachments: Iterable[Attachment] = (),
) -> RunWrite:
    """The write of ``fields``, which hold the payloads, and of all other members of ``run``."""
    attachments = (*_inline_attachments(run.attachments), *attachments)
    size_bytes = WRITE_OVERHEAD_BYTES + sum(len(value) for value in fields.values() if isinstance(value, bytes))
    size_bytes += sum(len(attachment.data) for attachment in attachments)
    if run.error is not None:
        fields[RunField.ERROR] = error = read_text(run.error, "error")
        size_bytes += len(error)
    if run.name is not None:
        fields[RunField.NAME] = read_text(run.name, "name")
    if run.run_type is not None:
        fields[RunField.RUN_TYPE] = _run_type(run.run_type)
    if run.tags is not None:
        fields[RunField.TAGS] = _tags(run.tags)
    _fill_times(fields, run)
    _fill_lineage(fields, run, run_id, kind)
    example_id = read_id(run.reference_example_id, "reference_example_id")
    if example_id is not None:
        fields[RunField.REFERENCE_EXAMPLE_ID] = example_id
    session_id = read_id(run.session_id, "session_id")
    if session_id is not None:
        fields[RunField.SESSION_ID] = session_id
    session_name = None if session_id is not None else _session_name(run)
    return RunWrite(
        kind=kind,
        run_id=run_id,
        fields=fields,
        session_name=session_name,
        size_bytes=size_bytes,
        attachments=attachments,
    )


def payload_fields(run: RunBody) -> dict[RunField, FieldValue]:
    """The payloads inside the run object, byte for byte; absent and null ones are left out."""
    fields: dict[RunField, FieldValue] = {}
    if run.inputs is not ABSENT and (data := raw_bytes(run.inputs)):
        fields[RunField.INPUTS] = data
    if run.outputs is not ABSENT and (data := raw_bytes(run.outputs)):
        fields[RunField.OUTPUTS] = data
    if run.extra is not ABSENT and (data := raw_bytes(run.extra)):
        fields[RunField.EXTRA] = data
    if run.events is not ABSENT and (data := raw_bytes(run.events)):
        fields[RunField.EVENTS] = data
    if run.serialized is not ABSENT and (data := raw_bytes(run.serialized)):
        fields[RunField.SERIALIZED] = data
    return fields


def own_id(run: RunBody, expected: UUID | None) -> UUID:
    """The id of the run; when the path or part name has one, the body may leave it out but not differ."""
    if run.id is None and expected is not None:
        return expected
    run_id = required_id(run.id, "id")
    if expected is not None and run_id != expected:
        raise InvalidError(f"id {run_id} differs from {expected}, the id the run was sent under", field="id")
    return run_id


def required_id(value: object, name: str) -> UUID:
    """The id in ``value``, called ``name`` in errors; the zero uuid is none."""
    run_id = read_id(value, name)
    if run_id is None:
        raise InvalidError(f"{name} is missing; every run needs a uuid that is not zero", field="id")
    return run_id


def _fill_times(fields: dict[RunField, FieldValue], run: RunBody) -> None:
    if run.start_time is not None:
        fields[RunField.START_TIME] = read_time(run.start_time, "start_time")
    if run.end_time is not None:
        fields[RunField.END_TIME] = read_time(run.end_time, "end_time")


def _fill_lineage(fields: dict[RunField, FieldValue], run: RunBody, run_id: UUID, kind: WriteKind) -> None:
    """Trace, parent and dotted order, which must agree with each other and with the id."""
    trace_id = read_id(run.trace_id, "trace_id")
    parent_id = read_id(run.parent_run_id, "parent_run_id")
    if parent_id == run_id:
        raise InvalidError(f"run {run_id}: parent_run_id is the run itself", field="parent_run_id")
    if run.dotted_order is not None and run.dotted_order != "":
        segments = _segments(run.dotted_order, run_id)
        _check_lineage(segments, run_id, trace_id, parent_id)
        fields[RunField.DOTTED_ORDER] = run.dotted_order
        trace_id = segments[0].id
        parent_id = segments[-2].id if len(segments) > 1 else None
        # Only of a create: in a patch it would outrank the create's own start, and SDKs shift the times of
        # segments so that no child starts before its parent.
        if kind is WriteKind.CREATE:
            fields.setdefault(RunField.START_TIME, segments[-1].time_us)
    if trace_id is not None:
        fields[RunField.TRACE_ID] = trace_id
    if parent_id is not None:
        fields[RunField.PARENT_RUN_ID] = parent_id


def _segments(value: object, run_id: UUID) -> tuple[Segment, ...]:
    if not isinstance(value, str):
        raise InvalidError(f"run {run_id}: dotted_order must be a text", field="dotted_order")
    try:
        segments = parse_dotted_order(value)
    except ValueError as error:
        raise InvalidError(f"run {run_id}: {error}", field="dotted_order") from error
    if not EARLIEST_US <= segments[-1].time_us <= LATEST_US:
        raise _disagreement(run_id, "ends with a time out of range; accepted are the years 1900 to 2299")
    return segments


def _check_lineage(segments: tuple[Segment, ...], run_id: UUID, trace_id: UUID | None, parent_id: UUID | None) -> None:
    first, last = segments[0].id, segments[-1].id
    if last != run_id:
        raise _disagreement(run_id, f"ends with {last}; its last segment must be the run's own id")
    if trace_id is not None and trace_id != first:
        raise _disagreement(run_id, f"starts with {first}, trace_id is {trace_id}; they must be equal")
    above = segments[-2].id if len(segments) > 1 else None
    if parent_id is not None and parent_id != above:
        found = f"names {above} as the parent" if above else "has one segment, as a root has"
        raise _disagreement(
            run_id, f"{found}, parent_run_id is {parent_id}; the last segment but one must be the parent"
        )


def _disagreement(run_id: UUID, problem: str) -> InvalidError:
    return InvalidError(f"run {run_id}: dotted_order {problem}", field="dotted_order")


def _run_type(value: object) -> str:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in RUN_TYPES:
        accepted = ", ".join(run_type.value for run_type in RunType)
        shown = str(value)[:_EXCERPT_CHARS]
        raise InvalidError(f"run_type {shown!r} is not known; accepted are {accepted}", field="run_type")
    return word


def _tags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        value = [value]
    return tuple(tag if isinstance(tag, str) else read_text(tag, "tags") for tag in value if tag is not None)


def _inline_attachments(value: object) -> Iterator[Attachment]:
    """``{name: [mime type, base64]}``, as the Python SDK writes them into a single ``POST /runs`` (seen in the SDK)."""
    if value is None:
        return
    try:
        sent = msgspec.convert(value, dict[str, tuple[str, bytes]])
    except msgspec.ValidationError as error:
        problem = f"attachments cannot be read ({error}); an object of name: [mime type, base64] is accepted"
        raise MalformedError(problem, field="attachments") from None
    for name, (mime_type, data) in sent.items():
        yield Attachment(name, mime_type, data)


def _session_name(run: RunBody) -> str | None:
    name = run.session_name if run.session_name is not None else run.project_name
    return None if name is None or name == "" else read_text(name, "session_name")
