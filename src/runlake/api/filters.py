"""Help with filters, for interfaces and scripts: check, translate, complete, explain a whole query (our choice)."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.errors import DiagnosticBody, describe
from runlake.errors import FilterError
from runlake.fql import Mode, bar_to_filter, filter_to_bar, parse_filter, print_filter, read_bar, read_filter
from runlake.fql.completion import wanted_in_filter, wanted_in_search
from runlake.query.inspection import QueryInspector, QueryReport
from runlake.wire.filter_texts import FilterTextBody, FilterTextSpec, read_filter_text
from runlake.wire.run_queries import RunQueryBody, decode_query_body, read_query


class FilterVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """``canonical`` is the text as a filter, as printed; null where it is not valid, empty where it is blank."""

    valid: bool
    canonical: str | None = None
    diagnostics: tuple[DiagnosticBody, ...] = ()


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    language: str


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` is what to put in the place of the characters from ``start`` to ``end`` of ``Completions``."""

    text: str
    label: str
    kind: str
    doc: str


class Completions(msgspec.Struct, frozen=True, kw_only=True):
    start: int
    end: int
    items: tuple[Completion, ...]


@post(
    "/filters/validate",
    status_code=200,
    access=Access.READ,
    summary="Check a filter or a search",
    opt={"request_body": FilterTextBody},
)
async def validate_filter(request: AnyRequest) -> FilterVerdict:
    """Every problem with its place; the mode ``strict`` also reports what the hosted service would refuse."""
    sent = read_filter_text(await read_small_body(request))
    return await asyncio.to_thread(_verdict, sent)


def _verdict(sent: FilterTextSpec) -> FilterVerdict:
    is_filter = sent.language == "filter"
    try:
        (read_filter if is_filter else read_bar)(
            sent.text, field="text", mode=Mode.STRICT if sent.is_strict else Mode.LENIENT
        )
        text = sent.text if is_filter else bar_to_filter(sent.text)
    except FilterError as error:
        return FilterVerdict(valid=False, diagnostics=describe(error).diagnostics)
    tree = parse_filter(text)
    return FilterVerdict(valid=True, canonical="" if tree is None else print_filter(tree))


@post(
    "/filters/translate",
    status_code=200,
    access=Access.READ,
    summary="Say a filter in the words of a search bar, or a search as a filter",
    opt={"request_body": FilterTextBody},
)
async def translate_filter(request: AnyRequest) -> Translation:
    """The same condition in the other language; 400 with diagnostics where it has no words for it."""
    sent = read_filter_text(await read_small_body(request))
    translate = filter_to_bar if sent.to == "search" else bar_to_filter
    return Translation(text=await asyncio.to_thread(translate, sent.text), language=sent.to)


@post(
    "/filters/complete",
    status_code=200,
    access=Access.READ,
    summary="Complete an unfinished filter or search",
    opt={"request_body": FilterTextBody},
)
async def complete_filter(
    request: AnyRequest, tenant_id: NamedDependency[UUID], inspector: NamedDependency[QueryInspector]
) -> Completions:
    """Functions and fields of the language; keys, tags, names and values that recent runs of the caller really have."""
    sent = read_filter_text(await read_small_body(request))
    wanted = (wanted_in_filter if sent.language == "filter" else wanted_in_search)(sent.text, sent.position)
    choices = await inspector.choices(wanted, tenant_id=tenant_id, sessions=sent.sessions)
    items = tuple(
        Completion(
            text=f"{wanted.lead}{_escaped(choice.text, wanted.lead)}{wanted.tail}",
            label=choice.text,
            kind=choice.kind,
            doc=choice.doc,
        )
        for choice in choices
    )
    return Completions(start=wanted.start, end=sent.position, items=items)


def _escaped(text: str, quote: str) -> str:
    if not quote:
        return text
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}")


@post(
    "/runs/query/explain",
    status_code=200,
    access=Access.READ,
    summary="Explain a query",
    opt={"request_body": RunQueryBody},
)
async def explain_query(
    request: AnyRequest, tenant_id: NamedDependency[UUID], inspector: NamedDependency[QueryInspector]
) -> QueryReport:
    """Runs the statements of the first page; says what each read and which index left how much."""
    spec = read_query(decode_query_body(await read_small_body(request)))
    return await inspector.report(spec, tenant_id=tenant_id)


FILTER_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    validate_filter,
    translate_filter,
    complete_filter,
    explain_query,
)
