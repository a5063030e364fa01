"""Runs as clients write them: JSON and multipart bodies in, validated ``RunWrite`` and ``Feedback`` out.

Third step of the ingest line, between ``wire.multipart`` and ``ingest``. Payload JSON is never decoded here, only
checked and cut out byte for byte. A run that cannot be accepted becomes a ``Refusal`` beside its neighbours; only a
body that cannot be read at all raises. Merging is ``model.run``'s business, not done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from runlake.errors import MalformedError, UserError
from runlake.model.attachments import Attachment
from runlake.model.project import Feedback
from runlake.model.run import RunField, RunWrite, WriteKind
from runlake.wire.feedback import Receipt, read_feedback
from runlake.wire.json_text import check_payload, decode_object, decode_value, split_array, split_object, too_deep
from runlake.wire.multipart import Part, parse_multipart
from runlake.wire.run_body import RUN_DECODER, RunBody, build_write, own_id, payload_fields, required_id
from runlake.wire.scalars import read_id
from runlake.wire.spool import Body

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


_BATCH: Final = msgspec.json.Decoder(_BatchBody)


def read_run(
    body: bytes, kind: WriteKind, *, run_id: UUID | None = None, new_id: Callable[[], UUID] | None = None
) -> RunWrite:
    """One run object, from ``POST /runs`` or ``PATCH /runs/{run_id}``; ``run_id`` is the id in the path.

    A run without an id gets one from ``new_id``: the JavaScript SDK's ``createRun`` sends none unless it is told one.
    Raises ``MalformedError`` for what cannot be read and ``InvalidError`` for what cannot be accepted.
    """
    run = decode_object(body, RUN_DECODER, is_run=True)
    if run.id is None and new_id is not None:
        run_id = new_id()
    return build_write(kind, own_id(run, run_id), payload_fields(run), run)


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


def read_multipart(body: Body, content_type: str, receipt: Receipt) -> ReadBatch:
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
            attachment = Attachment(suffix, part.content_type or "application/octet-stream", part.content)
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
            known = required_id(text, "the id in the part name")
            self._ids[text] = known
        return known


def _write_of(draft: _Draft) -> RunWrite:
    run = RunBody() if draft.main is None else decode_object(draft.main, RUN_DECODER, is_run=True)
    run_id = own_id(run, draft.run_id)
    fields = payload_fields(run)
    for field, (name, data) in draft.payloads.items():
        try:
            if field is RunField.ERROR:
                run.error = decode_value(data)
            elif (checked := check_payload(data)) != b"null":
                fields[field] = checked
        except MalformedError as error:
            raise MalformedError(f"part {name}: {error.message}", field=name, position=error.position) from error
    return build_write(draft.kind, run_id, fields, run, draft.attachments)


def _id_hint(source: bytes) -> UUID | None:
    """The id of a refused run, where it can be told."""
    try:
        return read_id(decode_object(source, RUN_DECODER).id, "id")
    except UserError:
        return None


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
