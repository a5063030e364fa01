"""Bodies of the v1 run queries: what clients send, typed field by field.

Fields and their meaning are documented upstream. Seen in clients: null for whatever is absent, one bare string where a
list belongs, 1 for true, keys of their own; so null is absence, unknown keys are ignored, and a value is read when it
can only mean one thing. A limit above the hosted maximum of 100 is honoured (our choice).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from runlake.errors import InvalidError, UserError
from runlake.model.run import RunType
from runlake.model.run_record import RunSelect
from runlake.model.run_stats import GroupAttribute, Interval, IntervalUnit
from runlake.model.usage import UsageOf
from runlake.wire.json_text import decode_object
from runlake.wire.members import (
    MemberReader,
    choice_member,
    flag_member,
    ids_member,
    names_member,
    text_member,
    whole_member,
)
from runlake.wire.scalars import read_id, read_time

DEFAULT_LIMIT: Final = 100
ROOT_EXECUTION_ORDER: Final = 1
"""The one value that the retired field ``execution_order`` takes: the root."""

DEFAULT_SELECT: Final = frozenset(RunSelect) - {
    RunSelect.CHILD_RUN_IDS,
    RunSelect.DIRECT_CHILD_RUN_IDS,
    RunSelect.INPUTS_PREVIEW,
    RunSelect.OUTPUTS_PREVIEW,
    RunSelect.MESSAGES,
    RunSelect.INSERTED_AT,
    RunSelect.TRACE_MIN_MAX_START_TIME,
}
"""What an answer holds when ``select`` is absent (documented upstream)."""


class RunQueryBody(msgspec.Struct, kw_only=True, gc=False):
    """The body of ``POST /runs/query`` and ``POST /runs/stats`` before its members are read one by one."""

    id: Any = None
    trace: Any = None
    parent_run: Any = None
    run_type: Any = None
    session: Any = None
    reference_example: Any = None
    execution_order: Any = None
    start_time: Any = None
    end_time: Any = None
    error: Any = None
    query: Any = None
    filter: Any = None
    trace_filter: Any = None
    tree_filter: Any = None
    search_filter: Any = None
    search: Any = None
    is_root: Any = None
    skip_pagination: Any = None
    cursor: Any = None
    limit: Any = None
    select: Any = None
    order: Any = None
    group_by: Any = None
    groups: Any = None
    interval: Any = None
    timezone: Any = None
    explain: Any = None
    snippets: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBy:
    """``group_by`` of a statistics query."""

    attribute: GroupAttribute
    path: str | None
    max_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuerySpec:
    """A run query as sent: ids and times typed, filters still text. None is absence; times are microseconds UTC.

    ``select`` is None when the caller did not choose, ``select_names`` are its names as sent. ``among``, ``traces``,
    ``thread``, ``has_thread``, ``thread_of_root`` and ``usage_of`` are as in ``RunQuery``; ``thread_trace_filter`` and
    ``thread_tree_filter`` are what the root and some run of one trace of the thread must meet. ``window_us`` is how far
    back a listing looks that names no lower bound; all of its pages look back from the moment of the first.
    ``on_trace_sums`` says that the conditions on roots compare what the tokens and costs of their traces add up to.
    ``feedback_from`` (inclusive) and ``feedback_to`` (exclusive) bound when feedback was changed that conditions see.
    """

    ids: tuple[UUID, ...] | None = None
    among: tuple[UUID, ...] | None = None
    trace: UUID | None = None
    traces: tuple[UUID, ...] | None = None
    thread: str | None = None
    has_thread: bool = False
    thread_of_root: str | None = None
    parent_run: UUID | None = None
    run_type: str | None = None
    sessions: tuple[UUID, ...] | None = None
    reference_examples: tuple[UUID, ...] | None = None
    start_time_from: int | None = None
    start_time_to: int | None = None
    window_us: int | None = None
    feedback_from: int | None = None
    feedback_to: int | None = None
    error: bool | None = None
    is_root: bool | None = None
    query: str | None = None
    search_filter: str | None = None
    search: str | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    thread_trace_filter: str | None = None
    thread_tree_filter: str | None = None
    on_trace_sums: bool = False
    ascending: bool = False
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    paginate: bool = True
    select: frozenset[RunSelect] | None = None
    select_names: frozenset[str] = frozenset()
    group_by: GroupBy | None = None
    groups: tuple[str, ...] | None = None
    interval: Interval | None = None
    explain: bool = False
    snippets: bool = False
    usage_of: UsageOf = UsageOf.ROOTS_TRACE


_DECODER: Final = msgspec.json.Decoder(RunQueryBody)


def decode_query_body(body: bytes) -> RunQueryBody:
    """The members of a body; an empty body is an empty query. MalformedError says where JSON ends being readable."""
    return decode_object(body, _DECODER) if body.strip() else RunQueryBody()


def read_query(body: RunQueryBody, *, for_stats: bool = False) -> RunQuerySpec:
    """The query in a body; raises the first problem as a ``UserError`` that names its field."""
    spec, problems = check_query(body, for_stats=for_stats)
    if problems:
        raise problems[0]
    return spec


def check_query(body: RunQueryBody, *, for_stats: bool = False) -> tuple[RunQuerySpec, list[UserError]]:
    """The query in a body without the members that cannot be read, and what is wrong with each of those."""
    reader = MemberReader(body)
    execution_order = reader.read("execution_order", _execution_order)
    is_root = reader.read("is_root", flag_member)
    names = reader.read("select", names_member) or ()
    spec = RunQuerySpec(
        ids=reader.read("id", ids_member),
        trace=reader.read("trace", read_id),
        parent_run=reader.read("parent_run", read_id),
        run_type=reader.read("run_type", _run_type),
        sessions=reader.read("session", ids_member),
        reference_examples=reader.read("reference_example", ids_member),
        start_time_from=reader.read("start_time", read_time),
        start_time_to=reader.read("end_time", read_time),
        error=reader.read("error", flag_member),
        is_root=is_root if is_root is not None else execution_order,
        query=reader.read("query", text_member),
        search_filter=reader.read("search_filter", text_member),
        search=reader.read("search", text_member),
        filter=reader.read("filter", text_member),
        trace_filter=reader.read("trace_filter", text_member),
        tree_filter=reader.read("tree_filter", text_member),
        ascending=reader.read("order", _order) or False,
        limit=reader.read("limit", _limit) or DEFAULT_LIMIT,
        cursor=reader.read("cursor", text_member),
        paginate=not reader.read("skip_pagination", flag_member),
        select=None if for_stats or not names else reader.read("select", _select),
        select_names=frozenset(names),
        group_by=reader.read("group_by", _group_by) if for_stats else None,
        groups=reader.read("groups", names_member) if for_stats else None,
        interval=read_interval(reader) if for_stats else None,
        explain=reader.read("explain", flag_member) or False,
        snippets=reader.read("snippets", flag_member) or False,
    )
    return spec, reader.problems


def _limit(value: Any, field: str) -> int:
    limit = whole_member(value, field, "a whole number of at least 1")
    if limit < 1:
        raise InvalidError(f"{field} {limit} is too small; it must be a whole number of at least 1", field=field)
    return limit


def _execution_order(value: Any, field: str) -> bool:
    if whole_member(value, field, "1, which asks for roots") != ROOT_EXECUTION_ORDER:
        raise InvalidError(f"{field} accepts 1 alone, which asks for roots", field=field)
    return True


def _order(value: Any, field: str) -> bool:
    return choice_member(value, field, ("asc", "desc")) == "asc"


def _run_type(value: Any, field: str) -> str:
    return choice_member(value, field, tuple(RunType))


def _select(value: Any, field: str) -> frozenset[RunSelect]:
    return frozenset(RunSelect(choice_member(name, field, tuple(RunSelect))) for name in names_member(value, field))


class _GroupByShape(msgspec.Struct, kw_only=True):
    attribute: str
    path: str | None = None
    max_groups: int | None = None


def _group_by(value: Any, field: str) -> GroupBy:
    try:
        shape = msgspec.convert(value, _GroupByShape)
    except msgspec.ValidationError as error:
        raise InvalidError(
            f"{field} cannot be read: {str(error)[:1].lower()}{str(error)[1:]};"
            " it is an object with attribute, path and max_groups",
            field=field,
        ) from None
    attribute = GroupAttribute(choice_member(shape.attribute, f"{field}.attribute", tuple(GroupAttribute)))
    if attribute is GroupAttribute.METADATA and not shape.path:
        raise InvalidError("group_by.path must name the metadata key to group by", field="group_by.path")
    groups = shape.max_groups if shape.max_groups is not None else 5
    if groups < 1:
        raise InvalidError("group_by.max_groups must be at least 1", field="group_by.max_groups")
    return GroupBy(attribute=attribute, path=shape.path, max_groups=groups)


_INTERVAL: Final = re.compile(r"\s*(\d{0,4})\s*([a-z]+?)s?\s*")
_UNITS: Final = {
    "m": IntervalUnit.MINUTE,
    "min": IntervalUnit.MINUTE,
    "h": IntervalUnit.HOUR,
    "d": IntervalUnit.DAY,
    "w": IntervalUnit.WEEK,
    **{unit.value: unit for unit in IntervalUnit},
}


def read_interval(reader: MemberReader) -> Interval | None:
    """The spans of time that ``interval`` and ``timezone`` name (our choice; upstream has no such members)."""
    found = reader.read("interval", _span)
    zone = reader.read("timezone", _timezone)
    if found is None:
        return None
    return Interval(count=found[0], unit=found[1], timezone=zone or "UTC")


def _span(value: Any, field: str) -> tuple[int, IntervalUnit]:
    match = _INTERVAL.fullmatch(value.lower()) if isinstance(value, str) else None
    unit = None if match is None else _UNITS.get(match[2])
    count = int(match[1] or 1) if match is not None else 0
    if unit is None or count < 1:
        raise InvalidError(
            f"{field} must be a text such as hour, 15m, 6h, day, week or month", field=field, suggestion="hour"
        )
    return count, unit


def _timezone(value: Any, field: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ValueError, KeyError, OSError, TypeError, AttributeError):
        raise InvalidError(
            f"{field} must be the name of a time zone such as Europe/Berlin", field=field, suggestion="UTC"
        ) from None
