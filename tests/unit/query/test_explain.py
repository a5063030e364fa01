"""An explanation shows every phase of a filter."""

from __future__ import annotations

import pytest

from runlake.errors import FilterError
from runlake.query.explain import explain_filter


def test_every_phase_is_shown() -> None:
    explanation = explain_filter("and(eq(metadata_key,'env'), eq(metadata_value,'prod'))")
    assert explanation is not None
    assert explanation.canonical == 'and(eq(metadata_key, "env"), eq(metadata_value, "prod"))'
    assert explanation.tokens == "and ( eq ( metadata_key , 'env' ) , eq ( metadata_value , 'prod' ) )"
    assert explanation.tree.splitlines()[:3] == ["And", "  children: ", "    Comparison"]
    assert explanation.bound.splitlines()[:2] == ["PairExists", "  family: metadata"]
    text = explanation.render()
    assert "has(metadata_pairs, {p3:String})" in text
    assert "-- p3 String = env\0prod" in text
    assert "cost" not in text


def test_a_blank_filter_has_no_explanation() -> None:
    assert explain_filter("  ") is None


def test_a_broken_filter_says_why() -> None:
    with pytest.raises(FilterError, match="unknown field"):
        explain_filter('eq(nmae, "x")')
