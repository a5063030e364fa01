"""Tokens: quotes, escapes, bare values, and what is no token."""

from __future__ import annotations

import pytest

from runlake.fql.lexer import MAX_TEXT_BYTES, Token, TokenKind, tokenize
from runlake.fql.source import Source, Span

UNKNOWN_ESCAPE = r"""unknown escape "\q"; accepted are \" \' \\ \/ \b \f \n \r \t \uXXXX \UXXXXXXXX \xHH"""


def tokens(text: str) -> list[tuple[TokenKind, str]]:
    return [(token.kind, token.text) for token in tokenize(Source(text))]


def only(text: str) -> Token:
    token, end = tokenize(Source(text))
    assert end.kind is TokenKind.END
    return token


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"plain"', "plain"),
        (r"'plain'", "plain"),
        ('""', ""),
        (r'"it' + "'" + r's"', "it's"),
        (r"'it\'s'", "it's"),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"a\\b\/c"', "a\\b/c"),
        (r'"\b\f\n\r\t"', "\b\f\n\r\t"),
        (r'"\a\v"', "\a\v"),
        (r'"\u00e9\u00E9"', "éé"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\U0001F600"', "😀"),
        (r'"\x41\xe9"', "Aé"),
        (r'"100\% \_"', r"100\% \_"),
        ('"two\nlines"', "two\nlines"),
        ("'ünï 😀'", "ünï 😀"),
    ],
)
def test_quoted_text_is_unescaped(literal: str, text: str) -> None:
    assert only(literal) == Token(TokenKind.STRING, Span(0, len(literal)), text)


@pytest.mark.parametrize("text", ["0", "-1", "+5", "1.5", ".5", "-.5", "5.", "1e+06", "5E-05", "007"])
def test_numbers_are_numbers(text: str) -> None:
    assert only(text).kind is TokenKind.NUMBER


@pytest.mark.parametrize(
    "text",
    ["1s", "500ms", "1.5s", "2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+02:00", "1e", "0190a1b2-c3d4"],
)
def test_values_that_start_with_a_digit_may_stand_bare(text: str) -> None:
    assert only(text) == Token(TokenKind.WORD, Span(0, len(text)), text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("metadata.user_id", ["metadata", ".", "user_id"]),
        ("outputs.0.text", ["outputs", ".", "0", ".", "text"]),
        ("metadata.user-id", ["metadata", ".", "user-id"]),
        ('metadata."my.key".x', ["metadata", ".", "my.key", ".", "x"]),
        ("metadata . a", ["metadata", ".", "a"]),
        ("metadata.größe", ["metadata", ".", "größe"]),
    ],
)
def test_dotted_paths_split_at_their_dots(text: str, parts: list[str]) -> None:
    assert [part for _, part in tokens(text)] == [*parts, ""]


def test_space_of_any_kind_separates() -> None:
    assert tokens("\ufeff eq\t(\r\n1\u00a0, .5 )") == [
        (TokenKind.NAME, "eq"),
        (TokenKind.LPAREN, "("),
        (TokenKind.NUMBER, "1"),
        (TokenKind.COMMA, ","),
        (TokenKind.NUMBER, ".5"),
        (TokenKind.RPAREN, ")"),
        (TokenKind.END, ""),
    ]


def test_operators_of_other_languages_are_read_whole() -> None:
    assert [part for _, part in tokens("a == b && c <= - d : e")] == [
        *["a", "==", "b", "&&", "c", "<=", "-", "d", ":", "e", ""],
    ]


@pytest.mark.parametrize(
    ("text", "span", "message"),
    [
        ('"abc', Span(0, 1), 'the text that starts here has no closing "'),
        ("'abc\\'", Span(0, 1), "the text that starts here has no closing '"),
        (
            r'"a\q"',
            Span(2, 4),
            UNKNOWN_ESCAPE,
        ),
        (r'"\U00110000"', Span(1, 11), r'"\U00110000" is no character'),
        (r'"\ude00\ud83d"', Span(0, 14), "the text holds half of a surrogate pair"),
        ("'\ud800'", Span(0, 3), "the text holds half of a surrogate pair"),
        ("“a”", Span(0, 1), "curly quotes do not hold text; use \" or '"),
        ("#", Span(0, 1), 'unexpected character "#"'),
        ("1" * 101, Span(0, 101), f'the number "{"1" * 37}..." is too long or too large'),
        ("1e400", Span(0, 5), 'the number "1e400" is too long or too large'),
        ("1e99999999999999999999", Span(0, 22), 'the number "1e99999999999999999999" is too long or too large'),
    ],
)
def test_the_first_thing_that_is_no_token_ends_the_list(text: str, span: Span, message: str) -> None:
    *_, last = tokenize(Source("eq(" + text))
    assert (last.kind, last.text) == (TokenKind.BROKEN, message)
    (broken,) = tokenize(Source(text))
    assert broken == Token(TokenKind.BROKEN, span, message)


def test_the_longest_text_is_counted_in_bytes() -> None:
    fits = '"' + "é" * (MAX_TEXT_BYTES // 2 - 1) + '"'
    assert only(fits).kind is TokenKind.STRING
    (broken,) = tokenize(Source(fits + " "))
    assert broken.text == "the filter is longer than 65536 bytes"
