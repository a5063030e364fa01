"""The bound tree: a filter after every name is resolved and every value is typed.

Stands between ``bind`` (which makes it) and the statement compiler (which reads nothing else of this
package). Holds no text, no spans and no column names. All nodes are frozen and hashable, so two filters that
mean the same and are written alike compare equal.

**Logic is two-valued.** Every leaf is true or false for every run, also where the run lacks the thing asked
for. So ``Not(x)`` is exactly the runs that ``x`` leaves out, and no node is ever "unknown". The contract of
each leaf for absent values is in its docstring; the compiler must make the engine's nulls obey it.

**One run at a time.** A bound tree is a condition on a single run and its own tags, entries and feedback; a
``Related`` says that other runs of the trace meet a condition of their own. Which run the whole tree is about
(the returned one, the root of its trace, any run of its trace) is the business of the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from runlake.fql.axes import Axis
from runlake.fql.vocabulary import Comparator, DetailMap, PairFamily, PairPart, ScalarField, SearchField

ScalarValue: TypeAlias = UUID | str | bool | datetime | int | Decimal
PairValue: TypeAlias = str | Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """All children hold. Has at least two, none of them an ``And``."""

    children: tuple[BoundExpr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """Some child holds. Has at least two, none of them an ``Or``."""

    children: tuple[BoundExpr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The child does not hold: the exact complement, absent values included."""

    child: BoundExpr


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Holds for every run or for none, whatever the run; ``in(id, [])`` is ``Constant(value=False)``."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarTest:
    """The run's one value of ``field`` stands in relation ``comparator`` to ``value``.

    ``value`` is a non-empty tuple without repeats for ``IN`` and ``NIN``, and a single value for all others;
    its type follows from the field (see ``ScalarField``).

    Where the run has no value (an end time while pending, the parent of a root, a cost nobody reported):
    ``EQ``, ``GT``, ``GTE``, ``LT``, ``LTE``, ``IN`` and ``LIKE`` are **false**; ``NEQ``, ``NIN`` and
    ``NOTLIKE`` are **true**. An error text that is empty counts as absent. ``LIKE`` ignores case on ``ERROR``
    and respects it on every other field.
    """

    field: ScalarField
    comparator: Comparator
    value: ScalarValue | tuple[ScalarValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NullTest:
    """The run has no value of ``field``; with ``negated``, it has one. An empty error text counts as none."""

    field: ScalarField
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailTest:
    """The part of that name in one of the maps stands in relation ``comparator`` to ``value``.

    As ``ScalarTest`` for lists and absent values; never ``LIKE``. ``EQ`` with ``None``: the map has no such part;
    ``NEQ`` with ``None``: it has.
    """

    details: DetailMap
    part: str
    comparator: Comparator
    value: int | Decimal | tuple[int | Decimal, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagTest:
    """Some tag of the run equals ``value`` (``EQ``), is one of it (``IN``, a tuple) or matches it (``LIKE``).

    A run without tags fails every tag test. "No tag is ..." is ``Not(child=TagTest(...))``; the negative
    comparators do not occur here.
    """

    comparator: Literal[Comparator.EQ, Comparator.IN, Comparator.LIKE]
    value: str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTest:
    """A condition on one part of one entry; means something only inside a ``PairExists``.

    ``value`` is a non-empty tuple without repeats for ``IN`` and ``NIN``, else one value. By part:

    - ``KEY``: ``EQ``, ``IN`` or ``LIKE`` with ``str``; never negative, never null.
    - ``VALUE``: ``str`` or ``Decimal``. A ``str`` equals the entry's text (a boolean's text is ``true`` or ``false``).
      A ``Decimal`` equals an entry whose text reads as the same number, or is ``str(value)``.
      ``GT`` and its kin are numeric with a ``Decimal`` (an entry that is no number fails) and compare text by
      code point with a ``str``. ``LIKE`` takes a ``str`` pattern and respects case.
    - ``SCORE``: ``Decimal`` only, never ``LIKE``. A boolean score counts as 1 or 0.
    - ``COMMENT``, ``SOURCE``: ``str`` only.

    ``EQ`` with ``None``: the entry lacks that part (a feedback without score). ``NEQ`` with ``None``: it has
    it. A negative comparator holds for an entry that lacks the part; every other comparator fails there.
    """

    part: PairPart
    comparator: Comparator
    value: PairValue | tuple[PairValue, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAny:
    """At least one of the tests holds for the entry. Has at least two."""

    tests: tuple[PairTest, ...]


PairCondition: TypeAlias = PairTest | PairAny


@dataclass(frozen=True, slots=True, kw_only=True)
class PairExists:
    """There is **one** entry of the family for which **all** conditions hold. Has at least one condition.

    "No entry ..." is ``Not(child=PairExists(...))``. A negative comparator inside a condition speaks of the
    same entry: key ``k`` is present with a value other than ``v``.
    """

    family: PairFamily
    conditions: tuple[PairCondition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A whole word of the searched text, ignoring case.

    Words are the longest stretches of ASCII letters, digits and characters beyond ASCII; all else separates
    them. ``text`` is lower case and is itself exactly one word.
    """

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Every word of ``text`` is a word of what is searched, and ``text`` occurs as written, ignoring case.

    ``text`` is lower case and holds at least one word; ``gpt-4`` and ``"capital of france"`` are phrases.
    """

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """Some word of the searched text begins with ``text``, ignoring case; ``text`` is one lower-case word."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Substring:
    """``text`` occurs anywhere, ignoring case, even inside a word. Never empty, lower case."""

    text: str


SearchTerm: TypeAlias = Word | Phrase | Prefix | Substring


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTest:
    """Every term is found in some field, each for itself; empty ``fields`` means all of ``SearchField``.

    Has at least one term. Terms may be found in different fields. What a run does not have contains nothing.
    """

    terms: tuple[SearchTerm, ...]
    fields: tuple[SearchField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadLike:
    """The whole JSON text of one side matches ``pattern``, ignoring case; without that side, it does not.

    The pattern follows ``Comparator.LIKE`` and holds at least one ``%``; patterns without one become a
    ``SearchTest``.
    """

    side: Literal[SearchField.INPUTS, SearchField.OUTPUTS]
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTest:
    """A comparison of a number with another: ``EQ``, ``NEQ``, ``GT``, ``GTE``, ``LT`` or ``LTE``."""

    comparator: Comparator
    number: int

    def holds(self, number: int) -> bool:
        """Whether the number stands in that relation."""
        match self.comparator:
            case Comparator.EQ | Comparator.NEQ:
                return (number == self.number) is (self.comparator is Comparator.EQ)
            case Comparator.GT | Comparator.LTE:
                return (number > self.number) is (self.comparator is Comparator.GT)
            case _:
                return (number < self.number) is (self.comparator is Comparator.LT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """At least one relative of the run on the axis meets ``child``; with ``count``, as many as it says.

    Relatives are runs that the reader may see, whenever they began, open ones included. Where there are none the
    number is 0. ``count`` is there only where it says more than "some" or "none", and never on an axis with a
    single relative.
    """

    axis: Axis
    child: BoundExpr
    count: CountTest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSums:
    """The sums over all runs of the run's trace meet ``child``, every leaf of which ``is_summed``.

    Of first-token times the sum is the earliest. No filter spells this: ``on_trace_sums`` makes it of a filter on
    roots, for callers whose roots show such sums.
    """

    child: BoundExpr


Leaf: TypeAlias = (
    Constant
    | ScalarTest
    | NullTest
    | DetailTest
    | TagTest
    | PairExists
    | SearchTest
    | PayloadLike
    | Related
    | TraceSums
)
BoundExpr: TypeAlias = And | Or | Not | Leaf
