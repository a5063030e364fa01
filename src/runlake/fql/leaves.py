"""One comparison to one condition: field by field, what each function says of it.

Raises ``Refusal`` for what a field does not accept. Grouping of pairs is not here: a test on the part of an entry
comes back as a ``PairTest`` for the caller to place.
"""

from __future__ import annotations

from typing import assert_never

from runlake.errors import FilterError
from runlake.fql import literals, pairs
from runlake.fql.ast import (
    BooleanValue,
    Comparison,
    Function,
    ListValue,
    NullValue,
    NumberValue,
    ObjectValue,
    TextValue,
    Value,
)
from runlake.fql.bound import (
    BoundExpr,
    Constant,
    DetailTest,
    NullTest,
    PairExists,
    PairTest,
    PairValue,
    PayloadLike,
    ScalarTest,
    SearchTest,
    TagTest,
)
from runlake.fql.fields import BagTarget, DetailField, DottedField, FieldRow, Kind, PairTarget, TagsTarget
from runlake.fql.literals import Refusal
from runlake.fql.logic import all_of, negation
from runlake.fql.numeric import looks_numeric
from runlake.fql.parser import parse_object
from runlake.fql.terms import read_terms
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart, ScalarField, SearchField

_LISTS = (Function.IN, Function.NIN)
_PATTERNS = (Function.LIKE, Function.NOTLIKE)
_ORDERINGS = (Function.GT, Function.GTE, Function.LT, Function.LTE)


def bind_row(row: FieldRow, comparison: Comparison) -> BoundExpr:
    """A comparison with a field of the table."""
    function, value = comparison.function, comparison.value
    match row.target:
        case ScalarField() as field:
            return _bind_scalar(field, row, function, value)
        case TagsTarget():
            return _bind_tags(row, function, value)
        case BagTarget() as target:
            return _bind_bag(target, row, function, value)
        case PairTarget(family=family, part=part):
            test = read_pair_test(part, row.name, function, value)
            return test if isinstance(test, Constant) else pairs.alone(family, test)
        case DottedField() as field:
            return bind_dotted(field, row.name, function, value)
        case _:
            assert_never(row.target)


def bind_detail(field: DetailField, name: str, function: Function, value: Value) -> BoundExpr:
    """A comparison with a part of a sum; a number, or null for a part that is not there."""
    read = literals.read_decimal if field.details.is_cost else literals.read_integer
    comparator = Comparator(function)
    if isinstance(value, NullValue):
        _only_equality(name, function, value)
        return DetailTest(details=field.details, part=field.part, comparator=comparator, value=None)
    if function not in _LISTS:
        return DetailTest(details=field.details, part=field.part, comparator=comparator, value=read(value, name))
    items = tuple(dict.fromkeys(read(item, name) for item in _items(name, function, value)))
    if not items:
        return Constant(value=function is Function.NIN)
    return DetailTest(details=field.details, part=field.part, comparator=comparator, value=items)


def bind_dotted(field: DottedField, name: str, function: Function, value: Value) -> BoundExpr:
    """A comparison with the value under one key; a negative one denies the pair, so it holds without the key."""
    part = field.part or feedback_part(function, value)
    key = PairTest(part=PairPart.KEY, comparator=Comparator.EQ, value=field.key)
    if isinstance(value, NullValue):
        _only_equality(name, function, value)
        present = PairTest(part=part, comparator=Comparator.NEQ, value=None)
        is_keyed = field.part is None or field.family is not PairFamily.FEEDBACK
        found = pairs.exists(field.family, key) if is_keyed else pairs.exists(field.family, key, present)
        return negation(found) if function is Function.EQ else found
    test = read_pair_test(part, name, function, value)
    if isinstance(test, Constant):
        return test
    found = pairs.exists(field.family, key, pairs.positive(test))
    return negation(found) if pairs.is_negative(test) else found


def bind_search(value: Value, name: str = "search", fields: tuple[SearchField, ...] = ()) -> SearchTest:
    """Full text over the fields, or over all."""
    terms = read_terms(literals.read_text(value, name))
    if not terms:
        raise Refusal(f"{name} needs something to look for", span=value.span)
    return SearchTest(terms=terms, fields=fields)


def read_pair_test(part: PairPart, name: str, function: Function, value: Value) -> PairTest | Constant:
    """A test on a part of an entry; keys may come out negative, which only ``pairs`` understands."""
    comparator = Comparator.EQ if function is Function.HAS else Comparator(function)
    if isinstance(value, NullValue) and part is not PairPart.KEY:
        _only_equality(name, function, value)
        return PairTest(part=part, comparator=comparator, value=None)
    if function in _PATTERNS:
        return PairTest(part=part, comparator=comparator, value=literals.read_pattern(value, name))
    if function not in _LISTS:
        return PairTest(part=part, comparator=comparator, value=_read_part(part, name, function, value))
    items = [_read_part(part, name, function, item) for item in _items(name, function, value)]
    if not items:
        return Constant(value=function is Function.NIN)
    return PairTest(part=part, comparator=comparator, value=tuple(dict.fromkeys(items)))


def _read_part(part: PairPart, name: str, function: Function, value: Value) -> PairValue:
    match part:
        case PairPart.SCORE:
            return literals.read_score(value, name)
        case PairPart.VALUE:
            read = literals.read_entry_bound if function in _ORDERINGS else literals.read_entry_value
            return read(value, name)
        case PairPart.KEY | PairPart.COMMENT | PairPart.SOURCE:
            return literals.read_text(value, name)
        case _:
            assert_never(part)


def feedback_part(function: Function, value: Value) -> PairPart:
    """Numbers and booleans are scores; so is a number in quotes that is ordered against."""
    if isinstance(value, ListValue):
        is_score = all(isinstance(item, (NumberValue, BooleanValue)) for item in value.items)
    elif isinstance(value, TextValue):
        is_score = function in _ORDERINGS and looks_numeric(value.value.strip())
    else:
        is_score = isinstance(value, (NumberValue, BooleanValue))
    return PairPart.SCORE if is_score else PairPart.VALUE


def _bind_scalar(field: ScalarField, row: FieldRow, function: Function, value: Value) -> BoundExpr:
    if function is Function.SEARCH:
        return bind_search(value, row.name, (SearchField(row.name),))
    comparator = Comparator(function)
    if row.kind is Kind.ORDINAL:
        return _bind_execution_order(row, comparator, value)
    absence = _asked_absence(row, function, value)
    if absence is not None:
        return NullTest(field=field, negated=absence is (function is Function.NEQ))
    if row.kind is Kind.PRESENCE:
        message = f"{row.name} is compared with null alone, not with {literals.shown(value)}"
        raise Refusal(message, span=value.span, suggestion=f"neq({row.name}, null)")
    if function in _LISTS:
        items = [literals.read_scalar(item, row) for item in _items(row.name, function, value)]
        listed = tuple(dict.fromkeys(items))
        is_empty = Constant(value=function is Function.NIN)
        return ScalarTest(field=field, comparator=comparator, value=listed) if listed else is_empty
    if function in _PATTERNS:
        pattern = literals.read_pattern(value, row.name)
        one = pattern.lower() if row.kind is Kind.ENUM else pattern
        return ScalarTest(field=field, comparator=comparator, value=one)
    return ScalarTest(field=field, comparator=comparator, value=literals.read_scalar(value, row))


def _asked_absence(row: FieldRow, function: Function, value: Value) -> bool | None:
    """Whether the value stands for "none" (True) or for "some" (False); None where it is an ordinary value."""
    if isinstance(value, NullValue):
        _only_equality(row.name, function, value)
        if row.kind is Kind.BOOL:
            raise Refusal(f"{row.name} is true or false, never null", span=value.span)
        return True
    if row.target is not ScalarField.ERROR or function not in (Function.EQ, Function.NEQ):
        return None
    if isinstance(value, BooleanValue):
        return not value.value
    return True if value == TextValue(value="") else None


def _bind_execution_order(row: FieldRow, comparator: Comparator, value: Value) -> BoundExpr:
    if literals.read_scalar(value, row) != 1:
        message = f"{row.name} is known of root runs only, where it is 1; not of {literals.shown(value)}"
        raise Refusal(message, span=value.span, suggestion="eq(is_root, true)")
    is_root = comparator is Comparator.EQ
    return ScalarTest(field=ScalarField.IS_ROOT, comparator=Comparator.EQ, value=is_root)


def _bind_tags(row: FieldRow, function: Function, value: Value) -> BoundExpr:
    found: BoundExpr
    if isinstance(value, NullValue):
        _only_equality(row.name, function, value)
        some_tag = TagTest(comparator=Comparator.LIKE, value="%")
        return negation(some_tag) if function is Function.EQ else some_tag
    match function:
        case Function.SEARCH:
            return bind_search(value, row.name, (SearchField.TAGS,))
        case Function.LIKE | Function.NOTLIKE:
            found = TagTest(comparator=Comparator.LIKE, value=literals.read_pattern(value, row.name))
        case Function.IN | Function.NIN:
            tags = [literals.read_text(item, row.name) for item in _items(row.name, function, value)]
            is_empty = Constant(value=False)
            found = TagTest(comparator=Comparator.IN, value=tuple(dict.fromkeys(tags))) if tags else is_empty
        case _:
            if isinstance(value, ListValue):
                message = f"{function} takes one tag; in(tags, [...]) takes several"
                raise Refusal(message, span=value.span, suggestion="in(tags, [...])")
            found = TagTest(comparator=Comparator.EQ, value=literals.read_text(value, row.name))
    return negation(found) if function in (Function.NEQ, Function.NIN, Function.NOTLIKE) else found


def _bind_bag(target: BagTarget, row: FieldRow, function: Function, value: Value) -> BoundExpr:
    match function:
        case Function.LIKE | Function.NOTLIKE:
            found = _payload_like(target.search, row.name, value)
            return negation(found) if function is Function.NOTLIKE else found
        case Function.HAS:
            return _bag_has(target, row.name, value)
        case Function.EXISTS:
            return _has_key(target.family, literals.read_text(value, row.name))
        case _:
            return bind_search(value, row.name, (target.search,))


def _payload_like(side: SearchField, name: str, value: Value) -> BoundExpr:
    pattern = literals.read_pattern(value, name)
    match side:
        case SearchField.INPUTS | SearchField.OUTPUTS if "%" in pattern:
            return PayloadLike(side=side, pattern=pattern)
        case _:
            return bind_search(value, name, (side,))


def _bag_has(target: BagTarget, name: str, value: Value) -> BoundExpr:
    """A JSON object asks for all its pairs; text asks metadata for a key, and inputs and outputs for words."""
    if isinstance(value, ObjectValue):
        return _has_pairs(target.family, "", value)
    if isinstance(value, (ListValue, NullValue)):
        message = f"{name} takes text or a JSON object, not {literals.shown(value)}"
        raise Refusal(message, span=value.span)
    text = literals.read_text(value, name)
    if text.lstrip().startswith("{"):
        return _has_pairs(target.family, "", read_object_text(TextValue(value=text, span=value.span), name))
    if target.search is SearchField.METADATA:
        return _has_key(target.family, text)
    return bind_search(value, name, (target.search,))


def read_object_text(value: TextValue, name: str) -> ObjectValue:
    """The JSON object that stands in the text."""
    try:
        return parse_object(value.value)
    except FilterError as error:
        message = f"the text for {name} is not a JSON object: {error.message}"
        raise Refusal(message, span=value.span) from error


def _has_pairs(family: PairFamily, key: str, value: Value) -> BoundExpr:
    """Every leaf of the JSON as a pair, keys joined with dots; null asks that the key is absent."""
    match value:
        case ObjectValue(members=members):
            prefix = f"{key}." if key else ""
            return all_of(_has_pairs(family, prefix + name, item) for name, item in members)
        case ListValue(items=items):
            return all_of(_has_pairs(family, key, item) for item in items)
        case NullValue():
            return negation(_has_key(family, key))
        case TextValue() | NumberValue() | BooleanValue():
            held = PairTest(part=PairPart.VALUE, comparator=Comparator.EQ, value=literals.read_entry_value(value, key))
            named = PairTest(part=PairPart.KEY, comparator=Comparator.EQ, value=key)
            return pairs.exists(family, named, held)
        case _:
            assert_never(value)


def _has_key(family: PairFamily, key: str) -> PairExists:
    named = PairTest(part=PairPart.KEY, comparator=Comparator.EQ, value=key)
    return PairExists(family=family, conditions=(named,))


def _items(name: str, function: Function, value: Value) -> tuple[Value, ...]:
    if isinstance(value, ListValue):
        return value.items
    message = f"{function} takes a list, not {literals.shown(value)}"
    raise Refusal(message, span=value.span, suggestion=f'{function}({name}, ["..."])')


def _only_equality(name: str, function: Function, value: Value) -> None:
    if function not in (Function.EQ, Function.NEQ):
        message = f"{function} does not take null; eq and neq do"
        raise Refusal(message, span=value.span, suggestion=f"eq({name}, null)")
