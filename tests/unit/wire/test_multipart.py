"""Multipart: every framing that clients write, and every way to get it wrong."""

from __future__ import annotations

import time

import pytest

from runlake.errors import MalformedError, TooLargeError
from runlake.wire import multipart
from runlake.wire.multipart import parse_multipart

TYPE = "multipart/form-data; boundary=XX"


def _part(name: str, data: bytes, *extra: str, type_: str = "application/json", end: str = "\r\n") -> bytes:
    lines = ["--XX", f'Content-Disposition: form-data; name="{name}"', f"Content-Type: {type_}", *extra, "", ""]
    return end.join(lines).encode() + data + end.encode()


def _found(body: bytes, content_type: str = TYPE) -> list[tuple[str, str, bytes]]:
    return [(part.name, part.content_type, part.data) for part in parse_multipart(body, content_type)]


HOSTILE = b'\r\n--XX\r\nContent-Disposition: form-data; name="post.evil"\r\n\r\n{}\r\n--XX--\r\n'


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(_part("a", HOSTILE, f"Content-Length: {len(HOSTILE)}"), id="length header"),
        pytest.param(_part("a", HOSTILE, type_=f"application/json; length={len(HOSTILE)}"), id="length parameter"),
        pytest.param(_part("a", HOSTILE, f"content-length:{len(HOSTILE)}", end="\n"), id="line feeds only"),
        pytest.param(
            _part("a", HOSTILE, f"Content-Length: {len(HOSTILE)}", type_=f"application/json;length={len(HOSTILE)}"),
            id="both",
        ),
    ],
)
def test_a_declared_length_rules_over_boundaries_in_the_data(part: bytes) -> None:
    assert _found(part + _part("b", b"{}") + b"--XX--\r\n") == [
        ("a", "application/json", HOSTILE),
        ("b", "application/json", b"{}"),
    ]


DATA = [b"", b"{}", b"--XXy", b"--X", b"\r\n", b"\r\n--XXy", b"text\r\n--XXtra\r\nmore", b"\x00\xff\r\n\r\n"]


@pytest.mark.parametrize(("data", "end"), [*((data, end) for data in DATA for end in ("\r\n", "\n")), (b"\r", "\r\n")])
def test_without_a_length_the_data_ends_at_the_next_boundary_line(data: bytes, end: str) -> None:
    body = _part("a", data, end=end) + _part("b", b"1", end=end) + b"--XX--"
    assert _found(body) == [("a", "application/json", data), ("b", "application/json", b"1")]


def test_an_empty_part_may_share_its_line_end_with_the_boundary() -> None:
    assert _found(b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n--XX--') == [("a", "", b"")]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('form-data; name="post.x.inputs"', "post.x.inputs"),
        ('FORM-DATA;name="a b";filename="c"', "a b"),
        ("form-data; name=plain", "plain"),
        ('form-data; filename="name=x"; name="real"', "real"),
        (r'form-data; name="with \"quote\""', 'with "quote"'),
        ('form-data; name="größe 首"', "größe 首"),
    ],
)
def test_the_name_is_read_from_every_spelling_of_the_header(header: str, name: str) -> None:
    body = f"--XX\r\ncontent-type: text/plain\r\ncontent-disposition: {header}\r\n\r\nx\r\n--XX--\r\n".encode()
    assert _found(body) == [(name, "text/plain", b"x")]


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="XX"',
        "Multipart/Mixed;charset=utf-8; BOUNDARY=XX",
        "multipart/form-data; boundary=XX; a=b",
    ],
)
def test_the_boundary_is_read_from_every_spelling_of_the_header(content_type: str) -> None:
    assert _found(_part("a", b"1") + b"--XX--", content_type) == [("a", "application/json", b"1")]


def test_text_around_the_parts_is_ignored() -> None:
    assert len(_found(b"preamble\r\n" + _part("a", b"1") + b"--XX--\r\nepilogue")) == 1


def test_a_body_without_parts_has_none() -> None:
    assert _found(b"--XX--\r\n") == []


def test_the_offset_is_where_the_data_starts() -> None:
    body = _part("a", b"123") + b"--XX--"
    (part,) = parse_multipart(body, TYPE)
    assert body[part.offset :].startswith(b"123")


GOOD = _part("a", b"1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "does not contain the boundary"),
        (b"no parts", "does not contain the boundary"),
        (GOOD, "part 'a': the body ends before the boundary that closes it"),
        (GOOD[:-2], "part 'a': the body ends before the boundary that closes it"),
        (GOOD + b"--XX", "part 'a': the body ends before the boundary that closes it"),
        (GOOD + b"--XX\r\nA: b", "part at byte 89: the body ends in the headers"),
        (_part("a", b"1", "Content-Length: 5"), "part 'a': declares 5 bytes, the body ends 2 bytes earlier"),
        (_part("a", b"123", "Content-Length: 2") + b"--XX--", "part 'a': no boundary follows its 2 bytes"),
        (_part("a", b"1", "Content-Length: -1") + b"--XX--", "part 'a': length '-1' is not a number of bytes"),
        (_part("a", b"1", "Content-Length: ²") + b"--XX--", "is not a number of bytes"),
        (_part("a", b"1", "Content-Length: " + "9" * 5000) + b"--XX--", "is not a number of bytes"),
        (_part("a", b"1", type_="x; length=one") + b"--XX--", "length 'one' is not a number of bytes"),
        (
            _part("a", b"1", "Content-Length: 1", type_="x; length=2") + b"--XX--",
            "part 'a': two different lengths, 1 and 2",
        ),
        (
            _part("a", b"1", "Content-Encoding: gzip") + b"--XX--",
            "part 'a': Content-Encoding of a part is not accepted",
        ),
        (b"--XX\r\nContent-Type: x\r\n\r\n1\r\n--XX--", "no Content-Disposition with a name"),
        (b"--XX\r\nnonsense\r\n\r\n1\r\n--XX--", "'nonsense' is not a header"),
        (b"--XX\r\n\xff: 1\r\n\r\n1\r\n--XX--", "headers are not UTF-8"),
        (b"--XXmore\r\nA: b\r\n\r\n1\r\n--XX--", "'more' follows the boundary"),
        (b"--XX\r\nA: " + b"b" * 20_000, "no blank line follows the headers"),
    ],
)
def test_a_broken_body_is_refused_with_part_and_position(body: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message) as caught:
        parse_multipart(body, TYPE)
    assert caught.value.position is not None
    assert 0 <= caught.value.position <= len(body)


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/x; boundary=é"],
)
def test_a_header_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_multipart(GOOD + b"--XX--", content_type)
    assert caught.value.field == "Content-Type"


def test_a_hundred_thousand_parts_take_less_than_a_second() -> None:
    body = b"".join(_part(f"post.{i:032x}.inputs", b"{}", "Content-Length: 2") for i in range(100_000)) + b"--XX--"
    begun = time.process_time()
    assert len(parse_multipart(body, TYPE)) == 100_000
    assert time.process_time() - begun < 1.0


def test_more_parts_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_PARTS", 3)
    with pytest.raises(TooLargeError, match="more than 3 parts"):
        parse_multipart(GOOD * 4 + b"--XX--", TYPE)
