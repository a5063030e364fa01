"""Runs as clients write them: JSON and multipart bodies in, validated ``RunWrite`` and ``Feedback`` out.

Third step of the ingest line, between ``wire.multipart`` and ``ingest``. Payload JSON is never decoded here, only
checked and cut out byte for byte. A run that cannot be accepted becomes a ``Refusal`` beside its neighbours; only a
body that cannot be read at all raises. Merging is ``model.run``'s business, not done here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError, UserError
from runlake.model.attachments import Attachment, encode_attachments
from runlake.model.dotted_order import Segment, parse_dotted_order
from runlake.model.project import Feedback
from runlake.model.run import FieldValue, RunField, RunType, RunWrite, WriteKind
from runlake.wire.feedback import Receipt, read_feedback
from runlake.wire.json_text import ABSENT, check_json, decode_object, raw_bytes, split_array, split_object, too_deep
from runlake.wire.multipart import Part, parse_multipart
from runlake.wire.scalars import read_id, read_text, read_time
from runlake.wire.times import EARLIEST_US, LATEST_US

WRITE_OVERHEAD_BYTES: Final = 500
"""What a write weighs in memory besides its payload."""

RUN_TYPES: Final = frozenset(str(run_type) for run_type in RunType)

_KINDS: Final = {"post": WriteKind.CREATE, "patch": WriteKind.PATCH}
_PART_FIELDS: Final = {
    "inputs": RunField.INPUTS,
    "outputs": RunField.OUTPUTS,
    "events": RunField.EVENTS,
    "extra": RunField.EXTRA,
    "serialized": RunField.SERIALIZED,
    "error": RunField.ERROR,
}
_PART_NAMES: Final = "post.<id>, patch.<id>, either with .<field>, attachment.<run id>.<name> and feedback.<id>"
_EXCERPT_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """One part of a body that was not taken: ``part`` is ``post[3]`` in a batch and the part's name in multipart."""

    part: str
    run_id: UUID | None
    error: UserError


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What one body holds, in the order sent."""

    writes: tuple[RunWrite, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    refused: tuple[Refusal, ...] = ()


class _RunBody(msgspec.Struct, gc=False):
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
    inputs: msgspec.Raw = ABSENT
    outputs: msgspec.Raw = ABSENT
    extra: msgspec.Raw = ABSENT
    events: msgspec.Raw = ABSENT
    serialized: msgspec.Raw = ABSENT


class _BatchBody(msgspec.Struct, gc=False):
    post: list[msgspec.Raw] | None = None
    patch: list[msgspec.Raw] | None = None


class _Draft:
    """Parts of one write, collected until the body ends."""

    __slots__ = ("attachments", "kind", "main", "part", "payloads", "run_id")

    def __init__(self, kind: WriteKind, run_id: UUID, part: str) -> None:
        self.kind = kind
        self.run_id = run_id
        self.part = part
        self.main: bytes | None = None
        self.payloads: dict[RunField, tuple[str, bytes]] = {}
        self.attachments: list[Attachment] = []


_RUN: Final = msgspec.json.Decoder(_RunBody)
_BATCH: Final = msgspec.json.Decoder(_BatchBody)


def read_run(body: bytes, kind: WriteKind, *, run_id: UUID | None = None) -> RunWrite:
    """One run object, from ``POST /runs`` or ``PATCH /runs/{run_id}``; ``run_id`` is the id in the path.

    Raises ``MalformedError`` for what cannot be read and ``InvalidError`` for what cannot be accepted.
    """
    run = decode_object(body, _RUN)
    own_id = _own_id(run, run_id)
    fields: dict[RunField, FieldValue] = {}
    _fill_payloads(fields, run)
    return _finish(kind, own_id, fields, run)


def read_batch(body: bytes) -> ReadBatch:
    """``{"post": [run, ...], "patch": [run, ...]}`` of ``POST /runs/batch``; either list may be missing.

    Raises ``MalformedError`` when the body is no such object; a bad run inside is refused alone.
    """
    writes: list[RunWrite] = []
    refused: list[Refusal] = []
    for word, index, source in _batch_items(body):
        try:
            writes.append(read_run(source, _KINDS[word]))
        except UserError as error:
            refused.append(Refusal(f"{word}[{index}]", _id_hint(source), error))
    return ReadBatch(tuple(writes), (), tuple(refused))


def read_multipart(body: bytes, content_type: str, receipt: Receipt) -> ReadBatch:
    """The body of ``POST /runs/multipart``; ``content_type`` is the request header.

    Parts of one run may come in any order, and a field's own part wins over the same field inside the run object (our
    choice; no known client sends both). A second run object of the same kind and id starts another write. Raises as
    ``parse_multipart`` does; a bad part takes only its own run or feedback with it.
    """
    return _MultipartReader(receipt).read(parse_multipart(body, content_type))


class _MultipartReader:
    """Sorts the parts of one body to their writes."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._ids: dict[str, UUID] = {}
        self._drafts: list[_Draft] = []
        self._latest: dict[tuple[WriteKind, UUID], _Draft] = {}
        self._attachments: dict[UUID, list[Attachment]] = {}
        self._feedback: list[Feedback] = []
        self._refused: list[Refusal] = []

    def read(self, parts: list[Part]) -> ReadBatch:
        for part in parts:
            try:
                self._take(part)
            except UserError as error:
                self._refused.append(Refusal(part.name[:_EXCERPT_CHARS], None, error))
        for run_id, attachments in self._attachments.items():
            self._owner_of(run_id).attachments = attachments
        writes: list[RunWrite] = []
        for draft in self._drafts:
            try:
                writes.append(_write_of(draft))
            except UserError as error:
                self._refused.append(Refusal(draft.part, draft.run_id, error))
        return ReadBatch(tuple(writes), tuple(self._feedback), tuple(self._refused))

    def _take(self, part: Part) -> None:
        word, _, rest = part.name.partition(".")
        id_text, dot, suffix = rest.partition(".")
        kind = _KINDS.get(word)
        if kind is not None:
            self._take_run(part, kind, self._id(id_text), suffix if dot else None)
        elif word == "attachment" and suffix:
            attachment = Attachment(suffix, part.content_type or "application/octet-stream", part.data)
            self._attachments.setdefault(self._id(id_text), []).append(attachment)
        elif word == "feedback" and not dot:
            self._feedback.append(read_feedback(part.data, self._receipt, part_id=self._id(id_text)))
        else:
            raise MalformedError(f"part name {part.name[:_EXCERPT_CHARS]!r} is not known; accepted are {_PART_NAMES}")

    def _take_run(self, part: Part, kind: WriteKind, run_id: UUID, suffix: str | None) -> None:
        draft = self._latest.get((kind, run_id))
        if draft is None or (suffix is None and draft.main is not None):
            draft = self._open(kind, run_id, part.name)
        if suffix is None:
            draft.main = part.data
        elif (field := _PART_FIELDS.get(suffix)) is not None:
            draft.payloads[field] = (part.name, part.data)

    def _open(self, kind: WriteKind, run_id: UUID, part_name: str) -> _Draft:
        draft = _Draft(kind, run_id, ".".join(part_name.split(".")[:2]))
        self._latest[kind, run_id] = draft
        self._drafts.append(draft)
        return draft

    def _owner_of(self, run_id: UUID) -> _Draft:
        """The write that carries the attachments of a run; a patch of its own when the body has none."""
        for kind in WriteKind:
            draft = self._latest.get((kind, run_id))
            if draft is not None:
                return draft
        return self._open(WriteKind.PATCH, run_id, f"attachment.{run_id}")

    def _id(self, text: str) -> UUID:
        known = self._ids.get(text)
        if known is None:
            known = _required_id(text, "the id in the part name")
            self._ids[text] = known
        return known


def _write_of(draft: _Draft) -> RunWrite:
    run = _RunBody() if draft.main is None else decode_object(draft.main, _RUN)
    run_id = _own_id(run, draft.run_id)
    fields: dict[RunField, FieldValue] = {}
    _fill_payloads(fields, run)
    for field, (name, data) in draft.payloads.items():
        try:
            checked = check_json(data)
            if field is RunField.ERROR:
                run.error = msgspec.json.decode(checked)
            elif checked != b"null":
                fields[field] = checked
        except MalformedError as error:
            raise MalformedError(f"part {name}: {error.message}", field=name, position=error.position) from error
        except msgspec.DecodeError as error:
            raise MalformedError(f"part {name}: not a JSON text", field=name) from error
    if draft.attachments:
        fields[RunField.ATTACHMENTS] = encode_attachments(draft.attachments)
    return _finish(draft.kind, run_id, fields, run)


def _finish(kind: WriteKind, run_id: UUID, fields: dict[RunField, FieldValue], run: _RunBody) -> RunWrite:
    """Add everything but payloads to ``fields`` and close the write."""
    size_bytes = WRITE_OVERHEAD_BYTES + sum(len(value) for value in fields.values() if isinstance(value, bytes))
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
    return RunWrite(kind=kind, run_id=run_id, fields=fields, session_name=session_name, size_bytes=size_bytes)


def _fill_payloads(fields: dict[RunField, FieldValue], run: _RunBody) -> None:
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


def _fill_times(fields: dict[RunField, FieldValue], run: _RunBody) -> None:
    if run.start_time is not None:
        fields[RunField.START_TIME] = read_time(run.start_time, "start_time")
    if run.end_time is not None:
        fields[RunField.END_TIME] = read_time(run.end_time, "end_time")


def _fill_lineage(fields: dict[RunField, FieldValue], run: _RunBody, run_id: UUID, kind: WriteKind) -> None:
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


def _own_id(run: _RunBody, expected: UUID | None) -> UUID:
    """The id of the run; when the path or part name has one, the body may leave it out but not differ."""
    if run.id is None and expected is not None:
        return expected
    run_id = _required_id(run.id, "id")
    if expected is not None and run_id != expected:
        raise InvalidError(f"id {run_id} differs from {expected}, the id the run was sent under", field="id")
    return run_id


def _required_id(value: object, name: str) -> UUID:
    run_id = read_id(value, name)
    if run_id is None:
        raise InvalidError(f"{name} is missing; every run needs a uuid that is not zero", field="id")
    return run_id


def _id_hint(source: bytes) -> UUID | None:
    """The id of a refused run, where it can be told."""
    try:
        return read_id(decode_object(source, _RUN).id, "id")
    except UserError:
        return None


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


def _session_name(run: _RunBody) -> str | None:
    name = run.session_name if run.session_name is not None else run.project_name
    return None if name is None or name == "" else read_text(name, "session_name")


def _batch_items(body: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Every run's own JSON with the list it is in and its place there."""
    try:
        batch = _BATCH.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # One bad number or text stops msgspec for the whole body; taken apart more slowly, only its run is bad.
        yield from _batch_items_slowly(body)
        return
    except RecursionError:
        raise too_deep() from None
    for word, runs in (("post", batch.post), ("patch", batch.patch)):
        for index, raw in enumerate(runs or ()):
            yield word, index, bytes(raw)


def _batch_items_slowly(body: bytes) -> Iterator[tuple[str, int, bytes]]:
    members = split_object(body.decode("utf-8", "surrogateescape"))
    for word in _KINDS:
        source = members.get(word, "null")
        if source != "null" and not source.startswith("["):
            raise MalformedError(f"{word} is not a list; a list of run objects is accepted", field=word)
        for index, item in enumerate(() if source == "null" else split_array(source)):
            yield word, index, item.encode("utf-8", "surrogateescape")
