"""Conditions on the entries of a run: metadata, inputs, outputs and feedback, as SQL.

Equality of a key and a value is one lookup of the pair in an index. Everything else walks the entries of the rows that
an index on the keys leaves. Values of inputs and outputs that are stored cut (``model.pairs``) are looked up in the
payload: the string there that is long enough and starts like the stored head. Of runs with more entries than are
indexed, the others lie in a column without an index, which is looked at where the index has the mark of such runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Final, assert_never

from runlake.fql.bound import PairAny, PairCondition, PairExists, PairTest, PairValue
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart
from runlake.model.pairs import LONG_VALUE_CHARS, LONG_VALUE_HEAD_CHARS, MORE_MARK, SEPARATOR, pair_of
from runlake.query.context import FilterContext
from runlake.query.patterns import read_pattern
from runlake.query.search_sql import infix_hints, is_value_narrowed, word_hints
from runlake.store.columns import PairColumns
from runlake.store.engine import Params

MAX_LOOKUPS: Final = 1_000
"""Most pairs that one condition looks up; beyond, entries are walked."""

_DIGEST_CHARS: Final = 17
"""The mark and the digest at the end of a cut value; one byte each."""

_MORE_MARK: Final = f"'\\{ord(MORE_MARK)}'"
_ORDER: Final = {Comparator.GT: ">", Comparator.GTE: ">=", Comparator.LT: "<", Comparator.LTE: "<="}
_NUMBER: Final = r"'^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?0*([0-2]?[0-9]{1,2}|30[0-8]))?$'"
_EXACT_DIGITS: Final = 30
_EXACT_LIMIT: Final = Decimal(10) ** 45
_STRINGS: Final = r"""'"(?:[^"\\\\]|\\\\.)*"'"""


@dataclass(frozen=True, slots=True)
class Entry:
    """SQL of the parts of the entry at hand. A part that can be missing is NULL there."""

    key: str
    value: str
    score: str = "NULL"
    comment: str = "NULL"
    source: str = "NULL"
    may_lack_parts: bool = False

    def part(self, part: PairPart) -> str:
        match part:
            case PairPart.KEY:
                return self.key
            case PairPart.VALUE:
                return self.value
            case PairPart.SCORE:
                return self.score
            case PairPart.COMMENT:
                return self.comment
            case PairPart.SOURCE:
                return self.source
            case _:
                assert_never(part)


def compile_pairs(exists: PairExists, context: FilterContext) -> str:
    """The condition that one entry of the family meets all conditions."""
    if exists.family is PairFamily.FEEDBACK:
        return _feedback(exists.conditions, context)
    params = context.params
    stored = context.columns.pairs[exists.family]
    keys = _named_keys(exists.conditions)
    lookup = _lookup(exists.conditions, keys, stored, params)
    if lookup is not None:
        return lookup
    hints = [_one_of(stored, keys, params)] if keys is not None else []
    if all(test.part is PairPart.KEY for test in _tests(exists.conditions)):
        return "(" + " AND ".join([*hints, _in_keys(exists.conditions, stored, params)]) + ")"
    valueless = _in_valueless(exists.conditions, stored, params)
    if context.is_loose and stored.keys is None:
        loose = hints if valueless is not None else [*hints, *_value_hints(exists, context)]
        return "(" + " AND ".join(loose or ["true"]) + ")"
    if stored.keys is not None and stored.values is not None:
        found = _in_parallel(exists.conditions, stored.keys, stored.values, params)
    else:
        found = _in_pairs(exists.conditions, stored, keys, params)
    found = " AND ".join([*_value_hints(exists, context), found])
    if valueless is not None:
        found = f"(({found}) OR {valueless})"
    return "(" + " AND ".join([*hints, found]) + ")"


def _tests(conditions: tuple[PairCondition, ...]) -> Iterator[PairTest]:
    for condition in conditions:
        yield from condition.tests if isinstance(condition, PairAny) else (condition,)


def is_pair_lookup(exists: PairExists) -> bool:
    """Whether the index alone tells which runs have such an entry, so that no entry is walked."""
    others = [test for test in exists.conditions if not _is_key_choice(test)]
    is_choice = len(others) == 1 and isinstance(others[0], PairTest) and _is_text_choice(others[0])
    return _named_keys(exists.conditions) is not None and (not others or is_choice)


def is_pair_narrowed(exists: PairExists) -> bool:
    """Whether an index leaves candidates; otherwise the entries of every run in scope are walked."""
    if _named_keys(exists.conditions) is not None:
        return True
    return any(
        is_value_narrowed(test.value, is_pattern=test.comparator is Comparator.LIKE)
        for test in exists.conditions
        if isinstance(test, PairTest) and isinstance(test.value, str) and test.part is PairPart.VALUE
        if test.comparator in (Comparator.LIKE, Comparator.EQ)
    )


def _named_keys(conditions: tuple[PairCondition, ...]) -> tuple[str, ...] | None:
    """The keys that the entry must have one of, or None when any key may do."""
    keys: tuple[str, ...] | None = None
    for test in conditions:
        if (
            isinstance(test, PairTest)
            and test.part is PairPart.KEY
            and test.comparator in (Comparator.EQ, Comparator.IN)
        ):
            named = _texts(test)
            keys = named if keys is None else tuple(key for key in keys if key in named)
    return keys


def _texts(test: PairTest) -> tuple[str, ...]:
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    return tuple(value for value in values if isinstance(value, str))


def _lookup(
    conditions: tuple[PairCondition, ...], keys: tuple[str, ...] | None, stored: PairColumns, params: Params
) -> str | None:
    """The condition as plain lookups in an index, where it is one."""
    if keys is None:
        return None
    others = [test for test in conditions if not _is_key_choice(test)]
    if not others:
        return _one_of(stored, keys, params)
    only = others[0]
    if len(others) > 1 or not isinstance(only, PairTest) or not _is_text_choice(only):
        return None
    values = _texts(only)
    if len(keys) * len(values) > MAX_LOOKUPS:
        return None
    return _one_of(stored, tuple(pair_of(key, value) for key, value in product(keys, values)), params)


def _is_key_choice(test: PairCondition) -> bool:
    return (
        isinstance(test, PairTest) and test.part is PairPart.KEY and test.comparator in (Comparator.EQ, Comparator.IN)
    )


def _is_text_choice(test: PairTest) -> bool:
    """Whether the test names the texts that the value may be."""
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    return (
        test.part is PairPart.VALUE
        and test.comparator in (Comparator.EQ, Comparator.IN)
        and all(isinstance(value, str) for value in values)
    )


def _one_of(stored: PairColumns, items: tuple[str, ...], params: Params) -> str:
    """One of the indexed items is there, or one that lies beside."""
    if not items:
        return "false"
    if len(items) == 1:
        item = params.add("String", items[0])
        found, beside = f"has({stored.pairs}, {item})", f"has({stored.more}, concat('{stored.letter}', {item}))"
    else:
        some = params.add("Array(String)", items)
        found = f"hasAny({stored.pairs}, {some})"
        beside = f"hasAny({stored.more}, arrayMap(e -> concat('{stored.letter}', e), {some}))"
    return f"({found} OR (has({stored.pairs}, {_MORE_MARK}) AND {beside}))"


def _items(stored: PairColumns) -> str:
    """SQL of all pairs, keys and entries without a value, indexed or not."""
    beside = f"arrayFilter(e -> startsWith(e, '{stored.letter}'), {stored.more})"
    return f"arrayConcat({stored.pairs}, arrayMap(e -> substring(e, 2), {beside}))"


def _in_keys(conditions: tuple[PairCondition, ...], stored: PairColumns, params: Params) -> str:
    holds = _all_hold(conditions, Entry(key="e", value="NULL"), params)
    return f"arrayExists(e -> position(e, {params.add('String', SEPARATOR)}) = 0 AND {holds}, {_items(stored)})"


def _in_valueless(conditions: tuple[PairCondition, ...], stored: PairColumns, params: Params) -> str | None:
    """Entries that have a key and no value; None where the conditions need one."""
    if any(not _may_lack_value(condition) for condition in conditions):
        return None
    holds = _all_hold(conditions, Entry(key="substring(e, 2)", value="NULL", may_lack_parts=True), params)
    separator = params.add("String", SEPARATOR)
    return f"arrayExists(e -> startsWith(e, {separator}) AND length(e) > 1 AND {holds}, {_items(stored)})"


def _may_lack_value(condition: PairCondition) -> bool:
    return any(
        test.part is not PairPart.VALUE
        or (test.comparator is Comparator.EQ if test.value is None else test.comparator.is_negative)
        for test in _tests((condition,))
    )


def _value_hints(exists: PairExists, context: FilterContext) -> list[str]:
    """Words that the searched text must hold for any value to match; one test gives at most one hint."""
    hints: list[str] = []
    for test in exists.conditions:
        if not isinstance(test, PairTest) or test.part is not PairPart.VALUE or not isinstance(test.value, str):
            continue
        if test.comparator is Comparator.LIKE:
            hints += infix_hints(read_pattern(test.value).infixes, context)
        elif test.comparator is Comparator.EQ:
            hints += word_hints(test.value, context)
    return hints


def _in_parallel(conditions: tuple[PairCondition, ...], keys: str, values: str, params: Params) -> str:
    entry = Entry(key="toString(k)", value="v")
    return f"arrayExists((k, v) -> {_all_hold(conditions, entry, params)}, {keys}, {values})"


def _in_pairs(
    conditions: tuple[PairCondition, ...], stored: PairColumns, keys: tuple[str, ...] | None, params: Params
) -> str:
    """Entries kept as pairs: those stored whole, or those cut whose text the payload still has."""
    items = _items(stored)
    separator = params.add("String", SEPARATOR)
    split = f"position(e, {separator})"
    key, stored_value = f"substring(e, 1, {split} - 1)", f"substring(e, {split} + 1)"
    is_cut = f"(length(e) > {LONG_VALUE_HEAD_CHARS} AND substring(e, length(e) - {_DIGEST_CHARS - 1}, 1) = char(1))"
    whole = _all_hold(conditions, Entry(key=key, value=stored_value), params)
    strings = (
        f"arrayFilter(s -> lengthUTF8(s) > {LONG_VALUE_CHARS},"
        f" arrayMap(s -> JSONExtractString(s), extractAll({stored.payload}, {_STRINGS})))"
    )
    head = f"substringUTF8({stored_value}, 1, {LONG_VALUE_HEAD_CHARS})"
    full = f"arrayFirst(s -> startsWith(s, {head}), {strings})"
    cut = _all_hold(conditions, Entry(key=key, value=full), params)
    among = f"{key} IN {params.add('Array(String)', keys)} AND " if keys is not None else ""
    return (
        f"(arrayExists(e -> {split} > 1 AND NOT {is_cut} AND {whole}, {items})"
        f" OR (arrayExists(e -> {split} > 1 AND {among}{is_cut}, {items})"
        f" AND arrayExists(e -> {split} > 1 AND {is_cut} AND {cut}, {items})))"
    )


def _all_hold(conditions: tuple[PairCondition, ...], entry: Entry, params: Params) -> str:
    return "(" + " AND ".join(_holds(condition, entry, params) for condition in conditions) + ")"


def _holds(condition: PairCondition, entry: Entry, params: Params) -> str:
    match condition:
        case PairAny(tests=tests):
            return "(" + " OR ".join(_test(test, entry, params) for test in tests) + ")"
        case PairTest():
            return _test(condition, entry, params)
        case _:
            assert_never(condition)


def _test(test: PairTest, entry: Entry, params: Params) -> str:
    """Never NULL: a missing part fails, except under a negative comparator."""
    subject = entry.part(test.part)
    if test.value is None:
        return f"{subject} IS {'NOT ' if test.comparator is Comparator.NEQ else ''}NULL"
    compare = _compare_number if test.part is PairPart.SCORE else _compare_text
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    positive = " OR ".join(compare(subject, _single(test.comparator), value, params) for value in values)
    positive = f"ifNull({positive}, false)" if entry.may_lack_parts or subject == "NULL" else f"({positive})"
    return f"NOT {positive}" if test.comparator.is_negative else positive


def _single(comparator: Comparator) -> Comparator:
    """The comparator for one member of a list."""
    positive = comparator.positive
    return Comparator.EQ if positive is Comparator.IN else positive


def _compare_number(subject: str, comparator: Comparator, value: PairValue, params: Params) -> str:
    sign = "=" if comparator is Comparator.EQ else _ORDER[comparator]
    return f"{subject} {sign} {params.add('Float64', float(value))}"


def _compare_text(subject: str, comparator: Comparator, value: PairValue, params: Params) -> str:
    if isinstance(value, Decimal):
        return _compare_numeric_text(subject, comparator, value, params)
    if comparator is Comparator.LIKE:
        pattern = read_pattern(value)
        if pattern.literal is None:
            return f"{subject} LIKE {params.add('String', pattern.engine_text)}"
        return f"{subject} = {params.add('String', pattern.literal)}"
    sign = "=" if comparator is Comparator.EQ else _ORDER[comparator]
    return f"{subject} {sign} {params.add('String', value)}"


def _compare_numeric_text(subject: str, comparator: Comparator, value: Decimal, params: Params) -> str:
    """Text against a number: exact to 30 decimals below 1e45, as a double beyond."""
    sign = "=" if comparator is Comparator.EQ else _ORDER[comparator]
    number = f"toFloat64OrNull({subject}) {sign} {params.add('Float64', float(value))}"
    exponent = value.as_tuple().exponent
    if abs(value) < _EXACT_LIMIT and isinstance(exponent, int) and exponent >= -_EXACT_DIGITS:
        exact = f"toDecimal256OrNull({subject}, {_EXACT_DIGITS})"
        bound = params.add(f"Decimal(76, {_EXACT_DIGITS})", format(value, "f"))
        number = f"if({exact} IS NULL, {number}, {exact} {sign} {bound})"
    reads_as = f"(length({subject}) <= 100 AND match({subject}, {_NUMBER}) AND ifNull({number}, false))"
    if comparator is Comparator.EQ:
        return f"({subject} = {params.add('String', str(value))} OR {reads_as})"
    return reads_as


def _feedback(conditions: tuple[PairCondition, ...], context: FilterContext) -> str:
    """Runs with a feedback that meets all conditions; of several versions of a feedback the latest visible counts."""
    table, params = context.columns.feedback, context.params
    keys = _named_keys(conditions)
    among = f" AND {table.key} IN {params.add('Array(String)', keys)}" if keys is not None else ""
    entry = Entry(
        key=table.key,
        value=table.value,
        score=table.score,
        comment=table.comment,
        source=table.source,
        may_lack_parts=True,
    )
    holds = _all_hold(conditions, entry, params)
    where = f"{holds}{context.feedback_bounds}"
    return f"{context.columns.id} IN (SELECT run_id FROM {latest_feedback(context, among)} WHERE {where})"


def latest_feedback(context: FilterContext, among: str = "") -> str:
    """SQL of a table expression: the feedback of the tenant as it stands at the moment of the read."""
    return (
        "(SELECT * FROM (SELECT key, run_id, id, deleted, score, value, comment, source_type, error, modified_at"
        f" FROM {context.columns.feedback.table} WHERE tenant_id = {context.tenant} AND version <= {context.visible}"
        f"{among} ORDER BY version DESC LIMIT 1 BY run_id, id) WHERE deleted = 0)"
    )
