"""Where a run stands in its trace when its sender did not say.

A root places itself. A child that names only its parent takes its place from the parent, wherever the parent is: in the
same commit, open, or finished. If nobody knows the parent yet, the child is a trace of its own until the parent comes
and adopts it, with everything below it. Derived places rank below anything a sender says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from runlake.ingest.open_set import RunKey
from runlake.model.dotted_order import append_segment, root_segment
from runlake.model.run import DERIVED_RANK, RunField, RunState, with_derived


@dataclass(frozen=True, slots=True)
class Place:
    trace_id: UUID
    dotted_order: str


def said_place(state: RunState) -> Place | None:
    """The place that the writes themselves give, or that was derived before."""
    dotted_order, trace_id = state.get(RunField.DOTTED_ORDER), state.get(RunField.TRACE_ID)
    if isinstance(dotted_order, str) and isinstance(trace_id, UUID):
        return Place(trace_id, dotted_order)
    return None


def own_place(state: RunState) -> Place | None:
    """The place of a run without a known parent: a trace of its own; None while its start is unknown."""
    start_time = state.get(RunField.START_TIME)
    if not isinstance(start_time, int):
        return None
    return Place(state.run_id, root_segment(start_time, state.run_id))


def place_below(parent: Place, state: RunState) -> Place | None:
    """The place of a child of ``parent``; None while its start is unknown."""
    start_time = state.get(RunField.START_TIME)
    if not isinstance(start_time, int):
        return None
    return Place(parent.trace_id, append_segment(parent.dotted_order, start_time, state.run_id))


def with_place(state: RunState, place: Place) -> RunState:
    """``state`` with a derived place; what a sender said stays."""
    state = with_derived(state, RunField.TRACE_ID, place.trace_id)
    return with_derived(state, RunField.DOTTED_ORDER, place.dotted_order)


def _sent(state: RunState) -> bool:
    """Whether the sender gave the place, so that nothing has to be derived."""
    entry = state.entries.get(RunField.DOTTED_ORDER)
    return entry is not None and entry.rank > DERIVED_RANK and RunField.TRACE_ID in state.entries


def rebase(state: RunState, orphan: Place, adopted: Place) -> RunState:
    """A run of the orphan's little trace, moved below the adopting parent."""
    place = said_place(state)
    if place is None or not place.dotted_order.startswith(orphan.dotted_order):
        return state
    return with_place(
        state, Place(adopted.trace_id, adopted.dotted_order + place.dotted_order[len(orphan.dotted_order) :])
    )


class Orphans:
    """Runs that wait for their parent, by parent."""

    def __init__(self) -> None:
        self._children: dict[RunKey, set[UUID]] = {}

    def add(self, tenant_id: UUID, parent_id: UUID, child_id: UUID) -> None:
        self._children.setdefault((tenant_id, parent_id), set()).add(child_id)

    def take(self, key: RunKey) -> frozenset[UUID]:
        """The children waiting for this run; they wait no longer."""
        return frozenset(self._children.pop(key, ()))

    def __bool__(self) -> bool:
        return bool(self._children)


def parents_elsewhere(states: Mapping[UUID, RunState]) -> frozenset[UUID]:
    """Parents that are not among ``states`` and whose place is needed for a child's."""
    parents = (state.get(RunField.PARENT_RUN_ID) for state in states.values() if not _sent(state))
    return frozenset(parent for parent in parents if isinstance(parent, UUID) and parent not in states)


PlaceFinder = Callable[[UUID], Place | None]


def place_all(
    states: Mapping[UUID, RunState], find_place: PlaceFinder
) -> tuple[dict[UUID, RunState], dict[UUID, UUID]]:
    """Give every state of one tenant a place; also returns child -> parent for those whose parent nobody knows.

    ``find_place`` answers for runs outside ``states``.
    """
    placed: dict[UUID, RunState] = {}
    waiting: dict[UUID, UUID] = {}
    for run_id in states:
        for step in _chain(run_id, states, placed):
            _place_one(step, states[step], placed, waiting, find_place)
    return placed, waiting


def _chain(run_id: UUID, states: Mapping[UUID, RunState], placed: Mapping[UUID, RunState]) -> list[UUID]:
    """The run and its unplaced ancestors among ``states``, topmost first."""
    chain: list[UUID] = []
    current: object = run_id
    while isinstance(current, UUID) and current in states and current not in placed and current not in chain:
        chain.append(current)
        if _sent(states[current]):
            break
        current = states[current].get(RunField.PARENT_RUN_ID)
    return chain[::-1]


def _place_one(
    run_id: UUID,
    state: RunState,
    placed: dict[UUID, RunState],
    waiting: dict[UUID, UUID],
    find_place: PlaceFinder,
) -> None:
    if _sent(state):
        placed[run_id] = state
        return
    parent_id = state.get(RunField.PARENT_RUN_ID)
    if isinstance(parent_id, UUID):
        parent = said_place(placed[parent_id]) if parent_id in placed else find_place(parent_id)
        if parent is None:
            waiting[run_id] = parent_id
        place = (said_place(state) or own_place(state)) if parent is None else place_below(parent, state)
    else:
        place = own_place(state)
    placed[run_id] = state if place is None else with_place(state, place)
