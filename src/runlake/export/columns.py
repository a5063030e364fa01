"""The columns of an export: name, type, where it comes from, what it says. ``docs/export-schema.md`` is this table.

Names and meaning of the columns marked ``documented`` are those of the hosted service's bulk export (documented
upstream); their physical types are our choice. Tokens and costs of a run are its own, not those of the runs below it,
so that sums over a table count nothing twice (our choice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, assert_never

from runlake.errors import InvalidError
from runlake.model.export_content import ContentKind
from runlake.model.run import NO_ID
from runlake.store import columns as stored

SCHEMA_VERSION: Final = 1
"""Kept in the metadata of every file; a column that changes its meaning or type raises it, a new column does not."""


class ColumnType(StrEnum):
    """What a column holds; the value is its Parquet type as the documentation prints it."""

    TEXT = "string"
    JSON = "string (JSON)"
    TEXTS = "list<string>"
    TIME = "timestamp(us, UTC)"
    BOOL = "bool"
    INTEGER = "int64"
    NUMBER = "double"
    COST = "decimal(38, 12)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportColumn:
    """One column. ``sql`` gives its values over a row of the store; NULL is absence.

    A ``payload`` is a column of JSON text as it was received, which may be of any size. What is not ``default`` is
    exported when it is named.
    """

    name: str
    type: ColumnType
    sql: str
    doc: str
    documented: bool = False
    payload: bool = False
    default: bool = True


def _id(name: str, doc: str, *, documented: bool = True) -> ExportColumn:
    return ExportColumn(name=name, type=ColumnType.TEXT, sql=f"toString({name})", doc=doc, documented=documented)


def _maybe_id(name: str, doc: str, *, documented: bool = True) -> ExportColumn:
    sql = f"if({name} = toUUID('{NO_ID}'), NULL, toString({name}))"
    return ExportColumn(name=name, type=ColumnType.TEXT, sql=sql, doc=doc, documented=documented)


def _text(name: str, doc: str, *, documented: bool = False, default: bool = True) -> ExportColumn:
    """A text that every row has, though it may be empty."""
    sql = f"toString({name})"
    return ExportColumn(name=name, type=ColumnType.TEXT, sql=sql, doc=doc, documented=documented, default=default)


def _maybe_text(name: str, doc: str, *, documented: bool = False, default: bool = True) -> ExportColumn:
    sql = f"nullIf(toString({name}), '')"
    return ExportColumn(name=name, type=ColumnType.TEXT, sql=sql, doc=doc, documented=documented, default=default)


def _time(name: str, doc: str, *, documented: bool = True) -> ExportColumn:
    return ExportColumn(name=name, type=ColumnType.TIME, sql=name, doc=doc, documented=documented)


def _integer(name: str, doc: str, *, documented: bool = True) -> ExportColumn:
    return ExportColumn(name=name, type=ColumnType.INTEGER, sql=f"toInt64({name})", doc=doc, documented=documented)


def _cost(name: str, doc: str) -> ExportColumn:
    return ExportColumn(name=name, type=ColumnType.COST, sql=name, doc=doc, documented=True)


def _payload(name: str, doc: str, *, documented: bool = True) -> ExportColumn:
    return ExportColumn(name=name, type=ColumnType.JSON, sql=name, doc=doc, documented=documented, payload=True)


def _json(name: str, doc: str) -> ExportColumn:
    return ExportColumn(name=name, type=ColumnType.JSON, sql=f"nullIf({name}, '')", doc=doc)


def _details(name: str, doc: str) -> ExportColumn:
    found = f"JSONExtractRaw({stored.RUN_COLUMNS.details}, '{name}')"
    sql = f"if({stored.RUN_COLUMNS.details} = '' OR {found} IN ('', '{{}}', 'null'), NULL, {found})"
    return ExportColumn(name=name, type=ColumnType.JSON, sql=sql, doc=doc)


FEEDBACK_STATS: Final = "feedback_stats"
"""The one column that is not of the run's own row; ``export.rows`` adds it."""

FILES: Final = "files"
"""The column that names what a run has as files; ``export.rows`` spells it, jobs add where they wrote each."""

_PARENTS: Final = "arrayMap(segment -> substring(segment, -36), arrayPopBack(splitByChar('.', dotted_order)))"

EXPORT_RUN_COLUMNS: Final[tuple[ExportColumn, ...]] = (
    _id("id", "Id of the run."),
    _id("tenant_id", "Workspace that the run belongs to."),
    _id("session_id", "Project that the run belongs to."),
    _id("trace_id", "Trace that the run belongs to: the id of its root."),
    _maybe_id("parent_run_id", "Run that started it; null for a root."),
    ExportColumn(
        name="parent_run_ids",
        type=ColumnType.TEXTS,
        sql=_PARENTS,
        doc="Ids above the run, from the root down to its parent; empty for a root.",
        documented=True,
    ),
    ExportColumn(
        name="is_root", type=ColumnType.BOOL, sql="is_root", doc="Whether it is the root of its trace.", documented=True
    ),
    _text("dotted_order", "Sortable path from the root to the run.", documented=True),
    _text("name", "Name of the run.", documented=True),
    _text("run_type", "`llm`, `chain`, `tool`, `retriever`, `embedding`, `prompt` or `parser`.", documented=True),
    _text("status", "`success`, `error`, or `pending` while the run has not ended.", documented=True),
    _time("start_time", "Start of the run."),
    _time("end_time", "End of the run; null while it has not ended."),
    _time("first_token_time", "First token of a streamed answer."),
    _maybe_text("error", "Error that the run failed with.", documented=True),
    _payload("inputs", "Inputs, a JSON object."),
    _payload("outputs", "Outputs, a JSON object."),
    _payload("extra", "Metadata, runtime and invocation parameters, a JSON object."),
    _payload("events", "Events such as tokens and retries, a JSON array."),
    _payload("serialized", "Serialized form of what ran, a JSON object.", documented=False),
    ExportColumn(name="tags", type=ColumnType.TEXTS, sql="tags", doc="Tags.", documented=True),
    _maybe_id("reference_example_id", "Example of a dataset that the run was made for."),
    ExportColumn(
        name=FEEDBACK_STATS,
        type=ColumnType.JSON,
        sql="NULL",
        doc="Feedback on the run by key, a JSON object: count, average, spread, categories, comments.",
        documented=True,
    ),
    _integer("total_tokens", "Tokens that the run itself used."),
    _integer("prompt_tokens", "Tokens of its prompt."),
    _integer("completion_tokens", "Tokens of its completion."),
    _cost("total_cost", "Cost of the run itself in US dollars."),
    _cost("prompt_cost", "Cost of its prompt."),
    _cost("completion_cost", "Cost of its completion."),
    ExportColumn(
        name="trace_tier",
        type=ColumnType.TEXT,
        sql="CAST(NULL AS Nullable(String))",
        doc="Always null: retention is a matter of projects here.",
        documented=True,
    ),
    _details("prompt_token_details", "Prompt tokens by kind, a JSON object."),
    _details("completion_token_details", "Completion tokens by kind, a JSON object."),
    _details("prompt_cost_details", "Prompt cost by kind, a JSON object of decimal strings."),
    _details("completion_cost_details", "Completion cost by kind, a JSON object of decimal strings."),
    _maybe_text("thread_id", "Thread that the run's metadata names."),
    _maybe_text("model", "Model that was called."),
    _maybe_text("provider", "Provider of the model."),
    _integer("version", "Grows with every change: of rows with one id the highest counts.", documented=False),
    _maybe_text("inputs_preview", "One line of the inputs.", default=False),
    _maybe_text("outputs_preview", "One line of the outputs.", default=False),
    ExportColumn(
        name="export_change",
        type=ColumnType.TEXT,
        sql="'new'",
        doc="`changed` where the run is exported again because it was written or judged later, else `new`.",
        default=False,
    ),
    ExportColumn(
        name=FILES,
        type=ColumnType.JSON,
        sql="nullIf(attachments, '')",
        doc="Files of the run, a JSON array of `kind`, `name`, `mime_type`, `bytes`, `sha256`, and `path` of those that"
        " the export wrote, below its folder. A payload in it is null in its own column.",
        default=False,
    ),
)  # fmt: skip

FEEDBACK_COLUMNS: Final[tuple[ExportColumn, ...]] = (
    _id("id", "Id of the feedback.", documented=False),
    _id("tenant_id", "Workspace.", documented=False),
    ExportColumn(name="session_id", type=ColumnType.TEXT, sql="toString(session_id)", doc="Project of the run."),
    _maybe_id("trace_id", "Trace of the run, where the sender named it.", documented=False),
    _id("run_id", "Run that is judged.", documented=False),
    _text("key", "What is judged."),
    ExportColumn(name="score", type=ColumnType.NUMBER, sql="score", doc="The judgement as a number."),
    _json("value", "The judgement as any JSON value, such as a category."),
    _maybe_text("comment", "Comment."),
    _json("correction", "What should have been said."),
    _text("source_type", "`api`, `model`, `app` or `auto_eval`."),
    ExportColumn(
        name="feedback_source", type=ColumnType.JSON, sql="nullIf(source, '')", doc="Who judged, a JSON object."
    ),
    _maybe_id("comparative_experiment_id", "Comparative experiment.", documented=False),
    _maybe_id("feedback_group_id", "Group.", documented=False),
    ExportColumn(name="error", type=ColumnType.BOOL, sql="error", doc="Whether the evaluator itself failed."),
    _json("extra", "What else the sender added, a JSON object."),
    _time("created_at", "First written.", documented=False),
    _time("modified_at", "Last written.", documented=False),
    _integer("version", "As in runs.", documented=False),
)


def _flat(name: str, type_: ColumnType, doc: str) -> ExportColumn:
    """A column that ``model.flat_trace`` makes."""
    return ExportColumn(name=name, type=type_, sql="NULL", doc=doc)


FLATTENED_COLUMNS: Final[tuple[ExportColumn, ...]] = (
    _flat("trace_id", ColumnType.TEXT, "Id of the trace and of its root."),
    _flat("session_id", ColumnType.TEXT, "Project."),
    _flat("name", ColumnType.TEXT, "Name of the root."),
    _flat("run_type", ColumnType.TEXT, "Type of the root."),
    _flat("status", ColumnType.TEXT, "Status of the root."),
    _flat("start_time", ColumnType.TIME, "Start of the root."),
    _flat("end_time", ColumnType.TIME, "End of the root; null while it has not ended."),
    _flat("latency_s", ColumnType.NUMBER, "Seconds from start to end."),
    _flat("error", ColumnType.TEXT, "Error of the root."),
    _flat("thread_id", ColumnType.TEXT, "Thread that the root's metadata names."),
    _flat("tags", ColumnType.TEXTS, "Tags of the root."),
    _flat("run_count", ColumnType.INTEGER, "Runs of the trace, the root included."),
    _flat("open_run_count", ColumnType.INTEGER, "Those that have not ended."),
    _flat("error_count", ColumnType.INTEGER, "Those that failed."),
    _flat("depth", ColumnType.INTEGER, "Runs on the longest path from the root down; 1 for a root alone."),
    _flat("runs_by_type", ColumnType.JSON, "Runs of each type, a JSON object."),
    _flat("tools_used", ColumnType.TEXTS, "Names of the tools that were called, in order of first call."),
    _flat("tool_call_count", ColumnType.INTEGER, "Runs of the type `tool`."),
    _flat("tool_calls", ColumnType.JSON, "Calls of each tool, a JSON object."),
    _flat("failed_tools", ColumnType.TEXTS, "Names of the tools of which a call failed."),
    _flat("models", ColumnType.TEXTS, "Models that were called, in order of first call."),
    _flat("total_tokens", ColumnType.INTEGER, "Tokens of all runs of the trace."),
    _flat("prompt_tokens", ColumnType.INTEGER, "Tokens of their prompts."),
    _flat("completion_tokens", ColumnType.INTEGER, "Tokens of their completions."),
    _flat("total_cost", ColumnType.COST, "Cost of all runs in US dollars; null where no run has one."),
    _flat("prompt_cost", ColumnType.COST, "Cost of their prompts."),
    _flat("completion_cost", ColumnType.COST, "Cost of their completions."),
    _flat("inputs_preview", ColumnType.TEXT, "What the user said last, on one line of at most 250 characters."),
    _flat("outputs_preview", ColumnType.TEXT, "What was answered, likewise."),
    _flat("feedback", ColumnType.JSON, "Average score of each key of feedback on the root, a JSON object."),
    _flat("version", ColumnType.INTEGER, "The highest version of its runs: of rows with one trace the highest counts."),
)


def columns_of(content: ContentKind) -> tuple[ExportColumn, ...]:
    """Every column that an export of this content may have, in their order."""
    match content:
        case ContentKind.RUNS | ContentKind.TRACES:
            return EXPORT_RUN_COLUMNS
        case ContentKind.FEEDBACK:
            return FEEDBACK_COLUMNS
        case ContentKind.FLATTENED:
            return FLATTENED_COLUMNS
        case _:
            assert_never(content)


def choose_columns(content: ContentKind, fields: Sequence[str] | None) -> tuple[ExportColumn, ...]:
    """The columns that ``fields`` names, in the order of the schema; None means all default ones.

    InvalidError, with a suggestion, when a name is none of them.
    """
    known = columns_of(content)
    if fields is None:
        return tuple(column for column in known if column.default)
    names = {column.name for column in known}
    for field in fields:
        if field not in names:
            raise _unknown(field, content, sorted(names))
    if not fields:
        raise InvalidError("fields is an empty list; name at least one column or leave it out", field="fields")
    wanted = set(fields)
    return tuple(column for column in known if column.name in wanted)


def _unknown(field: str, content: ContentKind, names: Sequence[str]) -> InvalidError:
    near = next(iter(get_close_matches(field[:80], names, n=1)), None)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
    return InvalidError(f"{content.value} have no column {field[:80]!r}; {hint}", field="fields", suggestion=near)
