"""Patterns of ``like``: read once, written for the engine, and mined for words that an index can look up.

``%`` is any run of characters, ``_`` is one, a backslash takes the next character literally, and a pattern covers the
whole text. The engine reads a backslash before an ordinary character as a backslash, so patterns are rewritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

MIN_INFIX_CHARS: Final = 4
"""Shorter stretches are not worth looking up in the dictionary of an index (the engine's own limit)."""

_ESCAPE_END: Final = re.compile("u[0-9a-f]{0,4}$|u[0-9a-f]{4}|[0-9a-f]{1,4}|[nrt]")
"""The letters and digits at the start of a text that may belong to a JSON escape: all of it, or its end alone."""

_SPECIAL: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_PLAIN_RUN: Final = re.compile("[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Infix:
    """A stretch of ASCII letters and digits, in lower case, that every matching text holds.

    ``is_word``: signs that end words stand on both sides. ``may_be_escaped``: nothing is known of what stands before
    it, which in JSON text may be the backslash of an escape.
    """

    text: str
    is_word: bool
    may_be_escaped: bool

    def unescaped(self) -> Infix:
        """What is left of it when JSON escapes are resolved."""
        if not self.may_be_escaped:
            return self
        escape = _ESCAPE_END.match(self.text)
        left = self.text[escape.end() :] if escape else self.text
        return Infix(left, is_word=False, may_be_escaped=False)


@dataclass(frozen=True)
class Pattern:
    """A pattern taken apart: literal texts and wildcards in turn, as (text, is wildcard)."""

    parts: tuple[tuple[str, bool], ...]

    @cached_property
    def literal(self) -> str | None:
        """The one text that matches, when there is no wildcard."""
        return None if any(wild for _, wild in self.parts) else "".join(text for text, _ in self.parts)

    @cached_property
    def engine_text(self) -> str:
        """The pattern in the spelling of the engine."""
        return "".join(text if wild else text.translate(_SPECIAL) for text, wild in self.parts)

    @cached_property
    def infixes(self) -> tuple[Infix, ...]:
        """Stretches that any match holds, longest first."""
        found = [infix for text, wild in self.parts if not wild for infix in read_text_infixes(text)]
        return tuple(sorted(found, key=lambda infix: -len(infix.text)))


def read_text_infixes(text: str) -> list[Infix]:
    """The stretches of one text, in its order; those beside a foreign letter are left out."""
    return [
        Infix(
            run.group().lower(),
            is_word=run.start() > 0 and run.end() < len(text),
            may_be_escaped=run.start() == 0 or text[run.start() - 1] == "\\",
        )
        for run in _PLAIN_RUN.finditer(text)
        if text[max(run.start() - 1, 0) : run.end() + 1].isascii()
    ]


def read_pattern(text: str) -> Pattern:
    """Take a pattern of the filter language apart; a backslash at the end stands for itself."""
    parts: list[tuple[str, bool]] = []
    characters = iter(text)
    for character in characters:
        is_wildcard = character in "%_"
        literal = next(characters, "\\") if character == "\\" else character
        if parts and parts[-1][1] == is_wildcard:
            parts[-1] = (parts[-1][0] + literal, is_wildcard)
        else:
            parts.append((literal, is_wildcard))
    return Pattern(tuple(parts))
