"""Token usage of a run, from whichever shape the client reported it in. Total: odd data gives no usage, never an error.

What a run says of itself in its metadata counts for every run type. What its outputs hold counts for model calls alone,
because other runs often pass a model's answer through, and the sums of traces would then count it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Final

from runlake.ingest.payloads import Json, member

MODEL_RUN_TYPES: Final = frozenset({"llm", "embedding"})

MAX_COUNT: Final = 2**53
"""Greatest token count believed; greater ones are mistakes, and no JSON reader keeps them exact."""

COST_DECIMALS: Final = Decimal("0.000000000001")
_MAX_COST: Final = Decimal(10) ** 18
_MAX_DETAILS: Final = 50
_MAX_DETAIL_KEY_CHARS: Final = 100

_PROMPT_KEYS: Final = ("prompt_tokens", "input_tokens", "prompt_token_count", "inputTokens", "promptTokens")
_COMPLETION_KEYS: Final = (
    "completion_tokens",
    "output_tokens",
    "candidates_token_count",
    "outputTokens",
    "completionTokens",
)
_TOTAL_KEYS: Final = ("total_tokens", "total_token_count", "totalTokens")
_PROMPT_DETAIL_KEYS: Final = ("prompt_tokens_details", "input_tokens_details", "prompt_token_details")
_COMPLETION_DETAIL_KEYS: Final = ("completion_tokens_details", "output_tokens_details", "completion_token_details")
_DETAIL_NAMES: Final = {"cached_tokens": "cache_read", "audio_tokens": "audio", "reasoning_tokens": "reasoning"}
_CACHE_LIFETIMES: Final = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")

Counts = Mapping[str, int]
Costs = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens of one run, details included in the totals, and the costs the client itself reported (US dollars)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_details: Counts = field(default_factory=dict)
    completion_details: Counts = field(default_factory=dict)
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    prompt_cost_details: Costs = field(default_factory=dict)
    completion_cost_details: Costs = field(default_factory=dict)

    @property
    def has_costs(self) -> bool:
        return self.prompt_cost is not None or self.completion_cost is not None or self.total_cost is not None


NO_USAGE: Final = TokenUsage()


def find_usage(outputs: Json, metadata: Json, run_type: str) -> TokenUsage | None:
    """The first usage found: ``usage_metadata`` of outputs, then of metadata, then the clients' own shapes."""
    for candidate in _candidates(outputs, metadata, run_type):
        if isinstance(candidate, dict) and candidate:
            usage = read_usage(candidate)
            if usage is not None:
                return usage
    return None


def read_usage(reported: dict[str, Json]) -> TokenUsage | None:
    """One usage object in any known spelling; None when it holds neither tokens nor costs."""
    prompt_tokens = _first_count(reported, _PROMPT_KEYS)
    completion_tokens = _first_count(reported, _COMPLETION_KEYS)
    total_tokens = _first_count(reported, _TOTAL_KEYS)
    costs = [read_cost(reported.get(key)) for key in ("input_cost", "output_cost", "total_cost")]
    if prompt_tokens is None and completion_tokens is None and total_tokens is None and not any(costs):
        return None
    prompt_details = _details(reported, "input_token_details", _PROMPT_DETAIL_KEYS)
    completion_details = _details(reported, "output_token_details", _COMPLETION_DETAIL_KEYS)
    prompt_tokens, completion_tokens = prompt_tokens or 0, completion_tokens or 0
    if "input_token_details" not in reported:
        prompt_tokens += _add_anthropic_cache(reported, prompt_details)
        _add_gemini_details(reported, prompt_details, completion_details)
    return TokenUsage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=total_tokens or prompt_tokens + completion_tokens,
        prompt_details=prompt_details,
        completion_details=completion_details,
        prompt_cost=costs[0],
        completion_cost=costs[1],
        total_cost=costs[2],
        prompt_cost_details=_cost_details(reported.get("input_cost_details")),
        completion_cost_details=_cost_details(reported.get("output_cost_details")),
    )


def read_cost(value: Json) -> Decimal | None:
    """A cost in US dollars as a decimal of twelve places; None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        cost = Decimal(value if isinstance(value, int) else str(value)[:_MAX_DETAIL_KEY_CHARS])
        return cost.quantize(COST_DECIMALS) if 0 <= cost < _MAX_COST else None
    except (InvalidOperation, ValueError):
        return None


def _candidates(outputs: Json, metadata: Json, run_type: str) -> Iterator[Json]:
    is_model_call = run_type in MODEL_RUN_TYPES
    if is_model_call:
        yield member(outputs, "usage_metadata")
    yield member(metadata, "usage_metadata")
    if not is_model_call or not isinstance(outputs, dict):
        return
    yield outputs.get("usage")
    llm_output = outputs.get("llm_output")
    if llm_output is not None:
        for key in ("token_usage", "usage", "tokenUsage", "estimatedTokenUsage", "usage_metadata"):
            yield member(llm_output, key)
    generation = member(outputs, "generations", 0)
    if generation is not None:
        candidate = member(generation, 0) if isinstance(generation, list) else generation
        yield from _message_candidates(member(candidate, "message", "kwargs"))
        yield from _message_candidates(member(candidate, "message"))
        yield member(candidate, "generation_info", "usage_metadata")
        yield member(candidate, "generation_info", "token_usage")
        yield member(candidate, "generation_info", "usage")
    for key in ("message", "output"):
        message = outputs.get(key)
        if isinstance(message, dict):
            yield from _message_candidates(message)
            yield from _message_candidates(message.get("kwargs"))
    yield from _message_candidates(outputs)


def _message_candidates(message: Json) -> Iterator[Json]:
    if isinstance(message, dict):
        yield message.get("usage_metadata")
        yield message.get("usage")
        yield member(message, "response_metadata", "token_usage")
        yield member(message, "response_metadata", "usage")
        yield member(message, "response_metadata", "tokenUsage")


def _first_count(reported: dict[str, Json], keys: tuple[str, ...]) -> int | None:
    """The first count but zero, else zero if any is there; some clients fill spellings they do not use with 0."""
    found: int | None = None
    for key in keys:
        count = _count(reported.get(key))
        if count:
            return count
        found = count if found is None else found
    return found


def _count(value: Json) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
        return None
    return int(value)


def _details(reported: dict[str, Json], own_key: str, provider_keys: tuple[str, ...]) -> dict[str, int]:
    found = next((item for key in (own_key, *provider_keys) if isinstance(item := reported.get(key), dict)), None)
    if not found:
        return {}
    details: dict[str, int] = {}
    for key, value in islice(found.items(), _MAX_DETAILS):
        count = _count(value)
        if count is not None and len(key) <= _MAX_DETAIL_KEY_CHARS:
            details[_DETAIL_NAMES.get(key, key)] = count
    return details


def _add_anthropic_cache(reported: dict[str, Json], details: dict[str, int]) -> int:
    """Anthropic counts cached tokens beside ``input_tokens``; they are added, as the SDK's wrapper does."""
    added: dict[str, int] = {}
    if cache_read := _count(reported.get("cache_read_input_tokens")):
        added["cache_read"] = cache_read
    for key in _CACHE_LIFETIMES:
        if lifetime := _count(member(reported, "cache_creation", key)):
            added[key] = lifetime
    if not any(key in added for key in _CACHE_LIFETIMES) and (
        created := _count(reported.get("cache_creation_input_tokens"))
    ):
        added["cache_creation"] = created
    details.update(added)
    return sum(added.values())


def _add_gemini_details(reported: dict[str, Json], prompt: dict[str, int], completion: dict[str, int]) -> None:
    if cached := _count(reported.get("cached_content_token_count")):
        prompt["cache_read"] = cached
    if thoughts := _count(reported.get("thoughts_token_count")):
        completion["reasoning"] = thoughts


def _cost_details(value: Json) -> dict[str, Decimal]:
    if not isinstance(value, dict):
        return {}
    costs = ((key, read_cost(cost)) for key, cost in list(value.items())[:_MAX_DETAILS])
    return {key: cost for key, cost in costs if cost is not None and len(key) <= _MAX_DETAIL_KEY_CHARS}
