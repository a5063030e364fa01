"""Comparisons of the filter language said with the few that a search bar has, meaning the same.

A bar has equality, patterns, order, presence and full text; lists, JSON objects and dotted fields become ``or``,
``and`` and conditions on one entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runlake.fql.ast import (
    And,
    Comparison,
    Expr,
    FieldPath,
    Function,
    ListValue,
    Not,
    NullValue,
    ObjectValue,
    Or,
    TextValue,
    Value,
)
from runlake.fql.bar_subject import denied, dotted_subject
from runlake.fql.fields import BagTarget, DottedField, FieldRow, TagsTarget, find_field
from runlake.fql.leaves import feedback_part, read_object_text
from runlake.fql.terms import split_terms
from runlake.fql.vocabulary import PairFamily, SearchField


def reword(comparison: Comparison) -> Expr:
    """The comparison itself where a bar can say it, else an equal condition; what does not bind stays as it is."""
    path = comparison.field
    if path is None:
        return comparison
    found = find_field(path.segments)
    if comparison.function in (Function.IN, Function.NIN):
        return _reword_list(comparison)
    match found:
        case DottedField():
            return _reword_dotted(comparison, found)
        case FieldRow(target=BagTarget() as target):
            return _reword_bag(comparison, target)
        case FieldRow():
            return _reword_row(comparison, found)
        case _:
            return comparison


def _reword_list(comparison: Comparison) -> Expr:
    items = comparison.value.items if isinstance(comparison.value, ListValue) else ()
    if not items:
        return comparison
    each = tuple(reword(replace(comparison, function=Function.EQ, value=item)) for item in items)
    any_of = each[0] if len(each) == 1 else Or(children=each, span=comparison.span)
    return any_of if comparison.function is Function.IN else Not(child=any_of, span=comparison.span)


def _reword_dotted(comparison: Comparison, field: DottedField) -> Expr:
    """The key and the test of one entry; a negative one denies that there is such an entry."""
    part = field.part or feedback_part(comparison.function, comparison.value)
    is_null = isinstance(comparison.value, NullValue)
    if is_null and (field.part is None or field.family is not PairFamily.FEEDBACK):
        key = _key(field.family, field.key, comparison)
        return key if comparison.function is Function.NEQ else replace(key, function=Function.NEQ)
    subject = dotted_subject(replace(field, part=part))
    positive = denied(comparison) or comparison
    test = subject.compare(positive.function, positive.value, comparison.span)
    entry = subject.entry((test,), comparison.span)
    return entry if positive is comparison else Not(child=entry, span=comparison.span)


def _reword_bag(comparison: Comparison, target: BagTarget) -> Expr:
    value = comparison.value
    match comparison.function:
        case Function.EXISTS if isinstance(value, TextValue):
            return _key(target.family, value.value, comparison)
        case Function.HAS:
            return _reword_has(comparison, target)
        case Function.LIKE | Function.NOTLIKE if isinstance(value, TextValue) and "%" not in value.value:
            words = _words(comparison)
            return words if comparison.function is Function.LIKE else Not(child=words, span=comparison.span)
        case Function.SEARCH:
            return _words(comparison)
        case _:
            return comparison


def _reword_has(comparison: Comparison, target: BagTarget) -> Expr:
    match comparison.value:
        case ObjectValue() as value:
            return _pairs(target.family, "", value, comparison)
        case TextValue(value=text) as value if text.lstrip().startswith("{"):
            return _pairs(target.family, "", read_object_text(value, str(comparison.field)), comparison)
        case TextValue(value=text) if target.search is SearchField.METADATA:
            return _key(target.family, text, comparison)
        case _:
            return _words(comparison)


def _reword_row(comparison: Comparison, row: FieldRow) -> Expr:
    function = comparison.function
    if function is Function.SEARCH:
        return _words(comparison)
    if isinstance(row.target, TagsTarget) and not isinstance(comparison.value, NullValue):
        tag = replace(comparison, function=Function.HAS)
        if function is Function.NEQ:
            return Not(child=tag, span=comparison.span)
        return tag if function is Function.EQ else comparison
    if function is Function.HAS:
        return replace(comparison, function=Function.EQ)
    return comparison


def _words(comparison: Comparison) -> Expr:
    """Full text in one field, each term for itself."""
    value = comparison.value
    if not isinstance(value, TextValue):
        return comparison
    terms = [f'"{term}"' if is_phrase else term for term, is_phrase in split_terms(value.value)]
    each = tuple(replace(comparison, function=Function.SEARCH, value=replace(value, value=term)) for term in terms)
    return each[0] if len(each) == 1 else And(children=each, span=comparison.span) if each else comparison


def _key(family: PairFamily, key: str, origin: Comparison) -> Comparison:
    field = FieldPath(segments=(f"{family}_key",), span=origin.span)
    return Comparison(function=Function.EQ, field=field, value=TextValue(value=key), span=origin.span)


def _pairs(family: PairFamily, key: str, value: Value, origin: Comparison) -> Expr:
    """Every leaf of the JSON as a pair, the way ``has`` reads it."""
    match value:
        case ObjectValue(members=members):
            prefix = f"{key}." if key else ""
            return _all(_pairs(family, prefix + name, item, origin) for name, item in members)
        case ListValue(items=items):
            return _all(_pairs(family, key, item, origin) for item in items)
        case NullValue():
            return replace(_key(family, key, origin), function=Function.NEQ)
        case _:
            field = FieldPath(segments=(f"{family}_value",), span=origin.span)
            held = Comparison(function=Function.EQ, field=field, value=value, span=origin.span)
            return And(children=(_key(family, key, origin), held), span=origin.span)


def _all(children: Iterable[Expr]) -> Expr:
    kept = tuple(children)
    return kept[0] if len(kept) == 1 else And(children=kept)
