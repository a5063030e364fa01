"""Rows of the engine to ``RunRecord``s: absent values become None, payloads bytes, costs decimals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from runlake.model.run import NO_ID
from runlake.model.run_record import RunRecord
from runlake.store.columns import ReadColumn
from runlake.store.engine import Row

_NO_ID_TEXT: Final = str(NO_ID)


def _id_or_none(cell: Any) -> Any:
    return None if cell == _NO_ID_TEXT else cell


def _text_or_none(cell: Any) -> Any:
    return cell or None


def _bytes_or_none(cell: Any) -> Any:
    return cell.encode() if cell else None


def _cost(cell: Any) -> Any:
    return None if cell is None else Decimal(cell)


_PAYLOADS: Final = ("inputs", "outputs", "extra", "events", "serialized", "attachments", "usage_details")
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "parent_run_id": _id_or_none,
    "reference_example_id": _id_or_none,
    "thread_id": _text_or_none,
    "error": _text_or_none,
    "inputs_preview": _text_or_none,
    "outputs_preview": _text_or_none,
    "total_cost": _cost,
    "prompt_cost": _cost,
    "completion_cost": _cost,
    **dict.fromkeys(_PAYLOADS, _bytes_or_none),
}


def read_runs(rows: Iterable[Row], columns: tuple[ReadColumn, ...]) -> list[RunRecord]:
    """One record per row, in the same order."""
    names = [column.attribute for column in columns]
    readers = [(index, _READERS[name]) for index, name in enumerate(names) if name in _READERS]
    records = []
    for row in rows:
        cells: list[Any] = row
        for index, read in readers:
            cells[index] = read(cells[index])
        records.append(RunRecord(**dict(zip(names, cells, strict=True))))
    return records


def payload_bytes(run: RunRecord) -> int:
    """What a run weighs on a page, approximately."""
    sized = (run.inputs, run.outputs, run.extra, run.events, run.serialized, run.attachments, run.error)
    return 600 + sum(len(part) for part in sized if part is not None)
