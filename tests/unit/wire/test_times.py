"""Times: every spelling that clients send, kept to the microsecond."""

from __future__ import annotations

import pytest

from runlake.errors import MalformedError
from runlake.wire.times import EARLIEST_US, LATEST_US, format_time, parse_time

MOMENT_US = 1_767_323_045_000_006


@pytest.mark.parametrize(
    ("value", "expected_us"),
    [
        ("2026-01-02T03:04:05.000006", MOMENT_US),
        ("2026-01-02T03:04:05.000006Z", MOMENT_US),
        ("2026-01-02t03:04:05.000006z", MOMENT_US),
        (" 2026-01-02 03:04:05.000006 ", MOMENT_US),
        ("2026-01-02T03:04:05.000006999Z", MOMENT_US),
        ("2026-01-02T03:04:05.000006+00:00", MOMENT_US),
        ("2026-01-02T05:34:05.000006+02:30", MOMENT_US),
        ("2026-01-01T19:04:05.000006-0800", MOMENT_US),
        ("2026-01-02T03:04:05.5Z", MOMENT_US + 499_994),
        ("2026-01-02T03:04:05Z", MOMENT_US - 6),
        ("2026-01-02", 1_767_312_000_000_000),
        (1_767_323_045_000, MOMENT_US - 6),
        (1_767_323_045_000.006, MOMENT_US),
        (0, 0),
        (-1, -1000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1900-01-01T00:00:00Z", EARLIEST_US),
        ("2299-12-31T23:59:59.999999Z", LATEST_US),
    ],
)
def test_every_spelling_becomes_microseconds(value: object, expected_us: int) -> None:
    assert parse_time(value) == expected_us


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "1767323045000",
        "1712012312345",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "2300-01-01",
        10**18,
        pytest.param(10**5000, id="huge"),
        float("nan"),
        float("inf"),
        1e300,
        True,
        None,
        [],
        {},
    ],
)
def test_anything_else_is_refused_in_a_short_sentence(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_time(value)
    assert caught.value.message[0] != "."
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("moment_us", "text"),
    [(MOMENT_US, "2026-01-02T03:04:05.000006"), (0, "1970-01-01T00:00:00.000000"), (-1, "1969-12-31T23:59:59.999999")],
)
def test_times_print_as_naive_utc_with_six_digits(moment_us: int, text: str) -> None:
    assert format_time(moment_us) == text
    assert parse_time(text) == moment_us
