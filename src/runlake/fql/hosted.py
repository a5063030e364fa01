"""What the hosted service would refuse although Runlake understands it: the strict mode.

Each rule looks at one node and yields its objections. The rules follow what is known of the service; where nothing is
known, nothing is objected to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    Expr,
    Function,
    ListValue,
    Not,
    NullValue,
    ObjectValue,
    Or,
    Related,
    TextValue,
    Value,
)
from runlake.fql.fields import (
    FUNCTIONS,
    DetailField,
    DottedField,
    FieldRow,
    Kind,
    PairTarget,
    find_field,
    find_pair_part,
)
from runlake.fql.literals import Refusal
from runlake.fql.source import Source, Span, quoted
from runlake.fql.vocabulary import PairFamily, PairPart, ScalarField

_KEY_LISTS = (Function.EQ, Function.IN, Function.HAS)
_REFUSED_FUNCTIONS = tuple(row.function for row in FUNCTIONS if not row.strict)


def objections(expr: Expr, source: Source) -> Iterator[Refusal]:
    """Everything that the hosted service would refuse, in the order of the text where nodes nest."""
    children: tuple[Expr, ...] = ()
    match expr:
        case And():
            children = expr.children
            yield from _conflicts(expr)
            yield from _flat_pairs(expr)
        case Or():
            children = expr.children
            yield from _mixed_or(expr)
        case Not():
            children = (expr.child,)
        case Related():
            children = (expr.child,)
            yield from _related(expr)
        case Comparison():
            yield from _comparison(expr, source)
        case _:
            assert_never(expr)
    for child in children:
        yield from objections(child, source)


def _related(expr: Related) -> Iterator[Refusal]:
    name = expr.axis if expr.count is None else "count"
    message = f"{name} is not a function of the hosted service, whose filters speak of one run"
    yield _objection(message, expr.name_span)


def _comparison(comparison: Comparison, source: Source) -> Iterator[Refusal]:
    yield from _function(comparison)
    yield from _spelling(comparison.value, source)
    yield from _duration(comparison)


def _function(comparison: Comparison) -> Iterator[Refusal]:
    """The field is one of the service's, by its own name, and takes the function."""
    function, path = comparison.function, comparison.field
    if path is None:
        return
    found = find_field(path.segments)
    if function in _REFUSED_FUNCTIONS:
        yield _objection(f"{function} is not a function of the hosted service", comparison.name_span)
    elif function is Function.SEARCH:
        message = "search takes text alone in the hosted service"
        yield _objection(message, path.span, suggestion='search("text")')
    elif isinstance(found, (DottedField, DetailField)):
        message = f"the hosted service has no dotted fields such as {quoted(str(path))}"
        suggestion = _as_pair(found) if isinstance(found, DottedField) else None
        yield _objection(message, path.span, suggestion=suggestion)
    elif isinstance(found, FieldRow) and str(path) != found.name:
        message = f"{quoted(str(path))} is not a field of the hosted service"
        yield _objection(message, path.span, suggestion=found.name)
    elif isinstance(found, FieldRow) and not found.strict:
        yield _objection(f"{found.name} is not a field of the hosted service", path.span)
    elif isinstance(found, FieldRow) and function not in found.strict:
        message = f"the hosted service does not accept {function} with {found.name}"
        yield _objection(message, comparison.name_span, expected=found.strict)


def _spelling(value: Value, source: Source) -> Iterator[Refusal]:
    """Values are JSON: text in quotes, lower-case constants, no null and no object."""
    written = source.fragment(value.span)
    match value:
        case TextValue() if written[:1] not in "\"'":
            message = f"the hosted service wants quotes around {quoted(written)}"
            yield _objection(message, value.span, suggestion=f'"{written}"')
        case BooleanValue() if written != written.lower():
            message = f"the hosted service wants {written.lower()} in lower case"
            yield _objection(message, value.span, suggestion=written.lower())
        case NullValue():
            yield _objection("null is not a value of the hosted service", value.span)
        case ObjectValue():
            yield _objection("the hosted service wants quotes around a JSON object", value.span)
        case ListValue(items=items):
            for item in items:
                yield from _spelling(item, source)
        case _:
            return


def _duration(comparison: Comparison) -> Iterator[Refusal]:
    """Durations are in seconds."""
    row = find_field(comparison.field.segments) if comparison.field else None
    if not isinstance(row, FieldRow) or row.kind is not Kind.DURATION:
        return
    text = comparison.value.value.strip() if isinstance(comparison.value, TextValue) else ""
    if text.rstrip("s")[-1:].isalpha():
        message = f"the hosted service knows durations in seconds only, not {quoted(text)}"
        yield _objection(message, comparison.value.span)


def _conflicts(expr: And) -> Iterator[Refusal]:
    """One field does not equal two values."""
    seen: dict[ScalarField, Value] = {}
    for child in expr.children:
        if not isinstance(child, Comparison) or child.function is not Function.EQ or child.field is None:
            continue
        row = find_field(child.field.segments)
        if not isinstance(row, FieldRow) or not isinstance(row.target, ScalarField):
            continue
        if seen.setdefault(row.target, child.value) != child.value:
            yield _objection(f"the hosted service refuses two values for {row.name} in one and(...)", child.span)


def _flat_pairs(expr: And) -> Iterator[Refusal]:
    """One ``and`` names one key per family."""
    seen: set[PairFamily] = set()
    for child in expr.children:
        if not isinstance(child, Comparison) or child.field is None or child.function not in _KEY_LISTS:
            continue
        target = find_pair_part(child.field.segments)
        if target is None or target.part is not PairPart.KEY:
            continue
        if target.family in seen:
            message = f"the hosted service wants each pair in an and(...) of its own; {child.field} is here twice"
            yield _objection(message, child.span)
        seen.add(target.family)


def _mixed_or(expr: Or) -> Iterator[Refusal]:
    """Feedback and other fields do not meet in one ``or``."""
    kinds = {_is_feedback(comparison) for comparison in _comparisons(expr)}
    if len(kinds) > 1:
        message = "the hosted service does not mix feedback with other fields in one or(...)"
        yield _objection(message, Span(expr.span.start, min(expr.span.start + len("or"), expr.span.end)))


def _is_feedback(comparison: Comparison) -> bool:
    found = find_field(comparison.field.segments) if comparison.field else None
    match found:
        case DottedField(family=family) | FieldRow(target=PairTarget(family=family)):
            return family is PairFamily.FEEDBACK
        case _:
            return False


def _comparisons(expr: Expr) -> Iterator[Comparison]:
    match expr:
        case And(children=children) | Or(children=children):
            for child in children:
                yield from _comparisons(child)
        case Not(child=child):
            yield from _comparisons(child)
        case Comparison():
            yield expr
        case Related():
            return
        case _:
            assert_never(expr)


def _as_pair(field: DottedField) -> str:
    part = field.part or PairPart.SCORE
    return f'and(eq({field.family}_key, "{field.key}"), eq({field.family}_{part}, ...))'


def _objection(message: str, span: Span, *, suggestion: str | None = None, expected: tuple[str, ...] = ()) -> Refusal:
    return Refusal(message, code="hosted", span=span, suggestion=suggestion, expected=expected)
