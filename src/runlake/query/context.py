"""What the conditions of one statement share while they are compiled."""

from __future__ import annotations

from dataclasses import dataclass, field

from runlake.store.columns import ColumnMap
from runlake.store.engine import Params


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The parameters and settings that conditions add to their statement, the columns, and the scope they are held to.

    ``tenant`` and ``visible`` are placeholders already bound, so that a filter cannot name another tenant. ``settings``
    collects what the engine must be told for a condition to work; the one who builds the statement passes it on.
    """

    params: Params
    columns: ColumnMap
    tenant: str
    visible: str
    settings: dict[str, int | str] = field(default_factory=dict)
