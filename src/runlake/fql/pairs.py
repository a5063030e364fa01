"""Conditions on entries: which of them speak of the same entry, and what a negative one denies.

The rules, for the conditions of one family that stand directly in one ``and``:

1. They form one group, and a group asks for **one** entry that meets all of it. An ``or`` whose branches are
   conditions of that family belongs to the group; a nested ``and`` is a group of its own.
2. A negative condition on the key denies the key: no entry has it. It leaves the group.
3. Another negative condition speaks of the entry where the group asks for a key; otherwise it denies too: no entry
   has that value.
4. Several keys in one group cannot be one entry. Where keys and values alternate they are paired in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runlake.fql.bound import BoundExpr, PairAny, PairCondition, PairExists, PairTest
from runlake.fql.literals import Refusal
from runlake.fql.logic import any_of, negation
from runlake.fql.source import Span
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMember:
    """One condition of a group: one test, or several of which one must hold. Keys may be tested negatively here."""

    tests: tuple[PairTest, ...]
    span: Span

    @property
    def is_denial(self) -> bool:
        """Whether this is a single negative test."""
        return len(self.tests) == 1 and is_negative(self.tests[0])

    @property
    def has_negative(self) -> bool:
        """Whether any of the tests is negative."""
        return any(map(is_negative, self.tests))

    @property
    def asks_key(self) -> bool:
        """Whether only the key is tested, and positively."""
        return all(test.part is PairPart.KEY and not is_negative(test) for test in self.tests)

    @property
    def lists_keys(self) -> bool:
        """Whether the keys that fit are listed, so that two such members want two entries."""
        return self.asks_key and all(test.comparator is not Comparator.LIKE for test in self.tests)


def is_negative(test: PairTest) -> bool:
    """Whether the test holds for entries without the part; being present is not negative."""
    return test.comparator.is_negative and test.value is not None


def exists(family: PairFamily, *conditions: PairCondition) -> BoundExpr:
    """One entry that meets all conditions."""
    return PairExists(family=family, conditions=conditions)


def alone(family: PairFamily, test: PairTest) -> BoundExpr:
    """A condition that has no group: some entry fits, or for a negative one, no entry does."""
    if not is_negative(test):
        return exists(family, test)
    return negation(exists(family, positive(test)))


def positive(test: PairTest) -> PairTest:
    """What a negative test denies; any other test as it is."""
    if not is_negative(test):
        return test
    return PairTest(part=test.part, comparator=test.comparator.positive, value=test.value)


def group(family: PairFamily, members: Sequence[PairMember]) -> list[BoundExpr]:
    """What the conditions of one family in one ``and`` ask for together."""
    denials = [member for member in members if member.is_denial and member.tests[0].part is PairPart.KEY]
    rest = [member for member in members if member not in denials]
    bound = [alone(family, denial.tests[0]) for denial in denials]
    for row in _split_at_keys(rest):
        bound.extend(_one_row(family, row))
    return bound


def has_several_keys(members: Iterable[PairMember]) -> bool:
    """Whether the group names more keys than one entry can have."""
    return sum(member.lists_keys for member in members) > 1


def _one_row(family: PairFamily, members: Sequence[PairMember]) -> list[BoundExpr]:
    if any(member.asks_key for member in members):
        return [exists(family, *map(_condition, members))]
    positives = [_condition(member) for member in members if not member.has_negative]
    denials = [any_of(alone(family, test) for test in member.tests) for member in members if member.has_negative]
    return [exists(family, *positives), *denials] if positives else denials


def _condition(member: PairMember) -> PairCondition:
    return member.tests[0] if len(member.tests) == 1 else PairAny(tests=member.tests)


def _split_at_keys(members: Sequence[PairMember]) -> list[list[PairMember]]:
    """The group, or its pairs where it names several keys: each key with the conditions after it, or before it."""
    if not has_several_keys(members):
        return [list(members)]
    rows: list[list[PairMember]] = [[]]
    key_first = members[0].lists_keys
    for member in members:
        if key_first and member.lists_keys and rows[-1]:
            rows.append([])
        rows[-1].append(member)
        if not key_first and member.lists_keys:
            rows.append([])
    rows = [row for row in rows if row]
    if len({_shape(row) for row in rows}) > 1:
        raise Refusal(
            "several keys and no telling which value belongs to which; put each pair into an and(...) of its own",
            code="ambiguous",
            span=members[0].span.to(members[-1].span),
            suggestion="and(and(eq(key, ...), eq(value, ...)), and(eq(key, ...), eq(value, ...)))",
        )
    return rows


def _shape(row: Sequence[PairMember]) -> tuple[frozenset[PairPart], ...]:
    return tuple(frozenset(test.part for test in member.tests) for member in row)
