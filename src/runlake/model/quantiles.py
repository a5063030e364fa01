"""Exact quantiles, interpolated between neighbours as the engine's ``quantileExactInclusive`` does."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(values: Sequence[float], level: float) -> float | None:
    """The value below which ``level`` (0 to 1) of the others lie; None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
