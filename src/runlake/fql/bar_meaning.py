"""A normal form of bound trees in which the spellings of a filter and of a search bar meet.

Trees with equal normal forms hold for the same runs. The reverse is not promised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from math import prod
from typing import TypeVar, assert_never

from runlake.fql.bound import (
    And,
    BoundExpr,
    Constant,
    DetailTest,
    Leaf,
    Not,
    NullTest,
    Or,
    PairAny,
    PairCondition,
    PairExists,
    PairTest,
    PayloadLike,
    Related,
    ScalarTest,
    SearchTest,
    TagTest,
    TraceSums,
)
from runlake.fql.logic import all_of, any_of, negation
from runlake.fql.vocabulary import Comparator

_ValueTest = TypeVar("_ValueTest", ScalarTest, DetailTest)
_MAX_ALTERNATIVES = 1000


def normal_form(expr: BoundExpr) -> BoundExpr:
    """Lists as alternatives, negative comparators as complements."""
    match expr:
        case And(children=children):
            return all_of(map(normal_form, children))
        case Or(children=children):
            return any_of(map(normal_form, children))
        case Not(child=child):
            return negation(normal_form(child))
        case _:
            return _leaf(expr)


def _leaf(leaf: Leaf) -> BoundExpr:
    found: BoundExpr
    match leaf:
        case ScalarTest():
            found = _value(leaf)
        case DetailTest():
            found = _value(leaf)
        case TagTest(comparator=Comparator.IN, value=tuple() as tags):
            found = any_of(TagTest(comparator=Comparator.EQ, value=tag) for tag in tags)
        case PairExists(family=family, conditions=conditions):
            found = any_of(PairExists(family=family, conditions=each) for each in _alternatives(conditions))
        case SearchTest(terms=terms, fields=fields):
            found = all_of(SearchTest(terms=(term,), fields=fields) for term in terms)
        case Related(axis=axis, child=child, count=count):
            found = Related(axis=axis, child=normal_form(child), count=count)
        case TraceSums(child=child):
            found = TraceSums(child=normal_form(child))
        case Constant() | NullTest() | TagTest() | PayloadLike():
            found = leaf
        case _:
            assert_never(leaf)
    return found


def _value(test: _ValueTest) -> BoundExpr:
    positive = replace(test, comparator=test.comparator.positive)
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    listed = positive if positive.comparator is not Comparator.IN else None
    found = listed or any_of(replace(positive, comparator=Comparator.EQ, value=value) for value in values)
    return negation(found) if test.comparator.is_negative else found


def _alternatives(conditions: tuple[PairCondition, ...]) -> Iterable[tuple[PairCondition, ...]]:
    """An entry that meets conditions with alternatives is an entry that meets one choice of them."""
    choices = [_choices(condition) for condition in conditions]
    return product(*choices) if prod(map(len, choices)) <= _MAX_ALTERNATIVES else (conditions,)


def _choices(condition: PairCondition) -> tuple[PairTest, ...]:
    tests = condition.tests if isinstance(condition, PairAny) else (condition,)
    return tuple(part for test in tests for part in _listed(test))


def _listed(test: PairTest) -> tuple[PairTest, ...]:
    if test.comparator is not Comparator.IN or not isinstance(test.value, tuple):
        return (test,)
    return tuple(replace(test, comparator=Comparator.EQ, value=value) for value in test.value)
