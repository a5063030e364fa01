"""What may stand before the colon of a search bar, and what may be asked of it; the parser and the printer share it.

A bar names fields as filters do. The value under a path (``metadata.env``) and a part of a feedback
(``feedback.k.score``) are conditions on one entry, so they carry the key of that entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from runlake.fql.ast import And, Comparison, Expr, FieldPath, Function, Not, NullValue, TextValue, Value
from runlake.fql.fields import BagTarget, DetailField, DottedField, FieldRow, Kind, PairTarget, TagsTarget, find_field
from runlake.fql.source import Span
from runlake.fql.vocabulary import PairFamily, PairPart, ScalarField

ANY_PATTERN = "%"
"""The pattern that every text matches."""

_NUMERIC = (Kind.DURATION, Kind.INTEGER, Kind.DECIMAL, Kind.ORDINAL, Kind.BOOL)
_NEVER_ABSENT = (Kind.BOOL, Kind.ORDINAL)
_ORDERINGS = {Function.GT: ">", Function.GTE: ">=", Function.LT: "<", Function.LTE: "<="}

SIGNS: dict[str, Function] = {sign: function for function, sign in _ORDERINGS.items()}
"""The function that each comparison sign stands for."""


class Presence(Enum):
    """How ``field:*`` is asked: of the value, of the key of an entry, of any key of a bag, or not at all."""

    VALUE = "value"
    KEY = "key"
    ANY_KEY = "any key"
    NONE = "none"


class Text(Enum):
    """What ``field:~text`` looks for: words, text inside one value, or nothing."""

    WORDS = "words"
    INSIDE = "inside"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """``path`` is the field of the comparisons, ``key`` the key of the entry that they speak of, if it is fixed."""

    name: str
    path: tuple[str, ...]
    functions: tuple[Function, ...]
    equality: Function | None
    presence: Presence
    text: Text
    takes_numbers: bool = False
    takes_booleans: bool = False
    family: PairFamily | None = None
    key: str | None = None

    @property
    def accepted(self) -> tuple[str, ...]:
        """How it may be used, as examples."""
        uses = {
            f"{self.name}:value": self.equality is not None,
            f"{self.name}:val*": Function.LIKE in self.functions,
            f"{self.name}:*": self.presence is not Presence.NONE,
            f"{self.name}:~text": self.text is not Text.NONE,
            f"{self.name}:>value": Function.GT in self.functions,
            f"{self.name}:[low TO high]": Function.GT in self.functions,
        }
        return tuple(use for use, is_accepted in uses.items() if is_accepted)

    def compare(self, function: Function, value: Value, span: Span, *, head: Span | None = None) -> Comparison:
        """One comparison with its field; ``head`` is where the field is named."""
        field = FieldPath(segments=self.path, span=head or span)
        return Comparison(function=function, field=field, value=value, span=span, head=head)

    def compare_key(self, function: Function, key: str, span: Span) -> Comparison:
        """One comparison with the key of its entry."""
        field = FieldPath(segments=(f"{self.family}_key",), span=span)
        return Comparison(function=function, field=field, value=TextValue(value=key, span=span), span=span)

    def present(self, span: Span) -> Expr:
        """That there is a value."""
        match self.presence:
            case Presence.KEY:
                return self.compare_key(Function.EQ, self.key or "", span)
            case Presence.ANY_KEY:
                # In an and(...) of its own, lest it join the group of its neighbours.
                return And(children=(self.compare_key(Function.LIKE, ANY_PATTERN, span),), span=span)
            case Presence.VALUE | Presence.NONE:
                return self.entry((self.compare(Function.NEQ, NullValue(span=span), span),), span)
            case _:
                assert_never(self.presence)

    def entry(self, tests: tuple[Comparison, ...], span: Span) -> Expr:
        """The tests together, with the key of the entry where there is one."""
        parts = tests if self.key is None else (self.compare_key(Function.EQ, self.key, span), *tests)
        return parts[0] if len(parts) == 1 else And(children=parts, span=span)


def negated(expr: Expr, span: Span) -> Expr:
    """What ``-clause`` stands for: the negative twin of a single comparison where it has one, else ``not``."""
    if isinstance(expr, Comparison):
        twin = _NEGATIVE_TWINS.get((expr.function, isinstance(expr.value, NullValue)))
        if twin is not None:
            return replace(expr, function=twin, span=span)
    return Not(child=expr, span=span)


def denied(comparison: Comparison) -> Comparison | None:
    """The comparison that a negative one denies; None for a positive one."""
    twin = _POSITIVE_TWINS.get((comparison.function, isinstance(comparison.value, NullValue)))
    return None if twin is None else replace(comparison, function=twin)


_NEGATIVE_TWINS = {
    (Function.EQ, False): Function.NEQ,
    (Function.LIKE, False): Function.NOTLIKE,
    (Function.NEQ, True): Function.EQ,
}
_POSITIVE_TWINS = {(twin, is_null): function for (function, is_null), twin in _NEGATIVE_TWINS.items()}


def find_subject(path: tuple[str, ...]) -> Subject | None:
    """What a dotted name stands for; None where there is no such field."""
    if path == (PairFamily.FEEDBACK,):
        return _bag(PairFamily.FEEDBACK, PairFamily.FEEDBACK, (), Text.NONE)
    match find_field(path):
        case FieldRow() as row:
            return _row_subject(row)
        case DottedField() as field:
            return dotted_subject(field)
        case DetailField() as field:
            return _detail_subject(field)
        case None:
            return None


def dotted_subject(field: DottedField) -> Subject:
    """The value under one key. Of a feedback without a part, only its presence can be asked."""
    root = _BAR_NAMES.get(field.family, field.family)
    part = "" if field.family is not PairFamily.FEEDBACK or field.part is None else f".{field.part}"
    has_part = field.part is not None
    key = print_key(field.key, is_whole=not has_part)
    functions = field.functions if has_part else ()
    return Subject(
        name=f"{root}.{key}{part}",
        path=(f"{field.family}_{field.part or PairPart.KEY}",),
        functions=functions,
        equality=Function.EQ if has_part else None,
        presence=Presence.KEY if field.family is not PairFamily.FEEDBACK or not has_part else Presence.VALUE,
        text=Text.INSIDE if Function.LIKE in functions else Text.NONE,
        takes_numbers=field.part in (PairPart.VALUE, PairPart.SCORE),
        takes_booleans=field.part is PairPart.SCORE,
        family=field.family,
        key=field.key,
    )


def _detail_subject(field: DetailField) -> Subject:
    return Subject(
        name=f"{field.details}.{print_key(field.part)}",
        path=(field.details.value, field.part),
        functions=field.functions,
        equality=Function.EQ,
        presence=Presence.VALUE,
        text=Text.NONE,
        takes_numbers=True,
    )


def print_key(key: str, *, is_whole: bool = False) -> str:
    """A key as the path of a bar holds it: bare where its letters allow that.

    With ``is_whole`` the key ends the path, so one that ends like the part of a feedback needs quotes.
    """
    ends_like_part = is_whole and "." in key and key.rpartition(".")[2] in _PART_NAMES
    if _BARE_KEY.fullmatch(key) and not ends_like_part:
        return key
    return print_quoted(key)


def print_quoted(text: str) -> str:
    """Text in quotes, with a backslash before quotes and backslashes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_BARE_KEY = re.compile(r"\w[\w@/+-]*(?:\.\w[\w@/+-]*)*")
_PART_NAMES = tuple(part.value for part in PairPart)
_BAR_NAMES = {PairFamily.INPUT: "input", PairFamily.OUTPUT: "output", PairFamily.METADATA: "metadata"}
_BAR_FIELD_NAMES = {"inputs": "input", "outputs": "output"}


def _row_subject(row: FieldRow) -> Subject:
    match row.target:
        case BagTarget(family=family):
            return _bag(_BAR_FIELD_NAMES.get(row.name, row.name), family, row.functions, Text.WORDS, row.name)
        case PairTarget(family=family, part=part):
            return Subject(
                name=row.name,
                path=(row.name,),
                functions=row.functions,
                equality=Function.EQ,
                presence=Presence.ANY_KEY if part is PairPart.KEY else Presence.VALUE,
                text=Text.INSIDE if Function.LIKE in row.functions else Text.NONE,
                takes_numbers=part in (PairPart.VALUE, PairPart.SCORE),
                takes_booleans=part is PairPart.SCORE,
                family=family,
            )
        case DottedField() as field:
            # By its own name: the key is not part of what is written.
            return replace(dotted_subject(field), name=row.name, path=(row.name,), presence=Presence.VALUE, key=None)
        case TagsTarget() | ScalarField():
            return Subject(
                name=row.name,
                path=(row.name,),
                functions=row.functions,
                equality=_equality(row),
                presence=Presence.NONE if row.kind in _NEVER_ABSENT else Presence.VALUE,
                text=Text.WORDS if Function.SEARCH in row.functions else Text.NONE,
                takes_numbers=row.kind in _NUMERIC,
                takes_booleans=row.kind is Kind.BOOL or row.target is ScalarField.ERROR,
            )
        case _:
            assert_never(row.target)


def _equality(row: FieldRow) -> Function | None:
    if row.kind is Kind.PRESENCE:
        return None
    return Function.HAS if isinstance(row.target, TagsTarget) else Function.EQ


def _bag(
    name: str, family: PairFamily, functions: tuple[Function, ...], text: Text, field: str | None = None
) -> Subject:
    return Subject(
        name=name,
        path=(field or name,),
        functions=functions,
        equality=None,
        presence=Presence.ANY_KEY,
        text=text,
        family=family,
    )
