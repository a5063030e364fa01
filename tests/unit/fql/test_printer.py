"""Canonical text."""

from __future__ import annotations

import pytest

from runlake.fql import parse_filter, print_filter
from runlake.fql.printer import print_text


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("eq( name,'a' )", 'eq(name, "a")'),
        ("and(eq(a,1),or(not(eq(b,2.50))))", "and(eq(a, 1), or(not(eq(b, 2.50))))"),
        ("eq(a, True)", "eq(a, true)"),
        ("eq(a, None)", "eq(a, null)"),
        ("gt(a, 1s)", 'gt(a, "1s")'),
        ("gt(a, 1e3)", "gt(a, 1E+3)"),
        ("search('x')", 'search("x")'),
        ("in(a,[1,'b',])", 'in(a, [1, "b"])'),
        ("has(metadata, {'a':{'b':[]}})", 'has(metadata, {"a": {"b": []}})'),
        ("eq(metadata.'k'.0.user-id, 1)", 'eq(metadata.k.0."user-id", 1)'),
        ("eq('name', 1)", "eq(name, 1)"),
        ("eq('odd name.x', 1)", 'eq("odd name.x", 1)'),
    ],
)
def test_text_has_one_form(written: str, printed: str) -> None:
    tree = parse_filter(written)
    assert tree is not None
    assert print_filter(tree) == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("é 😀 'x'", "\"é 😀 'x'\""),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\n\t\x00\x7f\x85\u2028", r'"\n\t\u0000\u007f\u0085\u2028"'),
    ],
)
def test_only_what_cannot_be_seen_is_escaped(text: str, printed: str) -> None:
    assert print_text(text) == printed
