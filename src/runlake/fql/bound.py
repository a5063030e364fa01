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

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, TypeAlias
from uuid import UUID

from runlake.fql.axes import Axis


class Comparator(StrEnum):
    """How a part of a run is held against a value; the member's value is its spelling in a filter.

    The three negative ones (``is_negative``) are true exactly where their positive twin (``positive``) is
    false.

    ``LIKE`` patterns: ``%`` is any run of characters, ``_`` is one character, a backslash takes the next
    character literally, and the pattern covers the whole text. Case counts, except where a leaf says
    otherwise.
    """

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

    @property
    def is_negative(self) -> bool:
        """Whether this is a comparator that holds for absent values."""
        return self in _POSITIVE_TWIN

    @property
    def positive(self) -> Comparator:
        """The positive twin of a negative comparator, and any other comparator itself."""
        return _POSITIVE_TWIN.get(self, self)


_POSITIVE_TWIN = {
    Comparator.NEQ: Comparator.EQ,
    Comparator.NIN: Comparator.IN,
    Comparator.NOTLIKE: Comparator.LIKE,
}


class ScalarField(StrEnum):
    """A field of which a run has at most one value; the member's value is its wire name.

    The type of the values it is compared with:

    ====================================================================  ==============================
    ``ID`` ``TRACE_ID`` ``PARENT_RUN_ID`` ``SESSION_ID``                  ``UUID``
    ``REFERENCE_EXAMPLE_ID`` ``REFERENCE_DATASET_ID``                     ``UUID``
    ``THREAD_ID`` ``NAME`` ``ERROR`` ``DOTTED_ORDER``                     ``str``
    ``RUN_TYPE`` ``STATUS``                                               ``str``, lower case
    ``IS_ROOT``                                                           ``bool``
    ``START_TIME`` ``END_TIME`` ``FIRST_TOKEN_TIME`` ``LAST_QUEUED_AT``   ``datetime``, aware, in UTC
    ``LATENCY`` ``TIME_TO_FIRST_TOKEN``                                   ``int``, microseconds
    ``TOTAL_TOKENS`` ``PROMPT_TOKENS`` ``COMPLETION_TOKENS``              ``int``
    ``TOTAL_COST`` ``PROMPT_COST`` ``COMPLETION_COST``                    ``Decimal``
    ====================================================================  ==============================

    ``LIKE`` and ``NOTLIKE`` take a ``str`` pattern and come only with the ``str`` fields. ``ATTACHMENTS`` comes only in
    a ``NullTest``.
    """

    ID = "id"
    TRACE_ID = "trace_id"
    PARENT_RUN_ID = "parent_run_id"
    SESSION_ID = "session_id"
    THREAD_ID = "thread_id"
    NAME = "name"
    RUN_TYPE = "run_type"
    STATUS = "status"
    IS_ROOT = "is_root"
    START_TIME = "start_time"
    END_TIME = "end_time"
    FIRST_TOKEN_TIME = "first_token_time"  # noqa: S105 - a token of a model, not a secret
    LAST_QUEUED_AT = "last_queued_at"
    LATENCY = "latency"
    TIME_TO_FIRST_TOKEN = "time_to_first_token"  # noqa: S105 - as above
    ERROR = "error"
    TOTAL_TOKENS = "total_tokens"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    TOTAL_COST = "total_cost"
    PROMPT_COST = "prompt_cost"
    COMPLETION_COST = "completion_cost"
    DOTTED_ORDER = "dotted_order"
    ATTACHMENTS = "attachments"
    REFERENCE_EXAMPLE_ID = "reference_example_id"
    REFERENCE_DATASET_ID = "reference_dataset_id"


class PairFamily(StrEnum):
    """A bag of entries that a run owns.

    Metadata, input and output entries have a key and a value: the JSON is flattened, object keys joined with
    dots, array positions left out, so one key may have several entries. Feedback entries also have a score, a
    comment and a source; their key is the feedback's name.
    """

    METADATA = "metadata"
    INPUT = "input"
    OUTPUT = "output"
    FEEDBACK = "feedback"


class PairPart(StrEnum):
    """A part of one entry. ``SCORE``, ``COMMENT`` and ``SOURCE`` belong to feedback alone."""

    KEY = "key"
    VALUE = "value"
    SCORE = "score"
    COMMENT = "comment"
    SOURCE = "source"


class DetailMap(StrEnum):
    """A map from names to parts of a sum, such as the cached tokens of a prompt; the member's value is its wire name.

    Tokens are ``int``, costs ``Decimal``.
    """

    PROMPT_TOKENS = "prompt_token_details"
    COMPLETION_TOKENS = "completion_token_details"
    PROMPT_COST = "prompt_cost_details"
    COMPLETION_COST = "completion_cost_details"

    @property
    def is_cost(self) -> bool:
        """Whether the parts are costs."""
        return self in (DetailMap.PROMPT_COST, DetailMap.COMPLETION_COST)


class SearchField(StrEnum):
    """A place that full text looks in. Inputs, outputs and metadata are searched by key and by value."""

    INPUTS = "inputs"
    OUTPUTS = "outputs"
    ERROR = "error"
    NAME = "name"
    TAGS = "tags"
    METADATA = "metadata"


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


def all_of(children: Iterable[BoundExpr]) -> BoundExpr:
    """The conjunction in its shortest form: flat, constants folded, no one-child node, repeats dropped."""
    flat = (part for child in children for part in (child.children if isinstance(child, And) else (child,)))
    kept = tuple(dict.fromkeys(part for part in flat if part != Constant(value=True)))
    if Constant(value=False) in kept:
        return Constant(value=False)
    if len(kept) > 1:
        return And(children=kept)
    return kept[0] if kept else Constant(value=True)


def any_of(children: Iterable[BoundExpr]) -> BoundExpr:
    """The disjunction in its shortest form: flat, constants folded, no one-child node, repeats dropped."""
    flat = (part for child in children for part in (child.children if isinstance(child, Or) else (child,)))
    kept = tuple(dict.fromkeys(part for part in flat if part != Constant(value=False)))
    if Constant(value=True) in kept:
        return Constant(value=True)
    if len(kept) > 1:
        return Or(children=kept)
    return kept[0] if kept else Constant(value=False)


def negation(expr: BoundExpr) -> BoundExpr:
    """The complement; a double negation and a negated constant disappear."""
    match expr:
        case Not(child=child):
            return child
        case Constant(value=value):
            return Constant(value=not value)
        case _:
            return Not(child=expr)


def related(axis: Axis, child: BoundExpr, count: CountTest | None = None) -> BoundExpr:
    """A condition on relatives in its shortest form: what their number cannot tell is folded away."""
    test = count or CountTest(comparator=Comparator.GTE, number=1)
    if child == Constant(value=False):
        return Constant(value=test.holds(0))
    # What can be told of one and more: below, at and above the number that is compared with.
    numbers = (1,) if axis.is_single else (max(1, test.number - 1), max(1, test.number), test.number + 1)
    if_some = {test.holds(number) for number in numbers}
    if len(if_some) > 1:
        return Related(axis=axis, child=child, count=test)
    if if_some == {test.holds(0)}:
        return Constant(value=test.holds(0))
    some = Related(axis=axis, child=child)
    return some if test.holds(1) else Not(child=some)


SUMMED_FIELDS: Final = frozenset(
    {
        ScalarField.TOTAL_TOKENS,
        ScalarField.PROMPT_TOKENS,
        ScalarField.COMPLETION_TOKENS,
        ScalarField.TOTAL_COST,
        ScalarField.PROMPT_COST,
        ScalarField.COMPLETION_COST,
        ScalarField.FIRST_TOKEN_TIME,
    }
)


def is_summed(leaf: Leaf) -> bool:
    """Whether a leaf is about tokens, costs or the first token."""
    return isinstance(leaf, DetailTest) or (isinstance(leaf, ScalarTest | NullTest) and leaf.field in SUMMED_FIELDS)


def on_trace_sums(expr: BoundExpr) -> BoundExpr:
    """The same condition with the sums over the run's trace in the place of its own tokens, costs and first token."""
    if all(map(is_summed, leaves(expr))):
        return TraceSums(child=expr)
    match expr:
        case And(children=children):
            return all_of(_apart(children, all_of))
        case Or(children=children):
            return any_of(_apart(children, any_of))
        case Not(child=child):
            return negation(on_trace_sums(child))
        case _:
            return expr


def _apart(children: Iterable[BoundExpr], join: Callable[[Iterable[BoundExpr]], BoundExpr]) -> Iterator[BoundExpr]:
    """Children that speak of sums alone become one, so that each trace is added up once."""
    summed: list[BoundExpr] = []
    for child in children:
        if all(map(is_summed, leaves(child))):
            summed.append(child)
        else:
            yield on_trace_sums(child)
    if summed:
        yield TraceSums(child=join(summed))


def leaves(expr: BoundExpr) -> Iterator[Leaf]:
    """Every leaf from left to right, whether under a ``Not`` or not; not what relatives and sums must meet."""
    pending: list[BoundExpr] = [expr]
    while pending:
        match pending.pop():
            case And(children=children) | Or(children=children):
                pending.extend(reversed(children))
            case Not(child=child):
                pending.append(child)
            case leaf:
                yield leaf
