"""The route that somebody who asked for a missing one probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

ALIKE: Final = 0.72
"""How much of two paths must agree for one to be worth naming."""

MAX_PATH_CHARS: Final = 200
_PLACE: Final = re.compile(r"\{(\w+):\w+\}")


def similar_route(path: str, templates: Iterable[str]) -> str | None:
    """The template most like ``path``, with plain names for its places; None when none is."""
    wanted = path[:MAX_PATH_CHARS].split("/")
    found = [(_likeness(wanted, template.split("/")), template) for template in templates]
    best = max(found, default=(0.0, ""))
    return _PLACE.sub(r"{\1}", best[1]) if best[0] >= ALIKE else None


def _likeness(path: list[str], template: list[str]) -> float:
    """Of 1: segments in their order; what stands for any text is like any text, but less than the text itself."""
    if abs(len(path) - len(template)) > 1:
        return 0.0
    scores = [
        0.9 if _PLACE.fullmatch(known) and segment else SequenceMatcher(None, segment, known).ratio()
        for segment, known in zip(path[1:], template[1:], strict=False)
    ]
    return sum(scores) / max(len(path) - 1, len(template) - 1, 1)
