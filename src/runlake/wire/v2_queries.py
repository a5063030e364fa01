"""Requests of the v2 queries, as generated clients send them, to the same ``RunQuerySpec`` that v1 requests become.

Names, defaults and limits were seen in the generated client of the Python SDK, which carries the upstream description
of each. Names of choices are upper case there and read in any case here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, NotOfferedError, UserError
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
from runlake.wire.run_queries import RunQuerySpec
from runlake.wire.scalars import read_id, read_time
from runlake.wire.v2_selects import ThreadSelect, V2Select, run_selects, thread_run_selects

DAY_US: Final = 86_400_000_000
"""How far back a query without a lower bound looks (documented upstream)."""

MAX_RUNS: Final = 1_000
MAX_OTHERS: Final = 100
"""Largest pages (documented upstream): of runs, and of traces, threads and turns."""


class RunQueryV2(msgspec.Struct, kw_only=True, gc=False):
    """The body of ``POST /v2/runs/query`` before its members are read one by one."""

    project_ids: Any = None
    reference_dataset_id: Any = None
    ids: Any = None
    trace_id: Any = None
    run_type: Any = None
    is_root: Any = None
    has_error: Any = None
    filter: Any = None
    trace_filter: Any = None
    tree_filter: Any = None
    reference_examples: Any = None
    min_start_time: Any = None
    max_start_time: Any = None
    min_feedback_modified_at: Any = None
    max_feedback_modified_at: Any = None
    include_subtree_usage: Any = None
    page_size: Any = None
    cursor: Any = None
    selects: Any = None
    ai_search: Any = None
    sem_filter: Any = None


class TraceQueryV2(msgspec.Struct, kw_only=True, gc=False):
    """The body of ``POST /v2/traces/query``."""

    project_id: Any = None
    trace_ids: Any = None
    trace_filter: Any = None
    tree_filter: Any = None
    min_start_time: Any = None
    max_start_time: Any = None
    min_feedback_modified_at: Any = None
    max_feedback_modified_at: Any = None
    page_size: Any = None
    cursor: Any = None
    selects: Any = None
    ai_search: Any = None
    sem_filter: Any = None


class ThreadQueryV2(msgspec.Struct, kw_only=True, gc=False):
    """The body of ``POST /v2/threads/query`` and, with ``select``, of ``POST /v2/threads/stats``."""

    project_id: Any = None
    filter: Any = None
    trace_filter: Any = None
    tree_filter: Any = None
    thread_filter: Any = None
    min_start_time: Any = None
    max_start_time: Any = None
    page_size: Any = None
    cursor: Any = None
    select: Any = None
    ai_search: Any = None
    sem_filter: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Query:
    """A v2 request: which runs, and which fields of each go into the answer.

    ``reference_dataset`` stands for all experiments on it and is given where ``spec`` names no project.
    """

    spec: RunQuerySpec
    selects: frozenset[V2Select]
    reference_dataset: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnQuery:
    """A request for the traces of one thread; ``selects`` is None when the caller did not choose."""

    spec: RunQuerySpec
    selects: frozenset[ThreadSelect] | None


_RUN_QUERY: Final = msgspec.json.Decoder(RunQueryV2)
_TRACE_QUERY: Final = msgspec.json.Decoder(TraceQueryV2)
_THREAD_QUERY: Final = msgspec.json.Decoder(ThreadQueryV2)


def read_run_query_v2(body: bytes) -> V2Query:
    """The runs that a body asks for; the first problem as a ``UserError`` that names its member."""
    sent = decode_object(body, _RUN_QUERY) if body.strip() else RunQueryV2()
    reader = MemberReader(sent)
    _refuse_meaning(sent)
    selects = read_selects(sent.selects)
    subtree = reader.read("include_subtree_usage", flag_member)
    dataset = reader.read("reference_dataset_id", read_id)
    spec = RunQuerySpec(
        sessions=_projects(reader, dataset),
        among=reader.read("ids", ids_member) or None,
        trace=reader.read("trace_id", read_id),
        run_type=reader.read("run_type", _run_type),
        reference_examples=reader.read("reference_examples", ids_member) or None,
        start_time_from=reader.read("min_start_time", read_time),
        start_time_to=reader.read("max_start_time", before),
        window_us=DAY_US if dataset is None else None,
        feedback_from=reader.read("min_feedback_modified_at", read_time),
        feedback_to=reader.read("max_feedback_modified_at", read_time),
        error=reader.read("has_error", flag_member),
        is_root=reader.read("is_root", flag_member),
        filter=reader.read("filter", text_member),
        trace_filter=reader.read("trace_filter", text_member),
        tree_filter=reader.read("tree_filter", text_member),
        limit=reader.read("page_size", _page_of(MAX_RUNS)) or 100,
        cursor=reader.read("cursor", text_member),
        select=run_selects(selects),
        usage_of=UsageOf.SUBTREE if subtree else UsageOf.RUN,
    )
    raise_first(reader.problems)
    return V2Query(spec=spec, selects=selects, reference_dataset=dataset)


def read_trace_query_v2(body: bytes) -> V2Query:
    """The roots that a body asks for; tokens, costs and the first token are those of the whole trace."""
    sent = decode_object(body, _TRACE_QUERY) if body.strip() else TraceQueryV2()
    reader = MemberReader(sent)
    _refuse_meaning(sent)
    selects = read_selects(sent.selects)
    spec = RunQuerySpec(
        sessions=(required(reader.read("project_id", read_id), "project_id"),),
        traces=reader.read("trace_ids", ids_member) or None,
        is_root=True,
        start_time_from=reader.read("min_start_time", read_time),
        start_time_to=reader.read("max_start_time", before),
        window_us=DAY_US,
        feedback_from=reader.read("min_feedback_modified_at", read_time),
        feedback_to=reader.read("max_feedback_modified_at", read_time),
        trace_filter=reader.read("trace_filter", text_member),
        tree_filter=reader.read("tree_filter", text_member),
        on_trace_sums=True,
        limit=reader.read("page_size", _page_of(MAX_OTHERS)) or 20,
        cursor=reader.read("cursor", text_member),
        select=run_selects(selects),
        usage_of=UsageOf.SUBTREE,
    )
    raise_first(reader.problems)
    return V2Query(spec=spec, selects=selects)


def read_thread_query_v2(body: bytes) -> tuple[RunQuerySpec, ThreadQueryV2]:
    """The roots whose threads a body asks for, and the body for what else it holds."""
    sent = decode_object(body, _THREAD_QUERY) if body.strip() else ThreadQueryV2()
    reader = MemberReader(sent)
    _refuse_meaning(sent)
    if reader.read("thread_filter", text_member) is not None:
        raise NotOfferedError(
            "thread_filter is not offered here, because nothing says which names it knows; use filter, trace_filter or"
            " tree_filter",
            field="thread_filter",
        )
    spec = RunQuerySpec(
        sessions=(required(reader.read("project_id", read_id), "project_id"),),
        is_root=True,
        has_thread=True,
        start_time_from=reader.read("min_start_time", read_time),
        start_time_to=reader.read("max_start_time", before),
        window_us=DAY_US,
        filter=reader.read("filter", text_member),
        thread_trace_filter=reader.read("trace_filter", text_member),
        thread_tree_filter=reader.read("tree_filter", text_member),
        on_trace_sums=True,
        limit=reader.read("page_size", _page_of(MAX_OTHERS)) or 20,
        cursor=reader.read("cursor", text_member),
    )
    raise_first(reader.problems)
    return spec, sent


def read_turn_query(thread_id: str, parameters: Mapping[str, Sequence[str]]) -> TurnQuery:
    """The traces of one thread that the parameters of a request ask for, oldest first."""
    names = ("project_id", "filter", "trace_filter", "tree_filter", "page_size", "cursor", "selects")
    reader = MemberReader(read_parameters(parameters, names))
    chosen = reader.read("selects", _thread_selects)
    spec = RunQuerySpec(
        sessions=(required(reader.read("project_id", read_id), "project_id"),),
        thread=thread_id,
        is_root=True,
        filter=reader.read("filter", text_member),
        trace_filter=reader.read("trace_filter", text_member),
        tree_filter=reader.read("tree_filter", text_member),
        on_trace_sums=True,
        ascending=True,
        limit=reader.read("page_size", _page_of(MAX_OTHERS)) or 20,
        cursor=reader.read("cursor", text_member),
        select=thread_run_selects(chosen or frozenset()),
        usage_of=UsageOf.SUBTREE,
    )
    raise_first(reader.problems)
    return TurnQuery(spec=spec, selects=chosen)


def read_trace_runs_query(trace_id: UUID, parameters: Mapping[str, Sequence[str]]) -> V2Query:
    """All runs of one trace that the parameters of a request ask for, in order of start."""
    names = ("project_id", "filter", "min_start_time", "max_start_time", "selects")
    reader = MemberReader(read_parameters(parameters, names))
    selects = read_selects(reader.read("selects", names_member))
    since, until = reader.read("min_start_time", read_time), reader.read("max_start_time", read_time)
    if (since is None) != (until is None):
        raise InvalidError("min_start_time and max_start_time go together; send both or none", field="min_start_time")
    spec = RunQuerySpec(
        sessions=(required(reader.read("project_id", read_id), "project_id"),),
        trace=trace_id,
        filter=reader.read("filter", text_member),
        start_time_from=since,
        start_time_to=until,
        ascending=True,
        select=run_selects(selects),
        usage_of=UsageOf.RUN,
    )
    raise_first(reader.problems)
    return V2Query(spec=spec, selects=selects)


def read_parameters(parameters: Mapping[str, Sequence[str]], names: Sequence[str]) -> SimpleNamespace:
    """Parameters of a URL as members of a body: one text, or a list where there are several; lists also by commas."""
    members: dict[str, Any] = {}
    for name in names:
        values = list(parameters.get(name) or parameters.get(f"{name}[]") or ())
        if name in {"selects", "stats_select"}:
            members[name] = [part for value in values for part in value.split(",") if part.strip()] or None
        else:
            members[name] = values[0] if len(values) == 1 else (values or None)
    return SimpleNamespace(**members)


def read_selects(value: Any) -> frozenset[V2Select]:
    """The fields in ``selects``; without any only ``id`` (documented upstream)."""
    names = () if value is None else names_member(value, "selects")
    chosen = frozenset(V2Select(choice_member(name, "selects", tuple(V2Select))) for name in names)
    return chosen or frozenset({V2Select.ID})


def before(value: Any, field: str) -> int:
    """An exclusive upper bound as an inclusive one."""
    return read_time(value, field) - 1


def required(found: UUID | None, name: str) -> UUID:
    """An id that a request cannot do without."""
    if found is None:
        raise InvalidError(f"{name} is missing; it is the id of a project", field=name)
    return found


def raise_first(problems: Sequence[UserError]) -> None:
    """Raise the first problem, if there is one."""
    if problems:
        raise problems[0]


def _projects(reader: MemberReader, dataset: UUID | None) -> tuple[UUID, ...]:
    projects = reader.read("project_ids", ids_member)
    if dataset is not None and projects:
        raise InvalidError("project_ids and reference_dataset_id exclude each other; send one", field="project_ids")
    if not projects and dataset is None and not reader.problems:
        raise InvalidError("project_ids is missing; send the ids of the projects to look in", field="project_ids")
    return projects or ()


def _refuse_meaning(sent: RunQueryV2 | TraceQueryV2 | ThreadQueryV2) -> None:
    for name in ("ai_search", "sem_filter"):
        if getattr(sent, name) is not None:
            raise NotOfferedError(
                f"{name} needs a language model, which this server has none of; use filter", field=name
            )


def _run_type(value: Any, field: str) -> str:
    return choice_member(value, field, _RUN_TYPES).lower()


_RUN_TYPES: Final = ("TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "PROMPT", "PARSER")


def _thread_selects(value: Any, field: str) -> frozenset[ThreadSelect]:
    names = names_member(value, field)
    return frozenset(ThreadSelect(choice_member(name, field, tuple(ThreadSelect))) for name in names)


def _page_of(most: int) -> Any:
    def read(value: Any, field: str) -> int:
        size = whole_member(value, field, f"a whole number from 1 to {most}")
        if not 1 <= size <= most:
            raise InvalidError(f"{field} {size} is out of range; it must be from 1 to {most}", field=field)
        return size

    return read
