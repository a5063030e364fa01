"""Rows of the engine to ``RunRecord``s: absent values become None, payloads bytes, costs decimals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from runlake.model.payload_ref import PayloadRef, decode_refs
from runlake.model.run_card import RunCard, decode_card
from runlake.model.run_record import RunRecord
from runlake.store.columns import ReadColumn
from runlake.store.engine import Row


def _text_or_none(cell: Any) -> Any:
    return cell or None


def _bytes_or_none(cell: Any) -> Any:
    return cell.encode() if cell else None


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("error", "inputs_preview", "outputs_preview"), _text_or_none),
    **dict.fromkeys(("inputs", "outputs", "extra", "events", "serialized"), _bytes_or_none),
    "objects": decode_refs,
}


def read_runs(rows: Iterable[Row], columns: tuple[ReadColumn, ...]) -> list[RunRecord]:
    """One record per row, in the same order."""
    names = [column.attribute for column in columns]
    readers = [(index, _READERS[name]) for index, name in enumerate(names) if name in _READERS]
    card_index = names.index("card")
    del names[card_index]
    records = []
    for row in rows:
        cells: list[Any] = row
        for index, read in readers:
            cells[index] = read(cells[index])
        card = decode_card(cells.pop(card_index))
        records.append(_record(card, dict(zip(names, cells, strict=True))))
    return records


def _record(card: RunCard, cells: dict[str, Any]) -> RunRecord:
    objects: dict[str, PayloadRef | str] = cells.pop("objects", {})
    for name, payload in objects.items():
        if name in cells:
            cells[name] = payload.encode() if isinstance(payload, str) else None
    return RunRecord(
        session_id=card.session_id,
        trace_id=card.trace_id,
        name=card.name,
        run_type=card.run_type,
        status=card.status,
        parent_run_id=card.parent_run_id,
        end_time=card.end_time,
        first_token_time=card.first_token_time,
        thread_id=card.thread_id,
        reference_example_id=card.reference_example_id,
        tags=card.tags,
        total_tokens=card.total_tokens,
        prompt_tokens=card.prompt_tokens,
        completion_tokens=card.completion_tokens,
        total_cost=_cost(card.total_cost),
        prompt_cost=_cost(card.prompt_cost),
        completion_cost=_cost(card.completion_cost),
        usage_details=card.usage_details.encode() if card.usage_details else None,
        attachments=tuple(card.attachments or ()),
        silent_since=card.silent_since,
        objects={n: ref for n, ref in objects.items() if isinstance(ref, PayloadRef) and n in cells},
        **cells,
    )


def _cost(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def payload_bytes(run: RunRecord) -> int:
    """What a run weighs on a page, approximately."""
    sized = (run.inputs, run.outputs, run.extra, run.events, run.serialized, run.error)
    outside = sum(ref.size_bytes for ref in run.objects.values())
    return 600 + outside + sum(len(part) for part in sized if part is not None)
