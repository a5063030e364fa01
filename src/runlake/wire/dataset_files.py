"""Datasets as files: an uploaded CSV in, CSV and JSON lines out (routes documented upstream)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.dataset import Dataset, DataType, Example, ExampleDraft
from runlake.wire.datasets import read_data_type, read_name
from runlake.wire.examples import Receipt, shown_metadata
from runlake.wire.json_text import decode_value
from runlake.wire.multipart import parse_multipart
from runlake.wire.scalars import read_id

_FIELDS: Final = ("input_keys", "output_keys", "metadata_keys", "name", "description", "data_type", "id")
_CELL_CHARS: Final = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CsvUpload:
    """A dataset and the examples in the file."""

    dataset: Dataset
    drafts: list[ExampleDraft]


def read_csv_upload(body: bytes, content_type: str, receipt: Receipt) -> CsvUpload:
    """The form of ``POST /datasets/upload``: a CSV with a header as ``file``, which columns go where, a name."""
    fields: dict[str, list[str]] = {name: [] for name in _FIELDS}
    data: bytes | None = None
    for part in parse_multipart(body, content_type):
        if part.name == "file":
            data = part.data
        elif part.name in fields:
            fields[part.name].append(_text(part.data, part.name))
    if data is None:
        raise InvalidError("file is missing; send a CSV with a header as part file", field="file")
    if not fields["input_keys"]:
        raise InvalidError("input_keys is missing; name the columns that are inputs", field="input_keys")
    dataset_id = read_id(_one(fields, "id"), "id") or receipt.new_id()
    dataset = Dataset(
        tenant_id=receipt.tenant_id,
        id=dataset_id,
        name=read_name(_one(fields, "name") or f"csv {dataset_id}"),
        created_at=receipt.now_us,
        modified_at=receipt.now_us,
        description=_one(fields, "description"),
        data_type=read_data_type(_one(fields, "data_type")),
    )
    return CsvUpload(dataset, list(_drafts(_text(data, "file"), fields, dataset, receipt)))


def csv_text(examples: Sequence[Example]) -> bytes:
    """A line for each example: its id, then a column for each key of inputs and outputs; objects as JSON."""
    rows = [
        {"id": str(example.id)} | _columns("input", example.inputs) | _columns("output", example.outputs)
        for example in examples
    ]
    names = dict.fromkeys(name for row in rows for name in row) or {"id": None}
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def json_lines(examples: Sequence[Example]) -> bytes:
    """An object with ``inputs``, ``outputs``, ``metadata`` and ``id`` for each example; payloads byte for byte."""
    lines = (
        b'{"id":"%s","inputs":%s,"outputs":%s,"metadata":%s}\n'
        % (str(example.id).encode(), example.inputs or b"{}", example.outputs or b"null", shown_metadata(example))
        for example in examples
    )
    return b"".join(line.replace(b"\n", b" ")[:-1] + b"\n" for line in lines)


def openai_lines(dataset: Dataset, examples: Sequence[Example]) -> bytes:
    """The lines that fine-tuning at OpenAI takes; InvalidError for a dataset that is no chat."""
    if dataset.data_type is not DataType.CHAT:
        raise InvalidError(f"the dataset is of type {dataset.data_type}; only chat can be told as messages")
    return b"".join(msgspec.json.encode(_conversation(example)) + b"\n" for example in examples)


def _conversation(example: Example) -> dict[str, Any]:
    inputs: Any = decode_value(example.inputs or b"{}")
    outputs: Any = decode_value(example.outputs or b"{}")
    sent = inputs.get("input") or []
    messages = sent if isinstance(sent, list) else [sent]
    answer = outputs.get("output")
    shown = [_message(item) for item in [*messages, *([answer] if answer else [])]]
    found: dict[str, Any] = {"messages": shown}
    for key in ("functions", "tools"):
        if inputs.get(key):
            found[key] = inputs[key]
    return found


_ROLES: Final = {"human": "user", "ai": "assistant"}


def _message(item: Any) -> Any:
    """A stored message (``type`` and ``data``) as one with role and content; others stay as they are."""
    if not isinstance(item, dict) or "data" not in item:
        return item
    kind = str(item.get("type", ""))
    data = item["data"] if isinstance(item["data"], dict) else {}
    return {"role": _ROLES.get(kind, kind), "content": data.get("content"), **data.get("additional_kwargs", {})}


def _drafts(text: str, fields: dict[str, list[str]], dataset: Dataset, receipt: Receipt) -> Iterator[ExampleDraft]:
    csv.field_size_limit(_CELL_CHARS)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for name in (*fields["input_keys"], *fields["output_keys"], *fields["metadata_keys"]):
        if name not in (reader.fieldnames or ()):
            known = ", ".join(reader.fieldnames or ())[:200]
            raise InvalidError(f"the file has no column {name[:100]!r}; it has {known}", field="input_keys")
    try:
        for row in reader:
            yield ExampleDraft(example=_example(row, fields, dataset, receipt))
    except csv.Error as error:
        raise MalformedError(f"the file is not CSV near line {reader.line_num}: {error}", field="file") from None


def _example(row: dict[str, Any], fields: dict[str, list[str]], dataset: Dataset, receipt: Receipt) -> Example:
    def taken(name: str) -> bytes | None:
        return msgspec.json.encode({key: row[key] for key in fields[name]}) if fields[name] else None

    return Example(
        tenant_id=receipt.tenant_id,
        id=receipt.new_id(),
        dataset_id=dataset.id,
        created_at=receipt.now_us,
        inputs=taken("input_keys"),
        outputs=taken("output_keys"),
        metadata=taken("metadata_keys"),
    )


def _columns(prefix: str, payload: bytes | None) -> dict[str, str]:
    values: Any = decode_value(payload) if payload else {}
    return {
        f"{prefix}_{key}": value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in values.items()
    }


def _one(fields: dict[str, list[str]], name: str) -> str | None:
    return fields[name][-1] if fields[name] and fields[name][-1].strip() else None


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedError(f"part {name} is not UTF-8 at byte {error.start}", field=name) from None
