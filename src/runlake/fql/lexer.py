"""Text to tokens.

Reads a superset of what any dialect writes, in one pass and linear time. Never raises: the first thing that is no
token ends the list with a ``BROKEN`` one that carries the message, so that the parser reports whichever problem
comes first in the text.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from enum import StrEnum

from runlake.fql.numeric import looks_numeric, read_number
from runlake.fql.source import Source, Span, quoted

MAX_TEXT_BYTES = 64 * 1024
"""The longest filter text, in UTF-8."""


class TokenKind(StrEnum):
    """What a token is; the value is how a message names it."""

    NAME = "a name"
    STRING = "quoted text"
    NUMBER = "a number"
    WORD = "a bare value"
    LPAREN = '"("'
    RPAREN = '")"'
    LBRACKET = '"["'
    RBRACKET = '"]"'
    LBRACE = '"{"'
    RBRACE = '"}"'
    COMMA = '","'
    DOT = '"."'
    COLON = '":"'
    OPERATOR = "an operator"
    END = "the end of the filter"
    BROKEN = "a broken token"


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is the unescaped text of a ``STRING``, the message of a ``BROKEN`` one, else what was written."""

    kind: TokenKind
    span: Span
    text: str


_PUNCTUATION = {
    "(": TokenKind.LPAREN,
    ")": TokenKind.RPAREN,
    "[": TokenKind.LBRACKET,
    "]": TokenKind.RBRACKET,
    "{": TokenKind.LBRACE,
    "}": TokenKind.RBRACE,
    ",": TokenKind.COMMA,
    ".": TokenKind.DOT,
    ":": TokenKind.COLON,
}
_SPACE = re.compile(r"[\s\ufeff]*+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
_SEGMENT = re.compile(r"\w[\w-]*+")
_BARE = re.compile(r"[+-]?(?:[0-9]|\.[0-9])[0-9A-Za-z_.:+-]*+")
_STRING = re.compile(
    r"""
    "(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)" |
    '(?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+)'
    """,
    re.DOTALL | re.VERBOSE,
)
_OPERATOR = re.compile(r"==|!=|<>|<=|>=|=~|!~|&&|\|\||[-+*/%=<>!&|~^]")
_ESCAPE = re.compile(
    r"\\(?:u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})|x(?P<x>[0-9A-Fa-f]{2})|(?P<one>.))", re.DOTALL
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ONE_LETTER = {
    '"': '"',
    "'": "'",
    "\\": "\\",
    "/": "/",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    # Escapes of ``like`` patterns pass through, so that "100\%" need not be written "100\\%".
    "%": "\\%",
    "_": "\\_",
}
_JSON = json.JSONDecoder()
_BEHIND_STRING = (")", ",", "]", "}", ":", "")
_MAX_RECOVERIES = 16
"""How often JSON with a quote in it is tried to be read; each try may walk to the end of the text."""
_CURLY_QUOTES = "\u2018\u2019\u201a\u201c\u201d\u201e"


class _BrokenError(Exception):
    def __init__(self, span: Span, message: str) -> None:
        super().__init__(message)
        self.span = span
        self.message = message


def tokenize(source: Source) -> list[Token]:
    """All tokens of the text; the last one is ``END`` or ``BROKEN`` and no other is."""
    tokens: list[Token] = []
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        message = f"the filter is longer than {MAX_TEXT_BYTES} bytes"
        return [Token(TokenKind.BROKEN, Span(0, 0), message)]
    offset = _skip_space(source.text, 0)
    attempts = _MAX_RECOVERIES
    try:
        while offset < len(source.text):
            token = _next_token(source.text, offset, tokens)
            if attempts and _is_cut_object(source.text, token):
                attempts -= 1
                token = _whole_object(source.text, token) or token
            tokens.append(token)
            offset = _skip_space(source.text, token.span.end)
    except _BrokenError as broken:
        tokens.append(Token(TokenKind.BROKEN, broken.span, broken.message))
    else:
        tokens.append(Token(TokenKind.END, Span(offset, offset), ""))
    return tokens


def _is_cut_object(text: str, token: Token) -> bool:
    """Whether JSON text in single quotes seems to have ended at a quote inside it.

    Old clients put JSON between single quotes as it is, so that ``{"name": "O'Brien"}`` ends too early.
    """
    if token.kind is not TokenKind.STRING or text[token.span.start] != "'" or not token.text.lstrip().startswith("{"):
        return False
    behind = _skip_space(text, token.span.end)
    return text[behind : behind + 1] not in _BEHIND_STRING or not token.text.rstrip().endswith("}")


def _whole_object(text: str, token: Token) -> Token | None:
    """The token with all of the JSON object that begins in it, where a quote stands right behind that."""
    start = _skip_space(text, token.span.start + 1)
    try:
        _, end = _JSON.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    end = _skip_space(text, end)
    if text[end : end + 1] != "'":
        return None
    return Token(TokenKind.STRING, Span(token.span.start, end + 1), text[token.span.start + 1 : end])


def _skip_space(text: str, offset: int) -> int:
    found = _SPACE.match(text, offset)
    return found.end() if found else offset


def _next_token(text: str, offset: int, before: list[Token]) -> Token:
    """The token at the offset; the tokens before it tell whether a dotted path is being read."""
    char = text[offset]
    if char in "\"'":
        return _read_string(text, offset)
    previous = before[-1] if before else None
    if previous is not None and previous.kind is TokenKind.DOT and (found := _SEGMENT.match(text, offset)):
        return Token(TokenKind.NAME, Span(*found.span()), found.group())
    continues_path = (
        char == "."
        and previous is not None
        and previous.span.end == offset
        and previous.kind in (TokenKind.NAME, TokenKind.STRING)
    )
    if not continues_path and (found := _BARE.match(text, offset)):
        return _read_bare(found.group(), Span(*found.span()))
    if found := _NAME.match(text, offset):
        return Token(TokenKind.NAME, Span(*found.span()), found.group())
    if char in _PUNCTUATION:
        return Token(_PUNCTUATION[char], Span(offset, offset + 1), char)
    if found := _OPERATOR.match(text, offset):
        return Token(TokenKind.OPERATOR, Span(*found.span()), found.group())
    if char in _CURLY_QUOTES:
        raise _BrokenError(Span(offset, offset + 1), "curly quotes do not hold text; use \" or '")
    raise _BrokenError(Span(offset, offset + 1), f"unexpected character {quoted(char)}")


def _read_bare(text: str, span: Span) -> Token:
    """A number, or a bareword such as ``1s`` or ``2024-01-01T00:00:00Z``."""
    if not looks_numeric(text):
        return Token(TokenKind.WORD, span, text)
    if read_number(text) is None:
        raise _BrokenError(span, f"the number {quoted(text)} is too long or too large")
    return Token(TokenKind.NUMBER, span, text)


def _read_string(text: str, offset: int) -> Token:
    r"""Quoted text, in either kind of quotes, unescaped.

    string = '"' { char | escape } '"' | "'" { char | escape } "'"
    escape = "\" ( one of "'\\/abfnrtv%_ | "u" hex4 | "U" hex8 | "x" hex2 )
    """
    found = _STRING.match(text, offset)
    if found is None:
        raise _BrokenError(Span(offset, offset + 1), f"the text that starts here has no closing {text[offset]}")
    group = "double" if found["double"] is not None else "single"
    value = _unescape(found[group], found.start(group))
    if _SURROGATE.search(value):
        value = _join_surrogates(value, Span(*found.span()))
    return Token(TokenKind.STRING, Span(*found.span()), value)


def _unescape(body: str, base: int) -> str:
    def replace(found: re.Match[str]) -> str:
        span = Span(base + found.start(), base + found.end())
        digits = found["u"] or found["U"] or found["x"]
        if digits is not None:
            code_point = int(digits, 16)
            if code_point > sys.maxunicode:
                raise _BrokenError(span, f"{quoted(found.group())} is no character")
            return chr(code_point)
        letter = found["one"]
        if letter not in _ONE_LETTER:
            accepted = r"\" \' \\ \/ \b \f \n \r \t \uXXXX \UXXXXXXXX \xHH"
            message = f"unknown escape {quoted(found.group())}; accepted are {accepted}"
            raise _BrokenError(span, message)
        return _ONE_LETTER[letter]

    return _ESCAPE.sub(replace, body) if "\\" in body else body


def _join_surrogates(text: str, span: Span) -> str:
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise _BrokenError(span, "the text holds half of a surrogate pair") from None
