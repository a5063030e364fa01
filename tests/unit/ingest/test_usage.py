"""Token usage in every shape that clients report it, and the costs they report themselves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from runlake.ingest.payloads import Json
from runlake.ingest.usage import TokenUsage, find_usage, read_cost, read_usage

PLAIN: dict[str, Json] = {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}
OPENAI: dict[str, Json] = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 12, "audio_tokens": 1, "accepted_prediction_tokens": None},
}
RESPONSES: dict[str, Json] = {
    "input_tokens": 100,
    "output_tokens": 20,
    "total_tokens": 120,
    "input_tokens_details": {"cached_tokens": 64},
    "output_tokens_details": {"reasoning_tokens": 12},
}
ANTHROPIC: dict[str, Json] = {
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
}
ANTHROPIC_LIFETIMES: dict[str, Json] = {
    **ANTHROPIC,
    "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5},
}
GEMINI: dict[str, Json] = {
    "prompt_token_count": 50,
    "candidates_token_count": 7,
    "thoughts_token_count": 3,
    "total_token_count": 60,
    "cached_content_token_count": 30,
}


@pytest.mark.parametrize(
    ("reported", "counts", "prompt_details", "completion_details"),
    [
        (OPENAI, (100, 20, 120), {"cache_read": 64, "audio": 3}, {"reasoning": 12, "audio": 1}),
        (RESPONSES, (100, 20, 120), {"cache_read": 64}, {"reasoning": 12}),
        (ANTHROPIC, (130, 5, 135), {"cache_read": 100, "cache_creation": 20}, {}),
        (
            ANTHROPIC_LIFETIMES,
            (130, 5, 135),
            {"cache_read": 100, "ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5},
            {},
        ),
        (GEMINI, (50, 7, 60), {"cache_read": 30}, {"reasoning": 3}),
    ],
)
def test_a_providers_own_usage_counts_as_the_sdks_wrappers_count_it(
    reported: dict[str, Json],
    counts: tuple[int, int, int],
    prompt_details: dict[str, int],
    completion_details: dict[str, int],
) -> None:
    found = read_usage(reported)
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == counts
    assert (found.prompt_details, found.completion_details) == (prompt_details, completion_details)


def _generation(message: Json, info: Json = None) -> Json:
    return {"generations": [[{"text": "x", "message": message, "generation_info": info}]]}


@pytest.mark.parametrize(
    "outputs",
    [
        {"usage": PLAIN},
        {"llm_output": {"token_usage": PLAIN}},
        {"llm_output": {"usage": PLAIN}},
        {"llm_output": {"tokenUsage": {"promptTokens": 10, "completionTokens": 4, "totalTokens": 14}}},
        {"llm_output": None, "generations": [[{"message": {"kwargs": {"usage_metadata": PLAIN}}}]]},
        _generation({"kwargs": {"usage_metadata": PLAIN}}),
        _generation({"kwargs": {"response_metadata": {"token_usage": PLAIN}}}),
        _generation({"usage_metadata": PLAIN}),
        _generation(None, {"usage_metadata": PLAIN}),
        {"generations": [{"message": {"kwargs": {"usage_metadata": PLAIN}}}]},
        {"message": {"response_metadata": {"token_usage": PLAIN}}},
        {"message": {"response_metadata": {"usage": PLAIN}}},
        {"output": {"usage_metadata": PLAIN}},
        {"output": {"kwargs": {"usage_metadata": PLAIN}}},
        {"response_metadata": {"token_usage": PLAIN}},
    ],
)
def test_model_calls_report_in_many_places(outputs: Json) -> None:
    for run_type in ("llm", "embedding"):
        found = find_usage(outputs, None, run_type)
        assert found is not None
        assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (10, 4, 14)
    assert find_usage(outputs, None, "chain") is None


@pytest.mark.parametrize("run_type", ["llm", "chain", "tool"])
def test_usage_in_metadata_counts_for_every_run_type(run_type: str) -> None:
    assert find_usage(None, {"usage_metadata": PLAIN}, run_type) == read_usage(PLAIN) is not None


def test_a_run_that_hands_a_models_answer_on_has_no_usage_of_its_own() -> None:
    """Else a trace whose functions return what the model returned would show its tokens once for each of them."""
    assert find_usage({"usage_metadata": PLAIN}, None, "llm") == read_usage(PLAIN)
    assert find_usage({"usage_metadata": PLAIN}, None, "chain") is None
    assert find_usage({"usage_metadata": PLAIN}, None, "tool") is None


def test_explicit_usage_of_outputs_comes_first() -> None:
    found = find_usage({"usage_metadata": PLAIN, "usage": OPENAI}, {"usage_metadata": RESPONSES}, "llm")
    assert found is not None
    assert found.prompt_tokens == 10


@pytest.mark.parametrize(
    ("reported", "counts"),
    [
        ({"input_tokens": 3}, (3, 0, 3)),
        ({"output_tokens": 3}, (0, 3, 3)),
        ({"total_tokens": 9}, (0, 0, 9)),
        ({"input_tokens": 3.0, "output_tokens": 2}, (3, 2, 5)),
        ({"prompt_tokens": 0, "input_tokens": 3}, (3, 0, 3)),
        ({"input_tokens": 0, "output_tokens": 0}, (0, 0, 0)),
        ({"inputTokens": 1, "outputTokens": 2}, (1, 2, 3)),
    ],
)
def test_what_is_missing_is_zero_and_the_total_is_the_sum(
    reported: dict[str, Json], counts: tuple[int, int, int]
) -> None:
    found = read_usage(reported)
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == counts


ODD: list[dict[str, Json]] = [
    {},
    {"input_tokens": "5"},
    {"input_tokens": -1},
    {"input_tokens": True},
    {"input_tokens": 2**60},
    {"input_tokens": 1e300},
    {"input_tokens": [5]},
    {"total_cost": "much"},
    {"total_cost": -1},
]


@pytest.mark.parametrize("reported", ODD)
def test_odd_usage_is_none(reported: dict[str, Json]) -> None:
    assert read_usage(reported) is None


def test_odd_details_are_left_out() -> None:
    found = read_usage(
        {"input_tokens": 1, "input_token_details": {"a": "x", "b": 2, "c" * 500: 1}, "output_token_details": 5}
    )
    assert found is not None
    assert (found.prompt_details, found.completion_details) == ({"b": 2}, {})


def test_reported_costs_are_kept_to_twelve_places() -> None:
    found = read_usage(
        {
            "input_cost": 0.1,
            "output_cost": "0.02",
            "total_cost": 1,
            "input_cost_details": {"cache_read": 1e-7, "x": None},
        }
    )
    assert found == TokenUsage(
        prompt_cost=Decimal("0.1").quantize(Decimal("1e-12")),
        completion_cost=Decimal("0.02").quantize(Decimal("1e-12")),
        total_cost=Decimal(1).quantize(Decimal("1e-12")),
        prompt_cost_details={"cache_read": Decimal("0.0000001").quantize(Decimal("1e-12"))},
    )


@pytest.mark.parametrize(
    "value", [None, True, "", "x", "NaN", "Infinity", -0.1, 10**18, 10**30, float("inf"), float("nan"), [], {}]
)
def test_what_is_no_cost_is_none(value: Json) -> None:
    assert read_cost(value) is None
