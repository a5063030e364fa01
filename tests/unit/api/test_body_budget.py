"""The budget of bodies: who is alone may take anything, others only what is left, and all of it comes back."""

from __future__ import annotations

import pytest

from runlake.api.body_budget import BodyBudget
from runlake.errors import OverloadedError


def test_a_body_that_is_alone_may_be_larger_than_the_budget() -> None:
    budget = BodyBudget(100)
    with budget.share() as share:
        share.claim(1000)
        share.claim(1000)


def test_a_second_body_gets_what_is_left_and_no_more() -> None:
    budget = BodyBudget(100)
    with budget.share() as first, budget.share() as second:
        first.claim(60)
        second.claim(40)
        with pytest.raises(OverloadedError, match="max_pending_bytes"):
            second.claim(1)


def test_a_body_that_grows_is_stopped_where_others_have_taken_the_rest() -> None:
    """What is claimed while decompressing counts like what is announced."""
    budget = BodyBudget(100)
    with budget.share() as first, budget.share() as second:
        first.claim(10)
        second.claim(80)
        with pytest.raises(OverloadedError):
            first.claim(20)
        first.claim(10)


def test_a_share_is_given_back_also_after_a_failure() -> None:
    budget = BodyBudget(100)
    with budget.share() as other, budget.share() as failing:
        other.claim(50)
        with pytest.raises(OverloadedError):
            failing.claim(51)
    with budget.share() as first, budget.share() as second:
        first.claim(50)
        second.claim(50)
