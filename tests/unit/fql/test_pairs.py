"""Which conditions speak of one entry, and what a negative one denies."""

from __future__ import annotations

from decimal import Decimal

import pytest

from runlake.errors import FilterError
from runlake.fql import read_filter
from runlake.fql.bound import BoundExpr, Constant, PairAny, PairCondition, PairExists, PairTest, PairValue, ScalarTest
from runlake.fql.logic import all_of, any_of, negation
from runlake.fql.vocabulary import Comparator, PairFamily, PairPart, ScalarField

C, P = Comparator, PairPart
META, IN, OUT, FEED = PairFamily
NAMED_X = ScalarTest(field=ScalarField.NAME, comparator=C.EQ, value="x")


def part_test(part: PairPart, comparator: Comparator, value: PairValue | tuple[PairValue, ...] | None) -> PairTest:
    return PairTest(part=part, comparator=comparator, value=value)


def key(value: str) -> PairTest:
    return part_test(P.KEY, C.EQ, value)


def value(text: PairValue) -> PairTest:
    return part_test(P.VALUE, C.EQ, text)


def entry(family: PairFamily, *conditions: PairCondition) -> PairExists:
    return PairExists(family=family, conditions=conditions)


def no(expr: BoundExpr) -> BoundExpr:
    return negation(expr)


K, V = 'eq(metadata_key, "k")', 'eq(metadata_value, "v")'
NOT_K, NOT_V = 'neq(metadata_key, "k")', 'neq(metadata_value, "v")'

DOCUMENTED_NEGATIVES: list[tuple[str, BoundExpr]] = [
    (f"and({NOT_K})", no(entry(META, key("k")))),
    (f"and({K}, {NOT_V})", entry(META, key("k"), part_test(P.VALUE, C.NEQ, "v"))),
    (f"and({NOT_K}, {NOT_V})", all_of([no(entry(META, key("k"))), no(entry(META, value("v")))])),
    (f"and({NOT_K}, {V})", all_of([no(entry(META, key("k"))), entry(META, value("v"))])),
]

GROUPS: list[tuple[str, BoundExpr]] = [
    (K, entry(META, key("k"))),
    (V, entry(META, value("v"))),
    (NOT_K, no(entry(META, key("k")))),
    (NOT_V, no(entry(META, value("v")))),
    (f"and({K}, {V})", entry(META, key("k"), value("v"))),
    (f"and({V}, {K})", entry(META, value("v"), key("k"))),
    (f"not(and({K}, {V}))", no(entry(META, key("k"), value("v")))),
    (f"or({K}, {V})", any_of([entry(META, key("k")), entry(META, value("v"))])),
    (f"or({NOT_K}, {V})", any_of([no(entry(META, key("k"))), entry(META, value("v"))])),
    (f'and({K}, eq(name, "x"), {V})', all_of([entry(META, key("k"), value("v")), NAMED_X])),
    (f'and(eq(name, "x"), and({K}, {V}))', all_of([NAMED_X, entry(META, key("k"), value("v"))])),
    (f"and({K}, and({V}))", all_of([entry(META, key("k")), entry(META, value("v"))])),
    (f"and({K}, not({V}))", all_of([entry(META, key("k")), no(entry(META, value("v")))])),
    (
        f'and(and({K}, {V}), and(eq(metadata_key, "a"), like(metadata_value, "%b%")))',
        all_of([entry(META, key("k"), value("v")), entry(META, key("a"), part_test(P.VALUE, C.LIKE, "%b%"))]),
    ),
    (
        f'and({K}, eq(feedback_key, "f"), {V}, gt(feedback_score, 1))',
        all_of([entry(META, key("k"), value("v")), entry(FEED, key("f"), part_test(P.SCORE, C.GT, Decimal(1)))]),
    ),
    (
        f'and(in(metadata_key, ["a", "b", "a"]), {V})',
        entry(META, part_test(P.KEY, C.IN, ("a", "b")), value("v")),
    ),
    (
        f'and(like(metadata_key, "a%"), {NOT_V})',
        entry(META, part_test(P.KEY, C.LIKE, "a%"), part_test(P.VALUE, C.NEQ, "v")),
    ),
    (f'and({K}, notlike(metadata_value, "%v%"))', entry(META, key("k"), part_test(P.VALUE, C.NOTLIKE, "%v%"))),
    ('notlike(metadata_key, "a%")', no(entry(META, part_test(P.KEY, C.LIKE, "a%")))),
    ('nin(metadata_key, ["a"])', no(entry(META, part_test(P.KEY, C.IN, ("a",))))),
    (
        f"and({NOT_K}, {K}, {NOT_V})",
        all_of([no(entry(META, key("k"))), entry(META, key("k"), part_test(P.VALUE, C.NEQ, "v"))]),
    ),
    (
        "and(gt(feedback_score, 0), lt(feedback_score, 1))",
        entry(FEED, part_test(P.SCORE, C.GT, Decimal(0)), part_test(P.SCORE, C.LT, Decimal(1))),
    ),
    (
        'and(gt(feedback_score, 0), neq(feedback_source, "model"))',
        all_of(
            [entry(FEED, part_test(P.SCORE, C.GT, Decimal(0))), no(entry(FEED, part_test(P.SOURCE, C.EQ, "model")))]
        ),
    ),
    (
        'and(eq(feedback_key, "k"), neq(feedback_score, null))',
        entry(FEED, key("k"), part_test(P.SCORE, C.NEQ, None)),
    ),
    ("neq(feedback_score, null)", entry(FEED, part_test(P.SCORE, C.NEQ, None))),
    ("eq(feedback_score, null)", entry(FEED, part_test(P.SCORE, C.EQ, None))),
    ('has(feedback_key, "k")', entry(FEED, key("k"))),
    (f"and({K}, nin(metadata_value, []))", entry(META, key("k"))),
    (f"and({K}, in(metadata_value, []))", Constant(value=False)),
]

OR_IN_A_GROUP: list[tuple[str, BoundExpr]] = [
    (
        'and(eq(feedback_key, "k"), or(lt(feedback_score, 0.2), or(gt(feedback_score, 0.8))))',
        entry(
            FEED,
            key("k"),
            PairAny(tests=(part_test(P.SCORE, C.LT, Decimal("0.2")), part_test(P.SCORE, C.GT, Decimal("0.8")))),
        ),
    ),
    (
        f'and(or({K}, eq(metadata_key, "a")), {NOT_V})',
        entry(META, PairAny(tests=(key("k"), key("a"))), part_test(P.VALUE, C.NEQ, "v")),
    ),
    (f"and({K}, or(in(metadata_value, []), {V}))", entry(META, key("k"), value("v"))),
    (f"and({K}, or(nin(metadata_value, []), {V}))", entry(META, key("k"))),
    (f"and({K}, or(in(metadata_value, [])))", Constant(value=False)),
    (
        f"and({K}, or({NOT_V}, {V}))",
        entry(META, key("k"), PairAny(tests=(part_test(P.VALUE, C.NEQ, "v"), value("v")))),
    ),
    (f"and(or({NOT_V}, {V}))", any_of([no(entry(META, value("v"))), entry(META, value("v"))])),
    (
        f"and({K}, or({NOT_K}, {V}))",
        all_of([entry(META, key("k")), any_of([no(entry(META, key("k"))), entry(META, value("v"))])]),
    ),
    (
        f'and({K}, or({V}, eq(name, "x")))',
        all_of([entry(META, key("k")), any_of([entry(META, value("v")), NAMED_X])]),
    ),
    (
        f"and({K}, or(and({V})))",
        all_of([entry(META, key("k")), entry(META, value("v"))]),
    ),
    (
        f'and({K}, or({V}, eq(input_value, "v")))',
        all_of([entry(META, key("k")), any_of([entry(META, value("v")), entry(IN, value("v"))])]),
    ),
]

SEVERAL_KEYS: list[tuple[str, BoundExpr]] = [
    (
        f'and({K}, {V}, eq(metadata_key, "a"), eq(metadata_value, "b"))',
        all_of([entry(META, key("k"), value("v")), entry(META, key("a"), value("b"))]),
    ),
    (
        f'and({V}, {K}, eq(metadata_value, "b"), in(metadata_key, ["a"]))',
        all_of([entry(META, value("v"), key("k")), entry(META, value("b"), part_test(P.KEY, C.IN, ("a",)))]),
    ),
    (f'and({K}, eq(metadata_key, "a"))', all_of([entry(META, key("k")), entry(META, key("a"))])),
    (
        f'and({K}, {NOT_V}, neq(metadata_key, "z"), eq(metadata_key, "a"), eq(metadata_value, "b"))',
        all_of(
            [
                no(entry(META, key("z"))),
                entry(META, key("k"), part_test(P.VALUE, C.NEQ, "v")),
                entry(META, key("a"), value("b")),
            ]
        ),
    ),
]

DOTTED: list[tuple[str, BoundExpr]] = [
    ('eq(metadata.k, "v")', entry(META, key("k"), value("v"))),
    ('neq(metadata.k, "v")', no(entry(META, key("k"), value("v")))),
    ('nin(metadata.k, ["v"])', no(entry(META, key("k"), part_test(P.VALUE, C.IN, ("v",))))),
    ('notlike(inputs.a.b, "v%")', no(entry(IN, key("a.b"), part_test(P.VALUE, C.LIKE, "v%")))),
    ("eq(metadata.k, null)", no(entry(META, key("k")))),
    ("neq(output.k, null)", entry(OUT, key("k"))),
    ('gt(metadata."my.key", "5")', entry(META, key("my.key"), part_test(P.VALUE, C.GT, Decimal(5)))),
    (
        'and(eq(metadata.a, "1"), eq(metadata.b, "2"), eq(metadata_value, "3"))',
        all_of([entry(META, key("a"), value("1")), entry(META, key("b"), value("2")), entry(META, value("3"))]),
    ),
    ("eq(feedback.k, 1)", entry(FEED, key("k"), part_test(P.SCORE, C.EQ, Decimal(1)))),
    ("eq(feedback.k, true)", entry(FEED, key("k"), part_test(P.SCORE, C.EQ, Decimal(1)))),
    ('eq(feedback.k, "good")', entry(FEED, key("k"), value("good"))),
    ('gt(feedback.k, "0.5")', entry(FEED, key("k"), part_test(P.SCORE, C.GT, Decimal("0.5")))),
    ("in(feedback.k, [0, 1])", entry(FEED, key("k"), part_test(P.SCORE, C.IN, (Decimal(0), Decimal(1))))),
    ('in(feedback.k, [0, "x"])', entry(FEED, key("k"), part_test(P.VALUE, C.IN, (Decimal(0), "x")))),
    ('eq(feedback.k.score, "1")', entry(FEED, key("k"), part_test(P.SCORE, C.EQ, Decimal(1)))),
    ('like(feedback.k.comment, "%x%")', entry(FEED, key("k"), part_test(P.COMMENT, C.LIKE, "%x%"))),
    ("eq(feedback.k, null)", no(entry(FEED, key("k")))),
    ("eq(feedback.k.score, null)", no(entry(FEED, key("k"), part_test(P.SCORE, C.NEQ, None)))),
    ("neq(feedback.k.value, null)", entry(FEED, key("k"), part_test(P.VALUE, C.NEQ, None))),
]

VALUES: list[tuple[str, BoundExpr]] = [
    ("eq(metadata_value, 1556455886)", entry(META, value(Decimal(1556455886)))),
    ('eq(metadata_value, "1556455886")', entry(META, value("1556455886"))),
    ("eq(metadata_value, true)", entry(META, value("true"))),
    ("gte(metadata_value, 0.5)", entry(META, part_test(P.VALUE, C.GTE, Decimal("0.5")))),
    ('gte(metadata_value, " 0.5 ")', entry(META, part_test(P.VALUE, C.GTE, Decimal("0.5")))),
    ('lt(metadata_value, "2024-01-01")', entry(META, part_test(P.VALUE, C.LT, "2024-01-01"))),
    ("eq(metadata_key, 5)", entry(META, key("5"))),
    ("eq(feedback_score, false)", entry(FEED, part_test(P.SCORE, C.EQ, Decimal(0)))),
]

OBJECTS: list[tuple[str, BoundExpr]] = [
    ("has(metadata, 'k')", entry(META, key("k"))),
    ("exists(metadata, 'k')", entry(META, key("k"))),
    ("exists(inputs, 'a.b')", entry(IN, key("a.b"))),
    ("""has(metadata, '{"k": "v"}')""", entry(META, key("k"), value("v"))),
    ('has(metadata, {"k": "v"})', entry(META, key("k"), value("v"))),
    ("""has(outputs, '{"k": "v"}')""", entry(OUT, key("k"), value("v"))),
    (
        """has(metadata, ' {"k": 1, "n": {"m": true, "l": ["a", {"z": 1.5}]}, "e": {}, "f": []}')""",
        all_of(
            [
                entry(META, key("k"), value(Decimal(1))),
                entry(META, key("n.m"), value("true")),
                entry(META, key("n.l"), value("a")),
                entry(META, key("n.l.z"), value(Decimal("1.5"))),
            ]
        ),
    ),
    ('has(metadata, {"k": null})', no(entry(META, key("k")))),
    ('not(has(metadata, \'{"k": "v"}\'))', no(entry(META, key("k"), value("v")))),
    ("has(metadata, '{}')", Constant(value=True)),
]

ALL = [*DOCUMENTED_NEGATIVES, *GROUPS, *OR_IN_A_GROUP, *SEVERAL_KEYS, *DOTTED, *VALUES, *OBJECTS]


@pytest.mark.parametrize(("text", "bound"), ALL, ids=[row[0] for row in ALL])
def test_entries_are_asked_for_as_specified(text: str, bound: BoundExpr) -> None:
    assert read_filter(text) == bound


@pytest.mark.parametrize("family", ["input", "output", "feedback"])
@pytest.mark.parametrize(("text", "bound"), DOCUMENTED_NEGATIVES)
def test_negatives_mean_the_same_in_every_family(text: str, bound: BoundExpr, family: str) -> None:
    """Only the family differs between the bound trees."""
    other = read_filter(text.replace("metadata_", f"{family}_"))
    assert repr(other).replace(f"PairFamily.{family.upper()}: '{family}'", "PairFamily.METADATA: 'metadata'") == repr(
        bound
    )


@pytest.mark.parametrize(
    "text",
    [
        f'and({K}, eq(metadata_key, "a"), {V})',
        f'and({V}, {K}, eq(metadata_key, "a"), {V})',
        f'and({K}, {V}, eq(metadata_key, "a"), like(metadata_key, "x%"))',
    ],
)
def test_keys_without_a_clear_value_are_refused(text: str) -> None:
    with pytest.raises(FilterError, match="several keys"):
        read_filter(text)


def test_a_bad_member_does_not_hide_the_others() -> None:
    with pytest.raises(FilterError) as caught:
        read_filter('and(eq(feedback_score, "x"), or(eq(feedback_score, "y"), gt(feedback_key, 1)))')
    assert [found.column for found in caught.value.diagnostics] == [24, 52, 58]
