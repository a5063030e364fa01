"""The two vocabularies of the language: every field, and every function that compares.

The binder, the documentation and the user interface read these tables; nothing else lists a field or a function.
Column names are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeAlias

from runlake.fql.ast import Function
from runlake.fql.vocabulary import DetailMap, PairFamily, PairPart, ScalarField, SearchField


class Kind(StrEnum):
    """What a field is compared with."""

    UUID = "uuid"
    TEXT = "text"
    ENUM = "enum"
    BOOL = "bool"
    TIME = "time"
    DURATION = "duration"
    INTEGER = "integer"
    DECIMAL = "decimal"
    ORDINAL = "ordinal"
    TAGS = "tags"
    JSON = "json"
    PAIR_PART = "pair part"
    PRESENCE = "presence"


@dataclass(frozen=True, slots=True)
class PairTarget:
    """One part of the entries of a family."""

    family: PairFamily
    part: PairPart


@dataclass(frozen=True, slots=True)
class BagTarget:
    """All of a JSON bag: searched as text, and by its entries."""

    search: SearchField
    family: PairFamily


@dataclass(frozen=True, slots=True)
class TagsTarget:
    """The tags of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DottedField:
    """The value under one key of a family; no ``part`` means that the literal tells score from value."""

    family: PairFamily
    key: str
    part: PairPart | None

    @property
    def functions(self) -> tuple[Function, ...]:
        """What the value may be compared by."""
        match self.part:
            case PairPart.SCORE:
                return SCORE_FUNCTIONS
            case PairPart.COMMENT | PairPart.SOURCE:
                return TEXT_PART_FUNCTIONS
            case _:
                return DOTTED_FUNCTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailField:
    """One part of a sum of tokens or costs."""

    details: DetailMap
    part: str

    @property
    def functions(self) -> tuple[Function, ...]:
        """What the part may be compared by."""
        return SCORE_FUNCTIONS


Target: TypeAlias = ScalarField | PairTarget | BagTarget | TagsTarget | DottedField


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """One field: its wire name, what it may be compared by, and where it leads.

    ``strict`` holds the functions that the hosted service accepts with the field; none of them means that it refuses
    the field. ``values`` are those of an enumeration.
    """

    name: str
    kind: Kind
    functions: tuple[Function, ...]
    target: Target
    doc: str
    strict: tuple[Function, ...] = ()
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRow:
    """One function that compares: what it takes, what it says, and what it says of absent values."""

    function: Function
    takes: str
    doc: str
    absent: str
    strict: bool = True


_F = Function
_EQUAL = (_F.EQ, _F.NEQ)
_EQUALITY = (_F.EQ, _F.NEQ, _F.IN, _F.NIN)
_ORDER = (_F.GT, _F.GTE, _F.LT, _F.LTE)
_PATTERN = (_F.LIKE, _F.NOTLIKE)
_HOSTED_EQUALITY = (_F.EQ, _F.NEQ, _F.IN)

FUNCTIONS: tuple[FunctionRow, ...] = (
    FunctionRow(function=_F.EQ, takes="a value, or null", doc="Is equal; with null, is absent.", absent="false"),
    FunctionRow(function=_F.NEQ, takes="a value, or null", doc="Is not equal; with null, is present.", absent="true"),
    FunctionRow(function=_F.GT, takes="a value", doc="Is greater, later or longer.", absent="false"),
    FunctionRow(function=_F.GTE, takes="a value", doc="Is equal or greater.", absent="false"),
    FunctionRow(function=_F.LT, takes="a value", doc="Is less, earlier or shorter.", absent="false"),
    FunctionRow(function=_F.LTE, takes="a value", doc="Is equal or less.", absent="false"),
    FunctionRow(function=_F.IN, takes="a list", doc="Is one of the list; an empty list holds nothing.", absent="false"),
    FunctionRow(function=_F.NIN, takes="a list", doc="Is none of the list.", absent="true", strict=False),
    FunctionRow(
        function=_F.LIKE,
        takes="a pattern",
        doc="Matches the pattern as a whole: `%` is any run of characters, `_` is one, a backslash escapes.",
        absent="false",
    ),
    FunctionRow(function=_F.NOTLIKE, takes="a pattern", doc="Does not match the pattern.", absent="true"),
    FunctionRow(
        function=_F.HAS,
        takes="text, or a JSON object",
        doc="Carries the tag or the key; with an object, carries every pair of it.",
        absent="false",
    ),
    FunctionRow(function=_F.EXISTS, takes="a key", doc="Carries the key, whatever its value.", absent="false"),
    FunctionRow(
        function=_F.SEARCH,
        takes="text",
        doc="Holds every word of the text, in any order; see *Full text*.",
        absent="false",
    ),
)


def _scalar(
    field: ScalarField,
    kind: Kind,
    functions: tuple[Function, ...],
    doc: str,
    *,
    strict: tuple[Function, ...] = (),
    aliases: tuple[str, ...] = (),
    values: tuple[str, ...] = (),
) -> FieldRow:
    return FieldRow(
        name=field.value,
        kind=kind,
        functions=functions,
        target=field,
        doc=doc,
        strict=strict,
        aliases=aliases,
        values=values,
    )


def _pair(
    family: PairFamily,
    part: PairPart,
    functions: tuple[Function, ...],
    doc: str,
    *,
    strict: tuple[Function, ...] = (),
) -> FieldRow:
    return FieldRow(
        name=f"{family}_{part}",
        kind=Kind.PAIR_PART,
        functions=functions,
        target=PairTarget(family, part),
        doc=doc,
        strict=strict,
    )


def _key_and_value(family: PairFamily, noun: str) -> tuple[FieldRow, FieldRow]:
    return (
        _pair(
            family,
            PairPart.KEY,
            (*_EQUALITY, *_PATTERN, _F.HAS),
            f"Key of {noun}, nested keys joined with dots.",
            strict=_HOSTED_EQUALITY,
        ),
        _pair(
            family,
            PairPart.VALUE,
            (*_EQUALITY, *_ORDER, *_PATTERN),
            f"Value of {noun}, as text or number.",
            strict=(*_EQUAL, *_PATTERN),
        ),
    )


_S = ScalarField
_UUIDS = (
    _scalar(_S.ID, Kind.UUID, _EQUALITY, "The run.", strict=_HOSTED_EQUALITY),
    _scalar(_S.TRACE_ID, Kind.UUID, _EQUALITY, "The trace, which is the id of its root run.", strict=_HOSTED_EQUALITY),
    _scalar(_S.PARENT_RUN_ID, Kind.UUID, _EQUALITY, "The direct caller; absent on roots.", strict=_HOSTED_EQUALITY),
    _scalar(
        _S.SESSION_ID,
        Kind.UUID,
        _EQUALITY,
        "The project.",
        strict=_HOSTED_EQUALITY,
        aliases=("project_id", "session"),
    ),
    _scalar(_S.REFERENCE_EXAMPLE_ID, Kind.UUID, _EQUALITY, "The dataset example that the run was made from."),
    _scalar(_S.REFERENCE_DATASET_ID, Kind.UUID, _EQUALITY, "The dataset of that example."),
)
_DESCRIPTIONS = (
    _scalar(
        _S.THREAD_ID,
        Kind.TEXT,
        (*_EQUALITY, *_PATTERN),
        "The conversation: the metadata value under `session_id`, `conversation_id` or `thread_id`.",
        strict=_HOSTED_EQUALITY,
    ),
    _scalar(
        _S.NAME,
        Kind.TEXT,
        (*_EQUALITY, *_PATTERN, _F.SEARCH),
        "The name of the run.",
        strict=(*_HOSTED_EQUALITY, *_PATTERN),
    ),
    _scalar(
        _S.RUN_TYPE,
        Kind.ENUM,
        (*_EQUALITY, *_PATTERN),
        "The sort of work.",
        strict=_HOSTED_EQUALITY,
        values=("llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"),
    ),
    _scalar(
        _S.STATUS,
        Kind.ENUM,
        (*_EQUALITY, *_PATTERN),
        "How it went.",
        strict=_HOSTED_EQUALITY,
        values=("success", "error", "pending", "interrupted"),
    ),
    _scalar(_S.IS_ROOT, Kind.BOOL, _EQUAL, "Whether the run is the top of its trace.", strict=_EQUAL),
    _scalar(
        _S.ERROR,
        Kind.TEXT,
        (*_EQUALITY, *_PATTERN, _F.SEARCH),
        "The error text; `true` and `false` ask whether there is one.",
    ),
    FieldRow(
        name="ls_user_id",
        kind=Kind.TEXT,
        functions=(*_EQUALITY, *_ORDER, *_PATTERN),
        target=DottedField(family=PairFamily.METADATA, key="ls_user_id", part=PairPart.VALUE),
        doc="The user: the metadata value under `ls_user_id`.",
    ),
    _scalar(_S.ATTACHMENTS, Kind.PRESENCE, _EQUAL, "The attached files; only whether there are any."),
    _scalar(_S.DOTTED_ORDER, Kind.TEXT, (*_EQUALITY, *_ORDER, *_PATTERN), "The place of the run in its trace."),
    FieldRow(
        name="execution_order",
        kind=Kind.ORDINAL,
        functions=_EQUAL,
        target=_S.IS_ROOT,
        doc="Of old: 1 is the root run, no other number is known.",
    ),
    FieldRow(
        name="tags",
        kind=Kind.TAGS,
        functions=(_F.HAS, *_EQUALITY, *_PATTERN, _F.SEARCH),
        target=TagsTarget(),
        doc="The tags; a comparison holds when some tag fits, a negative one when none does.",
        strict=(_F.HAS,),
    ),
)
_TIMES = (
    _scalar(_S.START_TIME, Kind.TIME, (*_EQUAL, *_ORDER), "When it began.", strict=(*_EQUAL, *_ORDER)),
    _scalar(
        _S.END_TIME, Kind.TIME, (*_EQUAL, *_ORDER), "When it ended; absent while pending.", strict=(*_EQUAL, *_ORDER)
    ),
    _scalar(_S.FIRST_TOKEN_TIME, Kind.TIME, (*_EQUAL, *_ORDER), "When the first token came."),
    _scalar(_S.LAST_QUEUED_AT, Kind.TIME, (*_EQUAL, *_ORDER), "When the run was last queued."),
    _scalar(
        _S.LATENCY,
        Kind.DURATION,
        (*_EQUAL, *_ORDER),
        "From start to end, in seconds.",
        strict=(*_EQUAL, *_ORDER),
    ),
    _scalar(_S.TIME_TO_FIRST_TOKEN, Kind.DURATION, (*_EQUAL, *_ORDER), "From start to first token, in seconds."),
)
_AMOUNTS = (
    _scalar(_S.TOTAL_TOKENS, Kind.INTEGER, (*_EQUALITY, *_ORDER), "Tokens in all."),
    _scalar(_S.PROMPT_TOKENS, Kind.INTEGER, (*_EQUALITY, *_ORDER), "Tokens of the prompt."),
    _scalar(_S.COMPLETION_TOKENS, Kind.INTEGER, (*_EQUALITY, *_ORDER), "Tokens of the completion."),
    _scalar(_S.TOTAL_COST, Kind.DECIMAL, (*_EQUALITY, *_ORDER), "Cost in all."),
    _scalar(_S.PROMPT_COST, Kind.DECIMAL, (*_EQUALITY, *_ORDER), "Cost of the prompt."),
    _scalar(_S.COMPLETION_COST, Kind.DECIMAL, (*_EQUALITY, *_ORDER), "Cost of the completion."),
)
_PAYLOAD = (*_PATTERN, _F.HAS, _F.EXISTS, _F.SEARCH)
_BAGS = (
    FieldRow(
        name="inputs",
        kind=Kind.JSON,
        functions=_PAYLOAD,
        target=BagTarget(SearchField.INPUTS, PairFamily.INPUT),
        doc="The inputs: `like` with `%` matches their JSON text, without `%` their words.",
        strict=_PATTERN,
        aliases=("input",),
    ),
    FieldRow(
        name="outputs",
        kind=Kind.JSON,
        functions=_PAYLOAD,
        target=BagTarget(SearchField.OUTPUTS, PairFamily.OUTPUT),
        doc="The outputs, in the same way.",
        strict=_PATTERN,
        aliases=("output",),
    ),
    FieldRow(
        name="metadata",
        kind=Kind.JSON,
        functions=(_F.HAS, _F.EXISTS, _F.SEARCH),
        target=BagTarget(SearchField.METADATA, PairFamily.METADATA),
        doc="The metadata: by key, by JSON object, or by word.",
        strict=(_F.HAS, _F.EXISTS),
        aliases=("extra.metadata",),
    ),
)
_PAIRS = (
    *_key_and_value(PairFamily.METADATA, "a metadata entry"),
    *_key_and_value(PairFamily.INPUT, "an input entry"),
    *_key_and_value(PairFamily.OUTPUT, "an output entry"),
    _pair(
        PairFamily.FEEDBACK,
        PairPart.KEY,
        (*_EQUALITY, *_PATTERN, _F.HAS),
        "Name of a feedback.",
        strict=_HOSTED_EQUALITY,
    ),
    _pair(
        PairFamily.FEEDBACK,
        PairPart.SCORE,
        (*_EQUALITY, *_ORDER),
        "Score of a feedback; booleans count as 1 and 0.",
        strict=(*_EQUAL, *_ORDER),
    ),
    _pair(
        PairFamily.FEEDBACK,
        PairPart.VALUE,
        (*_EQUALITY, *_ORDER, *_PATTERN),
        "Value of a feedback, where it is no score.",
        strict=_EQUAL,
    ),
    _pair(PairFamily.FEEDBACK, PairPart.COMMENT, (*_EQUALITY, *_PATTERN), "Comment of a feedback."),
    _pair(PairFamily.FEEDBACK, PairPart.SOURCE, (*_EQUALITY, *_PATTERN), "Where a feedback came from."),
)

FIELDS: tuple[FieldRow, ...] = (*_UUIDS, *_DESCRIPTIONS, *_TIMES, *_AMOUNTS, *_BAGS, *_PAIRS)

DOTTED_FUNCTIONS: tuple[Function, ...] = (*_EQUALITY, *_ORDER, *_PATTERN)
"""What the value of one key, such as ``metadata.user_id``, may be compared by."""

SCORE_FUNCTIONS: tuple[Function, ...] = (*_EQUALITY, *_ORDER)
TEXT_PART_FUNCTIONS: tuple[Function, ...] = (*_EQUALITY, *_PATTERN)

NEAR_NAMES: dict[str, str] = {
    "cost": "total_cost",
    "duration": "latency",
    "duration_ms": "latency",
    "feedback": "feedback_key",
    "latency_ms": "latency",
    "model": "metadata.ls_model_name",
    "parent_id": "parent_run_id",
    "root_run_id": "trace_id",
    "run_id": "id",
    "tag": "tags",
    "tokens": "total_tokens",
    "type": "run_type",
    "user_id": "metadata.user_id",
}
"""Names that people try, and the field that was meant, where likeness alone would not find it."""


_NAMES = tuple(row.name for row in FIELDS)
_BY_NAME = {name: row for row in FIELDS for name in (row.name, *row.aliases)}
_DETAIL_MAPS = {details.value: details for details in DetailMap}
_DOTTED_ROOTS = {
    ("metadata",): PairFamily.METADATA,
    ("extra", "metadata"): PairFamily.METADATA,
    ("inputs",): PairFamily.INPUT,
    ("input",): PairFamily.INPUT,
    ("outputs",): PairFamily.OUTPUT,
    ("output",): PairFamily.OUTPUT,
    ("feedback",): PairFamily.FEEDBACK,
}
_FEEDBACK_PARTS = {part.value: part for part in PairPart if part is not PairPart.KEY}


def find_field(segments: tuple[str, ...]) -> FieldRow | DottedField | DetailField | None:
    """The field that the parts of a path name, or None."""
    row = _BY_NAME.get(".".join(segments))
    if row is not None:
        return row
    if segments[0] in _DETAIL_MAPS and len(segments) > 1:
        return DetailField(details=_DETAIL_MAPS[segments[0]], part=".".join(segments[1:]))
    for root, family in _DOTTED_ROOTS.items():
        rest = segments[len(root) :]
        if segments[: len(root)] == root and rest:
            return _dotted(family, rest)
    return None


def nearest_name(name: str) -> str | None:
    """The field that was likely meant by a name that is none."""
    return NEAR_NAMES.get(name) or next(iter(get_close_matches(name[:60], _NAMES, n=1)), None)


def find_pair_part(segments: tuple[str, ...]) -> PairTarget | None:
    """The part of an entry that a path names by a field of its own, such as ``metadata_key``; dotted paths do not."""
    row = find_field(segments)
    return row.target if isinstance(row, FieldRow) and isinstance(row.target, PairTarget) else None


def _dotted(family: PairFamily, rest: tuple[str, ...]) -> DottedField:
    if family is not PairFamily.FEEDBACK:
        return DottedField(family=family, key=".".join(rest), part=PairPart.VALUE)
    if len(rest) > 1 and rest[-1] in _FEEDBACK_PARTS:
        return DottedField(family=family, key=".".join(rest[:-1]), part=_FEEDBACK_PARTS[rest[-1]])
    return DottedField(family=family, key=".".join(rest), part=None)
