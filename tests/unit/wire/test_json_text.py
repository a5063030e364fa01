"""JSON is kept byte for byte; the exceptions are listed here."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest

from runlake.errors import MalformedError
from runlake.wire.json_text import (
    ABSENT,
    check_json,
    check_payload,
    decode_object,
    decode_value,
    raw_bytes,
    split_array,
    split_object,
    without_constants,
)

EXACT = [
    b"{}",
    b" [1 , 2]\n",
    b'{"b":1,"a":2,"b":3}',
    b'{"n":123456789012345678901234567890,"f":1.50,"e":1E5,"huge":1e999}',
    b"1" * 9000,
    '{"ü":"首都 🗼","esc":"\\u00fc\\/"}'.encode(),
    rb'{"lone":"\ud800","pair":"\ud83d\ude00","low":"\udc00 x"}',
    rb'{"lone":"\ud800 and the word NaN"}',
]


@pytest.mark.parametrize("data", EXACT)
def test_json_is_kept_byte_for_byte(data: bytes) -> None:
    assert check_json(data) == data


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (b"NaN", b"null"),
        (b'{"a": [NaN, 1.5, -Infinity], "b": "NaN"}', b'{"a": [null, 1.5, null], "b": "NaN"}'),
        (rb'{"a":Infinity,"b":"\ud800"}', rb'{"a":null,"b":"\ud800"}'),
    ],
)
def test_words_that_are_no_json_numbers_stay_in_payloads_and_are_null_elsewhere(data: bytes, stored: bytes) -> None:
    assert check_payload(data) == data
    assert check_json(data) == stored
    assert without_constants(data) == stored


def test_words_inside_strings_are_text() -> None:
    data = rb'{"NaN": "Infinity \" NaN", "b": "\\", "c": NaN}'
    assert without_constants(data) == rb'{"NaN": "Infinity \" NaN", "b": "\\", "c": null}'


BROKEN = [
    (b"", 0),
    (b"{", 1),
    (b'{"a":1', 6),
    (b'{"a":tru}', 5),
    (b'{"a":01}', 6),
    (b'{"a":"\x01"}', 6),
    (b"{} x", 3),
    ('{"ü":}'.encode(), 6),
    (b'{"a":"\xff"}', 6),
    (b'{"a":NaN,"b":"\xff"}', 14),
]


@pytest.mark.parametrize(("data", "position"), BROKEN)
def test_broken_json_is_refused_with_its_byte_position(data: bytes, position: int) -> None:
    with pytest.raises(MalformedError) as caught:
        check_json(data)
    assert caught.value.position == position
    assert f"byte {position}" in caught.value.message


@pytest.mark.parametrize("data", [b"[" * 10**6, b'{"a":' * 10**6, b"[" * 10**6 + b"NaN" + b"]" * 10**6])
def test_json_nested_too_deep_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="nested too deep"):
        check_json(data)


@pytest.mark.parametrize("leaf", [b"1", b"NaN", rb'"\ud800"'])
def test_every_depth_is_read_or_refused_as_too_deep(leaf: bytes) -> None:
    """Around the limit the readers behind this module give up at slightly different depths."""
    for levels in range(100, 1100, 7):
        data = b'{"body":' + b"[" * levels + leaf + b"]" * levels + b"}"
        for read in (check_json, decode_value, lambda source: decode_object(source, _DECODER)):
            with contextlib.suppress(MalformedError):
                read(data)


@pytest.mark.parametrize(
    ("data", "value"), [(b'"x"', "x"), (rb'"\ud800x"', "?x"), (b"[1,NaN]", [1, None]), (b" null ", None)]
)
def test_small_values_are_decoded(data: bytes, value: object) -> None:
    assert decode_value(data) == value


class _Shape(msgspec.Struct):
    word: Any = None
    body: msgspec.Raw = ABSENT
    other: msgspec.Raw = msgspec.field(default=ABSENT, name="camelCase")


_DECODER = msgspec.json.Decoder(_Shape)


@pytest.mark.parametrize("spoiler", [b"", b',"x":NaN', rb',"x":"\ud800"'])
def test_members_are_cut_out_exactly_also_when_a_neighbour_spoils_the_fast_path(spoiler: bytes) -> None:
    source = rb'{ "word" : "w" , "body" :  {"b" : 1.50, "a":"\u00fc"}  ,"camelCase":[1 ,2]' + spoiler + b" }"
    shape = decode_object(source, _DECODER)
    assert (shape.word, raw_bytes(shape.body), raw_bytes(shape.other)) == (
        "w",
        rb'{"b" : 1.50, "a":"\u00fc"}',
        b"[1 ,2]",
    )


def test_decoded_text_never_holds_a_lone_surrogate() -> None:
    shape = decode_object(rb'{"word":["\ud800x"]}', _DECODER)
    assert shape.word == ["?x"]


@pytest.mark.parametrize(
    "data", [b"[]", b"1", b"null", b'"x"', b"", b'{"a":1,}', b"{1:2}", b'{"word" 1}', b'{"word":1}x']
)
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_object(data, _DECODER)


def test_null_and_absent_members_are_empty() -> None:
    shape = decode_object(b'{"body":null}', _DECODER)
    assert (raw_bytes(shape.body), raw_bytes(shape.other)) == (b"", b"")


def test_objects_and_arrays_come_apart_without_change() -> None:
    assert split_object(' { "a" : [1, 2.0] , "b":{"c":"}"},"a":NaN } ') == {"a": "NaN", "b": '{"c":"}"}'}
    assert split_array(' [ 1 , "]" ,{"a":[ ]}, NaN ] ') == ["1", '"]"', '{"a":[ ]}', "NaN"]
    assert split_object("{}") == {}
    assert split_array("[ ]") == []


@pytest.mark.parametrize("text", ["[1,]", "[1 2]", "[", "{}", "[,]"])
def test_a_broken_array_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        split_array(text)
