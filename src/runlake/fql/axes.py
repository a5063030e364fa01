"""The relatives of a run that a filter can speak of: which they are, and what is known of their number."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_AXIS_DEPTH = 4
"""How deep conditions on relatives may be nested: each level is a search of its own."""

MAX_AXES = 16
"""The most conditions on relatives of one filter."""


class Axis(StrEnum):
    """A direction from a run to other runs of its trace; the member's value is the function that takes it."""

    CHILD = "child"
    DESCENDANT = "descendant"
    PARENT = "parent"
    ANCESTOR = "ancestor"
    SIBLING = "sibling"
    ROOT = "root"
    TRACE = "trace"

    @property
    def is_single(self) -> bool:
        """Whether there is one such relative at most."""
        return self in (Axis.PARENT, Axis.ROOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisRow:
    """One axis as the documentation shows it."""

    axis: Axis
    doc: str


AXES: tuple[AxisRow, ...] = (
    AxisRow(axis=Axis.CHILD, doc="A run that was called by this one directly."),
    AxisRow(axis=Axis.DESCENDANT, doc="A run below this one: a child, a child of a child, and so on."),
    AxisRow(axis=Axis.PARENT, doc="The run that called this one directly; roots have none."),
    AxisRow(axis=Axis.ANCESTOR, doc="A run above this one: the parent, its parent, up to the root."),
    AxisRow(axis=Axis.SIBLING, doc="Another run with the same parent, never the run itself; roots have none."),
    AxisRow(axis=Axis.ROOT, doc="The root of the trace; for a root, the run itself."),
    AxisRow(axis=Axis.TRACE, doc="Any run of the trace, this one included."),
)
