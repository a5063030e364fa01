"""What a straight pull (``/export/stream``) asks for: a JSON body, or the same names as parameters of the URL. Ours.

An unknown name is refused: a filter with a misspelt name would otherwise export everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.export_content import Compression, ContentKind, FileFormat
from runlake.wire.json_text import decode_object
from runlake.wire.scalars import read_id, read_time

ValueT = TypeVar("ValueT")
ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


class PullBody(msgspec.Struct, kw_only=True, gc=False):
    """The body of ``POST /export/stream``; every member may be left out.

    ``project`` are names and ``session`` ids, one or a list; without both all projects are pulled. ``start_time`` is
    inclusive, ``end_time`` exclusive. ``fields`` (or ``select``) names columns. ``marks`` adds a line with a cursor
    after each batch of JSON lines, and one at the end. ``total`` counts the rows first, for a progress bar.
    ``changed_since`` is a version, such as the watermark of an earlier pull: only what was written or judged after it.
    """

    project: Any = None
    session: Any = None
    start_time: Any = None
    end_time: Any = None
    filter: Any = None
    trace_filter: Any = None
    tree_filter: Any = None
    content: Any = None
    changed_since: Any = None
    fields: Any = None
    select: Any = None
    format: Any = None
    compression: Any = None
    limit: Any = None
    cursor: Any = None
    marks: Any = None
    total: Any = None


_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
_NAMES: Final = PullBody.__struct_fields__
_MAX_DIGITS: Final = 19
"""Digits of 2**63."""
_SYNONYMS: Final = {"zstd": "zstandard", "ndjson": "jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSpec:
    """A pull as asked for; times are microseconds UTC, filters still text."""

    projects: tuple[str, ...] | None = None
    sessions: tuple[UUID, ...] | None = None
    start_us: int | None = None
    end_us: int | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    content: ContentKind = ContentKind.RUNS
    changed_since: int | None = None
    fields: tuple[str, ...] | None = None
    format: FileFormat = FileFormat.JSONL
    compression: Compression = Compression.NONE
    limit: int | None = None
    cursor: str | None = None
    marks: bool = False
    total: bool = False


def read_pull_body(body: bytes) -> PullSpec:
    """The pull in a body; an empty body asks for everything."""
    return read_pull(decode_members(body) if body.strip() else {})


def decode_members(body: bytes) -> Mapping[str, Any]:
    """The members of a JSON object."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decode_object(body, msgspec.json.Decoder(PullBody))
        raise MalformedError("the body is not a JSON object") from None


def read_pull_parameters(parameters: Iterable[tuple[str, str]]) -> PullSpec:
    """The pull in parameters of a URL; those that take lists may be repeated."""
    sent: dict[str, Any] = {}
    for name, value in parameters:
        sent[name] = [*sent[name], value] if name in sent else [value]
    lists = {"project", "session", "fields", "select"}
    return read_pull({name: values if name in lists else values[-1] for name, values in sent.items()})


def read_pull(sent: Mapping[str, Any]) -> PullSpec:
    """The pull in members by name; raises the first problem as a ``UserError`` that names its field."""
    for name in sent:
        if name not in _NAMES:
            raise _unknown(name)
    if sent.get("fields") is not None and sent.get("select") is not None:
        raise InvalidError("fields and select mean the same; send one of them", field="select")
    chosen = "select" if sent.get("select") is not None else "fields"

    def read(name: str, convert: Callable[[Any, str], ValueT]) -> ValueT | None:
        value = sent.get(name)
        return None if value is None else convert(value, name)

    format_ = _choice(sent, "format", FileFormat, FileFormat.JSONL)
    spec = PullSpec(
        projects=read("project", _texts),
        sessions=read("session", _ids),
        start_us=read("start_time", read_time),
        end_us=read("end_time", read_time),
        filter=read("filter", _text),
        trace_filter=read("trace_filter", _text),
        tree_filter=read("tree_filter", _text),
        content=_choice(sent, "content", ContentKind, ContentKind.RUNS),
        changed_since=read("changed_since", _version),
        fields=read(chosen, _comma_texts),
        format=format_,
        compression=_choice(sent, "compression", Compression, _usual_compression(format_)),
        limit=read("limit", _limit),
        cursor=read("cursor", _text),
        marks=read("marks", _flag) or False,
        total=read("total", _flag) or False,
    )
    _check(spec)
    return spec


def _usual_compression(format_: FileFormat) -> Compression:
    return Compression.ZSTANDARD if format_ is FileFormat.PARQUET else Compression.NONE


def _check(spec: PullSpec) -> None:
    if spec.start_us is not None and spec.end_us is not None and spec.end_us <= spec.start_us:
        raise InvalidError("end_time is not after start_time", field="end_time")
    if spec.marks and (spec.format is not FileFormat.JSONL or spec.compression is not Compression.NONE):
        raise InvalidError("marks are lines of JSON; use them with format jsonl and compression none", field="marks")


def _unknown(name: str) -> InvalidError:
    near = next(iter(get_close_matches(name[:40], _NAMES, n=1)), None)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(_NAMES)}"
    return InvalidError(f"unknown member {name[:40]!r}; {hint}", field=name[:40], suggestion=near)


def _text(value: Any, field: str) -> str | None:
    if not isinstance(value, str):
        raise InvalidError(f"{field} must be a text", field=field)
    return value if value.strip() else None


def _texts(value: Any, field: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise InvalidError(f"{field} must be a text or a list of texts", field=field)
    return tuple(dict.fromkeys(values))


def _comma_texts(value: Any, field: str) -> tuple[str, ...]:
    parts = [part.strip() for text in _texts(value, field) for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


def _ids(value: Any, field: str) -> tuple[UUID, ...]:
    found = [read_id(text, field) for text in _comma_texts(value, field)]
    return tuple(item for item in found if item is not None)


def _flag(value: Any, field: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    raise InvalidError(f"{field} must be true or false", field=field)


def _limit(value: Any, field: str) -> int:
    return _number(value, field, at_least=1)


def _version(value: Any, field: str) -> int:
    return _number(value, field, at_least=0)


def _number(value: Any, field: str, *, at_least: int) -> int:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() and len(value) < _MAX_DIGITS else value
    if isinstance(number, bool) or not isinstance(number, int) or not at_least <= number < 2**63:
        raise InvalidError(f"{field} must be a whole number of at least {at_least}", field=field)
    return number


def _choice(sent: Mapping[str, Any], field: str, kind: type[ChoiceT], default: ChoiceT) -> ChoiceT:
    value = sent.get(field)
    if value is None:
        return default
    text = value.strip().lower() if isinstance(value, str) else ""
    known = [item.value for item in kind]
    name = _SYNONYMS.get(text, text)
    if name in known:
        return kind(name)
    near = next(iter(get_close_matches(text[:40], known, n=1)), None)
    hint = f"did you mean {near}?" if near else f"use one of {', '.join(known)}"
    shown = repr(value)[:60] if isinstance(value, str) else f"of type {type(value).__name__}"
    raise InvalidError(f"{field} {shown} is not accepted; {hint}", field=field, suggestion=near)
