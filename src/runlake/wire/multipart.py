"""Multipart bodies: a complete body in, its parts out.

Second step of the ingest line, between ``wire.encoding`` and ``wire.run_writes``. Every part is bytes, whether or not
it has a file name, because attachments come without one (seen in the SDK). A part may declare its length, as a header
``Content-Length`` or as ``; length=n`` on its Content-Type (documented upstream); then the length rules and the data
may contain the boundary. Without one the data ends before the next boundary line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from runlake.errors import MalformedError, TooLargeError
from runlake.wire.spool import Body

MAX_PARTS: Final = 200_000
"""Most parts of one body."""

MAX_HEADER_BYTES: Final = 16_384
"""Most bytes of the headers of one part."""

_SMALL_PART_BYTES: Final = 64 * 1024
"""Parts that are read at once, wherever the body is."""

_MAX_BOUNDARY_CHARS: Final = 200
_MAX_LENGTH_DIGITS: Final = 15
_BOUNDARY: Final = re.compile(r';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]+)"|([^;,\s"]+))', re.IGNORECASE)
# The layout that every known client writes; anything else goes through the header lines one by one.
_USUAL_HEAD: Final = re.compile(
    rb'\r?\nContent-Disposition: form-data; name="([^"\\\r\n]*)"\r\n'
    rb"Content-Type: ([^;\r\n]*)(?:; ?length=(\d{1,15}))?(?:\r\nContent-Length: (\d{1,15}))?\r\n\r\n"
)
_NAME: Final = re.compile(r';[ \t]*name[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE)
_LENGTH: Final = re.compile(r';[ \t]*length[ \t]*=[ \t]*"?([^;"\s]*)"?', re.IGNORECASE)
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_AFTER_DELIMITER: Final = re.compile(rb"--|[ \t]*\r?\n")


class Part(msgspec.Struct, frozen=True, gc=False):
    """One part; ``offset`` is where its data starts in the body, in bytes. ``content_type`` has no length parameter.

    ``content`` is where the body is, ``data`` is in memory.
    """

    name: str
    content_type: str
    content: Body
    offset: int

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content[:]


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What the headers of a part say; ``end`` is where its data starts."""

    name: str
    content_type: str
    length: int | None
    end: int


def parse_multipart(body: Body, content_type: str) -> list[Part]:
    """The parts in the order sent; ``content_type`` is the request header with its ``boundary`` parameter.

    Raises ``MalformedError`` with the part's name and the byte offset, ``TooLargeError`` beyond ``MAX_PARTS``. Text
    before the first boundary and after the closing one is ignored.
    """
    delimiter = b"--" + _boundary_of(content_type)
    parts: list[Part] = []
    position = _first_delimiter(body, delimiter)
    while not body.startswith(b"--", position):
        if len(parts) >= MAX_PARTS:
            raise TooLargeError(
                f"the multipart body has more than {MAX_PARTS} parts; send smaller batches", field="body"
            )
        head = _read_head(body, position)
        if head.length is None:
            data_end, position = _find_end(body, delimiter, head)
        else:
            data_end = head.end + head.length
            position = _end_declared(body, delimiter, head, data_end)
        parts.append(Part(head.name, head.content_type, _between(body, head.end, data_end), head.end))
    return parts


def _between(body: Body, start: int, end: int) -> Body:
    if isinstance(body, bytes) or end - start <= _SMALL_PART_BYTES:
        return body[start:end]
    return body.piece(start, end)


def _look(
    look: Callable[[bytes, int, int], re.Match[bytes] | None], body: Body, start: int
) -> tuple[re.Match[bytes], int] | None:
    """What a pattern finds in the next ``MAX_HEADER_BYTES``, and what to add to its positions."""
    if isinstance(body, bytes):
        found, shift = look(body, start, start + MAX_HEADER_BYTES), 0
    else:
        found, shift = look(body[start : start + MAX_HEADER_BYTES], 0, MAX_HEADER_BYTES), start
    return None if found is None else (found, shift)


def _boundary_of(content_type: str) -> bytes:
    kind = content_type.partition(";")[0].strip().lower()
    if not kind.startswith("multipart/"):
        raise MalformedError(
            f"content type {content_type[:100]!r} is not multipart; use multipart/form-data with a boundary",
            field="Content-Type",
        )
    match = _BOUNDARY.search(content_type)
    boundary = (match[1] or match[2]) if match else ""
    if not 0 < len(boundary) <= _MAX_BOUNDARY_CHARS or not boundary.isascii():
        raise MalformedError(
            "the Content-Type header has no usable boundary; use multipart/form-data; boundary=..., in ASCII",
            field="Content-Type",
        )
    return boundary.encode("ascii")


def _first_delimiter(body: Body, delimiter: bytes) -> int:
    """The position after the first boundary; it stands at the start of the body or of a line."""
    found = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if found == 0 and not body.startswith(delimiter):
        message = "the multipart body does not contain the boundary that its Content-Type names"
        raise MalformedError(message, field="body", position=0)
    return found + len(delimiter)


def _read_head(body: Body, position: int) -> _Head:
    """Headers of the part whose boundary ends at ``position``."""
    found = _look(_USUAL_HEAD.match, body, position)
    if found is None:
        return _read_unusual_head(body, position)
    usual, shift = found
    name, content_type, parameter, header = usual.groups()
    if parameter is not None and header is not None and int(parameter) != int(header):
        return _read_unusual_head(body, position)
    length = header or parameter
    try:
        return _Head(name.decode(), content_type.decode(), None if length is None else int(length), usual.end() + shift)
    except UnicodeDecodeError:
        return _read_unusual_head(body, position)


def _read_unusual_head(body: Body, position: int) -> _Head:
    """Headers in any order, spelling and line end."""
    found = _look(_BLANK_LINE.search, body, position)
    if found is None:
        ends_here = len(body) <= position + MAX_HEADER_BYTES
        problem = "the body ends in the headers" if ends_here else "no blank line follows the headers"
        raise _refusal(f"part at byte {position}: {problem}", position)
    blank, shift = found
    try:
        lines = re.split(r"\r?\n", body[position : blank.start() + shift].decode())
    except UnicodeDecodeError as error:
        raise _refusal(f"part at byte {position}: headers are not UTF-8", position + error.start) from None
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise _refusal(f"part at byte {position}: {line[:60]!r} is not a header", position)
        headers[name.strip().lower()] = value.strip()
    if lines[0].strip():
        raise _refusal(f"part at byte {position}: {lines[0][:60]!r} follows the boundary on its line", position)
    return _head_of(headers, position, blank.end() + shift)


def _head_of(headers: dict[str, str], position: int, end: int) -> _Head:
    found = _NAME.search(headers.get("content-disposition", ""))
    if found is None:
        raise _refusal(f"part at byte {position}: no Content-Disposition with a name", position)
    name = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _refusal(
            f"part {name[:100]!r}: Content-Encoding of a part is not accepted; encode the whole body", position
        )
    content_type = headers.get("content-type", "")
    parameter = _LENGTH.search(content_type)
    lengths = {text for text in (headers.get("content-length"), parameter and parameter[1]) if text is not None}
    if any(not text.isdecimal() or not text.isascii() or len(text) > _MAX_LENGTH_DIGITS for text in lengths):
        raise _refusal(f"part {name[:100]!r}: length {min(lengths)[:40]!r} is not a number of bytes", position)
    if len(set(map(int, lengths))) > 1:
        raise _refusal(f"part {name[:100]!r}: two different lengths, {' and '.join(sorted(lengths))}", position)
    length = int(lengths.pop()) if lengths else None
    return _Head(name, _LENGTH.sub("", content_type).strip(), length, end)


def _find_end(body: Body, delimiter: bytes, head: _Head) -> tuple[int, int]:
    """End of the data and the position after the boundary that follows it, for a part of undeclared length."""
    line = b"\n" + delimiter
    # The blank line's own end may serve as the line end before the boundary of an empty part.
    found = body.find(line, head.end - 1)
    while found >= 0:
        after = found + len(line)
        if _look(_AFTER_DELIMITER.match, body, after):
            data_end = found - 1 if found > head.end and body[found - 1 : found] == b"\r" else found
            return max(data_end, head.end), after
        found = body.find(line, found + 1)
    raise _refusal(f"part {head.name[:100]!r}: the body ends before the boundary that closes it", len(body))


def _end_declared(body: Body, delimiter: bytes, head: _Head, data_end: int) -> int:
    """The position after the boundary that must follow the declared length."""
    if data_end > len(body):
        missing = data_end - len(body)
        raise _refusal(
            f"part {head.name[:100]!r}: declares {head.length} bytes, the body ends {missing} bytes earlier", len(body)
        )
    for line_end in (b"\r\n", b"\n", b""):
        line = line_end + delimiter
        if body.startswith(line, data_end) and _look(_AFTER_DELIMITER.match, body, data_end + len(line)):
            return data_end + len(line)
    raise _refusal(f"part {head.name[:100]!r}: no boundary follows its {head.length} bytes", data_end)


def _refusal(message: str, position: int) -> MalformedError:
    return MalformedError(message, field="body", position=position)
