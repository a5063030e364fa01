"""JSON as it arrives: checked, taken apart, and kept byte for byte.

msgspec reads nearly every body. What it refuses and others send is read here a second time, more slowly: NaN and
Infinity, which are no JSON but which the Python SDK writes beside integers beyond 64 bits (seen in the SDK), and lone
surrogate escapes. Payloads keep both byte for byte; answers give the constants back to readers that understand them.
Everything else that fails is the sender's mistake and becomes a ``MalformedError`` with the byte position.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from runlake.errors import MalformedError

ABSENT: Final = msgspec.Raw(b"")
"""Default of a ``Raw`` member that was not sent."""

ShapeT = TypeVar("ShapeT", bound=msgspec.Struct)

_CHECKER: Final = msgspec.json.Decoder(msgspec.Raw)
_CONSTANTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?Infinity|NaN')
_UTF8_PART_BYTES: Final = 1 << 20
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def check_payload(data: bytes) -> bytes:
    """``data`` itself when it is one JSON value in UTF-8, NaN and Infinity allowed; or an error."""
    try:
        _CHECKER.decode(data)
    except RecursionError:
        raise too_deep() from None
    except msgspec.DecodeError:
        _load(_utf8_text(data))
        return data
    return _check_utf8(data)


def check_json(data: bytes) -> bytes:
    """As ``check_payload``, with ``null`` for NaN and Infinity: what goes into our own answers as it is."""
    return without_constants(check_payload(data))


def without_constants(data: bytes) -> bytes:
    """The same bytes with ``null`` for every NaN and Infinity outside a string: JSON for every reader."""
    if b"NaN" not in data and b"Infinity" not in data:
        return data
    return _CONSTANTS.sub(lambda match: match[0] if match[0].startswith(b'"') else b"null", data)


def decode_object(data: bytes, decoder: msgspec.json.Decoder[ShapeT], *, is_run: bool = False) -> ShapeT:
    """The object in ``data`` as the decoder's struct of ``Any`` and ``Raw`` members; ``Raw`` ones stay byte-exact.

    Only in a run may ``Raw`` members hold NaN and Infinity, elsewhere they become null. Raises ``MalformedError``;
    text of ``Any`` members never holds a lone surrogate.
    """
    try:
        shape = decoder.decode(data)
    except RecursionError:
        raise too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_slowly(data, decoder.type, check_payload if is_run else check_json)
    _check_utf8(data)
    return shape


def decode_value(data: bytes) -> object:
    """One small JSON value as Python values; text in it never holds a lone surrogate. Raises ``MalformedError``."""
    try:
        value: object = msgspec.json.decode(data)
    except RecursionError:
        raise too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _plain(_utf8_text(data))
    return value


def raw_bytes(raw: msgspec.Raw) -> bytes:
    """A copy of a member's bytes; empty when it was absent or null."""
    data = bytes(raw)
    return b"" if data == b"null" else data


def split_object(text: str) -> dict[str, str]:
    """The members of an object, each value as its own text; of repeated keys the last counts.

    Positions of a ``MalformedError`` are bytes of ``text`` in UTF-8.
    """
    return {key: text[start:end] for key, start, end in _members(text)}


def split_array(text: str) -> list[str]:
    """The elements of an array, each as its own text."""
    position = _skip(text, 0)
    if not text.startswith("[", position):
        raise _refusal(text, position, "expected an array")
    elements: list[str] = []
    position = _skip(text, position + 1)
    if text.startswith("]", position):
        return elements
    while True:
        end = _value_end(text, position)
        elements.append(text[position:end])
        position = _skip(text, end)
        if text.startswith("]", position):
            return elements
        position = _expect(text, position, ",")


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    position = _expect(text, _skip(text, 0), "{", "expected an object")
    if text.startswith("}", position):
        return
    while True:
        if not text.startswith('"', position):
            raise _refusal(text, position, "expected a member name in quotes")
        key, position = _scan(text, position)
        start = _expect(text, _skip(text, position), ":")
        end = _value_end(text, start)
        yield str(key), start, end
        position = _skip(text, end)
        if text.startswith("}", position):
            break
        position = _expect(text, position, ",")
    if (rest := _skip(text, position + 1)) != len(text):
        raise _refusal(text, rest, "text follows the object")


def _decode_slowly(data: bytes, shape: type[ShapeT], check: Callable[[bytes], bytes]) -> ShapeT:
    text = _utf8_text(data)
    members = split_object(text)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        source = members.get(field.encode_name)
        if source is not None:
            is_raw = field.type is msgspec.Raw
            values[field.name] = msgspec.Raw(check(source.encode())) if is_raw else _plain(source)
    return shape(**values)


def _plain(source: str) -> object:
    """A small member as Python values; lone surrogates become question marks, because no store takes them."""
    try:
        text = json.dumps(_load(source), ensure_ascii=False, separators=(",", ":"))
        return msgspec.json.decode(text.encode("utf-8", "replace"))
    except RecursionError:
        raise too_deep() from None
    except msgspec.DecodeError as error:
        raise MalformedError(f"not acceptable JSON: {_lowered(str(error))}") from None


def _load(text: str) -> object:
    """The value, with None for NaN and Infinity."""
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise too_deep() from None
    except json.JSONDecodeError as error:
        raise _refusal(text, error.pos, _lowered(error.msg)) from None
    except ValueError:
        raise MalformedError("the JSON holds an integer of several thousand digits; send it as text") from None


_DECODER: Final = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)


def _scan(text: str, position: int) -> tuple[object, int]:
    """The value at ``position`` and its end; numbers are not evaluated."""
    try:
        return _DECODER.raw_decode(text, position)
    except RecursionError:
        raise too_deep() from None
    except json.JSONDecodeError as error:
        raise _refusal(text, error.pos, _lowered(error.msg)) from None


def _value_end(text: str, position: int) -> int:
    return _scan(text, position)[1]


def _expect(text: str, position: int, character: str, problem: str = "") -> int:
    """The first position after ``character`` and the blanks that follow it."""
    if not text.startswith(character, position):
        raise _refusal(text, position, problem or f"expected {character!r}")
    return _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _check_utf8(data: bytes) -> bytes:
    if data.isascii():
        return data
    # As text a large payload with one rare character takes four times its bytes, so it is read in parts.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _UTF8_PART_BYTES):
            decoder.decode(data[start : start + _UTF8_PART_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        _utf8_text(data)
    return data


def _utf8_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = error.start
        raise MalformedError(f"not valid UTF-8 at byte {start}; JSON must be UTF-8", position=start) from None


def _refusal(text: str, position: int, problem: str) -> MalformedError:
    """``position`` counts characters here and bytes in the error."""
    offset = len(text[:position].encode("utf-8", "surrogateescape"))
    return MalformedError(f"not valid JSON at byte {offset}: {problem}", position=offset)


def too_deep() -> MalformedError:
    """The error for JSON that exhausts the reader's recursion."""
    return MalformedError("the JSON is nested too deep; several hundred levels are accepted")


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
