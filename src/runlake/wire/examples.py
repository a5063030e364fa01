"""Examples as clients write and read them: JSON bodies, multipart bodies, answers.

Shapes are documented upstream; which parts a multipart body has was seen in the SDK. Inputs, outputs and metadata keep
their bytes. The splits of an example travel inside its metadata as ``dataset_split``; there they are put and taken out,
and the other members stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.attachments import Attachment
from runlake.model.dataset import DEFAULT_SPLIT, ChangeDraft, Example, ExampleChange, ExampleDraft
from runlake.wire.json_text import ABSENT, check_json, decode_object, decode_value, raw_bytes, split_array, split_object
from runlake.wire.members import flag_member, names_member
from runlake.wire.multipart import Part, parse_multipart
from runlake.wire.scalars import read_id, read_time
from runlake.wire.times import format_time

SPLIT_KEY: Final = "dataset_split"
MAX_NAME_CHARS: Final = 250
"""Longest name of a split or an attachment."""

AttachmentUrl = Callable[[Example, str], str]
"""A link from an example and the name of one of its files."""


class ExampleBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /examples``, and one element of ``POST /examples/bulk``."""

    dataset_id: UUID
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    split: str | list[str] | None = None
    id: UUID | None = None
    source_run_id: UUID | None = None
    created_at: str | None = None
    use_source_run_io: bool = False
    use_source_run_attachments: list[str] | None = None


class ExamplePatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /examples/{id}``. What is absent or null stays as it is."""

    dataset_id: UUID | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    split: str | list[str] | None = None
    attachments_operations: dict[str, Any] | None = None


class _Sent(msgspec.Struct, gc=False):
    """An example or a change of one before its members are checked one by one."""

    id: Any = None
    dataset_id: Any = None
    split: Any = None
    source_run_id: Any = None
    created_at: Any = None
    use_source_run_io: Any = None
    use_source_run_attachments: Any = None
    attachments_operations: Any = None
    inputs: msgspec.Raw = ABSENT
    outputs: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT


_SENT: Final = msgspec.json.Decoder(_Sent)


class AttachmentLink(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One member of ``attachment_urls``. ``presigned_url`` is absolute, works without a key and expires."""

    presigned_url: str
    s3_url: str
    mime_type: str
    size_bytes: int


class ExampleAnswer(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """One example as answers show it."""

    id: UUID
    dataset_id: UUID | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    created_at: str | msgspec.UnsetType = msgspec.UNSET
    modified_at: str | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    outputs: msgspec.Raw | msgspec.UnsetType | None = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType | None = msgspec.UNSET
    source_run_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    attachment_urls: dict[str, AttachmentLink] | msgspec.UnsetType | None = msgspec.UNSET


class UpsertAnswer(msgspec.Struct, frozen=True):
    """Answer to a multipart write of examples."""

    count: int
    example_ids: tuple[UUID, ...]
    as_of: str


SELECTABLE: Final = (
    "id",
    "dataset_id",
    "name",
    "created_at",
    "modified_at",
    "inputs",
    "outputs",
    "metadata",
    "source_run_id",
    "attachment_urls",
)
DEFAULT_FIELDS: Final = frozenset({"id", "dataset_id", "name", "created_at", "modified_at", "inputs"})
"""What a listing shows whatever ``select`` says, unless ``exclude_default_fields`` is set (seen in the SDK)."""
LISTED_FIELDS: Final = frozenset(SELECTABLE) - {"attachment_urls"}
"""What a listing shows without ``select``. Clients download every file whose link they see, so there are none."""
ALL_FIELDS: Final = frozenset(SELECTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where and when examples arrive."""

    tenant_id: UUID
    now_us: int
    new_id: Callable[[], UUID]


def read_example(body: bytes, receipt: Receipt) -> ExampleDraft:
    """The example of a ``POST /examples``; its dataset must be named."""
    sent = decode_object(body, _SENT)
    if read_id(sent.dataset_id, "dataset_id") is None:
        raise InvalidError("dataset_id is missing; name the dataset of the example", field="dataset_id")
    return _draft(sent, receipt, _Parts())


def read_examples(body: bytes, receipt: Receipt) -> list[ExampleDraft]:
    """The examples of a ``POST /examples/bulk``."""
    return [_numbered(number, read_example, item.encode(), receipt) for number, item in _elements(body)]


def read_change(body: bytes, example_id: UUID) -> ChangeDraft:
    """The change of a ``PATCH /examples/{id}``."""
    return _change(decode_object(body, _SENT), example_id, _Parts())


def read_changes(body: bytes) -> list[ChangeDraft]:
    """The changes of a ``PATCH /examples/bulk``."""
    return [_numbered(number, _read_named_change, item.encode()) for number, item in _elements(body)]


def read_example_parts(
    body: bytes, content_type: str, receipt: Receipt
) -> tuple[list[ExampleDraft], list[UUID | None]]:
    """The examples of a multipart body, and the dataset that each one names."""
    drafts, datasets = [], []
    for example_id, parts in _by_example(parse_multipart(body, content_type)).items():
        sent = _sent_of(parts)
        sent.id = str(example_id)
        drafts.append(_draft(sent, receipt, parts))
        datasets.append(read_id(sent.dataset_id, f"{example_id}.dataset_id"))
    return drafts, datasets


def read_change_parts(body: bytes, content_type: str) -> list[ChangeDraft]:
    """The changes of examples in a multipart body."""
    grouped = _by_example(parse_multipart(body, content_type))
    return [_change(_sent_of(parts), example_id, parts) for example_id, parts in grouped.items()]


class ExampleEncoder:
    """Makes the wire objects of one answer. ``names`` are of datasets by id."""

    def __init__(
        self, fields: frozenset[str], names: Mapping[UUID, str], attachment_url: AttachmentUrl | None = None
    ) -> None:
        self._makers = [(name, maker) for name, maker in _MAKERS.items() if name in fields]
        self._names = names if "name" in fields else None
        self._attachment_url = attachment_url
        self._wants_files = "attachment_urls" in fields

    def body(self, example: Example) -> ExampleAnswer:
        """The wire object of an example."""
        members = {name: make(example) for name, make in self._makers}
        if self._names is not None:
            members["name"] = f"#{example.id.hex[:4]} @ {self._names.get(example.dataset_id, '')}".rstrip(" @")
        if self._wants_files:
            members["attachment_urls"] = self._links(example)
        return ExampleAnswer(id=example.id, **members)

    def _links(self, example: Example) -> dict[str, AttachmentLink] | None:
        if not example.attachments or self._attachment_url is None:
            return None
        return {
            f"attachment.{file.name}": AttachmentLink(
                presigned_url=self._attachment_url(example, file.name),
                s3_url=f"{example.tenant_id}/examples/{example.id}/{file.digest}",
                mime_type=file.mime_type,
                size_bytes=file.size_bytes,
            )
            for file in example.attachments
        }


def shown_metadata(example: Example) -> bytes:
    """The metadata with the splits in it, as clients know them."""
    splits = f'"{SPLIT_KEY}":'.encode() + msgspec.json.encode(example.splits)
    rest = b"" if example.metadata is None else example.metadata.strip()[1:-1].strip()
    return b"{" + splits + (b"," + rest if rest else b"") + b"}"


def read_splits(value: object, name: str) -> tuple[str, ...]:
    """The names of splits: one text, or a list of them."""
    names = names_member(value, name)
    if any(not item.strip() or len(item) > MAX_NAME_CHARS for item in names):
        raise InvalidError(f"{name} must name splits in 1 to {MAX_NAME_CHARS} characters each", field=name)
    return tuple(dict.fromkeys(names))


def read_object(raw: msgspec.Raw, name: str) -> bytes | None:
    """A payload: an object, kept byte for byte; None when it is absent or null."""
    data = raw_bytes(raw).strip()
    if not data:
        return None
    if not data.startswith(b"{"):
        raise InvalidError(f"{name} must be an object", field=name)
    return check_json(data)


_MAKERS: Final[dict[str, Callable[[Example], Any]]] = {
    "dataset_id": lambda example: example.dataset_id,
    "created_at": lambda example: format_time(example.created_at),
    "modified_at": lambda example: format_time(example.modified_at),
    "inputs": lambda example: msgspec.Raw(b"{}" if example.inputs is None else example.inputs),
    "outputs": lambda example: None if example.outputs is None else msgspec.Raw(example.outputs),
    "metadata": lambda example: msgspec.Raw(shown_metadata(example)),
    "source_run_id": lambda example: example.source_run_id,
}


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What a multipart body has for one example."""

    named: dict[str, Part] = field(default_factory=dict)
    files: list[Attachment] = field(default_factory=list)


def _draft(sent: _Sent, receipt: Receipt, parts: _Parts) -> ExampleDraft:
    metadata, splits = _split_metadata(read_object(sent.metadata, "metadata"))
    if sent.split is not None:
        splits = read_splits(sent.split, "split")
    takes_io = sent.use_source_run_io is not None and flag_member(sent.use_source_run_io, "use_source_run_io")
    source_run_id = read_id(sent.source_run_id, "source_run_id")
    inputs = read_object(sent.inputs, "inputs")
    if inputs is None and not takes_io:
        raise InvalidError("inputs is missing; an example needs an object as inputs", field="inputs")
    files = sent.use_source_run_attachments
    source_files = () if files is None else names_member(files, "use_source_run_attachments")
    if (takes_io or source_files) and source_run_id is None:
        raise InvalidError("source_run_id is missing; use_source_run_* takes from that run", field="source_run_id")
    example = Example(
        tenant_id=receipt.tenant_id,
        id=read_id(sent.id, "id") or receipt.new_id(),
        dataset_id=read_id(sent.dataset_id, "dataset_id") or receipt.tenant_id,
        created_at=receipt.now_us if sent.created_at is None else read_time(sent.created_at, "created_at"),
        inputs=inputs,
        outputs=read_object(sent.outputs, "outputs"),
        metadata=metadata,
        splits=splits or (DEFAULT_SPLIT,),
        source_run_id=source_run_id,
    )
    return ExampleDraft(example=example, takes_source_io=takes_io, source_files=source_files, files=tuple(parts.files))


def _change(sent: _Sent, example_id: UUID, parts: _Parts) -> ChangeDraft:
    metadata, splits = _split_metadata(read_object(sent.metadata, "metadata"))
    if sent.split is not None:
        splits = read_splits(sent.split, "split")
    renamed, retained = _operations(sent.attachments_operations)
    change = ExampleChange(
        id=example_id,
        inputs=read_object(sent.inputs, "inputs"),
        outputs=read_object(sent.outputs, "outputs"),
        metadata=metadata,
        splits=splits,
        dataset_id=read_id(sent.dataset_id, "dataset_id"),
        renamed=renamed,
        retained=retained,
    )
    return ChangeDraft(change=change, files=tuple(parts.files))


def _read_named_change(body: bytes) -> ChangeDraft:
    sent = decode_object(body, _SENT)
    example_id = read_id(sent.id, "id")
    if example_id is None:
        raise InvalidError("id is missing; name the example to change", field="id")
    return _change(sent, example_id, _Parts())


class _Operations(msgspec.Struct):
    rename: dict[str, str] | None = None
    retain: list[str] | None = None


def _operations(value: object) -> tuple[tuple[tuple[str, str], ...] | None, tuple[str, ...] | None]:
    if value is None:
        return None, None
    try:
        found = msgspec.convert(value, _Operations)
    except msgspec.ValidationError:
        raise InvalidError(
            "attachments_operations must be an object with rename, old names to new ones, and retain, a list of names",
            field="attachments_operations",
        ) from None
    return tuple((found.rename or {}).items()), tuple(found.retain or ())


def _split_metadata(metadata: bytes | None) -> tuple[bytes | None, tuple[str, ...] | None]:
    """Metadata without the splits in it, and the splits; None where there are none."""
    if metadata is None or SPLIT_KEY.encode() not in metadata:
        return metadata, None
    members = split_object(metadata.decode())
    text = members.pop(SPLIT_KEY, None)
    if text is None:
        return metadata, None
    value = decode_value(text.encode())
    rest = ",".join(f"{msgspec.json.encode(key).decode()}:{item}" for key, item in members.items())
    return f"{{{rest}}}".encode(), None if value is None else read_splits(value, f"metadata.{SPLIT_KEY}")


def _by_example(parts: Iterable[Part]) -> dict[UUID, _Parts]:
    """The parts of each example, in the order in which examples first come up."""
    found: dict[UUID, _Parts] = {}
    for part in parts:
        head, _, rest = part.name.partition(".")
        example_id = read_id(head, f"part {part.name[:100]!r}")
        if example_id is None:
            raise MalformedError(f"part {part.name[:100]!r}: the zero uuid names no example", position=part.offset)
        group = found.setdefault(example_id, _Parts())
        if rest.startswith("attachment."):
            group.files.append(_file(part, rest.removeprefix("attachment.")))
        elif rest in ("", "inputs", "outputs", "attachments_operations"):
            group.named[rest] = part
        else:
            raise MalformedError(
                f"part {part.name[:100]!r} is not known; accepted are <id>, <id>.inputs, <id>.outputs,"
                " <id>.attachment.<name> and <id>.attachments_operations",
                position=part.offset,
            )
    if not found:
        raise MalformedError("the body names no example; send a part named after the id of each", field="body")
    return found


def _sent_of(parts: _Parts) -> _Sent:
    """The example's own part, with what came in further parts put in."""
    head = parts.named.get("")
    sent = _Sent() if head is None else _named(head, decode_object, head.data, _SENT)
    for name in ("inputs", "outputs"):
        if (part := parts.named.get(name)) is not None:
            setattr(sent, name, msgspec.Raw(_named(part, check_json, part.data)))
    if (part := parts.named.get("attachments_operations")) is not None:
        sent.attachments_operations = _named(part, decode_value, part.data)
    return sent


def _file(part: Part, name: str) -> Attachment:
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise MalformedError(
            f"part {part.name[:100]!r}: the name of an attachment has 1 to {MAX_NAME_CHARS} characters",
            position=part.offset,
        )
    return Attachment(name, part.content_type or "application/octet-stream", part.data)


def _named(part: Part, read: Callable[..., Any], *arguments: Any) -> Any:
    """What ``read`` returns; its errors name the part."""
    try:
        return read(*arguments)
    except MalformedError as error:
        position = None if error.position is None else error.position + part.offset
        raise MalformedError(f"part {part.name[:100]!r}: {error.message}", field=part.name, position=position) from None


def _elements(body: bytes) -> list[tuple[int, str]]:
    """The elements of a JSON list, numbered from 0."""
    return list(enumerate(split_array(check_json(body).decode())))


def _numbered(number: int, read: Callable[..., Any], *arguments: Any) -> Any:
    """What ``read`` returns; its errors say which element is meant."""
    try:
        return read(*arguments)
    except (InvalidError, MalformedError) as error:
        raise type(error)(f"element {number}: {error.message}", field=f"{number}.{error.field or ''}") from None
