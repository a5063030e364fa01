"""Results of experiments: which examples and runs a request asks for (documented upstream, v2 seen in the SDK)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.wire.examples import ExampleAnswer
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
from runlake.wire.scalars import read_id
from runlake.wire.v2_projects import read_offset
from runlake.wire.v2_queries import raise_first, read_selects
from runlake.wire.v2_selects import V2Select

MAX_PAGE_V2: Final = 100
DEFAULT_PAGE_V2: Final = 20
MAX_PAGE: Final = 10_000
_SORT_PREFIX: Final = "feedback."


class ResultsBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /datasets/{id}/runs`` before its members are read one by one."""

    session_ids: Any = None
    offset: Any = None
    limit: Any = None
    preview: Any = None
    comparative_experiment_id: Any = None
    filters: Any = None
    sort_params: Any = None
    example_ids: Any = None


class ResultsBodyV2(msgspec.Struct, kw_only=True):
    """Body of ``POST /v2/datasets/{id}/experiment-runs``, likewise."""

    experiment_ids: Any = None
    example_ids: Any = None
    comparative_experiment_id: Any = None
    filters: Any = None
    selects: Any = None
    page_size: Any = None
    cursor: Any = None
    sort: Any = None


class ResultAnswer(ExampleAnswer, kw_only=True, gc=False, omit_defaults=True):
    """An example with the runs upon it."""

    runs: list[Any]


class ResultsPageV2(msgspec.Struct, frozen=True):
    """A page of v2."""

    items: list[ResultAnswer]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsQuery:
    """What is asked for. ``filters`` are filter texts by experiment; ``feedback_key`` is what to sort by.

    ``comparison`` is a comparative experiment, whose experiments are taken where none are named.
    """

    experiments: tuple[UUID, ...]
    offset: int
    limit: int
    example_ids: tuple[UUID, ...] | None = None
    filters: Mapping[UUID, tuple[str, ...]]
    comparison: UUID | None = None
    is_preview: bool = False
    feedback_key: str | None = None
    descending: bool = True


_BODY: Final = msgspec.json.Decoder(ResultsBody)
_BODY_V2: Final = msgspec.json.Decoder(ResultsBodyV2)


def read_results_query(body: bytes) -> ResultsQuery:
    """The query in a v1 body."""
    reader = MemberReader(decode_object(body, _BODY))
    sort = reader.read("sort_params", _sort_v1)
    limit = reader.read("limit", _limit)
    query = ResultsQuery(
        experiments=reader.read("session_ids", ids_member) or (),
        offset=reader.read("offset", _offset) or 0,
        limit=DEFAULT_PAGE_V2 if limit is None else limit,
        example_ids=reader.read("example_ids", ids_member),
        filters=reader.read("filters", _filters) or {},
        comparison=reader.read("comparative_experiment_id", read_id),
        is_preview=reader.read("preview", flag_member) or False,
        feedback_key=None if sort is None else sort[0],
        descending=True if sort is None else sort[1],
    )
    raise_first(reader.problems)
    return _with_experiments(query, "session_ids")


def read_results_query_v2(body: bytes) -> tuple[ResultsQuery, frozenset[V2Select]]:
    """The query in a v2 body, and the fields of a run that it asks for."""
    reader = MemberReader(decode_object(body, _BODY_V2))
    sort = reader.read("sort", _sort_v2)
    size = reader.read("page_size", _page_size)
    query = ResultsQuery(
        experiments=reader.read("experiment_ids", ids_member) or (),
        offset=read_offset(reader.read("cursor", text_member)),
        limit=DEFAULT_PAGE_V2 if size is None else size,
        example_ids=reader.read("example_ids", ids_member),
        filters=reader.read("filters", _filters) or {},
        comparison=reader.read("comparative_experiment_id", read_id),
        feedback_key=None if sort is None else sort[0],
        descending=True if sort is None else sort[1],
    )
    selects = read_selects(reader.read("selects", names_member))
    raise_first(reader.problems)
    return _with_experiments(query, "experiment_ids"), selects


def _with_experiments(query: ResultsQuery, field: str) -> ResultsQuery:
    if not query.experiments:
        raise InvalidError(f"{field} is missing; name at least one experiment", field=field)
    if query.feedback_key is not None and len(query.experiments) > 1:
        raise InvalidError("sorting by feedback is about one experiment; name one", field=field)
    for experiment in query.filters:
        if experiment not in query.experiments:
            raise InvalidError(f"filters name {experiment}, which is not in {field}", field="filters")
    return query


def _filters(value: Any, field: str) -> Mapping[UUID, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise InvalidError(f"{field} must be an object from experiment ids to lists of filters", field=field)
    found = {read_id(key, field): names_member(texts, field) for key, texts in value.items()}
    return {key: texts for key, texts in found.items() if key is not None}


def _sort_v1(value: Any, field: str) -> tuple[str, bool]:
    return _sort(value, field, by="sort_by", order="sort_order")


def _sort_v2(value: Any, field: str) -> tuple[str, bool]:
    return _sort(value, field, by="by", order="order")


def _sort(value: Any, field: str, *, by: str, order: str) -> tuple[str, bool]:
    key = value.get(by) if isinstance(value, dict) else None
    if not isinstance(key, str) or not key.removeprefix(_SORT_PREFIX):
        raise InvalidError(f"{field}.{by} must name feedback, such as feedback.correctness", field=f"{field}.{by}")
    direction = value.get(order)
    descending = direction is None or choice_member(direction, f"{field}.{order}", ("ASC", "DESC")) == "DESC"
    return key.removeprefix(_SORT_PREFIX), descending


def _offset(value: Any, field: str) -> int:
    return _bounded(value, field, 0, 2**53)


def _limit(value: Any, field: str) -> int:
    return _bounded(value, field, 1, MAX_PAGE)


def _page_size(value: Any, field: str) -> int:
    return _bounded(value, field, 1, MAX_PAGE_V2)


def _bounded(value: Any, field: str, least: int, most: int) -> int:
    accepted = f"a whole number from {least} to {most}"
    found = whole_member(value, field, accepted)
    if not least <= found <= most:
        raise InvalidError(f"{field} must be {accepted}", field=field)
    return found
