"""Bodies of deletions and retention.

``POST /runs/delete`` and ``/ttl-settings`` are documented upstream; deletions by filter, dry runs, the status of a
deletion and retention by days are our choice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.model.deletion import Contents, Deletion, Left
from runlake.wire.json_text import decode_object
from runlake.wire.run_queries import RunQueryBody, RunQuerySpec, read_query
from runlake.wire.scalars import read_id
from runlake.wire.times import format_time

MAX_TRACE_IDS: Final = 1_000
"""Most ids of one order (documented upstream); a deletion by filter has no such limit."""
LONGLIVED: Final = "longlived"


class TraceDeletionBody(msgspec.Struct, kw_only=True, gc=False):
    """Body of ``POST /runs/delete``. ``metadata`` maps keys to lists of values; any of them is enough."""

    session_id: Any = None
    trace_ids: Any = None
    metadata: Any = None
    dry_run: Any = None


class QueryDeletionBody(RunQueryBody, kw_only=True, gc=False):
    """Body of ``POST /runs/delete/query``: the conditions of a query for runs."""

    dry_run: Any = None


class RetentionBody(msgspec.Struct, kw_only=True, gc=False):
    """Body of a retention rule; null keeps for ever."""

    days: Any = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceDeletion:
    """What a ``TraceDeletionBody`` asks for: ids, or a query."""

    session_id: UUID | None
    trace_ids: tuple[UUID, ...]
    query: RunQuerySpec | None
    dry_run: bool


class ContentsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to a dry run or a preview: nothing was deleted. ``disk_bytes`` is about right."""

    dry_run: bool
    traces: int
    runs: int
    feedback: int
    disk_bytes: int


class LeftAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the disk still holds: rows of runs, and about how many bytes."""

    runs: int
    disk_bytes: int


class DeletionAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deletion. ``state`` is hidden, masked or done; ``left`` is there where one deletion was asked for."""

    id: UUID
    kind: str
    state: str
    session_id: UUID | None
    traces: int
    runs: int
    feedback: int
    disk_bytes: int
    created_at: str
    masked_at: str | None
    done_at: str | None
    left: LeftAnswer | msgspec.UnsetType = msgspec.UNSET


class RetentionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """For how many days traces are kept, null is for ever; ``inherited`` says that it is the workspace's default."""

    days: int | None
    inherited: bool


class TtlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The workspace's default retention as the hosted API shows it."""

    tenant_id: UUID
    default_trace_tier: str
    longlived_ttl_days: int | None
    apply_to_all_projects: bool


class TtlSettingsBody(msgspec.Struct, kw_only=True, gc=False):
    """Body of ``PUT /ttl-settings``; other members are ignored."""

    longlived_ttl_days: Any = msgspec.UNSET
    default_trace_tier: Any = None


_TRACES: Final = msgspec.json.Decoder(TraceDeletionBody)
_QUERY: Final = msgspec.json.Decoder(QueryDeletionBody)
_RETENTION: Final = msgspec.json.Decoder(RetentionBody)
_TTL: Final = msgspec.json.Decoder(TtlSettingsBody)


def read_trace_deletion(body: bytes) -> TraceDeletion:
    """The order in a body; InvalidError names the member that cannot be used."""
    sent = decode_object(body, _TRACES)
    session_id = read_id(sent.session_id, "session_id")
    if (sent.trace_ids is None) == (sent.metadata is None):
        raise InvalidError("give either trace_ids or metadata, to say which traces to delete", field="trace_ids")
    query = None
    if sent.metadata is not None:
        query = RunQuerySpec(
            filter=_metadata_filter(sent.metadata), sessions=None if session_id is None else (session_id,)
        )
    return TraceDeletion(
        session_id=session_id,
        trace_ids=() if sent.trace_ids is None else _trace_ids(sent.trace_ids),
        query=query,
        dry_run=_flag(sent.dry_run),
    )


def read_query_deletion(body: bytes) -> tuple[RunQuerySpec, bool]:
    """The query whose traces shall go, and whether to count only."""
    sent = decode_object(body, _QUERY)
    spec = read_query(sent)
    named = (spec.ids, spec.trace, spec.parent_run, spec.run_type, spec.reference_examples, spec.start_time_from)
    more = (spec.start_time_to, spec.error, spec.is_root, spec.query, spec.search_filter, spec.search, spec.filter)
    trees = (spec.trace_filter, spec.tree_filter)
    if all(value is None or value == () for value in (*named, *more, *trees)):
        raise InvalidError(
            "the query has no condition and would delete every trace; add one such as filter or end_time,"
            " or delete the project",
            field="filter",
        )
    if not spec.sessions and not spec.ids and spec.trace is None:
        raise InvalidError("session is missing; name the projects to delete from", field="session")
    return spec, _flag(sent.dry_run)


def read_retention(body: bytes, max_days: int) -> int | None:
    """The days of a rule; None is for ever."""
    return _days(decode_object(body, _RETENTION).days, "days", max_days)


def read_ttl_settings(body: bytes, max_days: int) -> int | None:
    """The days of the workspace's default; None is for ever."""
    return _days(decode_object(body, _TTL).longlived_ttl_days, "longlived_ttl_days", max_days)


def read_days(value: object, field: str, max_days: int) -> int:
    """A number of days of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= max_days:
        raise InvalidError(f"{field} must be a whole number from 1 to {max_days}", field=field)
    return value


def contents_answer(contents: Contents) -> ContentsAnswer:
    """The wire object of a dry run."""
    return ContentsAnswer(
        dry_run=True,
        traces=contents.traces,
        runs=contents.runs,
        feedback=contents.feedback,
        disk_bytes=contents.disk_bytes,
    )


def deletion_answer(deletion: Deletion, left: Left | None = None) -> DeletionAnswer:
    """The wire object, with what is left where it is known."""
    contents = deletion.contents
    return DeletionAnswer(
        id=deletion.id,
        kind=deletion.kind.value,
        state=deletion.state.value,
        session_id=deletion.project_id,
        traces=contents.traces,
        runs=contents.runs,
        feedback=contents.feedback,
        disk_bytes=contents.disk_bytes,
        created_at=format_time(deletion.created_at),
        masked_at=None if deletion.masked_at is None else format_time(deletion.masked_at),
        done_at=None if deletion.done_at is None else format_time(deletion.done_at),
        left=msgspec.UNSET if left is None else LeftAnswer(runs=left.runs, disk_bytes=left.disk_bytes),
    )


def _days(value: object, field: str, max_days: int) -> int | None:
    if value is msgspec.UNSET:
        raise InvalidError(f"{field} is missing; give a number of days, or null to keep for ever", field=field)
    return None if value is None else read_days(value, field, max_days)


def _trace_ids(value: object) -> tuple[UUID, ...]:
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_TRACE_IDS:
        raise InvalidError(
            f"trace_ids has {len(values)} ids; at most {MAX_TRACE_IDS} are accepted, /runs/delete/query takes a filter",
            field="trace_ids",
        )
    found = tuple(dict.fromkeys(read_id(item, f"trace_ids[{index}]") for index, item in enumerate(values)))
    ids = tuple(item for item in found if item is not None)
    if not ids:
        raise InvalidError("trace_ids is empty; name at least one trace", field="trace_ids")
    return ids


def _metadata_filter(value: object) -> str:
    """A filter for runs with any of the values, in the language of every other filter."""
    if not isinstance(value, dict) or not value:
        raise InvalidError("metadata must be an object of lists of values with at least one key", field="metadata")
    tests = []
    for key, values in value.items():
        wanted = values if isinstance(values, list) else [values]
        if not wanted or any(isinstance(item, list | dict) or item is None for item in wanted):
            raise InvalidError(
                f"metadata.{key} must be a list of texts, numbers or booleans with at least one element",
                field=f"metadata.{key}",
            )
        tests.append(f"and(eq(metadata_key, {_literal(key)}), in(metadata_value, {_literal(wanted)}))")
    return tests[0] if len(tests) == 1 else f"or({', '.join(tests)})"


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _flag(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidError("dry_run must be true or false", field="dry_run")
