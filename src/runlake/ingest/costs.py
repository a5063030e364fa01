"""What a model call cost, in US dollars. One ``CostBook`` per process, handed to ``ingest.derive``.

Prices, and which names mean which model, come from the data inside ``genai-prices``; nothing is ever fetched. The sums
are our own, because the package's take 70 to 100 microseconds a call; a test holds them equal to the package's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from runlake.ingest.usage import COST_DECIMALS, TokenUsage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

MAX_NAME_CHARS: Final = 200
"""Longer model and provider names are not looked up."""

_CACHED_NAMES: Final = 4_096
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PER_MILLION: Final = Decimal(1_000_000)
_PER_THOUSAND: Final = Decimal(1_000)
_ZERO: Final = Decimal(0)

# Detail of a usage -> the price it is charged at, most specific first; a model that prices none of them charges the
# plain rate.
_PROMPT_PRICES: Final[Mapping[str, tuple[str, ...]]] = {
    "cache_read": ("cache_read_mtok",),
    "cache_read_over_200k": ("cache_read_mtok",),
    "cache_creation": ("cache_write_mtok",),
    "cache_write": ("cache_write_mtok",),
    "ephemeral_5m_input_tokens": ("cache_write_5m_mtok", "cache_write_mtok"),
    "ephemeral_1h_input_tokens": ("cache_write_1h_mtok", "cache_write_mtok"),
    "audio": ("input_audio_mtok",),
    "image": ("input_image_mtok",),
    "video": ("input_video_mtok",),
}
_COMPLETION_PRICES: Final[Mapping[str, tuple[str, ...]]] = {
    "audio": ("output_audio_mtok",),
    "image": ("output_image_mtok",),
    "video": ("output_video_mtok",),
    "reasoning": ("output_reasoning_mtok",),
}


@dataclass(frozen=True, slots=True)
class CallCost:
    """Costs of one model call; the details are parts of the sums, by the same names as the token details."""

    prompt_cost: Decimal
    completion_cost: Decimal
    total_cost: Decimal
    prompt_details: Mapping[str, Decimal]
    completion_details: Mapping[str, Decimal]


Tiers: TypeAlias = tuple[tuple[int, Decimal], ...]
"""Price per token above so many prompt tokens, ascending; the first is the base at -1."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """Prices per token of one model at one time; None where a side is not priced by the token."""

    prompt: Tiers | None
    completion: Tiers | None
    prompt_details: Mapping[str, Tiers]
    completion_details: Mapping[str, Tiers]
    per_request: Decimal


class CostBook:
    """Prices by model, provider and time. Safe to share between threads; the data loads at the first question."""

    def __init__(self) -> None:
        self._find_model = lru_cache(maxsize=_CACHED_NAMES)(_find_model)
        self._rates: dict[int, _Rates] = {}

    def cost_of(self, usage: TokenUsage, *, model: str, provider: str, time_us: int) -> CallCost | None:
        """The cost of ``usage`` at ``time_us``; None for a model that has no price by the token."""
        if not model or len(model) > MAX_NAME_CHARS or len(provider) > MAX_NAME_CHARS:
            return None
        info = self._find_model(model, provider)
        if info is None:
            return None
        price = info.get_prices(_EPOCH + timedelta(microseconds=time_us))
        rates = self._rates.get(id(price))
        if rates is None:
            rates = self._rates[id(price)] = _rates_of(price)
        if rates.prompt is None and rates.completion is None:
            return None
        return _cost_at(rates, usage)


def _cost_at(rates: _Rates, usage: TokenUsage) -> CallCost:
    size = usage.prompt_tokens
    prompt, prompt_details = _side(size, usage.prompt_tokens, usage.prompt_details, rates.prompt, rates.prompt_details)
    completion, completion_details = _side(
        size, usage.completion_tokens, usage.completion_details, rates.completion, rates.completion_details
    )
    prompt, completion = prompt.quantize(COST_DECIMALS), completion.quantize(COST_DECIMALS)
    return CallCost(prompt, completion, prompt + completion + rates.per_request, prompt_details, completion_details)


def _side(
    size: int, tokens: int, details: Mapping[str, int], plain: Tiers | None, special: Mapping[str, Tiers]
) -> tuple[Decimal, dict[str, Decimal]]:
    """The cost of one side and of its separately priced details; ``size`` is the prompt, which decides the tier."""
    costs: dict[str, Decimal] = {}
    rest = tokens
    for name, count in details.items():
        tiers = special.get(name)
        if tiers is not None and count:
            costs[name] = (_at(tiers, size) * count).quantize(COST_DECIMALS)
            rest -= count
    cost = sum(costs.values(), _ZERO)
    if plain is not None and rest > 0:
        cost += _at(plain, size) * rest
    return cost, costs


def _at(tiers: Tiers, size: int) -> Decimal:
    """The price of the highest tier that ``size`` passes; it holds for all tokens (genai-prices, "cliff" tiers)."""
    chosen = tiers[0][1]
    for start, price in tiers[1:]:
        if size > start:
            chosen = price
    return chosen


def _rates_of(price: ModelPrice) -> _Rates:
    request = price.requests_kcount
    return _Rates(
        _tiers(price, ("input_mtok",)),
        _tiers(price, ("output_mtok",)),
        {name: tiers for name, keys in _PROMPT_PRICES.items() if (tiers := _tiers(price, keys))},
        {name: tiers for name, keys in _COMPLETION_PRICES.items() if (tiers := _tiers(price, keys))},
        request / _PER_THOUSAND if isinstance(request, Decimal) else _ZERO,
    )


def _tiers(price: ModelPrice, keys: tuple[str, ...]) -> Tiers | None:
    for key in keys:
        value = getattr(price, key)
        if isinstance(value, Decimal):
            return ((-1, value / _PER_MILLION),)
        if value is not None:
            above = tuple((tier.start, tier.price / _PER_MILLION) for tier in value.tiers)
            return ((-1, value.base / _PER_MILLION), *above)
    return None


def _find_model(model: str, provider: str) -> ModelInfo | None:
    """The model of that name; without a provider, the provider that the name suggests."""
    # Imported here because the data takes 200 ms to load, and a store without model calls never needs it.
    from genai_prices.data import providers  # noqa: PLC0415 - see above

    seller = _seller_by_name(providers, provider) if provider else _seller_by_model(providers, model)
    return None if seller is None else seller.find_model(model, all_providers=providers)


def _seller_by_name(providers: list[Provider], provider: str) -> Provider | None:
    from genai_prices.data_snapshot import find_provider_by_id  # noqa: PLC0415 - loads with the data

    return find_provider_by_id(providers, provider)


def _seller_by_model(providers: list[Provider], model: str) -> Provider | None:
    name = model.lower()
    return next((item for item in providers if item.model_match is not None and item.model_match.is_match(name)), None)
