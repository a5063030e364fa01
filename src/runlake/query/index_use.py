"""What the engine's plan says of indexes: how many blocks of a table each of them leaves to be read.

From ``EXPLAIN json = 1, indexes = 1`` (seen on chDB 26.9). A block is the engine's granule: some thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from runlake.store.engine import Engine, Statement

_NAMES: Final = {"PrimaryKey": "primary key", "Partition": "partition", "Min-Max": "times of parts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUse:
    """One index of one read of a table; ``blocks_left`` of ``blocks`` are what the next index or the read looks at."""

    name: str
    blocks: int
    blocks_left: int


def read_index_use(engine: Engine, statement: Statement) -> tuple[IndexUse, ...]:
    """Every index that leaves something out, in the order of use, of all reads of the statement."""
    rows = engine.select(replace(statement, sql=f"EXPLAIN json = 1, indexes = 1 {statement.sql}")).rows
    plan = msgspec.json.decode("".join(str(row[0]) for row in rows))
    return tuple(
        IndexUse(
            name=str(index.get("Name") or _NAMES.get(index["Type"], index["Type"])),
            blocks=int(index["Initial Granules"]),
            blocks_left=int(index["Selected Granules"]),
        )
        for index in _indexes(plan)
        if index.get("Type") == "Skip" or index["Selected Granules"] < index["Initial Granules"]
        if not str(index.get("Name", "")).startswith("<")  # a sum over indexes, such as <Combined skip indexes>
    )


def _indexes(plan: Any) -> Iterator[dict[str, Any]]:
    """Depth first; plans nest in ``Plans``."""
    pending = [item["Plan"] for item in plan]
    while pending:
        node = pending.pop()
        yield from (index for index in node.get("Indexes", ()) if "Selected Granules" in index)
        pending.extend(reversed(node.get("Plans", ())))
