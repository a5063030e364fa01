"""Dotted orders: written as clients write them, and refused with the segment at fault."""

from __future__ import annotations

from uuid import UUID

import pytest

from runlake.model.dotted_order import Segment, ancestor_ids, append_segment, parse_dotted_order, root_segment

ROOT, MIDDLE, LEAF = (UUID(int=number, version=4) for number in (1, 2, 3))
START_US = 1_767_323_045_000_006


def test_a_root_is_one_segment() -> None:
    text = root_segment(START_US, ROOT)
    assert text == f"20260102T030405000006Z{ROOT}"
    assert parse_dotted_order(text) == (Segment(START_US, ROOT),)


def test_segments_append_from_the_root_down() -> None:
    text = append_segment(append_segment(root_segment(START_US, ROOT), START_US + 1, MIDDLE), START_US + 2, LEAF)
    segments = parse_dotted_order(text)
    assert segments == (Segment(START_US, ROOT), Segment(START_US + 1, MIDDLE), Segment(START_US + 2, LEAF))
    assert ancestor_ids(segments) == (ROOT, MIDDLE)
    assert ancestor_ids(segments[:1]) == ()


@pytest.mark.parametrize("moment_us", [0, -1, -2_208_988_800_000_000, 10_413_791_999_999_999, START_US])
def test_every_moment_survives(moment_us: int) -> None:
    assert parse_dotted_order(root_segment(moment_us, LEAF))[0].time_us == moment_us


def test_texts_sort_by_time() -> None:
    moments = [-5, 0, 999_999, 1_000_000, START_US]
    texts = [root_segment(moment, LEAF) for moment in moments]
    assert texts == sorted(texts)


GOOD = root_segment(START_US, ROOT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "segment 1 of the dotted order, '', cannot be read"),
        (GOOD + ".", "segment 2 of the dotted order, '', cannot be read"),
        (f"{GOOD}.x", "segment 2 of the dotted order, 'x', cannot be read"),
        (f"20260102T030405006Z{ROOT}", "has a fraction of 3 digits where 6 are needed"),
        (f"{GOOD}.20260102T030405000000006Z{LEAF}", "segment 2 .* has a fraction of 9 digits"),
        (f"20260230T030405000006Z{ROOT}", "cannot be read"),
        (f"20261302T030405000006Z{ROOT}", "cannot be read"),
        (f"20260102T240405000006Z{ROOT}", "cannot be read"),
        (f"00000102T030405000006Z{ROOT}", "cannot be read"),
        (f"20260102T030405000006Z{ROOT.hex}", "the run id with dashes"),
        (f"20260102T030405000006{ROOT}", "YYYYMMDDTHHMMSSffffffZ"),
        (f"{GOOD}\n", "cannot be read"),
        (f"２0260102T030405000006Z{ROOT}", "cannot be read"),  # noqa: RUF001 - a digit that is not ASCII
        ("x" * 100_000, "x" * 80 + "'\\.\\.\\."),
    ],
)
def test_a_broken_segment_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_dotted_order(text)
    assert len(str(caught.value)) < 300
