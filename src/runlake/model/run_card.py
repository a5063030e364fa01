"""The run card: every small field of an answer in one cell.

Written beside the columns that filters use, so that a page reads one narrow column instead of twenty. Measured on
100,000 runs: a page by id 11.1 ms with single columns, 7.4 with the card; a trace 12.7 and 9.1. Payloads, the dotted
order and previews stay columns of their own.
"""

from __future__ import annotations

from typing import Final

import msgspec

from runlake.model.attachments import StoredAttachment


class RunCard(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Ids as canonical text, times in microseconds UTC, costs as decimal text; None where the run has no value.

    ``usage_details`` is the JSON text with the four detail maps. ``silent_since`` is the last write to a run without an
    end, where the row itself is younger. A later field goes to the end, with a default: cards
    already written lack it.
    """

    session_id: str
    trace_id: str
    name: str
    run_type: str
    status: str
    parent_run_id: str | None = None
    end_time: int | None = None
    first_token_time: int | None = None
    thread_id: str | None = None
    reference_example_id: str | None = None
    tags: list[str] = []
    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_cost: str | None = None
    prompt_cost: str | None = None
    completion_cost: str | None = None
    usage_details: str | None = None
    attachments: list[StoredAttachment] | None = None
    silent_since: int | None = None


_DECODER: Final = msgspec.json.Decoder(RunCard)


def encode_card(card: RunCard) -> str:
    return msgspec.json.encode(card).decode()


def decode_card(text: str) -> RunCard:
    return _DECODER.decode(text)
