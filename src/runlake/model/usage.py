"""Tokens and costs of several runs together. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Final, TypeVar

import msgspec

AmountT = TypeVar("AmountT", int, Decimal)

_NOTHING: Final = Decimal(0)


class UsageOf(Enum):
    """Whose tokens and costs a run shows.

    ``ROOTS_TRACE``: a root shows the sum over its trace, any other run its own (v1, as the hosted service does).
    ``SUBTREE``: every run shows the sum over itself and all runs below it (v2, when asked for).
    """

    RUN = "run"
    ROOTS_TRACE = "roots trace"
    SUBTREE = "subtree"


class UsageDetails(msgspec.Struct, frozen=True, gc=False):
    """The JSON of ``usage_details``, of one run or of several: tokens and costs by name, costs as decimal texts."""

    prompt_token_details: dict[str, int] = {}
    completion_token_details: dict[str, int] = {}
    prompt_cost_details: dict[str, str] = {}
    completion_cost_details: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    """Sums over a set of runs. Costs are US dollars, None where no run has one; details are sums by name.

    ``first_token_time`` is the earliest of the set, microseconds UTC.
    """

    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    first_token_time: int | None = None
    prompt_token_details: Mapping[str, int] = field(default_factory=dict)
    completion_token_details: Mapping[str, int] = field(default_factory=dict)
    prompt_cost_details: Mapping[str, Decimal] = field(default_factory=dict)
    completion_cost_details: Mapping[str, Decimal] = field(default_factory=dict)


NO_USAGE = UsageTotals()


def add_usage(parts: Iterable[UsageTotals]) -> UsageTotals:
    """The sums over the union of sets that share no run."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    return UsageTotals(
        total_tokens=sum(part.total_tokens for part in found),
        prompt_tokens=sum(part.prompt_tokens for part in found),
        completion_tokens=sum(part.completion_tokens for part in found),
        total_cost=add_costs(part.total_cost for part in found),
        prompt_cost=add_costs(part.prompt_cost for part in found),
        completion_cost=add_costs(part.completion_cost for part in found),
        first_token_time=min(
            (part.first_token_time for part in found if part.first_token_time is not None), default=None
        ),
        prompt_token_details=add_maps([part.prompt_token_details for part in found], 0),
        completion_token_details=add_maps([part.completion_token_details for part in found], 0),
        prompt_cost_details=add_maps([part.prompt_cost_details for part in found], _NOTHING),
        completion_cost_details=add_maps([part.completion_cost_details for part in found], _NOTHING),
    )


def add_costs(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of those that are known; None when none is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, _NOTHING) if known else None


def add_maps(maps: Sequence[Mapping[str, AmountT]], nothing: AmountT) -> dict[str, AmountT]:
    """Sums by name."""
    names = sorted({name for amounts in maps for name in amounts})
    return {name: sum((amounts[name] for amounts in maps if name in amounts), nothing) for name in names}
