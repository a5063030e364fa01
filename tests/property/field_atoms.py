"""One condition for every field by each of its names, every function it takes, and every way to write a value.

The tables of the language say which there are, so that a new field or function is tried the day it comes. Names in
capitals behind a ``$`` stand for ids of the population at hand (``Population.fill_in``).
"""

from __future__ import annotations

from collections.abc import Iterator

from property.populations import EXAMPLE
from runlake.fql.ast import Function
from runlake.fql.fields import FIELDS, FieldRow, Kind
from runlake.fql.vocabulary import SearchField

TIMES = (
    '"2026-09-01T00:00:03Z"',
    "'2026-09-01T00:00:05+00:00'",
    '"2026-09-01T02:00:04.500+02:00"',
    '"2026-08-31T23:00:03-0100"',
    '"2026-09-01T00:00:03"',
    '"2026-09-01 00:00:06.25"',
    '"2026-09-01T00:00:03,000001z"',
    '"2026-09-01T00:00"',
    '"2026-09-01"',
    "2026-09-01",
    "2026-09-01T00:00:04Z",
)
DURATIONS = (
    "5",
    "5.0",
    ".5",
    "+5e0",
    '"5"',
    '"5s"',
    "5s",
    "5001ms",
    "'500 ms'",
    '"5001000us"',
    '"0.2m"',
    '"0.01h"',
    '"1d"',
    "0",
    "-1",
)
INTEGERS = ("3", "0", "1000", '"1000"', "3.0", "1e3", "' 4000 '", "-1", "4003")
DECIMALS = ("0.75", '"0.75"', "7.5e-1", ".25", "0.5", "0", "-1", "1e30", "'0.250000000001'")
BOOLEANS = ("true", "false", "TRUE", "False", '"true"', "'FALSE'", "1", "0")
TEXTS = ('"v1"', "'V1'", '"na\\u00efve"', '"日本 bot"', '"a\\"b"', "'alpha'", "5", "true", '""', "'thread_5'")
PATTERNS = ('"%"', "'v%'", '"_1"', '"%\\\\%b%"', '"ALPHA"', "'%ï%'", '"%日_%"', '"%disk%"', "''", '"v1\\\\"')
UUIDS = {
    "id": ('"$RUN"', "'$UPPER'", '"$HEX"', '"00000000-0000-0000-0000-000000000000"'),
    "trace_id": ('"$TRACE"', f'"{EXAMPLE}"'),
    "parent_run_id": ('"$PARENT"', f'"{EXAMPLE}"'),
    "session_id": ('"$SESSION"', f'"{EXAMPLE}"'),
    "reference_example_id": (f'"{EXAMPLE}"', '"$RUN"'),
    "reference_dataset_id": (f'"{EXAMPLE}"',),
}
ENTRY_KEYS = ('"k1"', "'messages.content'", '"many.n"', "'answer'", '"ok"', '"vector"', '"日本"', '""')
ENTRY_VALUES = (
    '"v1"',
    "'5'",
    "5",
    "5.0",
    "5e0",
    '"5.0"',
    "0.5",
    "true",
    '"true"',
    '"na\\u00efve café"',
    '"quick\\nbrown"',
    "'good'",
    "2",
    "'four-3'",
    '""',
)
ENTRY_PATTERNS = ('"%"', "'%quick%'", '"v_"', '"%5%"', "'_'", '"C:\\\\\\\\%"', '"%é"', "'%四%'", '"%ou%"')
SCORES = ("1", "0.25", '"0.75"', "true", "false", "-1", "7.5e-1")
WORDS = (
    '"quick"',
    '"BROWN fox"',
    "'\"quick brown\"'",
    '"qui*"',
    '"*uic*"',
    '"gpt-4"',
    '"量子"',
    '"Straße"',
    '"ПРИВЕТ"',
    '"مرحبا"',
    "'\"שלום עולם\"'",
    '"🎉"',
    '"istanbul"',
    '"İSTANBUL"',
    '"https://example.org/a?b=1"',
    '"3.14159"',
    '"&&"',
    '"v1"',
    '"prod"',
    '"disk"',
    '"alpha"',
)
OBJECTS = (
    '\'{"k1": "v1"}\'',
    '{"k2": 5, "env": null}',
    '{"a": {"b": true}}',
    "'{\"score\": 2.5}'",
    '{"messages": [{"content": "gpt-4 and gpt_4"}]}',
    "'{}'",
)


def every_field_atom() -> Iterator[str]:
    """All of them, in the order of the table."""
    for row in FIELDS:
        for name in (row.name, *row.aliases, f'"{row.name}"'):
            for function in row.functions:
                yield from (f"{function}({name}, {value})" for value in values(row, function))
    yield from (f"search({value})" for value in WORDS)


def values(row: FieldRow, function: Function) -> Iterator[str]:
    """The values, as written, that a function of a field is tried with."""
    if function is Function.SEARCH:
        yield from WORDS
    elif function in (Function.LIKE, Function.NOTLIKE):
        yield from _patterns(row)
    elif function in (Function.IN, Function.NIN):
        yield from _lists(_plain(row))
    elif row.kind is Kind.JSON:
        yield from (*OBJECTS, *WORDS[:4], *ENTRY_KEYS[:5]) if function is Function.HAS else ENTRY_KEYS
    else:
        is_equality = function in (Function.EQ, Function.NEQ)
        # Text is not ordered against truth, and numbers in quotes are numbers there.
        yield from (value for value in _plain(row) if is_equality or function is Function.HAS or value != "true")
        if is_equality and _may_be_null(row):
            yield "null"


PLAIN = {
    Kind.BOOL: BOOLEANS,
    Kind.TIME: TIMES,
    Kind.DURATION: DURATIONS,
    Kind.INTEGER: INTEGERS,
    Kind.DECIMAL: DECIMALS,
    Kind.ORDINAL: ("1", '"1"', "1.0"),
    Kind.PRESENCE: (),
}


def _plain(row: FieldRow) -> tuple[str, ...]:
    match row.kind:
        case Kind.UUID:
            return UUIDS[row.name]
        case Kind.ENUM:
            return (*(f'"{value}"' for value in row.values), f"' {row.values[0].upper()}'")
        case Kind.PAIR_PART:
            return _parts(row)
        case _ if row.name == "error":
            return ('"boom"', '"Timeout: disk full"', "'Boom'", '""', "true", "false")
        case _:
            return PLAIN.get(row.kind, TEXTS)


def _parts(row: FieldRow) -> tuple[str, ...]:
    part = row.name.rpartition("_")[2]
    return {"key": ENTRY_KEYS, "value": ENTRY_VALUES, "score": SCORES}.get(part, ('"nice"', "'api'", '""', "5"))


def _patterns(row: FieldRow) -> tuple[str, ...]:
    if row.kind is Kind.JSON:
        return (
            '"%QUICK%brown%"',
            "'quick'",
            '"%é%"',
            "'%score\": 2.5%'",
            "'%'",
            '"gpt"',
            '"%\\\\\\\\n%"',
            '"%_2.50_%"',
        )
    if row.kind is Kind.PAIR_PART:
        return (*ENTRY_PATTERNS, "'%k%'", "'%so%'", "'a_i'")
    return ("'%L%'", '"s%"', '"error"') if row.kind is Kind.ENUM else PATTERNS


def _lists(items: tuple[str, ...]) -> Iterator[str]:
    yield "[]"
    yield f"[{items[0]}]"
    yield f"[{','.join(items)},]"
    yield f"[ {items[-1]} , {items[0]}, {items[0]} ]"


def _may_be_null(row: FieldRow) -> bool:
    is_key = row.kind is Kind.PAIR_PART and row.name.endswith("_key")
    return row.kind not in (Kind.BOOL, Kind.ORDINAL) and not is_key


DOTTED = tuple(
    f"{function}({name}, {value})"
    for name, values_of in (
        ("metadata.k1", ENTRY_VALUES),
        ("extra.metadata.k2", ENTRY_VALUES),
        ('metadata."a.b"', ENTRY_VALUES),
        ("inputs.messages.content", ENTRY_VALUES),
        ("input.vector", ("0.5", "'x'", "1")),
        ("outputs.score", ENTRY_VALUES),
        ("output.answer", ENTRY_VALUES),
        ("feedback.ok.score", SCORES),
        ("feedback.ok.value", ENTRY_VALUES),
        ("feedback.score.comment", ('"nice"', "'so so'", "5")),
        ("feedback.ok.source", ('"api"', "'app'")),
        ("feedback.ok", ("1", "true", '"good"', "0.25")),
        ("prompt_token_details.cache_read", INTEGERS),
        ("completion_token_details.reasoning", INTEGERS),
        ("prompt_cost_details.cache_read", DECIMALS),
        ("completion_cost_details.reasoning", (*DECIMALS, "0.000125")),
    )
    for function in ("eq", "neq", "gt", "lte")
    for value in (*values_of, *(("null",) if function in ("eq", "neq") else ()))
    if function in ("eq", "neq") or not (value == "true" or ".comment" in name or ".source" in name)
)
"""The same for names with a dot, whose table has no end."""

SCOPED = tuple(f"search({field}, {value})" for field in SearchField for value in WORDS)
every_generated_atom: tuple[str, ...] = tuple(dict.fromkeys((*every_field_atom(), *DOTTED, *SCOPED)))
