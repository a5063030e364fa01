"""The unbound tree: what was written, before any field is looked up.

Made by ``parser``, printed by ``printer``, read by ``bind``. Nodes are frozen; their spans do not take part in
comparison, so two filters that differ only in spacing and quoting have equal trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from runlake.fql.axes import Axis
from runlake.fql.source import Span

NOWHERE = Span(0, 0)
"""The span of a node that was built and not parsed."""


class Function(StrEnum):
    """Every function that compares; ``and``, ``or`` and ``not`` have nodes of their own."""

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    LIKE = "like"
    NOTLIKE = "notlike"
    HAS = "has"
    EXISTS = "exists"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextValue:
    """Text, unescaped; barewords such as ``1s`` become text too."""

    value: str
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberValue:
    """A number, exactly as written: ``int`` without point and exponent, else ``Decimal``."""

    value: int | Decimal
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanValue:
    value: bool
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullValue:
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListValue:
    items: tuple[Value, ...]
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectValue:
    """A JSON object, members in the order written."""

    members: tuple[tuple[str, Value], ...]
    span: Span = attribute(default=NOWHERE, compare=False)


Value: TypeAlias = TextValue | NumberValue | BooleanValue | NullValue | ListValue | ObjectValue


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPath:
    """A field name, as the parts between its dots; has at least one, none of them empty."""

    segments: tuple[str, ...]
    span: Span = attribute(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return ".".join(self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One call that compares; ``field`` is None only for ``search`` with a single argument.

    ``head`` is the place to point at for the function where its name is not written, as in a search bar.
    """

    function: Function
    field: FieldPath | None
    value: Value
    span: Span = attribute(default=NOWHERE, compare=False)
    head: Span | None = attribute(default=None, compare=False)

    @property
    def name_span(self) -> Span:
        """The place of the function's name."""
        return self.head or Span(self.span.start, min(self.span.start + len(self.function), self.span.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """``and(...)`` with one child or more; the borders of nested ones matter to pairs, so nothing is merged."""

    children: tuple[Expr, ...]
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """``or(...)`` with one child or more."""

    children: tuple[Expr, ...]
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    child: Expr
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTest:
    """How many there are, compared with a number of 0 or more; ``function`` is ``eq``, ``neq`` or one that orders."""

    function: Function
    number: int
    span: Span = attribute(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """``axis(...)``: some relative meets the child; ``count(axis(...), ...)`` where there is a ``count``."""

    axis: Axis
    child: Expr
    count: CountTest | None = None
    span: Span = attribute(default=NOWHERE, compare=False)

    @property
    def name_span(self) -> Span:
        """The place of the function's name."""
        name = self.axis if self.count is None else "count"
        return Span(self.span.start, min(self.span.start + len(name), self.span.end))


Expr: TypeAlias = And | Or | Not | Comparison | Related
