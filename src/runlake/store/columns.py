"""The one map from fields to columns of ``runs``, ``open_runs`` and ``feedback``.

Besides the row encoder of the write path nothing else knows a column name. Every column of a run is spelled the same
in ``runs`` and ``open_runs``, so a condition built from this map holds on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from runlake.fql.vocabulary import PairFamily, ScalarField, SearchField
from runlake.model.pairs import INPUT_LETTER, METADATA_LETTER, OUTPUT_LETTER
from runlake.model.run_card import RunCard
from runlake.model.run_record import RunSelect


class Absence(Enum):
    """How a column says that the run has no value."""

    NEVER = "never"
    NULL = "null"
    NO_ID = "no id"
    EMPTY_TEXT = "empty text"
    ALWAYS = "always"


class Kind(Enum):
    """What a column holds, as far as comparing goes."""

    ID = "id"
    TEXT = "text"
    BOOL = "bool"
    TIME = "time"
    INTEGER = "integer"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class ScalarColumn:
    """Where the one value of a scalar field lies; ``sql`` is an expression over the columns of a run.

    ``present`` is a cheaper column that says whether there is a value, where one is kept.
    """

    sql: str
    kind: Kind
    absence: Absence = Absence.NEVER
    ignores_case: bool = False
    present: str | None = None


@dataclass(frozen=True, slots=True)
class PairColumns:
    """Where the entries of a family lie.

    ``pairs`` holds pairs and keys alone, under an index over whole elements; where its last item is ``MORE_MARK``,
    ``more`` holds others, each behind ``letter``. ``keys`` and ``values`` run in parallel; a family without them keeps
    values in those two alone, long ones cut (``model.pairs``), and ``payload`` is their JSON text.
    """

    pairs: str
    letter: str
    more: str = "more_pairs"
    keys: str | None = None
    values: str | None = None
    payload: str | None = None


@dataclass(frozen=True, slots=True)
class SearchColumn:
    """One place that full text looks in, as one text; parts that a phrase may not span are set apart by U+007F."""

    sql: str
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class FeedbackColumns:
    """Expressions over ``feedback``; each part is text or NULL, the score a number or NULL."""

    table: str = "feedback"
    key: str = "toString(key)"
    value: str = (
        "if(value IN ('', 'null'), NULL, if(startsWith(value, '\"'), JSONExtractString(value), value))"  # JSON to text
    )
    score: str = "score"
    comment: str = "nullIf(comment, '')"
    source: str = "nullIf(toString(source_type), '')"


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Everything the compiler of filters asks for; ``details`` is JSON text with every ``DetailMap``, or empty."""

    scalars: Mapping[ScalarField, ScalarColumn]
    pairs: Mapping[PairFamily, PairColumns]
    search: Mapping[SearchField, SearchColumn]
    payloads: Mapping[SearchField, str]
    feedback: FeedbackColumns
    details: str
    tags: str = "tags"
    search_text: str = "search_text"
    id: str = "id"


def normalised(text: str) -> str:
    """SQL of a text as full text sees it: lower case, CJK characters and emoji set apart, other foreign signs blanked.

    The same expression as in the column ``search_text``; a test holds the two together.
    """
    return (
        f"if(isValidASCII({text}), lower({text}), replaceRegexpAll(replaceRegexpAll(lowerUTF8({text}),"
        r" '([\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}\\p{Thai}\\p{So}])', ' \\1 '),"
        r" '[^\\x00-\\x7f\\p{L}\\p{M}\\p{N}\\p{So}]', ' '))"
    )


def decoded(payload: str) -> str:
    """SQL of JSON text with its escapes resolved or blanked, as in the column ``search_text``."""
    bare = f"""concat('["', replaceRegexpAll(replaceAll({payload}, '\\\\"', ' '), '["\\\\x00-\\\\x1f]', ' '), '"]')"""
    unescaped = f"JSONExtractString({bare}, 1)"
    return (
        f"if(position({payload}, '\\\\u') = 0, replaceRegexpAll({payload}, '\\\\\\\\.', ' '),"
        f" if({unescaped} != '', {unescaped}, replaceRegexpAll({payload}, '\\\\\\\\(u[0-9a-fA-F]{{4}}|.)', ' ')))"
    )


_APART: Final = "'\\x7f'"

RUN_COLUMNS: Final = ColumnMap(
    scalars={
        ScalarField.ID: ScalarColumn("id", Kind.ID),
        ScalarField.TRACE_ID: ScalarColumn("trace_id", Kind.ID, Absence.NO_ID),
        ScalarField.PARENT_RUN_ID: ScalarColumn("parent_run_id", Kind.ID, Absence.NO_ID),
        ScalarField.SESSION_ID: ScalarColumn("session_id", Kind.ID, Absence.NO_ID),
        ScalarField.THREAD_ID: ScalarColumn("thread_id", Kind.TEXT, Absence.EMPTY_TEXT),
        ScalarField.NAME: ScalarColumn("name", Kind.TEXT, Absence.EMPTY_TEXT),
        ScalarField.RUN_TYPE: ScalarColumn("run_type", Kind.TEXT, Absence.EMPTY_TEXT),
        ScalarField.STATUS: ScalarColumn("status", Kind.TEXT),
        ScalarField.IS_ROOT: ScalarColumn("is_root", Kind.BOOL),
        ScalarField.START_TIME: ScalarColumn("start_time", Kind.TIME),
        ScalarField.END_TIME: ScalarColumn("end_time", Kind.TIME, Absence.NULL),
        ScalarField.FIRST_TOKEN_TIME: ScalarColumn("first_token_time", Kind.TIME, Absence.NULL),
        ScalarField.LAST_QUEUED_AT: ScalarColumn("NULL", Kind.TIME, Absence.ALWAYS),
        ScalarField.LATENCY: ScalarColumn("duration_us", Kind.INTEGER, Absence.NULL),
        ScalarField.TIME_TO_FIRST_TOKEN: ScalarColumn(
            "(toUnixTimestamp64Micro(first_token_time) - toUnixTimestamp64Micro(start_time))",
            Kind.INTEGER,
            Absence.NULL,
        ),
        ScalarField.ERROR: ScalarColumn("error", Kind.TEXT, Absence.EMPTY_TEXT, ignores_case=True, present="has_error"),
        ScalarField.TOTAL_TOKENS: ScalarColumn("total_tokens", Kind.INTEGER),
        ScalarField.PROMPT_TOKENS: ScalarColumn("prompt_tokens", Kind.INTEGER),
        ScalarField.COMPLETION_TOKENS: ScalarColumn("completion_tokens", Kind.INTEGER),
        ScalarField.TOTAL_COST: ScalarColumn("total_cost", Kind.COST, Absence.NULL),
        ScalarField.PROMPT_COST: ScalarColumn("prompt_cost", Kind.COST, Absence.NULL),
        ScalarField.COMPLETION_COST: ScalarColumn("completion_cost", Kind.COST, Absence.NULL),
        ScalarField.ATTACHMENTS: ScalarColumn("attachments", Kind.TEXT, Absence.EMPTY_TEXT),
        ScalarField.DOTTED_ORDER: ScalarColumn("dotted_order", Kind.TEXT, Absence.EMPTY_TEXT),
        ScalarField.REFERENCE_EXAMPLE_ID: ScalarColumn("reference_example_id", Kind.ID, Absence.NO_ID),
        ScalarField.REFERENCE_DATASET_ID: ScalarColumn("NULL", Kind.ID, Absence.ALWAYS),
    },
    pairs={
        PairFamily.METADATA: PairColumns(
            "metadata_pairs", METADATA_LETTER, keys="metadata_keys", values="metadata_values"
        ),
        PairFamily.INPUT: PairColumns("input_pairs", INPUT_LETTER, payload="inputs"),
        PairFamily.OUTPUT: PairColumns("output_pairs", OUTPUT_LETTER, payload="outputs"),
    },
    search={
        SearchField.NAME: SearchColumn("toString(name)"),
        SearchField.ERROR: SearchColumn("error"),
        SearchField.TAGS: SearchColumn(f"arrayStringConcat(tags, {_APART})"),
        SearchField.METADATA: SearchColumn(
            f"arrayStringConcat(arrayConcat(arrayMap(key -> toString(key), metadata_keys), metadata_values), {_APART})"
        ),
        SearchField.INPUTS: SearchColumn("inputs", is_json=True),
        SearchField.OUTPUTS: SearchColumn("outputs", is_json=True),
    },
    details=f"JSONExtractString(card, {RunCard.__struct_fields__.index('usage_details') + 1})",
    payloads={SearchField.INPUTS: "inputs", SearchField.OUTPUTS: "outputs"},
    feedback=FeedbackColumns(),
)


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """One cell of a run that is read: its name as an attribute of ``RunRecord`` (or the card), and its SQL."""

    attribute: str
    sql: str


def _column(name: str) -> ReadColumn:
    return ReadColumn(name, name)


def _moment(name: str) -> ReadColumn:
    return ReadColumn(name, f"toUnixTimestamp64Micro({name})")


ALWAYS_READ: Final = (
    _column("id"),
    _moment("start_time"),
    _column("version"),
    _column("dotted_order"),
    _column("card"),
)
"""What every answer is made from, whatever was asked for: keys, place, and the card with all small fields."""

READ_COLUMNS: Final[Mapping[RunSelect, ReadColumn]] = {
    RunSelect.ERROR: _column("error"),
    RunSelect.INPUTS: _column("inputs"),
    RunSelect.OUTPUTS: _column("outputs"),
    RunSelect.EXTRA: _column("extra"),
    RunSelect.EVENTS: _column("events"),
    RunSelect.SERIALIZED: _column("serialized"),
    RunSelect.INPUTS_PREVIEW: _column("inputs_preview"),
    RunSelect.OUTPUTS_PREVIEW: _column("outputs_preview"),
    RunSelect.MESSAGES: _column("outputs"),
}
"""Names of ``select`` that have a column of their own; all others are on the card, computed afterwards, or null."""


PAYLOAD_SELECTS: Final = frozenset(
    {
        RunSelect.INPUTS,
        RunSelect.OUTPUTS,
        RunSelect.EXTRA,
        RunSelect.EVENTS,
        RunSelect.SERIALIZED,
        RunSelect.MESSAGES,
    }
)
"""What may be an object instead of a cell."""

OBJECTS: Final = _column("objects")
_TEXT_FOR_CONDITIONS: Final = frozenset({"inputs", "outputs"})


def without_texts(columns: tuple[ReadColumn, ...]) -> tuple[ReadColumn, ...]:
    """The same cells of rows that have objects, without texts that may be huge."""
    return tuple(
        replace(column, sql="''") if column.attribute in _TEXT_FOR_CONDITIONS else column for column in columns
    )


def columns_to_read(select: frozenset[RunSelect]) -> tuple[ReadColumn, ...]:
    """The cells a page needs, each once, in a stable order."""
    if RunSelect.MESSAGES in select:
        select |= {RunSelect.INPUTS}
    wanted = [READ_COLUMNS[name] for name in RunSelect if name in select and name in READ_COLUMNS]
    return tuple(dict.fromkeys([*ALWAYS_READ, *wanted]))
