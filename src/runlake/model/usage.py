"""Tokens and costs of several runs together. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum


class UsageOf(Enum):
    """Whose tokens and costs a run shows.

    ``ROOTS_TRACE``: a root shows the sum over its trace, any other run its own (v1, as the hosted service does).
    ``SUBTREE``: every run shows the sum over itself and all runs below it (v2, when asked for).
    """

    RUN = "run"
    ROOTS_TRACE = "roots trace"
    SUBTREE = "subtree"


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
