"""Payloads come back byte for byte as the SDK sent them."""

from __future__ import annotations

import math

import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario

KINDS = (
    "letters",
    "emoji",
    "integers",
    "huge integer",
    "floats",
    "key order",
    "nested",
    "escapes",
    "json in text",
    "empty values",
    "not a number",
    "long",
    "messages",
)


@pytest.fixture(scope="module", params=list(Sdk), ids=str)
def stored(request: pytest.FixtureRequest, live_server: str) -> Outcome:
    return run_scenario("payloads", request.param, live_server)


@pytest.mark.parametrize("kind", KINDS)
def test_payload_is_answered_byte_for_byte(stored: Outcome, kind: str) -> None:
    """Once as inputs, once inside outputs; the bytes are those of the SDK's own serialiser."""
    assert stored["exact"][kind] == [True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_payload_is_listed_equal_with_its_keys_in_order(stored: Outcome, kind: str) -> None:
    assert stored["listed"][kind]


def test_no_kind_is_left_out(stored: Outcome) -> None:
    assert sorted(stored["exact"]) == sorted(KINDS)


def test_half_a_character_is_stored_as_the_sdk_mends_it(stored: Outcome) -> None:
    text = stored["unreadable"]["lone surrogate"]["text"]
    assert text.startswith("half ")
    assert text.endswith(" pair")


def test_a_bare_nan_comes_back_as_one(stored: Outcome) -> None:
    """The SDK writes one, against JSON, beside an integer beyond 64 bits; alone it would have written null itself."""
    payload = stored["unreadable"]["not a number beside a huge integer"]
    assert payload["n"] == 2**70
    assert math.isnan(payload["score"])


def test_a_run_after_odd_ones_is_stored(stored: Outcome) -> None:
    assert stored["still_alive"] == {"fine": True}
