"""The text of a filter and the arithmetic of places in it.

Every token and every node keeps a ``Span``; only ``Source`` turns one into a line, a column and an excerpt with
carets. Nothing here knows the language.
"""

from __future__ import annotations

from dataclasses import dataclass

from runlake.errors import Diagnostic, FilterError

EXCERPT_WIDTH = 100
"""The most characters of a source line that an excerpt shows; longer lines are cut around the place."""

_CUT = "..."


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of text, as character offsets; ``end`` is exclusive."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The stretch from the start of this one to the end of the other."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Source:
    """A text that can be pointed into."""

    text: str

    def fragment(self, span: Span) -> str:
        """The text of the span as it was written."""
        return self.text[span.start : span.end]

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Where the offset is for a human; both count from 1, lines end with a line feed."""
        line = self.text.count("\n", 0, offset) + 1
        return line, offset - self._line_start(offset) + 1

    def excerpt(self, span: Span) -> str:
        """The line where the span starts, and under it carets below the part that the line shows."""
        line_start = self._line_start(span.start)
        newline = self.text.find("\n", span.start)
        line_end = len(self.text) if newline < 0 else newline
        first = max(line_start, span.start - EXCERPT_WIDTH // 2)
        last = min(line_end, first + EXCERPT_WIDTH)
        before = _CUT if first > line_start else ""
        after = _CUT if last < line_end else ""
        shown = "".join(char if char.isprintable() else " " for char in self.text[first:last])
        carets = max(1, min(span.end, last) - span.start)
        pointer = " " * (len(before) + span.start - first) + "^" * carets
        return f"{before}{shown}{after}\n{pointer}"

    def diagnostic(
        self,
        span: Span,
        *,
        code: str,
        message: str,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
    ) -> Diagnostic:
        """A problem at the span, with its place worked out."""
        line, column = self.line_and_column(span.start)
        return Diagnostic(
            code=code,
            message=message,
            start=span.start,
            end=span.end,
            line=line,
            column=column,
            excerpt=self.excerpt(span),
            expected=expected,
            suggestion=suggestion,
        )

    def error(
        self,
        span: Span,
        *,
        code: str,
        message: str,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
    ) -> FilterError:
        """The error that holds one problem at the span."""
        found = self.diagnostic(span, code=code, message=message, expected=expected, suggestion=suggestion)
        return FilterError((found,))

    def _line_start(self, offset: int) -> int:
        return self.text.rfind("\n", 0, offset) + 1


def quoted(fragment: str, *, limit: int = 40) -> str:
    """A fragment made fit for a message: in double quotes, on one line, cut when long."""
    shown = "".join(char if char.isprintable() else " " for char in fragment[: limit + 1])
    if len(shown) > limit:
        shown = shown[: limit - len(_CUT)] + _CUT
    return f'"{shown}"'
