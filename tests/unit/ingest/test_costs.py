"""Costs equal the price package's own sums, and odd names cost nothing."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers

from runlake.ingest.costs import CostBook
from runlake.ingest.usage import TokenUsage

TIME_US = 1_767_323_045_000_006
TIME = datetime.fromtimestamp(TIME_US / 1e6, UTC)
CENT = Decimal("0.000000001")

DETAILS = {
    "cache_read": "cache_read_tokens",
    "cache_creation": "cache_write_tokens",
}


def _sample(count: int) -> list[tuple[str, str]]:
    """Models of every provider that sells tokens, chosen by a fixed seed."""
    source = random.Random(5)  # noqa: S311 - a sample, not a secret
    models = [
        (provider.id, model.id)
        for provider in providers
        for model in provider.models
        if provider.find_model(model.id, all_providers=providers) is model
    ]
    return source.sample(models, count)


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), *_sample(150)]
)
@pytest.mark.parametrize(
    ("prompt", "completion", "details"),
    [(1000, 200, {}), (300_000, 50, {"cache_read": 250_000}), (5000, 9, {"cache_read": 1000, "cache_creation": 500})],
)
def test_costs_equal_the_packages_own(
    provider: str, model: str, prompt: int, completion: int, details: dict[str, int]
) -> None:
    counts = {DETAILS[name]: count for name, count in details.items()}
    theirs = calc_price(
        Usage(input_tokens=prompt, output_tokens=completion, **counts),
        model,
        provider_id=provider,
        genai_request_timestamp=TIME,
    )
    usage = TokenUsage(prompt_tokens=prompt, completion_tokens=completion, prompt_details=details)
    ours = CostBook().cost_of(usage, model=model, provider=provider, time_us=TIME_US)
    if ours is None:
        assert theirs.total_price == 0
    else:
        assert abs(ours.prompt_cost - theirs.input_price) < CENT
        assert abs(ours.completion_cost - theirs.output_price) < CENT
        assert abs(ours.total_cost - theirs.total_price) < CENT


def test_details_are_priced_apart() -> None:
    usage = TokenUsage(prompt_tokens=1000, completion_tokens=10, prompt_details={"cache_read": 400, "unpriced": 7})
    cost = CostBook().cost_of(usage, model="gpt-4o", provider="openai", time_us=TIME_US)
    assert cost is not None
    assert cost.prompt_details == {"cache_read": Decimal("0.0005").quantize(Decimal("1e-12"))}
    assert cost.prompt_cost == Decimal("0.002").quantize(Decimal("1e-12"))


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("", "openai"),
        ("no-such-model", "openai"),
        ("gpt-4o", "no-such-provider"),
        ("no-such-model", ""),
        ("x" * 300, ""),
        ("gpt-4o", "x" * 300),
    ],
)
def test_an_unknown_model_has_no_cost(model: str, provider: str) -> None:
    assert CostBook().cost_of(TokenUsage(prompt_tokens=5), model=model, provider=provider, time_us=TIME_US) is None


def test_without_a_provider_the_name_decides() -> None:
    book = CostBook()
    usage = TokenUsage(prompt_tokens=1000)
    named = book.cost_of(usage, model="gpt-4o", provider="openai", time_us=TIME_US)
    assert book.cost_of(usage, model="gpt-4o", provider="", time_us=TIME_US) == named


def test_details_beyond_the_total_never_make_a_negative_cost() -> None:
    usage = TokenUsage(prompt_tokens=10, prompt_details={"cache_read": 400})
    cost = CostBook().cost_of(usage, model="gpt-4o", provider="openai", time_us=TIME_US)
    assert cost is not None
    assert cost.prompt_cost == cost.prompt_details["cache_read"] > 0
