"""Excerpts of a run around what a search found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """An excerpt of one value: ``text`` is the value from ``start`` to ``end``, ``highlights`` are places in ``text``.

    ``path`` leads to the value inside ``field``, such as ``messages[0].content``, empty where the field is one text.
    ``in_key`` says that the text is the last name of the path and not what stands under it.
    """

    field: str
    path: str
    start: int
    end: int
    text: str
    highlights: list[tuple[int, int]]
    in_key: bool = False


@dataclass(frozen=True, slots=True)
class RunSnippets:
    """The excerpts of one run in the order of its fields."""

    snippets: list[Snippet] = field(default_factory=list)
    more: bool = False
