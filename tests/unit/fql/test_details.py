"""Parts of tokens and costs, attachments, the user, and JSON with a quote in it."""

from __future__ import annotations

import time
from contextlib import suppress
from decimal import Decimal

import pytest

from runlake.errors import FilterError
from runlake.fql import Mode, bar_to_filter, filter_to_bar, parse_filter, print_filter, read_bar, read_filter
from runlake.fql.bound import Constant, DetailTest, NullTest
from runlake.fql.vocabulary import Comparator, DetailMap, ScalarField


def detail(name: str, part: str, comparator: Comparator, value: object) -> DetailTest:
    return DetailTest(details=DetailMap(name), part=part, comparator=comparator, value=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DetailMap)
def test_every_map_has_numbered_parts(name: DetailMap) -> None:
    number = Decimal(3) if name.is_cost else 3
    assert read_filter(f"gt({name}.cache_read, 3)") == detail(name, "cache_read", Comparator.GT, number)
    assert read_bar(f"{name}.cache_read:>3") == detail(name, "cache_read", Comparator.GT, number)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (
            'in(prompt_cost_details.audio, [0.5, "0.5", 1])',
            detail("prompt_cost_details", "audio", Comparator.IN, (Decimal("0.5"), Decimal(1))),
        ),
        ("nin(prompt_token_details.audio, [])", Constant(value=True)),
        (
            'neq(prompt_token_details."a.b".c, null)',
            detail("prompt_token_details", "a.b.c", Comparator.NEQ, None),
        ),
        ("eq(attachments, null)", NullTest(field=ScalarField.ATTACHMENTS)),
        ("neq(attachments, null)", NullTest(field=ScalarField.ATTACHMENTS, negated=True)),
    ],
)
def test_they_bind(text: str, bound: object) -> None:
    assert read_filter(text) == bound


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ('eq(ls_user_id, "u")', 'eq(metadata.ls_user_id, "u")'),
        ('neq(ls_user_id, "u")', 'neq(metadata.ls_user_id, "u")'),
        ('like(ls_user_id, "u%")', 'like(metadata.ls_user_id, "u%")'),
        ('nin(ls_user_id, ["u", "v"])', 'nin(metadata.ls_user_id, ["u", "v"])'),
        ("eq(ls_user_id, null)", "eq(metadata.ls_user_id, null)"),
    ],
)
def test_the_user_is_a_metadata_value(text: str, twin: str) -> None:
    assert read_filter(text) == read_filter(twin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gt(prompt_token_details.audio, 1.5)", "prompt_token_details.audio takes a whole number, not 1.5"),
        ('gt(prompt_cost_details.audio, "much")', 'prompt_cost_details.audio takes a number, not "much"'),
        ('like(prompt_token_details.audio, "1%")', "like does not apply to prompt_token_details.audio"),
        ("gt(prompt_token_details.audio, null)", "gt does not take null"),
        ("gt(prompt_token_details, 1)", 'unknown field "prompt_token_details"'),
        ('eq(attachments, "a.png")', 'attachments is compared with null alone, not with "a.png"'),
        ('like(attachments, "%")', "like does not apply to attachments"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        read_filter(text)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("text", ["gt(prompt_token_details.audio, 1)", 'eq(ls_user_id, "u")', "neq(attachments, null)"])
def test_the_hosted_language_has_none_of_them(text: str) -> None:
    with pytest.raises(FilterError):
        read_filter(text, mode=Mode.STRICT)


@pytest.mark.parametrize(
    ("search", "meant"),
    [
        ("prompt_token_details.cache_read:>5", "gt(prompt_token_details.cache_read, 5)"),
        ("-completion_cost_details.reasoning:*", "eq(completion_cost_details.reasoning, null)"),
        ("attachments:*", "neq(attachments, null)"),
        ("-attachments:*", "eq(attachments, null)"),
        ("ls_user_id:u-1", 'eq(ls_user_id, "u-1")'),
        ("-ls_user_id:u*", 'notlike(ls_user_id, "u%")'),
    ],
)
def test_a_bar_says_them_too(search: str, meant: str) -> None:
    assert bar_to_filter(search) == meant
    assert filter_to_bar(meant) == search


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("""has(metadata, '{"n": "O'Brien"}')""", r"""has(metadata, "{\"n\": \"O'Brien\"}")"""),
        ("""has(metadata, '{"n": "the boys', etc"}')""", r"""has(metadata, "{\"n\": \"the boys', etc\"}")"""),
        ("""has(metadata, '{"n": "a') b"}' )""", r"""has(metadata, "{\"n\": \"a') b\"}")"""),
        ("""has(metadata, ' {"n": "x'y"} ')""", r"""has(metadata, " {\"n\": \"x'y\"} ")"""),
        ("""has(metadata, '{"n": "O\\'Brien"}')""", r"""has(metadata, "{\"n\": \"O'Brien\"}")"""),
        ("""eq(name, '{x')""", 'eq(name, "{x")'),
        ("""in(name, ['{a', '}'])""", 'in(name, ["{a", "}"])'),
    ],
)
def test_json_between_single_quotes_may_hold_them(text: str, printed: str) -> None:
    tree = parse_filter(text)
    assert tree is not None
    assert print_filter(tree) == printed
    assert parse_filter(printed) == tree


def test_json_that_has_a_quote_and_no_end_is_refused_at_the_quote() -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter("""has(metadata, '{"n": "O'Brien"')""")
    assert caught.value.message == 'expected ")", not "Brien"'


def test_looking_for_the_end_of_json_takes_linear_time() -> None:
    shapes = ["""'{"':1,""" * 9_000, """has(a, '{"k": """ * 4_000, "'{" * 30_000, """'{"a":""" + "[" * 60_000]
    for shape in shapes:
        begin = time.perf_counter()
        with suppress(FilterError):
            read_filter(shape)
        assert time.perf_counter() - begin < 5, shape[:20]
