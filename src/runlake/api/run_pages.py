"""A page of runs as JSON: a small one in one piece, a large one as a stream, so that its text is never held whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.response import Stream

from runlake.api.answers import json_answer
from runlake.api.bodies import AnyRequest
from runlake.api.notes import note_headers
from runlake.api.run_bodies import EncoderOf, constants_for
from runlake.heap import give_memory_back
from runlake.model.run_record import RunRecord
from runlake.query.rows import payload_bytes
from runlake.query.service import ListedRuns
from runlake.wire.runs import Cursors, RunEncoder, RunsAnswer

STREAMED_FROM_BYTES: Final = 8 << 20
"""Payloads of a page that is streamed; a smaller one goes quicker in one piece, and says its length."""

_PART_BYTES: Final = 1 << 20
_HEAD: Final = b'{"runs":['


async def page_answer(request: AnyRequest, page: ListedRuns, encoder_of: EncoderOf) -> Response[Any]:
    """The answer of ``POST /runs/query``. A streamed page is used up by it."""
    spelt, headers = constants_for(request), note_headers(page.notes)
    encoder = await asyncio.to_thread(encoder_of, page.runs, page.select)
    if sum(map(payload_bytes, page.runs)) < STREAMED_FROM_BYTES:
        body = await asyncio.to_thread(whole, page, encoder)
        answer = json_answer(spelt(body))
        answer.headers.update(headers)
        return answer
    return Stream(_streamed(parts(page, encoder), spelt), media_type="application/json", headers=headers)


def parts(page: ListedRuns, encoder: RunEncoder) -> Iterator[bytes]:
    """What joins to the JSON of the page; each part holds whole runs, which are dropped from the page."""
    yield _HEAD
    # The rest of the answer is the answer without runs.
    rest = msgspec.json.encode(_answer(page, []))[len(_HEAD) :]
    separator = b""
    page.runs.reverse()
    while page.runs:
        bodies = [encoder.body(run) for run in _next_part(page.runs)]
        yield separator + msgspec.json.encode(bodies)[1:-1]
        separator = b","
    yield rest


def _next_part(runs: list[RunRecord]) -> Iterator[RunRecord]:
    """Runs from the end of the list, which they leave."""
    size = 0
    while runs and size < _PART_BYTES:
        run = runs.pop()
        size += payload_bytes(run)
        yield run


async def _streamed(parts: Iterator[bytes], spelt: Callable[[bytes], bytes]) -> AsyncIterator[bytes]:
    try:
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            yield spelt(part)
    finally:
        await asyncio.to_thread(give_memory_back)


def whole(page: ListedRuns, encoder: RunEncoder) -> bytes:
    """The JSON of the page."""
    return msgspec.json.encode(_answer(page, [encoder.body(run) for run in page.runs]))


def _answer(page: ListedRuns, bodies: list[Any]) -> RunsAnswer:
    return RunsAnswer(
        runs=bodies,
        cursors=Cursors(page.next_cursor),
        explanation=msgspec.UNSET if page.explanation is None else page.explanation,
        search_snippets=msgspec.UNSET if page.snippets is None else page.snippets,
    )
