r"""Search-bar text to tokens.

Unlike a filter, a bar has no quotes around most of its text, so what a character means depends on the place: behind
``field:`` a value is read, elsewhere words. A backslash takes any next character literally, in quotes or not. One pass,
linear time, never raises: the first thing that is no token ends the list with a ``BROKEN`` one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from runlake.fql.lexer import MAX_TEXT_BYTES
from runlake.fql.source import Source, Span, quoted


class BarKind(StrEnum):
    """What a token is; the value is how a message names it."""

    FIELD = "a field"
    WORD = "a word"
    PHRASE = "quoted text"
    TILDE = '"~"'
    COMPARE = "a comparison sign"
    RANGE = "a range"
    OPEN_GROUP = '"{"'
    CLOSE_GROUP = '"}"'
    LPAREN = '"("'
    RPAREN = '")"'
    MINUS = '"-"'
    AND = '"AND"'
    OR = '"OR"'
    NOT = '"NOT"'
    END = "the end of the search"
    BROKEN = "a broken token"


@dataclass(frozen=True, slots=True)
class Operand:
    """A value as written: its text without quotes and backslashes, and where in it a bare ``*`` is a wildcard."""

    text: str
    span: Span
    is_quoted: bool = False
    stars: tuple[int, ...] = ()
    is_escaped: bool = False

    @property
    def is_any(self) -> bool:
        """Whether it is the lone star that stands for any value."""
        return bool(self.text) and len(self.stars) == len(self.text)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Both ends of a range; the flags say whether the end itself belongs to it."""

    low: Operand
    high: Operand
    with_low: bool
    with_high: bool


@dataclass(frozen=True, slots=True)
class BarToken:
    """``text`` is a comparison sign or the message of a ``BROKEN`` token; the other parts belong to one kind each."""

    kind: BarKind
    span: Span
    text: str = ""
    path: tuple[str, ...] = ()
    operand: Operand | None = None
    bounds: Bounds | None = None


_SPACE = re.compile(r"[\s\ufeff]*+")
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_BARE = r'(?:[^\s\ufeff()\[\]{}"\\]|\\.)++'
_SEGMENT = rf'(?:{_QUOTED}|(?:[^\s\ufeff()\[\]{{}}"\\.:*~<>]|\\.)++)'
_FIELD = re.compile(rf"(?P<path>[A-Za-z_][A-Za-z0-9_]*+(?:\.{_SEGMENT})*+):", re.DOTALL)
_GROUPED_FIELD = re.compile(rf"(?P<path>{_SEGMENT}(?:\.{_SEGMENT})*+):", re.DOTALL)
_SEGMENTS = re.compile(_SEGMENT, re.DOTALL)
_PHRASE = re.compile(_QUOTED, re.DOTALL)
_WORD = re.compile(_BARE, re.DOTALL)
_COMPARE = re.compile(r"[<>]=?")
_RANGE = re.compile(
    rf"(?P<open>[\[{{])\s*+(?P<low>{_QUOTED}|{_BARE})\s++(?i:TO)\s++(?P<high>{_QUOTED}|{_BARE})\s*+(?P<close>[\]}}])",
    re.DOTALL,
)
_PIECE = re.compile(r"\\(?P<escaped>.)|(?P<star>\*)|(?P<plain>[^\\*]++)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEYWORDS = {"AND": BarKind.AND, "OR": BarKind.OR, "NOT": BarKind.NOT}
_SIGNS = {"(": BarKind.LPAREN, ")": BarKind.RPAREN, "}": BarKind.CLOSE_GROUP}
_GROUP_PATH = ("feedback",)


class _BrokenError(Exception):
    def __init__(self, span: Span, message: str) -> None:
        super().__init__(message)
        self.span = span
        self.message = message


def tokenize_bar(source: Source) -> list[BarToken]:
    """All tokens of the text; the last one is ``END`` or ``BROKEN`` and no other is."""
    text = source.text
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        return [BarToken(BarKind.BROKEN, Span(0, 0), f"the search is longer than {MAX_TEXT_BYTES} bytes")]
    tokens: list[BarToken] = []
    offset = _skip_space(text, 0)
    in_group = False
    try:
        _refuse_surrogates(text)
        while offset < len(text):
            tokens.extend(_read_tokens(text, offset, in_group=in_group))
            in_group = tokens[-1].kind is BarKind.OPEN_GROUP or (
                in_group and tokens[-1].kind is not BarKind.CLOSE_GROUP
            )
            offset = _skip_space(text, tokens[-1].span.end)
    except _BrokenError as broken:
        tokens.append(BarToken(BarKind.BROKEN, broken.span, broken.message))
    else:
        tokens.append(BarToken(BarKind.END, Span(offset, offset)))
    return tokens


def _refuse_surrogates(text: str) -> None:
    if found := _SURROGATE.search(text):
        raise _BrokenError(Span(*found.span()), "the text holds half of a surrogate pair")


def _skip_space(text: str, offset: int) -> int:
    found = _SPACE.match(text, offset)
    return found.end() if found else offset


def _read_tokens(text: str, offset: int, *, in_group: bool) -> list[BarToken]:
    """The token at the offset; a field comes together with what is asked of it."""
    char = text[offset]
    if char in _SIGNS:
        return [BarToken(_SIGNS[char], Span(offset, offset + 1))]
    if char == "-":
        return [_read_minus(text, offset)]
    if found := (_GROUPED_FIELD if in_group else _FIELD).match(text, offset):
        path = (*(_GROUP_PATH if in_group else ()), *_read_path(found["path"]))
        field = BarToken(BarKind.FIELD, Span(*found.span("path")), path=path)
        return [field, *_read_test(text, found.end(), path)]
    if char == '"':
        return [_read_phrase(text, offset)]
    return [_read_word(text, offset)]


def _read_minus(text: str, offset: int) -> BarToken:
    span = Span(offset, offset + 1)
    if _skip_space(text, offset + 1) != offset + 1 or span.end == len(text):
        raise _BrokenError(span, '"-" negates what follows it directly, as in -status:error')
    return BarToken(BarKind.MINUS, span)


def _read_path(written: str) -> tuple[str, ...]:
    """The parts of a dotted name.

    field = name { "." segment } ":"
    segment = '"' { char } '"' | { char }

    Inside ``feedback:{...}`` a segment stands in the place of the name, and the path begins with ``feedback``.
    """
    segments = (found.group() for found in _SEGMENTS.finditer(written))
    return tuple(_ESCAPE.sub(r"\1", segment[1:-1] if segment[0] == '"' else segment) for segment in segments)


def _read_test(text: str, offset: int, path: tuple[str, ...]) -> list[BarToken]:
    """What stands behind the colon.

    test = value | "~" value | ( ">" | ">=" | "<" | "<=" ) value | range | "{"
    """
    span = Span(offset, offset + 1)
    char = text[offset : offset + 1]
    if char == "~":
        return [BarToken(BarKind.TILDE, span), _read_value(text, offset + 1, "~")]
    if found := _COMPARE.match(text, offset):
        sign = BarToken(BarKind.COMPARE, Span(*found.span()), found.group())
        return [sign, _read_value(text, found.end(), found.group())]
    if found := _RANGE.match(text, offset):
        return [_read_range(found)]
    if char == "{" and path == _GROUP_PATH:
        return [BarToken(BarKind.OPEN_GROUP, span)]
    if char in ("[", "{"):
        raise _BrokenError(span, "a range is written [low TO high], or {low TO high} without its ends")
    return [_read_value(text, offset, ":")]


def _read_value(text: str, offset: int, behind: str) -> BarToken:
    if text[offset : offset + 1] == '"':
        return _read_phrase(text, offset)
    found = _WORD.match(text, offset)
    if found is None:
        raise _BrokenError(
            Span(max(0, offset - 1), offset), f"a value follows {quoted(behind)} directly, without space"
        )
    _refuse_glued(text, found.end())
    return BarToken(BarKind.WORD, Span(*found.span()), operand=_bare_operand(found.group(), offset))


def _read_range(found: re.Match[str]) -> BarToken:
    """Two values in brackets; a brace leaves its end out.

    range = ( "[" | "{" ) value "TO" value ( "]" | "}" )
    """
    low, high = (_operand(found[end], found.start(end)) for end in ("low", "high"))
    bounds = Bounds(low, high, with_low=found["open"] == "[", with_high=found["close"] == "]")
    return BarToken(BarKind.RANGE, Span(*found.span()), bounds=bounds)


def _read_phrase(text: str, offset: int) -> BarToken:
    found = _PHRASE.match(text, offset)
    if found is None:
        raise _BrokenError(Span(offset, offset + 1), 'the text that starts here has no closing "')
    _refuse_glued(text, found.end())
    return BarToken(BarKind.PHRASE, Span(*found.span()), operand=_operand(found.group(), offset))


def _refuse_glued(text: str, end: int) -> None:
    """Whether quotes belong to the word beside them is a guess, so there has to be a space."""
    behind = text[end : end + 1]
    if behind == '"' or (text[end - 1] == '"' and _WORD.match(text, end)):
        message = "quotes go around a whole value; inside one, a quote is written with a backslash before it"
        raise _BrokenError(Span(end, end + 1), message)


def _read_word(text: str, offset: int) -> BarToken:
    """A keyword, or a word to look for; a bare colon in one is a field name gone wrong."""
    found = _WORD.match(text, offset)
    if found is None:
        span = Span(offset, offset + 1)
        char = text[offset]
        if char == "\\":
            raise _BrokenError(span, "a backslash takes the next character literally, and none follows")
        raise _BrokenError(span, f"unexpected {quoted(char)}; text that holds one goes in quotes")
    written, span = found.group(), Span(*found.span())
    keyword = _KEYWORDS.get(written.upper())
    if keyword is not None:
        return BarToken(keyword, span)
    colon = _ESCAPE.sub("__", written).find(":")
    if colon == 0:
        raise _BrokenError(Span(offset, offset + 1), "a field name stands directly before the colon, without space")
    if colon > 0:
        message = f"{quoted(written[:colon])} is no field name; text with a colon goes in quotes"
        raise _BrokenError(Span(offset, offset + colon), message)
    _refuse_glued(text, found.end())
    return BarToken(BarKind.WORD, span, operand=_bare_operand(written, offset))


def _operand(written: str, offset: int) -> Operand:
    if written[0] != '"':
        return _bare_operand(written, offset)
    return Operand(_ESCAPE.sub(r"\1", written[1:-1]), Span(offset, offset + len(written)), is_quoted=True)


def _bare_operand(written: str, offset: int) -> Operand:
    pieces: list[str] = []
    stars: list[int] = []
    length = 0
    for found in _PIECE.finditer(written):
        if found["star"]:
            stars.append(length)
        pieces.append(found["escaped"] or found.group())
        length += len(pieces[-1])
    span = Span(offset, offset + len(written))
    return Operand("".join(pieces), span, stars=tuple(stars), is_escaped="\\" in written)
